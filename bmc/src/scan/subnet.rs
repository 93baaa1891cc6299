//! The addresses that are searched.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An IPv4 network, or a part of one. IPv6 networks are too large to be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    base: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// Its hosts: without the network's and the broadcast address.
    pub(super) fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let (first, count) = (u64::from(u32::from(self.base)), self.size());
        let edge = u64::from(self.prefix < 31);
        // They are below 2^32: the prefix ends there.
        (first + edge..first + count - edge).filter_map(|n| u32::try_from(n).ok()).map(Ipv4Addr::from)
    }

    /// How many addresses it has.
    pub(super) fn size(self) -> u64 {
        1 << (32 - u32::from(self.prefix))
    }

    /// Whether all of the other one lies in this one.
    pub fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(IpAddr::V4(other.base))
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let base = u64::from(u32::from(self.base));
        (base..base + self.size()).contains(&u64::from(u32::from(address)))
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no IPv4 subnet; write it like 10.0.0.0/24");
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let base = Ipv4Addr::from(u32::from(address) & mask);
        if base != address {
            return Err(format!("`{text}` names a host, not a subnet; did you mean {base}/{prefix}?"));
        }
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn hosts() {
        for (text, first, last, count) in [
            ("10.0.0.0/24", "10.0.0.1", "10.0.0.254", 254),
            ("10.0.0.8/31", "10.0.0.8", "10.0.0.9", 2),
            ("10.0.0.8/32", "10.0.0.8", "10.0.0.8", 1),
            ("10.0.0.8", "10.0.0.8", "10.0.0.8", 1),
            ("255.255.255.252/30", "255.255.255.253", "255.255.255.254", 2),
        ] {
            let hosts: Vec<Ipv4Addr> = subnet(text).hosts().collect();
            let ends = (hosts[0].to_string(), hosts[hosts.len() - 1].to_string());
            assert_eq!((ends.0.as_str(), ends.1.as_str(), hosts.len()), (first, last, count), "{text}");
        }
    }

    #[test]
    fn what_is_no_subnet() {
        for text in ["", "10.0.0.0/33", "10.0.0/24", "fd00::/64", "10.0.0.0/-1"] {
            assert!(text.parse::<Subnet>().unwrap_err().contains("write it like"), "{text}");
        }
        assert!("10.0.0.7/24".parse::<Subnet>().unwrap_err().contains("10.0.0.0/24?"));
    }

    #[test]
    fn one_in_another() {
        let declared = subnet("10.0.0.0/22");
        assert!(declared.covers(subnet("10.0.3.0/24")) && declared.covers(declared));
        assert!(!declared.covers(subnet("10.0.4.0/24")) && !declared.covers(subnet("10.0.0.0/21")));
        assert!(subnet("0.0.0.0/0").covers(declared));
        assert!(declared.contains("10.0.3.255".parse().unwrap()));
        assert!(!declared.contains("::1".parse().unwrap()));
    }
}
