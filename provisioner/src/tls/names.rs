//! Under which names and addresses the service is reached: what its certificate must hold.

use crate::config::Config;
use rustls_pki_types::ServerName;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

/// This host's name, if it can be in a certificate.
pub fn hostname() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = text.trim().to_ascii_lowercase();
    ServerName::try_from(name.as_str()).is_ok().then_some(name)
}

/// All names and addresses of the service: those in `api.names`, ours in each network, the one that the API
/// listens on, this host's, and those of the host itself.
pub fn names(config: &Config, hostname: Option<&str>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()].into();
    // Written as the certificate's own names will read, so that the two can be compared.
    let plain = |name: &String| match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    };
    names.extend(config.api.names.iter().map(plain));
    names.extend(config.networks.iter().map(|network| network.address.to_string()));
    names.extend(hostname.map(str::to_owned));
    let listen = config.api.listen.ip();
    if !listen.is_unspecified() {
        names.insert(listen.to_string());
    }
    names
}
