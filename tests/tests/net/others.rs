//! Other DHCP servers on the link: one beside which ours is a proxy, and one that should not be there.

use crate::Test;
use crate::site::{Address, link, mac, mac_text};
use anyhow::{Context, Result, ensure};
use lab::Faults;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::SystemTime;
use tests::net::{BootClient, Hub, Message, Namespace, Process, SERVER, Service, Udhcpc, discover, until};

pub(crate) const TESTS: &[Test] = &[
    (
        "others::a_proxy_boots_what_another_server_gives_addresses",
        a_proxy_boots_what_another_server_gives_addresses,
    ),
    ("others::a_rogue_is_shown_within_five_seconds", a_rogue_is_shown_within_five_seconds),
];

/// Where the other server is.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// The service, a host for another server, and a client, on one switch.
fn three(folder: &Path, network: &str) -> Result<(Hub, Service, Namespace, Namespace)> {
    let hub = Hub::new(Faults::default())?;
    let [server, other, client] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    for host in [&server, &other, &client] {
        hub.attach(host, "lan0")?;
    }
    server.ip(&format!("addr add {SERVER}/24 dev lan0"))?;
    other.ip(&format!("addr add {OTHER}/24 dev lan0"))?;
    Ok((hub, Service::start(server, folder, &link(network))?, other, client))
}

/// A real dnsmasq that gives addresses.
fn dnsmasq(host: &Namespace, folder: &Path) -> Result<Process> {
    let program = host.program("dnsmasq").words(
        "--no-daemon --conf-file=/dev/null --port=0 --no-ping --dhcp-authoritative --interface=lan0 \
         --bind-interfaces --dhcp-range=10.77.0.200,10.77.0.209,1h --log-dhcp",
    );
    let leases = format!("--dhcp-leasefile={}", folder.join("dnsmasq.leases").display());
    let mut process = program.args([leases]).start()?;
    until("dnsmasq serves", || {
        ensure!(process.runs()?, "dnsmasq ended: {}", process.said()?);
        Ok(process.said()?.contains("IP range").then_some(()))
    })?;
    Ok(process)
}

fn a_proxy_boots_what_another_server_gives_addresses(folder: &Path) -> Result<()> {
    let network = "dhcp = \"proxy\"\ndiscovery = true\nknown_servers = [\"10.77.0.2\"]\n";
    let (_hub, service, other, client) = three(folder, network)?;
    let _dnsmasq = dnsmasq(&other, folder)?;
    // An operating system has nothing to do with us.
    let system = Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.lease()?;
    ensure!(system.value("serverid") == "10.77.0.2", "{system:?}");

    for (number, architecture, loader) in [(2, 0, "undionly.kpxe"), (3, 7, "snponly.efi")] {
        let rom = BootClient::new(&client, "lan0")?;
        let hello = discover(mac(number)).pxe(architecture);
        let proxied = rom.ask(&hello, |answer| answer.server() == Some(SERVER))?;
        ensure!(proxied.kind() == 2 && proxied.address(16).is_unspecified(), "{proxied:02x?}");
        ensure!(proxied.get(60).is_some_and(|class| class.starts_with(b"PXEClient")), "{proxied:02x?}");
        let offer = rom.ask(&hello, |answer| answer.server() == Some(OTHER))?;
        let address = offer.address(16);
        let request = Message::new(3, mac(number)).pxe(architecture);
        let request = request.option(50, &address.octets()).option(54, &OTHER.octets());
        let granted = rom.ask(&request, |answer| answer.kind() >= 5)?;
        ensure!((granted.kind(), granted.address(16)) == (5, address), "{granted:02x?}");
        drop(rom);
        boots(&client, number, architecture, address, loader)?;
    }
    let rogues = service.json("network show lan")?["status"]["rogues"].to_string();
    ensure!(!rogues.contains("10.77.0.2"), "a known server is a rogue: {rogues}");
    let given = service.json("network leases lan --all")?.to_string();
    ensure!(!given.contains("10.77.0."), "a proxy has given addresses: {given}");
    Ok(())
}

/// The ROM has its address and asks the boot server, at 4011, for its file; then it fetches that.
fn boots(client: &Namespace, number: u8, architecture: u16, address: Ipv4Addr, loader: &str) -> Result<()> {
    client.ip(&format!("link set lan0 address {}", mac_text(number)))?;
    client.ip(&format!("addr add {address}/24 dev lan0"))?;
    let rom = BootClient::new(client, "lan0")?;
    let ask = Message::new(3, mac(number)).pxe(architecture).from_address(address);
    let ask = ask.option(43, &[71, 4, 0, 0, 0, 0, 255]);
    let answer = rom.ask_at(SocketAddrV4::new(SERVER, 4011), &ask, |answer| answer.kind() == 5)?;
    ensure!(answer.boot_file() == loader, "{:?} for architecture {architecture}", answer.boot_file());
    ensure!(answer.address(20) == SERVER, "the file is at {}", answer.address(20));
    ensure!(answer.address(16).is_unspecified(), "a proxy gives {}", answer.address(16));
    client.ip(&format!("addr del {address}/24 dev lan0"))
}

/// Now, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what the service says of its clock is compared with ours")]
fn now() -> Result<i128> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?)
}

fn a_rogue_is_shown_within_five_seconds(folder: &Path) -> Result<()> {
    let network = "range = [\"10.77.0.100\", \"10.77.0.199\"]\n";
    let (_hub, service, other, client) = three(folder, network)?;
    let before = Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.lease()?;
    ensure!(before.value("serverid") == "10.77.0.1", "{before:?}");

    let _dnsmasq = dnsmasq(&other, folder)?;
    let began = now()?;
    let rogue = until("the rogue is shown", || {
        let shown = service.json("network show lan")?;
        Ok(shown["status"]["rogues"].as_array().and_then(|rogues| rogues.first().cloned()))
    })?;
    ensure!(rogue["server"] == "10.77.0.2", "{rogue}");
    let first: jiff::Timestamp = rogue["first_seen"].as_str().context("when")?.parse()?;
    let after = i128::from(first.as_millisecond()) - began;
    // By the service's own word of when it heard it: two seconds at most between our probes, and dnsmasq's start.
    ensure!(after < 5000, "it was seen only after {after} ms");
    ensure!(service.counter("billet_rogue_servers", &["network=\"lan\""])? == 1.0);

    // Where somebody else gives addresses we keep silent, and say so.
    let shown = service.json("network show lan")?;
    ensure!(shown["status"]["silent"] == true, "{shown}");
    let lease = Udhcpc::new(&client, "lan0", &mac_text(2), folder)?.lease()?;
    ensure!(lease.value("serverid") == "10.77.0.2" && lease.address >= Address::of(200), "{lease:?}");
    Ok(())
}
