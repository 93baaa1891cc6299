//! What is refused, what is rendered, and that what is rendered says the same as the model.

mod back;
mod refused;

use super::*;
use crate::config::Network;
use provisioner_api::AddressSpec;
use std::net::Ipv4Addr;

/// A document, as a file has it.
pub(super) fn document(text: &str) -> NetworkSpec {
    serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

const BOND: &str = r#"
interfaces:
- name: port0
  nic: { name: eno1 }
  mtu: 9000
- name: port1
  nic: { position: 1 }
  mtu: 9000
- name: bond0
  bond: { members: [port0, port1], mode: 802.3ad, lacp_rate: fast, transmit_hash_policy: layer3+4 }
  mtu: 9000
- name: bond0.100
  vlan: { id: 100, on: bond0 }
  mtu: 1500
  addresses: [{ address: 192.0.2.10/24 }, { address: "2001:db8::10/64" }]
  gateway: 192.0.2.1
  gateway6: fe80::1
  routes: [{ to: 10.0.0.0/8, via: 192.0.2.254, metric: 50 }]
  dns: [192.0.2.53, "2001:db8::53"]
  search: [example.org]
- name: bond0.200
  vlan: { id: 200, on: bond0 }
- name: br0
  bridge: { members: [bond0.200] }
  dhcp4: true
"#;

const RENDERED: &str = include_str!("golden/bond.yaml");

#[test]
fn a_bond_with_vlans_and_a_bridge_is_rendered() {
    let model = read("network", &document(BOND), Stage::Asked).unwrap();
    let macs = ["52:54:00:00:00:01".to_owned(), "52:54:00:11:22:33".to_owned()];
    let text = render(&model, &macs);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/netconfig/golden/bond.yaml"), &text)
            .unwrap();
    }
    assert_eq!(text, RENDERED);
}

#[test]
fn a_bond_with_vlans_is_rendered_for_a_configuration_drive() {
    let macs = ["52:54:00:00:00:01".to_owned(), "52:54:00:11:22:33".to_owned()];
    let model = read("network", &document(BOND), Stage::Asked).unwrap();
    assert_eq!(not_in_openstack(&model), Some("br0"), "the format knows no bridges");
    let without = BOND.split("- name: bond0.200").next().unwrap();
    let model = read("network", &document(without), Stage::Asked).unwrap();
    assert_eq!(not_in_openstack(&model), None);
    let data = network_data(&model, &macs);
    let kinds: Vec<_> = data["links"].as_array().unwrap().iter().map(|link| &link["type"]).collect();
    assert_eq!(kinds, ["phy", "phy", "bond", "vlan"]);
    let (bond, vlan) = (&data["links"][2], &data["links"][3]);
    assert_eq!(bond["bond_links"], serde_json::json!(["port0", "port1"]));
    assert_eq!((&bond["bond_mode"], &bond["bond_lacp_rate"]), (&"802.3ad".into(), &"fast".into()));
    assert_eq!((&vlan["vlan_id"], &vlan["vlan_link"]), (&100.into(), &"bond0".into()));
    assert_eq!(vlan["vlan_mac_address"], macs[0]);
    let networks = data["networks"].as_array().unwrap();
    assert_eq!(networks[0]["netmask"], "255.255.255.0");
    let route = |to: &str, netmask: &str, gateway: &str| serde_json::json!({ "network": to, "netmask": netmask, "gateway": gateway });
    let routes = [route("0.0.0.0", "0.0.0.0", "192.0.2.1"), route("10.0.0.0", "255.0.0.0", "192.0.2.254")];
    assert_eq!(networks[0]["routes"], serde_json::json!(routes));
    assert_eq!(
        (&networks[1]["type"], &networks[1]["netmask"]),
        (&"ipv6".into(), &"ffff:ffff:ffff:ffff::".into())
    );
    assert_eq!(networks[1]["routes"], serde_json::json!([route("::", "::", "fe80::1")]));
    assert_eq!(data["services"].as_array().unwrap().len(), 2);
}

#[test]
fn a_single_card_is_rendered_quoted() {
    let model = read("network", &document("interfaces: [{ name: no, nic: {}, dhcp4: true }]"), Stage::Asked);
    let text = render(&model.unwrap(), &["11:22:33:44:55:66".replace("11", "10")]);
    assert_eq!(
        text,
        "version: 2\nethernets:\n  \"no\":\n    match: {\"macaddress\":\"10:22:33:44:55:66\"}\n    set-name: \"no\"\n    dhcp4: true\n    dhcp6: false\n"
    );
}

