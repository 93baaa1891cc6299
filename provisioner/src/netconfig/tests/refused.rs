//! Each mistake with its field and its sentence.

use super::{Stage, document, read};

/// Two cards, as most mistakes need them.
const CARDS: &str = "{ name: a, nic: {} }, { name: b, nic: { name: eno2 } }";

/// What is said of a list of interfaces: the first problem.
fn said(interfaces: &str) -> (String, String) {
    let spec = document(&format!("interfaces: [{interfaces}]"));
    let problems = read("network", &spec, Stage::Asked).expect_err(interfaces);
    let first = &problems[0];
    (first.field.strip_prefix("network.").unwrap().to_owned(), first.detail.clone())
}

fn refused(cases: &[(&str, &str, &str)]) {
    for (interfaces, field, part) in cases {
        let (at, detail) = said(&interfaces.replace("CARDS", CARDS));
        assert_eq!(at, *field, "{interfaces}: {detail}");
        assert!(detail.contains(part), "{interfaces}: {detail}");
    }
}

#[test]
fn fields() {
    refused(&[
        ("", "interfaces", "1 to 64 interfaces"),
        ("{ name: a }", "interfaces[0]", "exactly one of `nic`"),
        ("{ name: a, nic: {}, vlan: { id: 1, on: b } }", "interfaces[0]", "exactly one"),
        ("{ name: '', nic: {} }", "interfaces[0].name", "1 to 15"),
        ("{ name: much-too-long-name, nic: {} }", "interfaces[0].name", "1 to 15"),
        ("{ name: 'a b', nic: {} }", "interfaces[0].name", "is not a name"),
        ("{ name: a/b, nic: {} }", "interfaces[0].name", "is not a name"),
        ("{ name: '..', nic: {} }", "interfaces[0].name", "is not a name"),
        ("{ name: '100', nic: {} }", "interfaces[0].name", "a letter among them"),
        ("{ name: lo, nic: {} }", "interfaces[0].name", "something else to Linux"),
        ("{ name: a, nic: { mac: nonsense } }", "interfaces[0].nic.mac", "unicast MAC"),
        ("{ name: a, nic: { mac: '01:00:5e:00:00:01' } }", "interfaces[0].nic.mac", "unicast MAC"),
        ("{ name: a, nic: { name: eno1, position: 0 } }", "interfaces[0].nic", "one of `mac`"),
        ("{ name: a, nic: { name: '' } }", "interfaces[0].nic.name", "1 to 15 characters"),
        ("{ name: a, nic: {}, mtu: 500 }", "interfaces[0].mtu", "576 to 9216"),
        ("{ name: a, nic: {}, mtu: 9217 }", "interfaces[0].mtu", "576 to 9216"),
        ("{ name: a, nic: {}, mtu: 1000, dhcp6: true }", "interfaces[0].mtu", "1280 to 9216"),
        ("CARDS, { name: v, vlan: { id: 0, on: a } }", "interfaces[2].vlan.id", "1 to 4094"),
        ("CARDS, { name: v, vlan: { id: 4095, on: a } }", "interfaces[2].vlan.id", "1 to 4094"),
        (
            "CARDS, { name: x, bond: { members: [a], mii_monitor_interval: 0 } }",
            "interfaces[2].bond.mii_monitor_interval",
            "1 to 60000",
        ),
    ]);
}

#[test]
fn addresses() {
    let address = |address: &str| format!("{{ name: a, nic: {{}}, addresses: [{address}] }}");
    for (given, field, part) in [
        ("{}", "addresses[0]", "or the `subnet`"),
        ("{ address: 192.0.2.10 }", "addresses[0].address", "with its prefix"),
        ("{ address: 192.0.2.10/33 }", "addresses[0].address", "with its prefix"),
        ("{ address: 192.0.2.0/24 }", "addresses[0].address", "no host's"),
        ("{ address: 192.0.2.255/24 }", "addresses[0].address", "no host's"),
        ("{ address: 127.0.0.1/8 }", "addresses[0].address", "not an IP address of a host"),
        ("{ address: 224.0.0.1/8 }", "addresses[0].address", "not an IP address of a host"),
        ("{ address: 192.0.2.10/0 }", "addresses[0].address", "the whole Internet"),
        ("{ subnet: lab, address: 10.77.0.9/24 }", "addresses[0].address", "without a prefix"),
        ("{ address: 192.0.2.10/24 }, { address: 192.0.2.10/25 }", "addresses", "already"),
    ] {
        let (at, detail) = said(&address(given));
        assert_eq!(at, format!("interfaces[0].{field}"), "{given}: {detail}");
        assert!(detail.contains(part), "{given}: {detail}");
    }
    refused(&[
        ("{ name: a, nic: {}, gateway: nowhere }", "interfaces[0].gateway", "not an IP address"),
        ("{ name: a, nic: {}, gateway: auto }", "interfaces[0].gateway", "none is; name one"),
        ("{ name: a, nic: {}, gateway: 'fe80::1' }", "interfaces[0].gateway", "not an address of IPv4"),
        (
            "{ name: a, nic: {}, gateway: 192.0.2.1 }",
            "interfaces[0].gateway",
            "not on the link of `a`: its addresses are none",
        ),
        (
            "{ name: a, nic: {}, gateway: 192.0.3.1, addresses: [{ address: 192.0.2.10/24 }] }",
            "interfaces[0].gateway",
            "not on the link of `a`: its addresses are 192.0.2.10/24",
        ),
        (
            "{ name: a, nic: {}, gateway: 192.0.2.10, addresses: [{ address: 192.0.2.10/24 }] }",
            "interfaces[0].gateway",
            "own address",
        ),
        (
            "{ name: a, nic: {}, dhcp4: true, gateway: 192.0.2.1 }, { name: b, nic: { position: 1 }, dhcp4: true, gateway: 198.51.100.1 }",
            "interfaces[1].gateway",
            "`a` has a default router already",
        ),
        (
            "{ name: a, nic: {}, dhcp4: true, routes: [{ to: 10.0.0.1/8, via: 192.0.2.1 }] }",
            "interfaces[0].routes[0].to",
            "begins inside a subnet",
        ),
        (
            "{ name: a, nic: {}, dhcp4: true, routes: [{ to: 0.0.0.0/0, via: 192.0.2.1 }] }",
            "interfaces[0].routes[0].to",
            "`gateway` sets it",
        ),
        (
            "{ name: a, nic: {}, dhcp4: true, routes: [{ to: '2001:db8::/32', via: 192.0.2.1 }] }",
            "interfaces[0].routes[0].via",
            "one is IPv4, the other IPv6",
        ),
        (
            "{ name: a, nic: {}, routes: [{ to: 10.0.0.0/8, via: 192.0.2.1 }] }",
            "interfaces[0].routes[0].via",
            "not on the link",
        ),
        ("{ name: a, nic: {}, dns: [resolver] }", "interfaces[0].dns[0]", "not an IP address"),
        ("{ name: a, nic: {}, search: ['a b'] }", "interfaces[0].search[0]", "not a domain name"),
    ]);
}

