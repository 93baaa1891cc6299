//! Networks that are declared, and the leases that were handed out on them.

use crate::{BootChain, MachineId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A declared network. Declared in the configuration file; read-only here.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The interface that it is served on.
    pub interface: String,
    /// What DHCP does on it.
    pub dhcp: DhcpMode,
    /// Our address on it.
    pub address: String,
    /// The server identifier of DHCP (option 54).
    pub server_identifier: String,
    /// Whether unknown machines that netboot are inventoried.
    pub discovery: bool,
    /// How machines boot that say nothing themselves.
    #[serde(default)]
    pub boot_chain: BootChain,
    /// The link's own subnet, then those behind relays.
    pub subnets: Vec<Subnet>,
    /// What is so.
    pub status: NetworkStatus,
}

/// A subnet of a network.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Subnet {
    /// The name by which addresses are asked for; the network's own of its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// CIDR.
    pub subnet: String,
    /// The relay that reaches it too; any relay with an address inside it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// First and last address of each range that may be leased.
    #[serde(default)]
    pub ranges: Vec<(String, String)>,
    /// First and last address of what is not leased although it is in a range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<(String, String)>,
    /// First and last address of each range that static and virtual addresses are taken from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_ranges: Vec<(String, String)>,
    /// Router given to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Name servers given to clients.
    #[serde(default)]
    pub dns: Vec<String>,
    /// How many addresses may be leased.
    pub addresses: u64,
    /// How many of them are leased now.
    pub used: u64,
    /// How many of them are free. What is offered, reserved or in quarantine is neither used nor free.
    pub free: u64,
}

/// What is observed on a network.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkStatus {
    /// Whether we keep silent there because of another DHCP server.
    #[serde(default)]
    pub silent: bool,
    /// What an operator should know, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Leases in use.
    pub leases: u64,
    /// Reservations.
    pub reservations: u64,
    /// Addresses in quarantine, because somebody else was found to use them.
    pub quarantined: u64,
    /// Other DHCP servers that were heard and should not be there.
    #[serde(default)]
    pub rogues: Vec<OtherServer>,
    /// Other DHCP servers that were heard and may be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<OtherServer>,
    /// Relays that speak for no declared subnet; they get no answer.
    #[serde(default)]
    pub undeclared_relays: Vec<UndeclaredRelay>,
}

/// A DHCP server that is not ours.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OtherServer {
    /// Its identifier (option 54), or the address that it sent from.
    pub server: String,
    /// The hardware address that it sent from.
    pub mac: String,
    /// Whether it gives addresses; `false` for one that tells only what to boot.
    pub gives_addresses: bool,
    /// When it was first heard.
    pub first_seen: Timestamp,
    /// When it was last heard.
    pub last_seen: Timestamp,
}

/// A relay that speaks for no declared subnet.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UndeclaredRelay {
    /// Its address (giaddr).
    pub relay: String,
    /// How many packets came through it.
    pub packets: u64,
    /// When the last did.
    pub last_seen: Timestamp,
}

/// What DHCP does on a network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DhcpMode {
    /// Hands out addresses and boots.
    Full,
    /// Hands out addresses to those who have a reservation, boots them, and keeps silent to all others.
    ReservedOnly,
    /// Hands out no addresses, but boots machines beside another DHCP server.
    Proxy,
    /// Does nothing.
    Off,
}

/// `GET /v1/networks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkList {
    /// The networks, by name.
    pub items: Vec<Network>,
}

/// A lease.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// The network.
    pub network: String,
    /// The address.
    pub address: String,
    /// Who has it.
    pub mac: String,
    /// What became of it.
    pub state: LeaseState,
    /// The machine with that MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// That machine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// What the client calls itself (option 12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The relay through which it asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<LeaseRelay>,
    /// Until when.
    pub expires: Timestamp,
}

/// What became of a lease.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// It runs.
    Active,
    /// It was given back. Its client gets the same again while nobody else needs it.
    Released,
    /// It ran out. Its client gets the same again while nobody else needs it.
    Expired,
    /// Somebody else was found to use the address: nobody gets it until `expires`.
    Quarantined,
}

/// The relay through which a client asked.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseRelay {
    /// Its address (giaddr); none if it only left a note on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The circuit (option 82, sub-option 1): text if it is some, else hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<String>,
    /// The remote id (option 82, sub-option 2): text if it is some, else hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
}

/// `GET /v1/networks/{network}/leases`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseList {
    /// The leases, by address.
    pub items: Vec<Lease>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A reservation: this client always gets this address. Also the body of
/// `POST /v1/networks/{network}/reservations`; adding the same again changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// The client's hardware address.
    pub mac: String,
    /// The address, in one of the network's subnets.
    pub address: String,
}

/// `GET /v1/networks/{network}/reservations`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReservationList {
    /// The reservations, by address.
    pub items: Vec<Reservation>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
