//! What the boot server serves, and where: plain values, already checked by the caller.

use crate::counters::Counters;
use crate::files::Files;
use crate::leases::Leases;
use crate::peers::Peers;
use crate::status::Status;
use pxe_proto::dhcp::{Mode, Settings, Subnet};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// One network that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name, handed to the directory with every client.
    pub name: String,
    /// The interface that it is served on.
    pub interface: String,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// What DHCP does on it; `None`: nothing. TFTP and HTTP are served either way.
    pub dhcp: Option<Dhcp>,
    /// Whether router solicitations are answered ("no router here").
    pub router_advertisements: bool,
}

/// DHCP on one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcp {
    /// What it does.
    pub mode: Mode,
    /// The server identifier (option 54); it stays the same for as long as leases run.
    pub identifier: Ipv4Addr,
    /// The link's own subnet, then those behind relays. Never empty.
    pub subnets: Vec<Subnet>,
    /// Whether an address is probed when it is offered.
    pub conflict_probe: bool,
    /// What is done about another DHCP server.
    pub rogue: RoguePolicy,
    /// Other DHCP servers that may be there.
    pub known_servers: Vec<Ipv4Addr>,
}

/// What is done when another DHCP server is noticed on a network (requirement R-47).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoguePolicy {
    /// It is shown, and we keep silent until it is gone: the network is not ours.
    #[default]
    Silent,
    /// It is shown.
    Alarm,
    /// Nothing; nothing is sent to find one.
    Ignore,
}

/// The ports that are used. Zero for `tftp` and `http` takes any free one (tests).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// DHCP, ours.
    pub dhcp_server: u16,
    /// DHCP, the clients'.
    pub dhcp_client: u16,
    /// ProxyDHCP: where PXE ROMs ask what to boot.
    pub proxy_dhcp: u16,
    /// TFTP.
    pub tftp: u16,
    /// Boot HTTP.
    pub http: u16,
}

impl Default for Ports {
    /// 67, 68, 4011, 69 and 8080.
    fn default() -> Self {
        Ports { dhcp_server: 67, dhcp_client: 68, proxy_dhcp: 4011, tftp: 69, http: 8080 }
    }
}

/// What the boot server serves.
#[derive(Clone)]
pub struct Config {
    /// The networks.
    pub networks: Vec<Network>,
    /// The ports.
    pub ports: Ports,
    /// The files, by name.
    pub files: Arc<Files>,
    /// Whose addresses they are; the caller may keep a handle.
    pub peers: Arc<Peers>,
    /// Who has which address. The caller runs its keeper.
    pub leases: Leases,
    /// What is counted; the caller keeps a handle for `/metrics`.
    pub counters: Arc<Counters>,
    /// What is known of the networks now; the caller keeps a handle for the API.
    pub status: Arc<Status>,
    /// Further routes of the boot HTTP server, such as `/boot/phone-home/…`. Handlers find the peer in
    /// `axum::extract::ConnectInfo<SocketAddr>`.
    pub routes: axum::Router,
}

impl Dhcp {
    /// The same as `pxe-proto` wants it; `server` is our address, `http_port` that of the boot HTTP server there.
    pub(crate) fn settings(&self, server: Ipv4Addr, http_port: u16) -> Settings {
        Settings {
            mode: self.mode,
            server,
            identifier: self.identifier,
            http_port,
            subnets: self.subnets.clone(),
        }
    }
}
