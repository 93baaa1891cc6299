//! Where the service is, for everything that talks to it; and the address plan of a fleet on one host.
//!
//! All of it is loopback: 127.0.0.0/8 is local on every Linux, and a socket may be bound to any address of it without
//! root. So each machine really has the address that it was leased. How the service comes to run there is `process`.

use images_agent::PermitKey;
use provisioner_api::Secret;
use provisioner_client::{Client, ClientError, Connection};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The service's own address.
pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The DHCP relay of all machines. Messages that come from it are of the machines' subnet.
pub(crate) const RELAY: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);

/// The machines' subnet: `127.64.0.0/17`.
pub(crate) const SUBNET: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 64, 0, 0), 17);

/// The first and the last address that is leased.
pub(crate) const RANGE: (Ipv4Addr, Ipv4Addr) =
    (Ipv4Addr::new(127, 64, 1, 0), Ipv4Addr::new(127, 64, 127, 254));

/// Where the service is, and how to log in.
#[derive(Debug, Clone)]
pub struct Site {
    /// The API: `https://127.0.0.1:17443`.
    pub api: String,
    /// The certificate of its CA, PEM.
    pub ca_pem: String,
    /// The key that its permits are signed with.
    pub permit_key: PermitKey,
    /// The administrator's token.
    pub token: Secret,
    /// The boot server's plain HTTP.
    pub boot_http: SocketAddr,
    /// DHCP.
    pub dhcp: SocketAddrV4,
    /// TFTP.
    pub tftp: SocketAddrV4,
    /// The relay's own address, where the service sends its answers to (at its own DHCP port).
    pub relay: Ipv4Addr,
}

impl Site {
    /// A client of the REST API, as the administrator.
    ///
    /// # Errors
    /// When address, token or certificate can't be used.
    pub fn client(&self) -> Result<Client, ClientError> {
        Client::new(&Connection {
            url: self.api.clone(),
            token: self.token.clone(),
            ca_pem: self.ca_pem.clone(),
        })
    }
}
