//! What is rendered, read back: it says the same as the model that it was rendered from.

use super::{Cidr, Interface, Kind, Model, Route, Stage, read, render};
use proptest::{collection::vec, option, prelude::*};
use provisioner_api::{
    AddressSpec, BondMode, BondSpec, BridgeSpec, InterfaceSpec, LacpRate, NetworkSpec, NicMatch, RouteSpec,
    TransmitHash, VlanSpec,
};
use serde_yaml_ng::{Mapping, Value};
use std::{net::IpAddr, str::FromStr};

/// What a document may say of addresses: of one link, so that every router is on it.
fn addressed(seed: u8, bits: u8, mtu: Option<u32>) -> InterfaceSpec {
    let on = |bit: u8| bits & (1 << bit) != 0;
    let net = format!("10.{seed}.0");
    let static4 = on(0).then(|| AddressSpec { address: Some(format!("{net}.5/24")), subnet: None });
    let static6 =
        on(1).then(|| AddressSpec { address: Some(format!("2001:db8:{seed:x}::5/64")), subnet: None });
    let route =
        |metric| RouteSpec { to: format!("172.{}.0.0/16", seed % 16), via: format!("{net}.9"), metric };
    InterfaceSpec {
        mtu,
        dhcp4: on(2),
        dhcp6: on(3),
        // One default router: the first interface has it.
        gateway: (seed == 0 && on(0)).then(|| format!("{net}.1")),
        gateway6: (seed == 0 && on(1)).then(|| "fe80::1".to_owned()),
        routes: (on(0) && on(4)).then(|| route(on(5).then_some(u32::from(bits)))).into_iter().collect(),
        dns: on(6).then(|| "192.0.2.53".to_owned()).into_iter().collect(),
        search: on(7).then(|| "example.org".to_owned()).into_iter().collect(),
        addresses: static4.into_iter().chain(static6).collect(),
        ..InterfaceSpec::default()
    }
}

fn bond(members: Vec<String>, mode: usize, fast: Option<bool>, interval: Option<u32>) -> BondSpec {
    let modes = [BondMode::ActiveBackup, BondMode::Lacp, BondMode::BalanceXor, BondMode::BalanceRr];
    let mode = modes[mode % modes.len()];
    let rate = fast.map(|fast| if fast { LacpRate::Fast } else { LacpRate::Slow });
    let hash = fast.map(|fast| if fast { TransmitHash::Layer34 } else { TransmitHash::Layer2 });
    BondSpec {
        members,
        mode,
        lacp_rate: rate.filter(|_| mode == BondMode::Lacp),
        mii_monitor_interval: Some(interval.unwrap_or(100)),
        transmit_hash_policy: hash.filter(|_| matches!(mode, BondMode::Lacp | BondMode::BalanceXor)),
    }
}

