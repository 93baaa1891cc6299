//! The network of an instance as it is asked for: interfaces, by which cards they go, and what addresses they have.
//!
//! What the operating system makes of it, network-config version 2, is rendered by the service. What may be written here
//! is checked there, too.

use serde::{Deserialize, Serialize};

/// The network of an instance's operating system. What is not named here is left alone there.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Its interfaces, 1 to 64.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 64))]
    pub interfaces: Vec<InterfaceSpec>,
    /// Virtual addresses that its software carries, by the names under which they were claimed. Nothing is rendered from
    /// them; while the instance is there, they can't be released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub virtual_addresses: Vec<String>,
}

/// One interface: exactly one of `nic`, `bond`, `vlan` and `bridge` says what it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InterfaceSpec {
    /// Its name in the operating system, 1 to 15 characters.
    pub name: String,
    /// A network card of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nic: Option<NicMatch>,
    /// Several network cards as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond: Option<BondSpec>,
    /// A tagged network (IEEE 802.1Q) on another interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanSpec>,
    /// A bridge of other interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<BridgeSpec>,
    /// The largest packet, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Whether it asks for an IPv4 address by DHCP.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dhcp4: bool,
    /// Whether it asks for an IPv6 address by DHCPv6.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dhcp6: bool,
    /// Static addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressSpec>,
    /// The default router for IPv4: an address, or `auto` for that of the subnet that an address is taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The default router for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway6: Option<String>,
    /// Other routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteSpec>,
    /// Name servers; those of the subnet that an address is taken from when there are none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Domains that short names are searched in; those of that subnet when there are none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
}

/// Which network card, by the machine's inventory: by one of these, or the one that the machine boots from.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NicMatch {
    /// The one with this MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The one with this name in the inventory: `billet machine show` tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The one in this place of the inventory, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

/// Several network cards as one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BondSpec {
    /// The interfaces that it is made of, by name; each is a `nic`.
    pub members: Vec<String>,
    /// How they share the work.
    #[serde(default)]
    pub mode: BondMode,
    /// How often LACP speaks. Only with `802.3ad`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacp_rate: Option<LacpRate>,
    /// How often the links are looked at, in milliseconds; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mii_monitor_interval: Option<u32>,
    /// By what a packet's card is chosen. Only with `balance-xor`, `802.3ad` and `balance-tlb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmit_hash_policy: Option<TransmitHash>,
}

/// How the cards of a bond share the work (Linux, `networking/bonding.rst`).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BondMode {
    /// One after the other.
    BalanceRr,
    /// One works, another takes its place when it fails.
    #[default]
    ActiveBackup,
    /// By a hash of each packet.
    BalanceXor,
    /// All send everything.
    Broadcast,
    /// By LACP, which the switch has to speak, too (IEEE 802.3ad, now 802.1AX).
    #[serde(rename = "802.3ad")]
    Lacp,
    /// By the load of each card.
    BalanceTlb,
    /// The same, for what is received, too.
    BalanceAlb,
}

/// How often LACP speaks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LacpRate {
    /// Each 30 s.
    Slow,
    /// Each second.
    Fast,
}

/// By what a packet's card is chosen.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TransmitHash {
    /// MAC addresses.
    #[serde(rename = "layer2")]
    Layer2,
    /// MAC and IP addresses.
    #[serde(rename = "layer2+3")]
    Layer23,
    /// IP addresses and ports.
    #[serde(rename = "layer3+4")]
    Layer34,
    /// MAC and IP addresses inside of tunnels.
    #[serde(rename = "encap2+3")]
    Encap23,
    /// IP addresses and ports inside of tunnels.
    #[serde(rename = "encap3+4")]
    Encap34,
}

/// A tagged network on another interface.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VlanSpec {
    /// Its number, 1 to 4094.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 4094))]
    pub id: u32,
    /// The interface that carries it, by name.
    pub on: String,
}

/// A bridge of other interfaces.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BridgeSpec {
    /// The interfaces that it is made of, by name.
    pub members: Vec<String>,
    /// Whether it speaks the spanning tree protocol.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stp: bool,
}

/// A static address: written down, or out of the address plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddressSpec {
    /// The subnet of the address plan that it is taken from: a name of the configuration file, or its CIDR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The address: with its prefix (`192.0.2.10/24`), or, of that subnet, without; a free one of that when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A route.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Where to: `10.0.0.0/8`.
    pub to: String,
    /// The router.
    pub via: String,
    /// Of several routes to the same place the one with the lowest is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
}

fn is_false(value: &bool) -> bool {
    !value
}
