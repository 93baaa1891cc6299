//! The service's configuration, and the files that it hands out to booting machines.

use crate::fleet::scenario::{Limits, Scenario, Service};
use crate::fleet::site::{RANGE, RELAY, SERVICE, SUBNET, Site};
use anyhow::{Context, Result};
use images_agent::PermitKey;
use provisioner_api::Secret;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What a scenario wants of the service.
#[derive(Debug, Clone, Default)]
pub struct ServiceOptions {
    /// Its time limits.
    pub limits: Limits,
    /// The rest.
    pub service: Service,
    /// The address of its database, if that is on a server.
    pub database: Option<String>,
}

impl From<&Scenario> for ServiceOptions {
    fn from(scenario: &Scenario) -> Self {
        Self { limits: scenario.limits.clone(), service: scenario.service.clone(), database: None }
    }
}

/// The lowest port that is taken: below are those of others' services.
const LOWEST: u16 = 10_000;

/// The ports that were taken for services of this process: one that is killed must find its own again, whoever looks for
/// ports meanwhile.
static OURS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// The service's ports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    api: u16,
    http: u16,
    dhcp: u16,
    tftp: u16,
}

impl Ports {
    /// As [`free_ports`].
    pub(super) fn free(turn: u32) -> Result<Self> {
        let [api, http, dhcp, tftp] = free_ports(turn)?;
        Ok(Self { api, http, dhcp, tftp })
    }

    /// Where the service is at these.
    pub(super) fn site(&self, api: String, ca_pem: String, permit_key: PermitKey, token: Secret) -> Site {
        Site {
            api,
            ca_pem,
            permit_key,
            token,
            boot_http: (SERVICE, self.http).into(),
            dhcp: SocketAddrV4::new(SERVICE, self.dhcp),
            tftp: SocketAddrV4::new(SERVICE, self.tftp),
            relay: RELAY,
        }
    }
}

/// Four free ports for a service, below those that the kernel gives to outgoing connections: they must stay free between a
/// kill and the next start, while machines go on connecting. None is given twice in this process.
/// `turn` begins at another place each time, for when somebody was quicker.
///
/// # Errors
/// When no port is free.
pub fn free_ports(turn: u32) -> Result<[u16; 4]> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = range.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(32_768_u16);
    let room = end.saturating_sub(LOWEST).max(1_024);
    // Runs that begin together begin to look at different places (Knuth's multiplicative hash).
    let hash = (std::process::id().wrapping_add(turn)).wrapping_mul(2_654_435_761) >> 16;
    let start = u16::try_from(hash % u32::from(room)).unwrap_or(0);
    // A panic elsewhere leaves the set whole.
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut candidates = (0..room)
        .map(|step| LOWEST + (start.wrapping_add(step) % room))
        .filter(|port| is_free(*port) && ours.insert(*port));
    let mut next = || candidates.next().context("no port is free below those of outgoing connections");
    Ok([next()?, next()?, next()?, next()?])
}

/// Whether nobody has it, neither for TCP nor for UDP.
fn is_free(port: u16) -> bool {
    TcpListener::bind(("0.0.0.0", port)).is_ok() && UdpSocket::bind(("0.0.0.0", port)).is_ok()
}

#[derive(Serialize)]
struct File<'a> {
    data: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    api: Api,
    boot: Boot,
    console: Console<'a>,
    limits: &'a Limits,
    log: Log<'a>,
    networks: [Network; 1],
}

#[derive(Serialize)]
struct Api {
    listen: String,
}

#[derive(Serialize)]
struct Boot {
    http_port: u16,
    dhcp_port: u16,
    tftp_port: u16,
    kernel: PathBuf,
    ramdisk: PathBuf,
    rescue: PathBuf,
    ipxe: PathBuf,
}

#[derive(Serialize)]
struct Console<'a> {
    record: &'a str,
}

#[derive(Serialize)]
struct Log<'a> {
    filter: &'a str,
}

#[derive(Serialize)]
struct Network {
    name: &'static str,
    interface: &'static str,
    address: String,
    subnet: &'static str,
    dhcp: &'static str,
    discovery: bool,
    router_advertisements: bool,
    conflict_probe: bool,
    rogue: &'static str,
    subnets: [Subnet; 1],
}