#[test]
fn wiring() {
    refused(&[
        (
            "{ name: a, nic: {} }, { name: a, nic: { position: 1 } }",
            "interfaces[1].name",
            "two interfaces are called `a`",
        ),
        (
            "{ name: a, nic: {} }, { name: b, nic: {} }",
            "interfaces[1].nic",
            "same network card as that of `a`",
        ),
        (
            "{ name: a, nic: { mac: '52:54:00:00:00:0a' } }, { name: b, nic: { mac: 52-54-00-00-00-0A } }",
            "interfaces[1].nic",
            "same network card",
        ),
        ("CARDS, { name: x, bond: { members: [] } }", "interfaces[2].bond.members", "at least one"),
        (
            "CARDS, { name: x, bond: { members: [a, c] } }",
            "interfaces[2].bond.members[1]",
            "no interface `c`",
        ),
        (
            "CARDS, { name: x, bond: { members: [a, a] } }",
            "interfaces[2].bond.members[1]",
            "a part of `x` already",
        ),
        (
            "CARDS, { name: x, bond: { members: [a] } }, { name: y, bridge: { members: [a] } }",
            "interfaces[3].bridge.members[0]",
            "a part of `x` already",
        ),
        (
            "CARDS, { name: x, bond: { members: [a] } }, { name: y, bond: { members: [x] } }",
            "interfaces[3].bond.members[0]",
            "made of network cards",
        ),
        (
            "CARDS, { name: x, bridge: { members: [a] } }, { name: y, bridge: { members: [x] } }",
            "interfaces[3].bridge.members[0]",
            "can't be a part of a bridge",
        ),
        (
            "{ name: a, nic: {}, dhcp4: true }, { name: x, bond: { members: [a] } }",
            "interfaces[0].dhcp4",
            "a part of `x`",
        ),
        (
            "{ name: a, nic: {}, addresses: [{ subnet: lab }] }, { name: x, bond: { members: [a] } }",
            "interfaces[0].addresses",
            "to which this belongs",
        ),
    ]);
}

#[test]
fn bonds_and_vlans() {
    refused(&[
        (
            "CARDS, { name: x, bond: { members: [a], lacp_rate: fast } }",
            "interfaces[2].bond.lacp_rate",
            "only mode `802.3ad`",
        ),
        (
            "CARDS, { name: x, bond: { members: [a], transmit_hash_policy: layer2 } }",
            "interfaces[2].bond.transmit_hash_policy",
            "choose by a hash",
        ),
        ("CARDS, { name: v, vlan: { id: 1, on: c } }", "interfaces[2].vlan.on", "no interface `c`"),
        (
            "CARDS, { name: v, vlan: { id: 1, on: a } }, { name: w, vlan: { id: 2, on: v } }",
            "interfaces[3].vlan.on",
            "a VLAN itself",
        ),
        (
            "CARDS, { name: v, vlan: { id: 1, on: a } }, { name: w, vlan: { id: 1, on: a } }",
            "interfaces[3].vlan.id",
            "`v` is VLAN 1 on `a` already",
        ),
        (
            "CARDS, { name: v, vlan: { id: 1, on: a }, mtu: 9000 }",
            "interfaces[2].mtu",
            "more than the 1500 of `a`",
        ),
        (
            "CARDS, { name: x, bond: { members: [a] } }, { name: v, vlan: { id: 1, on: a } }",
            "interfaces[3].vlan.on",
            "put the VLAN on that",
        ),
        (
            "{ name: x, bridge: { members: [v] } }, { name: v, vlan: { id: 1, on: x } }",
            "interfaces[0]",
            "`x` is made of itself",
        ),
    ]);
}

#[test]
fn unknown_fields_and_words_are_refused() {
    for text in [
        "interfaces: [{ name: a, nic: {}, dhcp: true }]",
        "interfaces: [{ name: a, bond: { members: [b], mode: lacp } }]",
        "interfaces: [{ name: a, nic: { slot: 1 } }]",
        "interfaces: []\nbonds: {}",
    ] {
        assert!(serde_yaml_ng::from_str::<provisioner_api::NetworkSpec>(text).is_err(), "{text}");
    }
}
