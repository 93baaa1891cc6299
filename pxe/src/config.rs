//! What the boot server serves, and where: plain values, already checked by the caller.

use crate::files::Files;
use pxe_proto::dhcp::Settings;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// One network that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name, handed to the directory with every client.
    pub name: String,
    /// The interface that it is served on.
    pub interface: String,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// Router given to clients.
    pub router: Option<Ipv4Addr>,
    /// Name servers given to clients.
    pub dns: Vec<Ipv4Addr>,
    /// Whether DHCP is answered on it. TFTP and HTTP are served either way.
    pub dhcp: bool,
    /// How long addresses are lent.
    pub leases: Leases,
}

/// How long addresses are lent; the directory must keep an address for at least as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leases {
    /// To firmware and loaders (`Client::firmware` is set): short, the next stage asks again.
    pub firmware: Duration,
    /// To everything else.
    pub system: Duration,
}

impl Default for Leases {
    /// Ten minutes for firmware, twelve hours for systems.
    fn default() -> Self {
        Leases { firmware: Duration::from_secs(600), system: Duration::from_secs(12 * 3600) }
    }
}

/// The ports that are used. Zero for `tftp` and `http` takes any free one (tests).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// DHCP, ours.
    pub dhcp_server: u16,
    /// DHCP, the clients'.
    pub dhcp_client: u16,
    /// TFTP.
    pub tftp: u16,
    /// Boot HTTP.
    pub http: u16,
}

impl Default for Ports {
    /// 67, 68, 69 and 8080.
    fn default() -> Self {
        Ports { dhcp_server: 67, dhcp_client: 68, tftp: 69, http: 8080 }
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
    /// Further routes of the boot HTTP server, such as `/boot/phone-home/…`. Handlers find the peer in
    /// `axum::extract::ConnectInfo<SocketAddr>`.
    pub routes: axum::Router,
}

impl Network {
    /// The network as `pxe-proto` wants it.
    pub(crate) fn settings(&self, http_port: u16) -> Settings {
        let seconds = |lease: Duration| u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
        Settings {
            server: self.address,
            prefix: self.prefix,
            router: self.router,
            dns: self.dns.clone(),
            firmware_lease: seconds(self.leases.firmware),
            system_lease: seconds(self.leases.system),
            http_port,
        }
    }
}
