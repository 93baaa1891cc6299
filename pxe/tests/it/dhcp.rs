//! DHCP and router advertisements on a veth pair, judged by busybox's udhcpc, by the kernel and by frames by hand.
//!
//! The test runs itself again in a user and network namespace, so that it needs no root and touches nothing.

#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod client;
mod conflict;
mod limits;
mod rogue;

use crate::memory::{Memory, leases};
use crate::support::{Fixed, PATIENCE, network};
use client::{Client, Reply, ip, udhcpc};
use pxe::{
    BootAnswer, Config, Counters, Dhcp, Directory, Files, Network, Ports, RoguePolicy, Server, Status,
};
use pxe_proto::boot::{Arch, BootScript, Chain, Firmware};
use pxe_proto::dhcp::{Mode, Subnet};
use pxe_proto::trace::{self, What};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Set in the run within the namespace.
const INSIDE: &str = "PXE_TEST_INSIDE_NAMESPACE";
const NAMESPACE: [&str; 4] = ["--user", "--map-root-user", "--net", "--mount"];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const LAST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 199);
const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 7];

/// Runs a test within namespaces of its own.
fn in_namespace<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(test());
    }
    if let Some(reason) = missing() {
        return eprintln!("skipped: {reason}");
    }
    let output = Command::new("unshare")
        .args(NAMESPACE)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// What this machine lacks for the test.
fn missing() -> Option<&'static str> {
    let works = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !works("unshare", &[&NAMESPACE[..], &["true"]].concat()) {
        return Some("no user and network namespace can be made here");
    }
    if !works("ip", &["-V"]) {
        return Some("there is no ip (iproute2)");
    }
    if !works("busybox", &["udhcpc", "--version"]) && !works("busybox", &["which", "busybox"]) {
        return Some("there is no busybox");
    }
    None
}

/// A server on `v0` that ends with the value; `v1` is the clients' end.
struct Lab {
    directory: Arc<Fixed>,
    store: Arc<Memory>,
    status: Arc<Status>,
    counters: Arc<Counters>,
    cancel: CancellationToken,
}

impl Lab {
    async fn start(change: impl FnOnce(&mut Dhcp)) -> Lab {
        ip("link set lo up");
        ip("link add v0 type veth peer name v1 address 52:54:00:00:00:07");
        ip("addr add 10.77.0.1/24 dev v0");
        ip("link set v0 up");
        ip("link set v1 up");
        // Both ends are in one namespace: let them take packets from addresses that are local here.
        for (name, value) in [("accept_local", "1"), ("rp_filter", "0")] {
            for interface in ["all", "v0", "v1"] {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{interface}/{name}"), value).unwrap();
            }
        }
        let directory = Fixed::new(BootAnswer::Boot(Chain::Snponly), BootScript::Disk);
        let mut network: Network = network("v0", SERVER, true);
        network.dhcp.iter_mut().for_each(|dhcp| {
            dhcp.subnets.push(Subnet::new(Ipv4Addr::new(10, 78, 0, 0), 24));
        });
        network.dhcp.as_mut().map(change);
        let store = Arc::new(Memory::default());
        let behind = Ipv4Addr::new(10, 78, 0, 10);
        let subnets = [
            (Ipv4Addr::new(10, 77, 0, 0), 24, (CLIENT, LAST)),
            (Ipv4Addr::new(10, 78, 0, 0), 24, (behind, Ipv4Addr::new(10, 78, 0, 19))),
        ];
        let (leases, keeper) = leases(Arc::clone(&store), &subnets).await;
        let (status, counters): (Arc<Status>, Arc<Counters>) = Default::default();
        let config = Config {
            networks: vec![network],
            ports: Ports::default(),
            files: Arc::new(Files::new()),
            peers: Default::default(),
            leases,
            counters: Arc::clone(&counters),
            status: Arc::clone(&status),
            routes: axum::Router::new(),
        };
        let shared: Arc<dyn Directory> = directory.clone();
        let server = Server::bind(config, shared).await.unwrap();
        let cancel = CancellationToken::new();
        tokio::spawn(keeper.run(cancel.clone()));
        tokio::spawn(server.run(cancel.clone()));
        Lab { directory, store, status, counters, cancel }
    }

