//! From a model to OpenStack's `network_data.json`, which a configuration drive has.
//!
//! <https://docs.openstack.org/nova/latest/user/metadata.html>. The format knows no bridges, no MTU of a network and no search
//! domains: a network with a bridge is refused before, the rest is left out.

use super::{Interface, Kind, Model};
use provisioner_api::BondSpec;
use serde_json::{Value, json};
use std::net::IpAddr;

/// The first interface that the format does not know.
pub(crate) fn not_in_openstack(model: &Model) -> Option<&str> {
    let bridge = |interface: &&Interface| matches!(interface.kind, Kind::Bridge(_));
    model.interfaces.iter().find(bridge).map(|interface| interface.name.as_str())
}

/// The document. `macs` are the network cards in the model's order.
pub(crate) fn network_data(model: &Model, macs: &[String]) -> Value {
    let mut cards = macs.iter();
    let (mut links, mut networks, mut services) = (Vec::new(), Vec::new(), Vec::new());
    let mut known: Vec<(&str, String)> = Vec::new();
    for interface in &model.interfaces {
        let name = interface.name.as_str();
        // Bonds and VLANs have the address of what they are made of.
        let of = |other: &str| known.iter().find(|(name, _)| *name == other).map(|(_, mac)| mac.clone());
        let (mut link, mac) = match &interface.kind {
            Kind::Nic(_) => {
                let mac = cards.next().cloned().unwrap_or_default();
                (json!({ "type": "phy", "ethernet_mac_address": mac }), mac)
            }
            Kind::Bond(bond) => {
                let mac = bond.members.first().and_then(|first| of(first)).unwrap_or_default();
                (bond_link(bond, &mac), mac)
            }
            Kind::Vlan(vlan) => {
                let mac = of(&vlan.on).unwrap_or_default();
                let link = json!({
                    "type": "vlan", "vlan_link": vlan.on, "vlan_id": vlan.id, "vlan_mac_address": mac,
                });
                (link, mac)
            }
            Kind::Bridge(_) => continue,
        };
        link["id"] = json!(name);
        link["name"] = json!(name);
        if let Some(mtu) = interface.mtu {
            link["mtu"] = json!(mtu);
        }
        links.push(link);
        known.push((name, mac));
        networks.extend(networks_on(interface));
        services.extend(interface.dns.iter().map(|server| json!({ "type": "dns", "address": server })));
    }
    for (number, network) in networks.iter_mut().enumerate() {
        network["id"] = json!(format!("network{number}"));
    }
    json!({ "links": links, "networks": networks, "services": services })
}

/// DHCP on the one card with this MAC address.
pub(crate) fn dhcp_on(mac: &str) -> Value {
    json!({
        "links": [{ "id": "boot", "type": "phy", "ethernet_mac_address": mac }],
        "networks": [{ "id": "network0", "type": "ipv4_dhcp", "link": "boot" }],
        "services": [],
    })
}

fn bond_link(bond: &BondSpec, mac: &str) -> Value {
    let mut link = json!({
        "type": "bond",
        "bond_links": bond.members,
        "bond_mode": bond.mode,
        "bond_miimon": bond.mii_monitor_interval.unwrap_or(super::render::INTERVAL),
        "ethernet_mac_address": mac,
    });
    if let Some(rate) = bond.lacp_rate {
        link["bond_lacp_rate"] = json!(rate);
    }
    if let Some(policy) = bond.transmit_hash_policy {
        link["bond_xmit_hash_policy"] = json!(policy);
    }
    link
}

/// What an interface speaks. Routes stand at its first address of their kind.
fn networks_on(interface: &Interface) -> Vec<Value> {
    let link = &interface.name;
    let dhcp = [(interface.dhcp4, "ipv4_dhcp"), (interface.dhcp6, "ipv6_dhcp")];
    let mut networks: Vec<Value> =
        dhcp.iter().filter(|(on, _)| *on).map(|(_, kind)| json!({ "type": kind, "link": link })).collect();
    let mut routed = [false; 2];
    for cidr in &interface.addresses {
        let six = cidr.address.is_ipv6();
        let mut network = json!({
            "type": if six { "ipv6" } else { "ipv4" },
            "link": link,
            "ip_address": cidr.address,
            "netmask": cidr.netmask(),
        });
        if !std::mem::replace(&mut routed[usize::from(six)], true) {
            network["routes"] = json!(routes(interface, six));
        }
        networks.push(network);
    }
    networks
}

fn routes(interface: &Interface, six: bool) -> Vec<Value> {
    let route = |to: IpAddr, netmask: IpAddr, via: IpAddr| json!({ "network": to, "netmask": netmask, "gateway": via });
    let nowhere: IpAddr = if six { [0_u16; 8].into() } else { [0_u8; 4].into() };
    let default = interface.gateways[usize::from(six)].map(|gateway| route(nowhere, nowhere, gateway));
    let others = interface.routes.iter().filter(|other| other.to.address.is_ipv6() == six);
    default
        .into_iter()
        .chain(others.map(|other| route(other.to.address, other.to.netmask(), other.via)))
        .collect()
}
