//! From a model to YAML: network-config version 2.
//!
//! What every cloud-init since 22.4 (Debian 12) reads, whether it hands the text to netplan or makes ifupdown's or
//! NetworkManager's files of it. Hence the key of a card is the name that it is given (`set-name`): elsewhere than in netplan
//! others refer to it by that. The default route of IPv4 is `0.0.0.0/0`: 22.4 fails at `default`, newer ones warn of `gateway4`.
//! That of IPv6 is `gateway6`: 22.4 makes `::/64` of `::/0`. Times are texts, as cloud-init's schema has them.

use super::{Interface, Kind, Model, Route};
use provisioner_api::{BondMode, BondSpec};
use serde_json::{Value, json};
use std::fmt::Write;

/// How often the links of a bond are looked at when nothing is said of it, in milliseconds. Linux's own default is never.
pub(super) const INTERVAL: u32 = 100;

/// A line: key and value.
type Line = (&'static str, Value);

/// Interfaces of a section, with their lines.
type Lines<'a> = Vec<(&'a str, Vec<Line>)>;

/// The text. `macs` are the network cards in the model's order.
pub(crate) fn render(model: &Model, macs: &[String]) -> String {
    let mut macs = macs.iter();
    let mut sections: [(&str, Lines<'_>); 4] =
        [("ethernets", vec![]), ("bonds", vec![]), ("vlans", vec![]), ("bridges", vec![])];
    for interface in &model.interfaces {
        let (section, lines) = match &interface.kind {
            Kind::Nic(_) => {
                let mac = macs.next().map_or("", String::as_str);
                let name = interface.name.as_str();
                (0, vec![("match", json!({ "macaddress": mac })), ("set-name", json!(name))])
            }
            Kind::Bond(bond) => (1, bond_lines(bond)),
            Kind::Vlan(vlan) => (2, vec![("id", json!(vlan.id)), ("link", json!(vlan.on))]),
            Kind::Bridge(bridge) => {
                let parameters = json!({ "stp": bridge.stp });
                (3, vec![("interfaces", json!(bridge.members)), ("parameters", parameters)])
            }
        };
        let lines = lines.into_iter().chain(address_lines(interface)).collect();
        sections[section].1.push((&interface.name, lines));
    }
    let mut text = "version: 2\n".to_owned();
    for (section, interfaces) in sections.iter().filter(|(_, interfaces)| !interfaces.is_empty()) {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{section}:");
        for (name, lines) in interfaces {
            let _ = writeln!(text, "  {}:", json!(name));
            for (key, value) in lines {
                let _ = writeln!(text, "    {key}: {value}");
            }
        }
    }
    text
}

fn bond_lines(bond: &BondSpec) -> Vec<Line> {
    let mut parameters = json!({
        "mode": bond.mode,
        "mii-monitor-interval": bond.mii_monitor_interval.unwrap_or(INTERVAL).to_string(),
    });
    if bond.mode == BondMode::Lacp
        && let Some(rate) = bond.lacp_rate
    {
        parameters["lacp-rate"] = json!(rate);
    }
    if let Some(policy) = bond.transmit_hash_policy {
        parameters["transmit-hash-policy"] = json!(policy);
    }
    vec![("interfaces", json!(bond.members)), ("parameters", parameters)]
}

/// What every interface may have. Values are JSON, in which every text is quoted: unquoted, YAML 1.1 takes a MAC address of
/// decimal digits for a number of base 60.
fn address_lines(interface: &Interface) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(interface.mtu.map(|mtu| ("mtu", json!(mtu))));
    lines.push(("dhcp4", json!(interface.dhcp4)));
    lines.push(("dhcp6", json!(interface.dhcp6)));
    if !interface.addresses.is_empty() {
        let addresses: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
        lines.push(("addresses", json!(addresses)));
    }
    let [gateway, gateway6] = interface.gateways;
    lines.extend(gateway6.map(|gateway| ("gateway6", json!(gateway))));
    let default = gateway.map(|gateway| json!({ "to": "0.0.0.0/0", "via": gateway }));
    let routes: Vec<Value> = default.into_iter().chain(interface.routes.iter().map(route)).collect();
    if !routes.is_empty() {
        lines.push(("routes", json!(routes)));
    }
    if !interface.dns.is_empty() || !interface.search.is_empty() {
        let mut servers = json!({});
        if !interface.dns.is_empty() {
            servers["addresses"] = json!(interface.dns);
        }
        if !interface.search.is_empty() {
            servers["search"] = json!(interface.search);
        }
        lines.push(("nameservers", servers));
    }
    lines
}

fn route(route: &Route) -> Value {
    let mut value = json!({ "to": route.to.to_string(), "via": route.via });
    if let Some(metric) = route.metric {
        value["metric"] = json!(metric);
    }
    value
}