    /// Waits until an entry of a DHCP message is there that `fit` takes.
    async fn told(&self, fit: impl Fn(&trace::Dhcp) -> bool) {
        let dhcp = |entry: &trace::Entry| matches!(&entry.what, What::Dhcp(dhcp) if fit(dhcp));
        self.directory.entries_that(|entries| entries.iter().any(dhcp)).await;
    }

    /// Whether a line of the metrics begins with this.
    fn counted(&self, line: &str) -> bool {
        self.counters.encode().unwrap().lines().any(|told| told.starts_with(line))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[test]
fn leases_and_advertisements_in_a_namespace() {
    in_namespace("dhcp::leases_and_advertisements_in_a_namespace", || async {
        let lab = Lab::start(|_| {}).await;
        an_operating_system(&lab).await;
        firmware(&lab).await;
        a_released_address(&lab).await;
        the_kernel_hears_an_advertisement().await;
    });
}

async fn an_operating_system(lab: &Lab) {
    // Without and with the broadcast flag: by the packet socket, and by broadcast.
    for flag in [&[][..], &["-B"]] {
        let told = udhcpc(flag).await;
        let expected = [
            ("ip", "10.77.0.100"),
            ("mask", "24"),
            ("router", "10.77.0.254"),
            ("dns", "10.77.0.53"),
            ("lease", "43200"),
            ("serverid", "10.77.0.1"),
        ];
        for (key, value) in expected {
            assert_eq!(told.get(key).map(String::as_str), Some(value), "{key} {flag:?}");
        }
        assert!(!told.contains_key("boot_file") && !told.contains_key("siaddr"), "{told:?}");
    }
    assert_eq!(lab.store.lease(CLIENT).unwrap().mac, MAC, "stored before it was told");
    lab.told(|dhcp| {
        dhcp.message == "REQUEST" && dhcp.reply.as_deref() == Some("ACK") && dhcp.address == Some(CLIENT)
    })
    .await;
    assert!(lab.counted(r#"billet_dhcp_packets_total{network="lab",message="DISCOVER",answer="OFFER"} 2"#));
}

async fn firmware(lab: &Lab) {
    let told = udhcpc(&["-V", "PXEClient:Arch:00007:UNDI:003000", "-x", "0x5d:0007"]).await;
    let expected = [("boot_file", "snponly.efi"), ("siaddr", "10.77.0.1"), ("lease", "600")];
    for (key, value) in expected {
        assert_eq!(told.get(key).map(String::as_str), Some(value), "{key}");
    }
    lab.told(|dhcp| {
        dhcp.message == "DISCOVER"
            && dhcp.firmware == Some(Firmware::UefiPxe(Arch::X64))
            && matches!(dhcp.boot, Some(BootAnswer::Boot(_)))
    })
    .await;
}

/// Datagrams by hand: noise first, which must end nothing, then a RELEASE.
async fn a_released_address(lab: &Lab) {
    let client = Client::open("v1", MAC);
    let mut release = client.message(7);
    release[12..16].copy_from_slice(&CLIENT.octets());
    release.extend_from_slice(&[54, 4, 10, 77, 0, 1]);
    let mut panics_in_dhcproto = release.clone();
    panics_in_dhcproto[2] = 200;
    for datagram in [&b"noise"[..], &[0; 1400], &panics_in_dhcproto, &release] {
        client.send(datagram);
    }
    lab.told(|dhcp| dhcp.message == "RELEASE" && dhcp.silence.is_none()).await;
    let stored = async {
        while lab.store.lease(CLIENT).unwrap().state != pxe::leases::LeaseState::Released {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("the end of the lease is stored");
    for reason in ["length", "not_a_request", "not_ethernet"] {
        assert!(
            lab.counted(&format!("billet_dhcp_dropped_total{{network=\"lab\",reason=\"{reason}\"}} 1")),
            "{reason}"
        );
    }
}

/// The kernel solicits routers on v1 by itself, and counts what it hears.
async fn the_kernel_hears_an_advertisement() {
    let heard = || {
        let counters = std::fs::read_to_string("/proc/net/dev_snmp6/v1").unwrap_or_default();
        let line = counters.lines().find(|line| line.starts_with("Icmp6InRouterAdvertisements"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    if !Path::new("/proc/net/dev_snmp6/v1").exists() {
        return eprintln!("skipped: no IPv6 here");
    }
    // The kernel tells nobody: look until it has counted one.
    let wait = async {
        while heard() == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("no advertisement was heard");
    let routes = Command::new("ip").args(["-6", "route", "show", "dev", "v1", "default"]).output().unwrap();
    assert!(routes.stdout.is_empty(), "the advertisement made a default route");
}

#[test]
fn what_can_not_be_stored_is_not_told() {
    in_namespace("dhcp::what_can_not_be_stored_is_not_told", || async {
        let lab = Lab::start(|_| {}).await;
        let mut client = Client::open("v1", MAC);
        let offer = client.discover().await;
        lab.store.broken.store(true, Ordering::SeqCst);
        client.request(offer.address, SERVER);
        lab.told(|dhcp| dhcp.message == "REQUEST" && dhcp.silence.is_some() && dhcp.reply.is_none()).await;
        assert!(lab.counted(r#"billet_dhcp_dropped_total{network="lab",reason="not_stored"} 1"#));
        // It recovers: the client asks again, and is answered.
        lab.store.broken.store(false, Ordering::SeqCst);
        let ack = loop {
            client.request(offer.address, SERVER);
            let wait = client.receive();
            if let Ok(reply) = tokio::time::timeout(Duration::from_secs(1), wait).await {
                break reply;
            }
        };
        assert_eq!((ack.kind, ack.address), (5, offer.address));
    });
}

#[test]
fn a_relay_is_answered_where_it_is_declared() {
    in_namespace("dhcp::a_relay_is_answered_where_it_is_declared", || async {
        let lab = Lab::start(|_| {}).await;
        let relay = Ipv4Addr::new(10, 78, 0, 1);
        let client = Client::open("v1", MAC);
        let through = |relay: Ipv4Addr| {
            let mut message = client.message(1);
            message[24..28].copy_from_slice(&relay.octets());
            message.extend_from_slice(&[82, 6, 1, 4, b'p', b'o', b'r', b't']);
            client.send(&message);
        };
        through(Ipv4Addr::new(192, 0, 2, 1));
        through(relay);
        lab.told(|dhcp| dhcp.relay == Some(relay) && dhcp.reply.as_deref() == Some("OFFER")).await;
        lab.told(|dhcp| dhcp.relay == Some(Ipv4Addr::new(192, 0, 2, 1)) && dhcp.silence.is_some()).await;
        let status = lab.status.network("lab").unwrap();
        assert_eq!(status.undeclared_relays.len(), 1, "{status:?}");
        assert_eq!(status.undeclared_relays[0].relay, Ipv4Addr::new(192, 0, 2, 1));
        assert!(lab.counted(r#"billet_dhcp_dropped_total{network="lab",reason="undeclared_relay"} 1"#));
    });
}

#[test]
fn a_proxy_gives_no_addresses_and_answers_at_4011() {
    in_namespace("dhcp::a_proxy_gives_no_addresses_and_answers_at_4011", || async {
        let lab = Lab::start(|dhcp| dhcp.mode = Mode::Proxy).await;
        let mut client = Client::open("v1", MAC);
        client.vendor_class = Some(b"PXEClient:Arch:00000:UNDI:002001");
        client.send(&client.message(1));
        let offer = client.receive().await;
        assert_eq!((offer.kind, offer.address), (2, Ipv4Addr::UNSPECIFIED));
        // As a ROM asks, from an address and a port of its own.
        let mut request = client.message(3);
        request[12..16].copy_from_slice(&[10, 77, 0, 150]);
        client.send_from(Ipv4Addr::new(10, 77, 0, 150), 4321, 4011, &request);
        lab.told(|dhcp| dhcp.port == 4011 && dhcp.reply.as_deref() == Some("ACK")).await;
        // An operating system is none of a proxy's business.
        client.vendor_class = None;
        client.send(&client.message(1));
        lab.told(|dhcp| dhcp.message == "DISCOVER" && dhcp.silence.is_some()).await;
    });
}
