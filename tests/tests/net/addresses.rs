//! Addresses on the link itself, in the modes `full` and `reserved-only`.

use crate::Test;
use crate::site::{Address, link, mac, mac_text, pair};
use anyhow::{Context, Result, ensure};
use lab::Faults;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use tests::net::{BootClient, Hub, Message, Namespace, SERVER, Service, Udhcpc, dhclient, discover, until};

pub(crate) const TESTS: &[Test] = &[
    ("addresses::every_client_gets_its_own", every_client_gets_its_own),
    ("addresses::a_storm_of_clients_is_answered", a_storm_of_clients_is_answered),
    ("addresses::what_is_excluded_is_never_given", what_is_excluded_is_never_given),
    ("addresses::a_reservation_is_kept", a_reservation_is_kept),
    ("addresses::strangers_hear_nothing_where_all_is_reserved", strangers_hear_nothing_where_all_is_reserved),
    ("addresses::what_is_given_back_is_free", what_is_given_back_is_free),
    ("addresses::what_a_client_declines_is_quarantined", what_a_client_declines_is_quarantined),
    ("addresses::what_somebody_else_uses_is_found_out", what_somebody_else_uses_is_found_out),
];

const FULL: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\ngateway = \"10.77.0.254\"\n\
                    dns = [\"10.77.0.53\", \"10.77.0.54\"]\nntp = [\"10.77.0.123\"]\ndomain = \"lab.example\"\n\
                    search = [\"lab.example\", \"example\"]\nmtu = 1400\n\
                    routes = [\"10.99.0.0/16 via 10.77.0.253\"]\ndiscovery = true\n";

fn every_client_gets_its_own(folder: &Path) -> Result<()> {
    let (mut service, client) = pair(folder, FULL)?;
    let options = "-O search -O mtu -O ntpsrv -O staticroutes";
    let busybox = Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.words(options).lease()?;
    let isc = dhclient(&client, "lan0", &mac_text(2), folder)?;
    ensure!(busybox.address != isc.address, "{} twice", isc.address);
    for address in [busybox.address, isc.address] {
        ensure!((100..=199).contains(&address.octets()[3]), "{address} is not of the range");
    }
    for (name, expected) in [
        ("router", "10.77.0.254"),
        ("dns", "10.77.0.53 10.77.0.54"),
        ("subnet", "255.255.255.0"),
        ("ntpsrv", "10.77.0.123"),
        ("domain", "lab.example"),
        ("search", "lab.example example"),
        ("mtu", "1400"),
        ("serverid", "10.77.0.1"),
    ] {
        ensure!(busybox.value(name) == expected, "{name} is {:?}: {busybox:?}", busybox.value(name));
    }
    ensure!(busybox.value("staticroutes").contains("10.99.0.0/16 10.77.0.253"), "{busybox:?}");
    for (name, expected) in [
        ("new_routers", "10.77.0.254"),
        ("new_domain_name_servers", "10.77.0.53 10.77.0.54"),
        ("new_subnet_mask", "255.255.255.0"),
        ("new_domain_search", "lab.example. example."),
        ("new_interface_mtu", "1400"),
        ("new_dhcp_lease_time", "43200"),
    ] {
        ensure!(isc.value(name) == expected, "{name} is {:?}: {isc:?}", isc.value(name));
    }

    // The service dies at any moment; nobody is given another's address, and everybody keeps its own.
    service.kill();
    service.serve()?;
    let fresh = Udhcpc::new(&client, "lan0", &mac_text(3), folder)?.lease()?;
    ensure!(![busybox.address, isc.address].contains(&fresh.address), "{} twice", fresh.address);
    let again = Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.lease()?;
    ensure!(again.address == busybox.address, "{} became {}", busybox.address, again.address);
    Ok(())
}

fn a_storm_of_clients_is_answered(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, "range = [\"10.77.0.10\", \"10.77.0.253\"]\n")?;
    client.ip("addr add 10.77.0.2/24 dev lan0")?;
    // perfdhcp speaks as a relay with its own address: 200 clients, 100 exchanges a second.
    let program = client.program("perfdhcp").words("-4 -l lan0 -R 200 -r 100 -n 200 -W 5000000");
    let said = program.args([SERVER.to_string()]).finish()?.said;
    let received: Vec<u32> = said
        .lines()
        .filter_map(|line| line.strip_prefix("received packets: "))
        .filter_map(|number| number.trim().parse().ok())
        .collect();
    ensure!(received.len() == 2 && received.iter().all(|count| *count >= 200), "{said}");
    let leases = leases(&service, "")?;
    let addresses: BTreeSet<_> = leases.iter().map(|lease| lease["address"].to_string()).collect();
    ensure!((addresses.len(), leases.len()) == (200, 200), "{} addresses, {}", addresses.len(), leases.len());
    Ok(())
}