fn plan_of() -> Vec<Network> {
    let host = |last| Ipv4Addr::new(10, 77, 0, last);
    let mut network = Network::new("lab", "eth1", host(1), (host(0), 24));
    let link = &mut network.subnets[0];
    link.ranges = vec![(host(100), host(199))];
    link.static_ranges = vec![(host(200), host(219))];
    link.told.routers = vec![host(254)];
    link.told.dns = vec![host(53)];
    link.told.domain = Some("lab.example.org".into());
    vec![network]
}

#[test]
fn addresses_of_the_plan_are_written_in_with_what_their_subnet_says() {
    let networks = plan_of();
    let spec = document(
        "interfaces: [{ name: lan0, nic: {}, gateway: auto, addresses: [{ subnet: lab }, { subnet: 10.77.0.0/24, address: 10.77.0.210 }] }]",
    );
    assert!(read("network", &spec, Stage::Asked).is_ok());
    assert!(read("network", &spec, Stage::Settled).is_err(), "nothing was taken yet");
    let plan = Plan::new("network", &spec, &networks).unwrap();
    let wanted: Vec<_> = plan.wanted.iter().map(|wanted| (wanted.from.name(), wanted.exactly)).collect();
    let exactly = Ipv4Addr::new(10, 77, 0, 210);
    assert_eq!(wanted, [("lab".into(), None), ("lab".into(), Some(exactly))]);
    assert_eq!(plan.interface(&plan.wanted[0]), "lan0");
    let settled = plan.settle(&[Ipv4Addr::new(10, 77, 0, 200), exactly]);
    let lan0 = &settled.interfaces[0];
    let address =
        |text: &str, subnet: &str| AddressSpec { subnet: Some(subnet.into()), address: Some(text.into()) };
    assert_eq!(lan0.addresses, [address("10.77.0.200/24", "lab"), address("10.77.0.210/24", "10.77.0.0/24")]);
    assert_eq!(lan0.gateway.as_deref(), Some("10.77.0.254"));
    assert_eq!((lan0.dns.join(","), lan0.search.join(",")), ("10.77.0.53".into(), "lab.example.org".into()));
    let text = render(&read("network", &settled, Stage::Settled).unwrap(), &["52:54:00:00:00:01".into()]);
    assert!(text.contains("routes: [{\"to\":\"0.0.0.0/0\",\"via\":\"10.77.0.254\"}]"), "{text}");
}

#[test]
fn what_the_plan_does_not_have_is_refused() {
    let networks = plan_of();
    for (address, field, part) in [
        ("{ subnet: far }", "addresses[0].subnet", "there is no subnet `far`"),
        ("{ subnet: lab, address: 10.77.0.100 }", "addresses[0].address", "10.77.0.200 to 10.77.0.219"),
        ("{ address: 10.77.0.150/24 }", "addresses[0].address", "leased by DHCP"),
        ("{ address: 10.77.0.210/24 }", "addresses[0].address", "write `subnet:"),
        (
            "{ subnet: lab, address: 10.77.0.200 }, { subnet: lab, address: 10.77.0.200 }",
            "addresses[1].address",
            "twice",
        ),
    ] {
        let spec = document(&format!("interfaces: [{{ name: lan0, nic: {{}}, addresses: [{address}] }}]"));
        let problems = Plan::new("network", &spec, &networks).unwrap_err();
        assert_eq!(problems[0].field, format!("network.interfaces[0].{field}"), "{address}");
        assert!(problems[0].detail.contains(part), "{}", problems[0].detail);
    }
    // An address of a subnet that is declared, but neither leased nor planned: somebody else looks after it.
    let spec = document("interfaces: [{ name: lan0, nic: {}, addresses: [{ address: 10.77.0.20/24 }] }]");
    assert!(Plan::new("network", &spec, &networks).unwrap().wanted.is_empty());
    let mut networks = networks;
    networks[0].subnets[0].told.routers.clear();
    let spec = document("interfaces: [{ name: lan0, nic: {}, gateway: auto, addresses: [{ subnet: lab }] }]");
    assert!(Plan::new("network", &spec, &networks).unwrap_err()[0].detail.contains("has no `gateway`"));
}