#[derive(Serialize)]
struct Subnet {
    subnet: String,
    range: [String; 2],
    lease: Lease,
}

#[derive(Serialize)]
struct Lease {
    firmware: String,
    system: String,
}

/// The configuration file.
pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("billet.toml")
}

/// The data folder.
pub(super) fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Writes the configuration and what booting machines are given.
pub(super) fn write(dir: &Path, ports: &Ports, options: &ServiceOptions) -> Result<()> {
    let boot = dir.join("boot");
    std::fs::create_dir_all(&boot)?;
    for (number, name) in
        ["vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi", "rescue.img"].iter().enumerate()
    {
        let size = usize::try_from(options.service.boot_kib * 1024)?;
        // Nothing in it is ever run; that no two are alike lets a mix-up show.
        let content: Vec<u8> = (0..size).map(|at| (at / 512 + number * 31 + at) as u8).collect();
        std::fs::write(boot.join(name), content)?;
    }
    let text = text(dir, &boot, ports, options)?;
    std::fs::write(file(dir), text).with_context(|| format!("can't write {}", file(dir).display()))
}

fn text(dir: &Path, boot: &Path, ports: &Ports, options: &ServiceOptions) -> Result<String> {
    let service = &options.service;
    let network = Network {
        name: "fleet",
        interface: "lo",
        address: SERVICE.to_string(),
        subnet: "127.0.0.0/24",
        dhcp: "full",
        discovery: false,
        router_advertisements: false,
        // Every address of 127.0.0.0/8 answers an echo: each would count as taken.
        conflict_probe: false,
        rogue: "ignore",
        subnets: [Subnet {
            subnet: format!("{}/{}", SUBNET.0, SUBNET.1),
            range: [RANGE.0.to_string(), RANGE.1.to_string()],
            lease: Lease {
                firmware: service.firmware_lease.to_string(),
                system: service.system_lease.to_string(),
            },
        }],
    };
    let file = File {
        data: data(dir),
        database: options.database.as_deref(),
        api: Api { listen: format!("{SERVICE}:{}", ports.api) },
        boot: Boot {
            http_port: ports.http,
            dhcp_port: ports.dhcp,
            tftp_port: ports.tftp,
            kernel: boot.join("vmlinuz"),
            ramdisk: boot.join("initrd.img"),
            rescue: boot.join("rescue.img"),
            ipxe: boot.to_owned(),
        },
        console: Console { record: &service.console },
        limits: &options.limits,
        log: Log { filter: &service.log },
        networks: [network],
    };
    Ok(toml::to_string(&file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_four_different_ones_that_are_free() {
        let ports = Ports::free(0).unwrap();
        let mut all = [ports.api, ports.http, ports.dhcp, ports.tftp];
        all.sort_unstable();
        let others = Ports::free(1).unwrap();
        assert!(!all.contains(&others.api), "another turn looks elsewhere: {others:?}");
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{ports:?}");
        let taken = TcpListener::bind(("0.0.0.0", all[0])).unwrap();
        assert!(!is_free(all[0]), "{taken:?} has it");
        let again = Ports::free(0).unwrap();
        let again = [again.api, again.http, again.dhcp, again.tftp];
        assert!(
            again.iter().all(|port| !all.contains(port)),
            "{again:?} are those of a service that may be dead"
        );
    }

    #[test]
    fn the_configuration_has_the_addresses_of_the_plan() {
        let ports = Ports { api: 1, http: 2, dhcp: 3, tftp: 4 };
        let text =
            text(Path::new("/run"), Path::new("/run/boot"), &ports, &ServiceOptions::default()).unwrap();
        let read: toml::Table = text.parse().unwrap();
        let network = &read["networks"][0];
        assert_eq!(network["subnets"][0]["subnet"].as_str(), Some("127.64.0.0/17"));
        assert_eq!(network["conflict_probe"].as_bool(), Some(false));
        assert_eq!(read["limits"]["agent_silence"].as_str(), Some("180s"));
        assert_eq!(read["limits"]["erase_stall"].as_str(), Some("7200s"));
        assert_eq!(read["boot"]["tftp_port"].as_integer(), Some(4));
    }
}
