//! Networks that are declared, and the leases that were handed out on them.

use crate::MachineId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A declared network. Declared in the configuration file; read-only here.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The interface that it is served on.
    pub interface: String,
    /// CIDR.
    pub subnet: String,
    /// First and last address that may be leased.
    pub range: (String, String),
    /// What DHCP does on it.
    pub dhcp: DhcpMode,
    /// Our address on it.
    pub address: String,
    /// Router given to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Name servers given to clients.
    #[serde(default)]
    pub dns: Vec<String>,
    /// Whether unknown machines that netboot are inventoried.
    pub discovery: bool,
    /// Leases in use.
    pub leases: u64,
}

/// What DHCP does on a network.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum DhcpMode {
    /// Hands out addresses and boots.
    Full,
    /// Does nothing.
    Off,
}

/// `GET /v1/networks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkList {
    /// The networks, by name.
    pub items: Vec<Network>,
}

/// A lease.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Lease {
    /// The network.
    pub network: String,
    /// The address.
    pub address: String,
    /// Who has it.
    pub mac: String,
    /// The machine with that MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// Until when.
    pub expires: Timestamp,
}

/// `GET /v1/networks/{network}/leases`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeaseList {
    /// The leases, by address.
    pub items: Vec<Lease>,
}
