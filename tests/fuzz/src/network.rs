//! Networks and answers to decide with, by the choices of an input.

use crate::Knobs;
use pxe_proto::boot::{BootAnswer, Chain};
use pxe_proto::dhcp::{Address, Answer, Mode, Request, Route, Settings, Subnet};
use std::net::Ipv4Addr;

/// Our address on every network.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Some network: with up to two subnets behind relays, and more or less to tell its clients.
#[must_use]
pub fn settings(knobs: &mut Knobs<'_>) -> Settings {
    let prefix = knobs.pick(&[24, 16, 31, 30, 8, 25, 32, 0]);
    let mut link = subnet(Ipv4Addr::new(10, 77, 0, 0), prefix, knobs);
    link.relay = None;
    let mut subnets = vec![link];
    let behind = knobs.byte() % 3;
    for number in 0..behind {
        let mut subnet = subnet(Ipv4Addr::new(10, 78 + number, 0, 0), 24, knobs);
        // Two subnets behind one relay, or each behind its own.
        subnet.relay = knobs.flip().then_some(Ipv4Addr::new(10, 78, 0, 1));
        subnets.push(subnet);
    }
    Settings {
        mode: knobs.pick(&[Mode::Full, Mode::ReservedOnly, Mode::Proxy]),
        server: SERVER,
        identifier: knobs.pick(&[SERVER, Ipv4Addr::new(10, 77, 0, 2)]),
        http_port: knobs.pick(&[8080, 80, 65_535]),
        subnets,
    }
}

fn subnet(address: Ipv4Addr, prefix: u8, knobs: &mut Knobs<'_>) -> Subnet {
    let mut subnet = Subnet::new(address, prefix);
    let near = |last: u8| Ipv4Addr::from(u32::from(address) | u32::from(last));
    let what = knobs.byte();
    let given = |bit: u8| what & bit != 0;
    if given(1) {
        subnet.routers = vec![near(254), near(253)];
    }
    if given(2) {
        (subnet.dns, subnet.ntp) = (vec![near(53); usize::from(knobs.byte())], vec![near(123)]);
    }
    if given(4) {
        subnet.domain = Some("lab.example".to_owned());
        subnet.search = vec!["lab.example".to_owned(); usize::from(knobs.byte() % 40)];
    }
    if given(8) {
        let route = |n| Route { to: Ipv4Addr::new(n, 0, 0, 0), prefix: n % 33, via: near(254) };
        subnet.routes = (1..=knobs.byte() % 70).map(route).collect();
        subnet.mtu = Some(knobs.short());
    }
    if given(16) {
        let value = vec![knobs.byte(); usize::from(knobs.short() % 600)];
        subnet.options = vec![(knobs.pick(&[150, 12, 224, 43, 1]), value)];
    }
    if given(32) {
        subnet.url = Some("https://boot.example/".repeat(usize::from(knobs.byte() % 20) + 1));
    }
    if given(64) {
        (subnet.firmware_lease, subnet.system_lease) = (u32::from(knobs.short()), u32::MAX);
    }
    if given(128) {
        (subnet.t1, subnet.t2) = (Some(u32::from(knobs.short())), Some(u32::from(knobs.short())));
    }
    subnet
}

/// What a caller might have found out.
#[must_use]
pub fn answer(request: &Request, knobs: &mut Knobs<'_>) -> Answer {
    let boot = match knobs.byte() % 4 {
        0 => BootAnswer::Disk,
        1 => BootAnswer::Boot(Chain::Snponly),
        2 => BootAnswer::Boot(Chain::Ipxe),
        _ => BootAnswer::Boot(Chain::Uki),
    };
    let address = match knobs.byte() % 8 {
        0 => Address::Refused,
        1 => request.requested.map_or(Address::Unknown, Address::Given),
        2 => Address::Given(Ipv4Addr::new(10, 78, 0, 100)),
        3 => Address::Given(Ipv4Addr::new(10, 79, 0, 100)),
        // These are nobody's to have.
        4 => Address::Given(SERVER),
        5 => Address::Given(Ipv4Addr::new(10, 77, 0, 255)),
        6 => Address::Unknown,
        _ => Address::Given(Ipv4Addr::new(10, 77, 0, 100)),
    };
    Answer { address, boot }
}
