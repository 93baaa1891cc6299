//! One network as its DHCP clients are told about it: the link itself and the subnets behind its relays.
//!
//! Which addresses are free is not here: that is `lease`.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// What DHCP does on a network; a network without DHCP has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Gives addresses to everybody and boots machines.
    Full,
    /// Gives addresses to those who have a reservation, and keeps silent to the others.
    ReservedOnly,
    /// Gives no addresses, but boots machines beside another DHCP server.
    Proxy,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What is done on it.
    pub mode: Mode,
    /// Our address on it: TFTP and HTTP server.
    pub server: Ipv4Addr,
    /// The server identifier (option 54). It stays the same for as long as leases run.
    pub identifier: Ipv4Addr,
    /// Port of the boot HTTP server at `server`.
    pub http_port: u16,
    /// The link's own subnet, then those behind relays. Never empty.
    pub subnets: Vec<Subnet>,
}

impl Settings {
    /// The subnet of the link itself.
    ///
    /// # Panics
    /// Without any subnet, which the configuration rules out.
    #[must_use]
    pub fn link(&self) -> &Subnet {
        &self.subnets[0]
    }

    /// The place of the subnet that an address is of, as a host.
    #[must_use]
    pub fn place_of(&self, address: Ipv4Addr) -> Option<usize> {
        self.subnets.iter().position(|subnet| subnet.contains(address))
    }

    /// For how many seconds an address of a subnet is given, to firmware or to an operating system.
    #[must_use]
    pub fn lease(&self, subnet: usize, firmware: bool) -> u32 {
        let subnet = self.subnets.get(subnet).unwrap_or(self.link());
        if firmware { subnet.firmware_lease } else { subnet.system_lease }
    }
}

/// One subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its first address.
    pub address: Ipv4Addr,
    /// Length of its prefix, 0 to 32.
    pub prefix: u8,
    /// The relay (giaddr) that reaches it too; without one, any relay with an address inside it does.
    pub relay: Option<Ipv4Addr>,
    /// Routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Time servers.
    pub ntp: Vec<Ipv4Addr>,
    /// The domain name (option 15).
    pub domain: Option<String>,
    /// Domains to search (option 119).
    pub search: Vec<String>,
    /// Largest packet of the link, in bytes (option 26).
    pub mtu: Option<u16>,
    /// Classless routes (option 121); the default route is added from `routers`.
    pub routes: Vec<Route>,
    /// Further options, code and value; those of which [`is_ours`](super::is_ours) are left out.
    pub options: Vec<(u8, Vec<u8>)>,
    /// The URL of option 114.
    pub url: Option<String>,
    /// Lease of firmware and loaders, in seconds: short, the next stage asks again.
    pub firmware_lease: u32,
    /// Lease of operating systems and of our agent, in seconds.
    pub system_lease: u32,
    /// When to renew, in seconds; half of the lease unless given.
    pub t1: Option<u32>,
    /// When to rebind, in seconds; seven eighths of the lease unless given.
    pub t2: Option<u32>,
}

/// A classless route (RFC 3442).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub to: Ipv4Addr,
    /// Length of the destination's prefix.
    pub prefix: u8,
    /// The router.
    pub via: Ipv4Addr,
}

impl Subnet {
    /// A subnet of which nothing is told but its mask and the default lease times.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix: u8) -> Self {
        Subnet {
            address,
            prefix,
            relay: None,
            routers: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            search: Vec::new(),
            mtu: None,
            routes: Vec::new(),
            options: Vec::new(),
            url: None,
            firmware_lease: 600,
            system_lease: 12 * 3600,
            t1: None,
            t2: None,
        }
    }

    /// Whether an address belongs to the subnet, as a host.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::from(self.mask());
        let (address, own) = (u32::from(address), u32::from(self.address));
        let host = address & !mask;
        let is_host = self.prefix >= 31 || (host != 0 && host != !mask);
        address & mask == own & mask && is_host
    }

    /// Whether an address is within the subnet, its first and last included.
    #[must_use]
    pub fn covers(&self, address: Ipv4Addr) -> bool {
        let mask = u32::from(self.mask());
        u32::from(address) & mask == u32::from(self.address) & mask
    }

    /// The subnet mask.
    #[must_use]
    pub fn mask(&self) -> Ipv4Addr {
        let bits = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        Ipv4Addr::from(bits)
    }
}
