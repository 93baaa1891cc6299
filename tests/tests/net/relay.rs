//! Clients behind a relay that loses messages.

use crate::Test;
use crate::site::{link, mac, mac_text};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use tests::net::{
    BootClient, Downlink, Message, Namespace, Relay, SERVER, Service, Udhcpc, cable, dhclient, discover,
    until,
};

pub(crate) const TESTS: &[Test] = &[
    (
        "relay::every_client_completes_although_a_third_is_lost",
        every_client_completes_although_a_third_is_lost,
    ),
    ("relay::a_relay_that_nobody_declared_gets_no_answer", a_relay_that_nobody_declared_gets_no_answer),
];

/// The relay's address among its clients.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// Two subnets behind one relay, the first of three addresses.
const NETWORK: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\n\
    [[networks.subnets]]\nsubnet = \"10.78.0.0/24\"\nrange = [\"10.78.0.100\", \"10.78.0.102\"]\n\
    gateway = \"10.78.0.1\"\n\
    [[networks.subnets]]\nsubnet = \"10.79.0.0/24\"\nrange = [\"10.79.0.100\", \"10.79.0.199\"]\n\
    gateway = \"10.79.0.1\"\nrelay = \"10.78.0.1\"\n";

/// The service, a host between, and a client behind it.
fn chain(folder: &Path) -> Result<(Service, Namespace, Namespace)> {
    let [server, middle, client] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    cable((&server, "lan0"), (&middle, "up0"))?;
    cable((&middle, "down0"), (&client, "lan0"))?;
    server.ip(&format!("addr add {SERVER}/24 dev lan0"))?;
    middle.ip("addr add 10.77.0.9/24 dev up0")?;
    middle.ip(&format!("addr add {RELAY}/24 dev down0"))?;
    middle.ip("addr add 10.79.0.1/24 dev down0")?;
    middle.routes()?;
    for subnet in ["10.78.0.0/24", "10.79.0.0/24"] {
        server.ip(&format!("route add {subnet} via 10.77.0.9"))?;
    }
    Ok((Service::start(server, folder, &link(NETWORK))?, middle, client))
}

fn every_client_completes_although_a_third_is_lost(folder: &Path) -> Result<()> {
    let (service, middle, client) = chain(folder)?;
    let information = b"\x01\x05port7\x02\x07switch3".to_vec();
    let down = Downlink { interface: "down0".into(), address: RELAY, information };
    let relay = Relay::start(&middle, &down, "up0", 0.3, 20_261_121)?;

    let mut given = BTreeSet::new();
    given.insert(Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.lease()?.address);
    given.insert(dhclient(&client, "lan0", &mac_text(2), folder)?.address);
    let rom = BootClient::new(&client, "lan0")?;
    given.insert(rom.lease(mac(3))?.address(16));
    let expected = (100..=102).map(|last| Ipv4Addr::new(10, 78, 0, last)).collect();
    ensure!(given == expected, "{given:?}");
    // The first subnet is full; the same relay reaches the second, whose router the next client is told.
    let more = rom.lease(mac(4))?;
    ensure!(more.address(16).octets()[..3] == [10, 79, 0], "{}", more.address(16));
    ensure!(more.get(3) == Some(&[10, 79, 0, 1]), "{more:02x?}");
    let again = Udhcpc::new(&client, "lan0", &mac_text(1), folder)?.lease()?;
    ensure!(given.contains(&again.address) && again.value("router") == "10.78.0.1", "{again:?}");
    ensure!(relay.lost() > 0, "nothing was lost");

    let shown = service.json("network leases lan")?.to_string();
    ensure!(shown.contains("port7") && shown.contains("switch3"), "option 82 is not shown: {shown}");
    renews_without_the_relay(&client, &rom, again.address)
}

/// A renewal goes straight to the server, by the router, and comes back so.
fn renews_without_the_relay(client: &Namespace, rom: &BootClient, address: Ipv4Addr) -> Result<()> {
    client.ip(&format!("addr add {address}/24 dev lan0"))?;
    client.ip(&format!("route add default via {RELAY}"))?;
    let renewal = Message::new(3, mac(1)).from_address(address);
    let answer = rom.ask_at(SocketAddrV4::new(SERVER, 67), &renewal, |answer| answer.kind() >= 5)?;
    ensure!((answer.kind(), answer.address(16)) == (5, address), "{answer:02x?}");
    Ok(())
}

fn a_relay_that_nobody_declared_gets_no_answer(folder: &Path) -> Result<()> {
    let (service, middle, client) = chain(folder)?;
    let stranger = Ipv4Addr::new(192, 0, 2, 1);
    middle.ip(&format!("addr add {stranger}/32 dev down0"))?;
    service.host.ip("route add 192.0.2.0/24 via 10.77.0.9")?;
    let down = Downlink { interface: "down0".into(), address: stranger, information: Vec::new() };
    let _relay = Relay::start(&middle, &down, "up0", 0.0, 1)?;
    let rom = BootClient::new(&client, "lan0")?;
    until("the relay is shown", || {
        rom.broadcast(discover(mac(1)).bytes())?;
        ensure!(rom.receive()?.is_none(), "an answer through a relay that nobody declared");
        let shown = service.json("network show lan")?;
        let relays = shown["status"]["undeclared_relays"].to_string();
        Ok(relays.contains("192.0.2.1").then_some(()))
    })?;
    let counted = service.counter("billet_dhcp_dropped_total", &["reason=\"undeclared_relay\""])?;
    ensure!(counted >= 1.0, "{counted} messages were counted");
    Ok(())
}
