//! Addresses with their prefixes, of IPv4 and IPv6.

use std::{fmt, net::IpAddr, str::FromStr};

/// An address and how many of its bits are the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cidr {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Cidr {
    /// Whether an address is on the same link.
    pub(super) fn contains(self, other: IpAddr) -> bool {
        match (bits(self.address), bits(other)) {
            ((own, width), (others, same)) if width == same => {
                own & self.mask(width) == others & self.mask(width)
            }
            _ => false,
        }
    }

    /// Whether its address is that of the network, as a route's has to be.
    pub(super) fn is_network(self) -> bool {
        let (own, width) = bits(self.address);
        own & !self.mask(width) == 0
    }

    /// Whether its address is that of the network or its broadcast, which no host has. Of two addresses (RFC 3021), or one,
    /// each is a host's; IPv6 has no broadcast.
    pub(super) fn is_no_host(self) -> bool {
        let (own, width) = bits(self.address);
        let hosts = !self.mask(width) & (u128::MAX >> (128 - u32::from(width)));
        let part = own & hosts;
        self.address.is_ipv4() && self.prefix <= 30 && (part == 0 || part == hosts)
    }

    /// The bits of the network as an address.
    pub(super) fn netmask(self) -> IpAddr {
        match bits(self.address).1 {
            // The lower 32 bits of it are all that there are.
            32 => IpAddr::V4((self.mask(32) as u32).into()),
            width => IpAddr::V6(self.mask(width).into()),
        }
    }

    /// The bits of the network, of so many in all.
    fn mask(self, width: u8) -> u128 {
        // A shift by all 128 is none at all.
        u128::MAX.checked_shl(u32::from(width - self.prefix)).unwrap_or(0)
    }
}

/// An address as a number, and of how many bits.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let plain = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| plain).ok_or(())?;
        (prefix <= bits(address).1).then_some(Self { address, prefix }).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn who_is_on_the_link() {
        for (link, other, on) in [
            ("10.0.0.5/24", "10.0.0.254", true),
            ("10.0.0.5/24", "10.0.1.1", false),
            ("10.0.0.5/0", "192.0.2.1", true),
            ("10.0.0.5/32", "10.0.0.5", true),
            ("10.0.0.5/32", "10.0.0.4", false),
            ("10.0.0.5/0", "::1", false),
            ("2001:db8::5/64", "2001:db8::ffff", true),
            ("2001:db8::5/64", "2001:db8:0:1::1", false),
            ("2001:db8::5/0", "fe80::1", true),
        ] {
            assert_eq!(cidr(link).contains(other.parse().unwrap()), on, "{link} {other}");
        }
    }

    #[test]
    fn networks_and_hosts() {
        for (text, network, no_host) in [
            ("10.0.0.0/24", true, true),
            ("10.0.0.255/24", false, true),
            ("10.0.0.5/24", false, false),
            ("10.0.0.4/31", true, false),
            ("10.0.0.5/32", true, false),
            ("0.0.0.0/0", true, true),
            ("2001:db8::/64", true, false),
            ("2001:db8::1/64", false, false),
        ] {
            assert_eq!((cidr(text).is_network(), cidr(text).is_no_host()), (network, no_host), "{text}");
            assert_eq!(cidr(text).to_string(), text);
        }
        for bad in ["", "10.0.0.1", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/+4", "x/24", "::/129", "10.0.0/24"]
        {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}
