//! The usual sites: the service on one link, and names for what is on it.

use anyhow::Result;
use std::net::Ipv4Addr;
use std::path::Path;
use tests::net::{Namespace, SERVER, Service, cable};

/// Addresses of the link.
pub(crate) struct Address;

impl Address {
    /// That with this last byte.
    pub(crate) fn of(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, last)
    }
}

/// The configuration of one network `lan` on the interface `lan0`, with these further lines.
pub(crate) fn link(network: &str) -> String {
    format!(
        "[[networks]]\nname = \"lan\"\ninterface = \"lan0\"\naddress = \"{SERVER}\"\nsubnet = \"10.77.0.0/24\"\n{network}"
    )
}

/// The service and a client on one cable, the interface `lan0` on both.
pub(crate) fn pair(folder: &Path, network: &str) -> Result<(Service, Namespace)> {
    let (server, client) = (Namespace::new()?, Namespace::new()?);
    cable((&server, "lan0"), (&client, "lan0"))?;
    server.ip(&format!("addr add {SERVER}/24 dev lan0"))?;
    Ok((Service::start(server, folder, &link(network))?, client))
}

/// The hardware address with this last byte.
pub(crate) fn mac(last: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0x77, 0, last]
}

/// The same as text.
pub(crate) fn mac_text(last: u8) -> String {
    mac(last).map(|byte| format!("{byte:02x}")).join(":")
}
