//! DHCP and router advertisements on a veth pair, judged by busybox's udhcpc and by the kernel.
//!
//! The test runs itself again in a user and network namespace, so that it needs no root and touches nothing.

#![allow(clippy::print_stderr, reason = "a skipped test says why")]

use crate::support::{Fixed, PATIENCE, network};
use pxe::{BootAnswer, Config, Directory, Fact, Files, Ports, Server};
use pxe_proto::boot::{Arch, BootScript, Chain, Firmware};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Set in the run within the namespace.
const INSIDE: &str = "PXE_TEST_INSIDE_NAMESPACE";
const NAMESPACE: [&str; 4] = ["--user", "--map-root-user", "--net", "--mount"];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

#[test]
fn leases_and_advertisements_in_a_namespace() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(inside());
    }
    if let Some(reason) = missing() {
        return eprintln!("skipped: {reason}");
    }
    let output = Command::new("unshare")
        .args(NAMESPACE)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "dhcp::leases_and_advertisements_in_a_namespace", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
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

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn inside() {
    ip("link set lo up");
    ip("link add v0 type veth peer name v1 address 52:54:00:00:00:07");
    ip("addr add 10.77.0.1/24 dev v0");
    ip("link set v0 up");
    ip("link set v1 up");
    let directory = Fixed::new(Some(CLIENT), BootAnswer::Boot(Chain::Snponly), BootScript::Disk);
    let shared: Arc<dyn Directory> = directory.clone();
    let config = Config {
        networks: vec![network("v0", SERVER, true)],
        ports: Ports::default(),
        files: Arc::new(Files::new()),
        peers: Default::default(),
        routes: axum::Router::new(),
    };
    let server = Server::bind(config, shared).await.unwrap();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(server.run(cancel.clone()));

    an_operating_system(&directory).await;
    firmware(&directory).await;
    a_released_address(&directory).await;
    the_kernel_hears_an_advertisement().await;

    cancel.cancel();
    running.await.unwrap();
}

/// Runs udhcpc until it has a lease; what its script was told.
async fn udhcpc(arguments: &[&str]) -> HashMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let (script, told) = (folder.path().join("script"), folder.path().join("told"));
    write_script(&script, &told);
    let run = tokio::process::Command::new("busybox")
        .args(["udhcpc", "-f", "-q", "-n", "-t", "5", "-T", "2", "-i", "v1", "-s"])
        .arg(&script)
        .args(arguments)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let told = std::fs::read_to_string(&told).unwrap_or_else(|error| panic!("{error}: {log}"));
    told.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A script that keeps its environment when the lease is there.
fn write_script(script: &Path, told: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/bin/sh\nif [ \"$1\" = bound ]; then env > {}; fi\n", told.display());
    std::fs::write(script, text).unwrap();
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn an_operating_system(directory: &Fixed) {
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
    let requested = directory
        .fact(|fact| match fact {
            Fact::Dhcp { client, message: "REQUEST", address: Some(CLIENT), boot: BootAnswer::Disk } => {
                Some(client.clone())
            }
            _ => None,
        })
        .await;
    assert_eq!((requested.mac, requested.network.as_str()), ([0x52, 0x54, 0, 0, 0, 7], "lab"));
    assert_eq!((requested.firmware, requested.requested), (None, Some(CLIENT)));
}

async fn firmware(directory: &Fixed) {
    let told = udhcpc(&["-V", "PXEClient:Arch:00007:UNDI:003000", "-x", "0x5d:0007"]).await;
    let expected = [("boot_file", "snponly.efi"), ("siaddr", "10.77.0.1"), ("lease", "600")];
    for (key, value) in expected {
        assert_eq!(told.get(key).map(String::as_str), Some(value), "{key}");
    }
    directory
        .fact(|fact| match fact {
            Fact::Dhcp { client, message: "DISCOVER", boot: BootAnswer::Boot(_), .. } => {
                (client.firmware == Some(Firmware::UefiPxe(Arch::X64))).then_some(())
            }
            _ => None,
        })
        .await;
}

/// Datagrams by hand: noise first, which must end nothing, then a RELEASE.
async fn a_released_address(directory: &Fixed) {
    // Both ends are in one namespace: let v0 take packets from an address that is local here.
    std::fs::write("/proc/sys/net/ipv4/conf/v0/accept_local", "1").unwrap();
    ip("addr add 10.77.0.100/32 dev v1");
    let socket = tokio::net::UdpSocket::bind((CLIENT, 68)).await.unwrap();
    socket.bind_device(Some(b"v1")).unwrap();
    socket.set_broadcast(true).unwrap();
    let mut release = vec![0; 300];
    release[..3].copy_from_slice(&[1, 1, 6]);
    release[12..16].copy_from_slice(&CLIENT.octets());
    release[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 7]);
    release[236..249].copy_from_slice(&[99, 130, 83, 99, 53, 1, 7, 54, 4, 10, 77, 0, 1]);
    release[249] = 255;
    let mut panics_in_dhcproto = release.clone();
    panics_in_dhcproto[2] = 200;
    for datagram in [&b"noise"[..], &[0; 1400], &panics_in_dhcproto, &release] {
        socket.send_to(datagram, (Ipv4Addr::BROADCAST, 67)).await.unwrap();
    }
    directory.fact(|fact| matches!(fact, Fact::Dhcp { message: "RELEASE", .. }).then_some(())).await;
    let returned = directory.returned();
    assert!(
        matches!(&returned[..], [("release", client)] if client.requested == Some(CLIENT)),
        "{returned:?}"
    );
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