/// Cards, of which some are bonded; VLANs on the rest; a bridge of some of these.
fn documents() -> impl Strategy<Value = NetworkSpec> {
    let cards = vec((any::<u8>(), option::of(1280_u32..=9216)), 1..5);
    let bonded = (0_usize..3, 0_usize..4, option::of(any::<bool>()), option::of(1_u32..60_000), any::<u8>());
    let vlans = vec((1_u32..4095, any::<u8>()), 0..4);
    (cards, bonded, vlans, any::<bool>(), any::<bool>(), any::<u8>()).prop_map(
        |(cards, (members, mode, fast, interval, bits), vlans, bridged, stp, bridge_bits)| {
            let mut interfaces = Vec::new();
            let members = members.min(cards.len() - 1);
            let count = cards.len();
            for (number, (bits, mtu)) in cards.into_iter().enumerate() {
                let mac = format!("52:54:00:00:00:{number:02x}");
                let seed = u8::try_from(number).unwrap();
                // The first ones are bonded, the last one never is.
                let part = number < members || (bridged && number + 1 == count && vlans.is_empty());
                let base = addressed(seed, if part { 0 } else { bits }, mtu);
                let nic = Some(NicMatch { mac: Some(mac), ..NicMatch::default() });
                interfaces.push(InterfaceSpec { name: format!("nic{number}"), nic, ..base });
            }
            if members > 0 {
                let names = (0..members).map(|number| format!("nic{number}")).collect();
                let base = addressed(100, bits, None);
                let bond = Some(bond(names, mode, fast, interval));
                interfaces.push(InterfaceSpec { name: "bond0".into(), bond, ..base });
            }
            let last = format!("nic{}", count - 1);
            let mut ids = std::collections::BTreeSet::new();
            for (number, (id, bits)) in vlans.iter().copied().enumerate() {
                if ids.insert(id) {
                    let base = addressed(u8::try_from(110 + number).unwrap(), bits, None);
                    let vlan = Some(VlanSpec { id, on: last.clone() });
                    interfaces.push(InterfaceSpec { name: format!("v.{id}"), vlan, ..base });
                }
            }
            if bridged && vlans.is_empty() {
                let bridge = Some(BridgeSpec { members: vec![last], stp });
                let base = addressed(200, bridge_bits, None);
                interfaces.push(InterfaceSpec { name: "br0".into(), bridge, ..base });
            }
            NetworkSpec { interfaces, virtual_addresses: Vec::new() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn it_says_the_same(spec in documents()) {
        let model = read("network", &spec, Stage::Asked).unwrap();
        let macs: Vec<String> = spec.interfaces.iter().filter_map(|one| one.nic.clone()?.mac).collect();
        let text = render(&model, &macs);
        let mut back = parsed(&text);
        // The text has them by kind.
        let mut model = model;
        model.interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        back.interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        prop_assert_eq!(back, model, "{}", text);
    }
}

/// A model out of network-config version 2.
fn parsed(text: &str) -> Model {
    let all: Mapping = serde_yaml_ng::from_str(text).unwrap();
    assert_eq!(all["version"], 2);
    let mut interfaces = Vec::new();
    for (section, kind) in
        [("ethernets", nic as fn(&Mapping) -> Kind), ("bonds", bond_of), ("vlans", vlan), ("bridges", bridge)]
    {
        let Some(section) = all.get(section) else { continue };
        for (name, keys) in section.as_mapping().unwrap() {
            let (name, keys) = (name.as_str().unwrap(), keys.as_mapping().unwrap());
            if let Some(set) = keys.get("set-name") {
                assert_eq!(set, name);
            }
            interfaces.push(interface(name, kind(keys), keys));
        }
    }
    Model { interfaces }
}

fn interface(name: &str, kind: Kind, keys: &Mapping) -> Interface {
    let list = |value: Option<&Value>| value.and_then(Value::as_sequence).cloned().unwrap_or_default();
    let truth = |key: &str| keys[key].as_bool().unwrap();
    let mut gateways = [None, keys.get("gateway6").map(from)];
    let mut routes = Vec::new();
    for route in list(keys.get("routes")) {
        let (to, via): (Cidr, IpAddr) = (from(&route["to"]), from(&route["via"]));
        let metric = route.get("metric").map(|metric| u32::try_from(metric.as_u64().unwrap()).unwrap());
        match to.prefix {
            0 => gateways[0] = Some(via),
            _ => routes.push(Route { to, via, metric }),
        }
    }
    let servers = |key: &str| list(keys.get("nameservers").and_then(|servers| servers.get(key)));
    Interface {
        name: name.to_owned(),
        kind,
        mtu: keys.get("mtu").map(number),
        dhcp4: truth("dhcp4"),
        dhcp6: truth("dhcp6"),
        addresses: list(keys.get("addresses")).iter().map(from).collect(),
        open: false,
        gateways,
        routes,
        dns: servers("addresses").iter().map(from).collect(),
        search: servers("search").iter().map(text_of).collect(),
    }
}

fn nic(keys: &Mapping) -> Kind {
    Kind::Nic(NicMatch { mac: Some(text_of(&keys["match"]["macaddress"])), ..NicMatch::default() })
}

fn bond_of(keys: &Mapping) -> Kind {
    let parameters = keys["parameters"].as_mapping().unwrap();
    Kind::Bond(BondSpec {
        members: names(&keys["interfaces"]),
        mode: word(&parameters["mode"]),
        lacp_rate: parameters.get("lacp-rate").map(word),
        mii_monitor_interval: parameters.get("mii-monitor-interval").map(from),
        transmit_hash_policy: parameters.get("transmit-hash-policy").map(word),
    })
}

fn vlan(keys: &Mapping) -> Kind {
    Kind::Vlan(VlanSpec { id: number(&keys["id"]), on: text_of(&keys["link"]) })
}

fn bridge(keys: &Mapping) -> Kind {
    let stp = keys["parameters"]["stp"].as_bool().unwrap();
    Kind::Bridge(BridgeSpec { members: names(&keys["interfaces"]), stp })
}

fn names(value: &Value) -> Vec<String> {
    value.as_sequence().unwrap().iter().map(text_of).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn word<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_yaml_ng::from_value(value.clone()).unwrap()
}

fn from<T: FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}