/// The leases of the network as the command line shows them.
fn leases(service: &Service, option: &str) -> Result<Vec<Value>> {
    let shown = service.json(&format!("network leases lan {option}"))?;
    shown.as_array().or(shown["items"].as_array()).cloned().context("a list of leases")
}

/// The state of the lease of an address, as `--all` shows it.
fn state_of(service: &Service, address: Ipv4Addr) -> Result<Option<String>> {
    let all = leases(service, "--all")?;
    let found = all.iter().find(|lease| lease["address"] == address.to_string());
    Ok(found.and_then(|lease| lease["state"].as_str()).map(str::to_owned))
}

fn what_is_excluded_is_never_given(folder: &Path) -> Result<()> {
    let network = "ranges = [[\"10.77.0.100\", \"10.77.0.103\"], [\"10.77.0.110\", \"10.77.0.112\"]]\n\
                   exclude = [\"10.77.0.101\", \"10.77.0.110-10.77.0.111\"]\n";
    let (service, client) = pair(folder, network)?;
    // Reserved for somebody who isn't here.
    service.billet(&format!("network reservation add lan {} 10.77.0.103", mac_text(9)))?;
    let rom = BootClient::new(&client, "lan0")?;
    let mut given = BTreeSet::new();
    for number in 1..=3 {
        given.insert(rom.lease(mac(number))?.address(16).octets()[3]);
    }
    ensure!(given == BTreeSet::from([100, 102, 112]), "{given:?}");
    // Nothing is left for a fourth; the answer to a client that has a lease shows that the fourth was heard.
    rom.broadcast(discover(mac(4)).bytes())?;
    let strays = answers_before(&rom, mac(1))?;
    ensure!(strays.is_empty(), "an answer where nothing is left: {strays:?}");
    Ok(())
}

/// Asks for somebody who is answered; the answers to others that come before that one.
fn answers_before(rom: &BootClient, known: [u8; 6]) -> Result<Vec<Message>> {
    let mut strays = Vec::new();
    until("the known client is answered", || {
        rom.broadcast(discover(known).bytes())?;
        while let Some(answer) = rom.receive()? {
            if answer.bytes()[28..34] == known {
                return Ok(Some(()));
            }
            strays.push(answer);
        }
        Ok(None)
    })?;
    Ok(strays)
}

fn a_reservation_is_kept(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, FULL)?;
    // One outside of the ranges, one inside.
    service.billet(&format!("network reservation add lan {} 10.77.0.50", mac_text(1)))?;
    service.billet(&format!("network reservation add lan {} 10.77.0.150", mac_text(2)))?;
    for (number, last) in [(1, 50), (2, 150)] {
        let lease = Udhcpc::new(&client, "lan0", &mac_text(number), folder)?.lease()?;
        ensure!(lease.address == Address::of(last), "{} has {}", mac_text(number), lease.address);
    }
    let listed = service.billet("network reservation list lan")?;
    ensure!(listed.contains("10.77.0.50") && listed.contains("10.77.0.150"), "{listed}");
    let refused = service.billet(&format!("network reservation add lan {} 10.77.0.50", mac_text(3)));
    ensure!(refused.is_err(), "one address is reserved twice");
    Ok(())
}

fn strangers_hear_nothing_where_all_is_reserved(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, "dhcp = \"reserved-only\"\ndiscovery = true\n")?;
    service.billet(&format!("network reservation add lan {} 10.77.0.50", mac_text(1)))?;
    let stranger = Udhcpc::new(&client, "lan0", &mac_text(2), folder)?.tries(2)?;
    ensure!(stranger.is_none(), "a stranger was given {stranger:?}");
    let rom = BootClient::new(&client, "lan0")?;
    // Not a NAK either: the stranger may be another server's client.
    rom.broadcast(Message::new(3, mac(3)).option(50, &[10, 77, 0, 77]).bytes())?;
    rom.broadcast(discover(mac(3)).pxe(7).bytes())?;
    let strays = answers_before(&rom, mac(1))?;
    ensure!(strays.is_empty(), "an answer to a stranger: {strays:?}");
    ensure!(rom.lease(mac(1))?.address(16) == Address::of(50));
    let silent = service.counter("billet_dhcp_dropped_total", &["reason=\"no_reservation\""])?;
    ensure!(silent >= 2.0, "{silent} strangers were counted");
    Ok(())
}

