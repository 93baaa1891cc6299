//! LAN configuration (section 23.1, 23.2): `ipmi-rs-core`'s two commands, and the parameters that it doesn't read.
//!
//! Deliberately not here: alerting (destinations, community strings) and ARP.

pub use ipmi_rs_core::transport::{
    GetLanConfigParameters, IpAddressSource, Ipv4Address, Ipv6Address, Ipv6DynamicAddress, Ipv6Ipv4Enables,
    Ipv6StaticAddress, LanConfigParameter, LanConfigParameterData, LanConfigParameterRequest,
    LanConfigParameterResponse, MacAddress, SetLanConfigParameters,
};

/// Number of Set LAN Configuration Parameters under the transport network function.
pub const SET_COMMAND: u8 = 0x01;
/// Number of Get LAN Configuration Parameters under the transport network function.
pub const GET_COMMAND: u8 = 0x02;
/// Completion code: the BMC does not have the parameter.
pub const PARAMETER_UNSUPPORTED: u8 = 0x80;
/// Completion code: somebody else is setting parameters.
pub const SET_IN_PROGRESS: u8 = 0x81;
/// Completion code: the parameter can't be written.
pub const READ_ONLY: u8 = 0x82;

/// Parameters (table 23-4).
pub mod parameter {
    /// Set in progress.
    pub const SET_IN_PROGRESS: u8 = 0;
    /// IPMI 1.5 authentication types that it has (read only).
    pub const AUTHENTICATION_SUPPORT: u8 = 1;
    /// IPMI 1.5 authentication types per privilege.
    pub const AUTHENTICATION_ENABLES: u8 = 2;
    /// IPv4 address.
    pub const ADDRESS: u8 = 3;
    /// Where the address comes from.
    pub const ADDRESS_SOURCE: u8 = 4;
    /// MAC address.
    pub const MAC: u8 = 5;
    /// Netmask.
    pub const NETMASK: u8 = 6;
    /// Default gateway.
    pub const GATEWAY: u8 = 12;
    /// VLAN.
    pub const VLAN: u8 = 20;
    /// VLAN priority.
    pub const VLAN_PRIORITY: u8 = 21;
    /// How many cipher suites there are (read only).
    pub const CIPHER_SUITE_COUNT: u8 = 22;
    /// The cipher suites (read only).
    pub const CIPHER_SUITES: u8 = 23;
    /// The most that a session may do with each suite.
    pub const CIPHER_SUITE_PRIVILEGES: u8 = 24;
    /// Whether IPv4, IPv6 or both can be enabled (read only).
    pub const IPV6_SUPPORT: u8 = 50;
    /// Whether IPv4, IPv6 or both are enabled.
    pub const IPV6_ENABLES: u8 = 51;
    /// How many IPv6 addresses there can be (read only).
    pub const IPV6_STATUS: u8 = 55;
    /// IPv6 static addresses.
    pub const IPV6_STATIC: u8 = 56;
    /// IPv6 dynamic addresses (read only).
    pub const IPV6_DYNAMIC: u8 = 59;
}

/// The VLAN of parameter 20. `None`: it is in none, or the bytes are too few.
pub fn vlan(data: &[u8]) -> Option<u16> {
    let &[low, high, ..] = data else { return None };
    (high & 0x80 != 0).then(|| u16::from_le_bytes([low, high & 0x0F]))
}

/// Parameter 20 for a VLAN, or for none.
pub fn vlan_bytes(vlan: Option<u16>) -> [u8; 2] {
    match vlan.map(u16::to_le_bytes) {
        Some([low, high]) => [low, high & 0x0F | 0x80],
        None => [0, 0],
    }
}

/// The cipher suites of parameters 22 and 23.
pub fn cipher_suites(count: &[u8], entries: &[u8]) -> Vec<u8> {
    // A reserved byte is before the suites.
    let suites = entries.get(1..).unwrap_or_default();
    // Only 16 fit; some BMCs leave the count out or send one that is too large.
    let count = count.first().map_or(suites.len(), |count| usize::from(count & 0x1F));
    suites.iter().copied().take(count.min(16)).collect()
}

/// Parameter 24 for as many suites as there are limits (of four bits each): 0 is "unused".
pub fn suite_privileges(limits: &[u8]) -> [u8; 9] {
    let mut bytes = [0; 9];
    for (index, limit) in limits.iter().take(16).enumerate() {
        bytes[1 + index / 2] |= (limit & 0x0F) << (index % 2 * 4);
    }
    bytes
}

/// The limit of the suite at this place in parameter 23, by parameter 24. `None`: unused, or not told.
pub fn suite_privilege(data: &[u8], index: usize) -> Option<u8> {
    let byte = data.get(1 + index / 2).filter(|_| index < 16)?;
    Some(byte >> (index % 2 * 4) & 0x0F).filter(|limit| *limit != 0)
}
