//! From a machine's settings to where its BMC is. Pure.

use bmc::{Cipher, Credentials, Endpoint, Privilege, Protocol, Trust};
use provisioner_api::{BmcProtocol, BmcSpec};
use std::net::{Ipv4Addr, SocketAddr};

/// Where a BMC is. Settings were checked when they were given; what can't be read all the same is left out.
pub(super) fn endpoint(spec: &BmcSpec, credentials: Credentials) -> Endpoint {
    let (mut host, mut port) = (String::new(), None);
    let protocol = match spec.protocol {
        BmcProtocol::Ipmi => {
            (host, port) = split_address(&spec.address);
            Protocol::Ipmi {
                cipher: if spec.cipher_suite == Some(3) { Cipher::Suite3 } else { Cipher::Suite17 },
                privilege: Privilege::default(),
            }
        }
        BmcProtocol::Redfish => {
            (host, port) = split_address(&spec.address);
            Protocol::Redfish { trust: trust(spec) }
        }
        BmcProtocol::Manual => Protocol::Manual,
        BmcProtocol::Webhook => Protocol::Webhook { url: spec.address.clone(), trust: trust(spec) },
        BmcProtocol::WakeOnLan => Protocol::WakeOnLan { mac: mac(spec), to: wake_to(&spec.address) },
        BmcProtocol::Libvirt => Protocol::Libvirt { uri: spec.address.clone(), domain: domain(spec) },
        BmcProtocol::Vbox => Protocol::VirtualBox { machine: domain(spec) },
    };
    Endpoint { protocol, host, port, credentials, keeper: None }
}

/// Whose certificate is believed.
fn trust(spec: &BmcSpec) -> Trust {
    if let Some(pem) = &spec.tls_ca {
        return Trust::Authorities(pem.clone());
    }
    let pin = spec.tls_sha256.as_ref().and_then(|pin| hex::decode(pin).ok()?.try_into().ok());
    pin.map_or(Trust::FirstUse, Trust::Pinned)
}

fn domain(spec: &BmcSpec) -> String {
    spec.domain.clone().unwrap_or_default()
}

fn mac(spec: &BmcSpec) -> [u8; 6] {
    let digits: String =
        spec.mac.iter().flat_map(|mac| mac.chars()).filter(char::is_ascii_hexdigit).collect();
    hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

/// Where a magic packet goes: everybody on the wire when nothing is given, and port 9 (discard).
fn wake_to(address: &str) -> SocketAddr {
    let (host, port) = split_address(address);
    SocketAddr::new(host.parse().unwrap_or(Ipv4Addr::BROADCAST.into()), port.unwrap_or(9))
}

/// Splits `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
pub(crate) fn split_address(address: &str) -> (String, Option<u16>) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host.to_owned(), rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host.to_owned(), port.parse().ok()),
        _ => (address.to_owned(), None),
    }
}