fn what_is_given_back_is_free(folder: &Path) -> Result<()> {
    let (service, client) =
        pair(folder, "range = [\"10.77.0.100\", \"10.77.0.100\"]\nconflict_probe = false\n")?;
    let rom = BootClient::new(&client, "lan0")?;
    let address = rom.lease(mac(1))?.address(16);
    ensure!(address == Address::of(100), "{address}");
    client.ip(&format!("link set lan0 address {}", mac_text(1)))?;
    client.ip("addr add 10.77.0.100/24 dev lan0")?;
    // The only address is taken until it is given back, with a unicast from it.
    let release = Message::new(7, mac(1)).from_address(address).option(54, &SERVER.octets());
    rom.send(release.bytes(), SocketAddrV4::new(SERVER, 67))?;
    until("the lease is given back", || {
        Ok((state_of(&service, address)?.as_deref() != Some("active")).then_some(()))
    })?;
    ensure!(rom.lease(mac(2))?.address(16) == address);
    Ok(())
}

/// Three addresses to give, of which another host uses two without asking anybody.
const SQUATTED: &str = "range = [\"10.77.0.100\", \"10.77.0.102\"]\n";

/// The service, a client and that other host, on one switch.
fn with_squatter(folder: &Path, network: &str) -> Result<(Hub, Service, Namespace, Namespace)> {
    let hub = Hub::new(Faults::default())?;
    let [server, client, squatter] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    for host in [&server, &client, &squatter] {
        hub.attach(host, "lan0")?;
    }
    server.ip(&format!("addr add {SERVER}/24 dev lan0"))?;
    squatter.ip("addr add 10.77.0.100/24 dev lan0")?;
    squatter.ip("addr add 10.77.0.101/24 dev lan0")?;
    Ok((hub, Service::start(server, folder, &link(network))?, client, squatter))
}

/// Both squatted addresses are out of use now, and the third is the client's.
fn both_are_quarantined(service: &Service) -> Result<()> {
    for (last, expected) in [(100, "quarantined"), (101, "quarantined"), (102, "active")] {
        let state = state_of(service, Address::of(last))?;
        ensure!(state.as_deref() == Some(expected), "10.77.0.{last} is {state:?}");
    }
    Ok(())
}

fn what_a_client_declines_is_quarantined(folder: &Path) -> Result<()> {
    let network = format!("{SQUATTED}conflict_probe = false\n");
    let (_hub, service, client, _squatter) = with_squatter(folder, &network)?;
    // It looks by ARP whether the address is free, as it should.
    let lease = Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.words("-a").lease()?;
    ensure!(lease.address == Address::of(102), "{} was given twice", lease.address);
    // Whatever it was offered first: the next client finds out about what is left.
    let next = Udhcpc::new(&client, "lan0", &mac_text(2), folder)?.words("-a").tries(2)?;
    ensure!(next.is_none(), "{next:?} was given twice");
    both_are_quarantined(&service)
}

fn what_somebody_else_uses_is_found_out(folder: &Path) -> Result<()> {
    let (_hub, service, client, _squatter) = with_squatter(folder, SQUATTED)?;
    // These clients look at nothing: it is the server that finds the other host, while they make up their minds.
    let rom = BootClient::new(&client, "lan0")?;
    let owner = until("the other host is found", || {
        let mut owner = None;
        for number in 1..=3 {
            rom.broadcast(discover(mac(number)).bytes())?;
            while let Some(answer) = rom.receive()? {
                if answer.address(16) == Address::of(102) {
                    owner = Some(answer.bytes()[33]);
                }
            }
        }
        Ok(owner
            .filter(|_| service.counter("billet_dhcp_conflicts_total", &[]).is_ok_and(|found| found >= 2.0)))
    })?;
    drop(rom);
    let lease = Udhcpc::new(&client, "lan0", &mac_text(owner), folder)?.lease()?;
    ensure!(lease.address == Address::of(102), "{} was given twice", lease.address);
    both_are_quarantined(&service)
}
