//! Checking networks: each by itself, and that they are not in each other's way.

use super::{Network, check::Checker, value, wire};
use std::net::Ipv4Addr;

/// Checks the networks.
pub(super) fn networks(checker: &mut Checker, networks: Vec<wire::Network>) -> Vec<Network> {
    let networks: Vec<_> = networks.into_iter().map(|network| one(checker, network)).collect();
    for (index, network) in networks.iter().enumerate() {
        for other in networks.iter().take(index) {
            pair(checker, other, network);
        }
    }
    networks
}

/// Checks one.
fn one(checker: &mut Checker, network: wire::Network) -> Network {
    let before = checker.problems.len();
    let place = format!("networks.{}", network.name);
    let key = |key: &str| format!("{place}.{key}");
    let unset = Ipv4Addr::UNSPECIFIED;
    let [first, last] = &network.range;
    let checked = Network {
        subnet: checker.take(key("subnet"), value::subnet(&network.subnet), (unset, 8)),
        address: checker.take(key("address"), address(&network.address), unset),
        range: (
            checker.take(key("range"), address(first), unset),
            checker.take(key("range"), address(last), unset),
        ),
        gateway: network.gateway.map(|text| checker.take(key("gateway"), address(&text), unset)),
        dns: network.dns.iter().map(|text| checker.take(key("dns"), address(text), unset)).collect(),
        interface: checker.take(key("interface"), value::interface(&network.interface), String::new()),
        discovery: network.discovery,
        dhcp: network.dhcp,
        name: checker.take(key("name"), value::dns_label(&network.name), network.name.clone()),
    };
    // What addresses have to do with each other can only be said of addresses that are some.
    if checker.problems.len() == before {
        plan(checker, &checked, key);
    }
    checked
}

/// Checks a network's address plan.
fn plan(checker: &mut Checker, network: &Network, key: impl Fn(&str) -> String) {
    let (subnet, prefix) = network.subnet;
    let (first, last) = network.range;
    if let Some(detail) = outside(network, network.address) {
        checker.problem(key("address"), detail);
    }
    for end in [first, last] {
        if let Some(detail) = outside(network, end) {
            checker.problem(key("range"), detail);
        }
    }
    if first > last {
        checker.problem(key("range"), format!("{first} lies behind {last}; write the lower address first"));
    }
    if (first..=last).contains(&network.address) {
        checker.problem(
            key("range"),
            format!("it contains our own address {}; take it out of the range", network.address),
        );
    }
    let Some(gateway) = network.gateway else { return };
    if let Some(detail) = outside(network, gateway) {
        checker
            .problem(key("gateway"), format!("{detail}: clients could not reach it from {subnet}/{prefix}"));
    }
    if (first..=last).contains(&gateway) {
        checker.problem(key("range"), format!("it contains the gateway {gateway}; take it out of the range"));
    }
}

/// Why an address can't be a host's in this network.
fn outside(network: &Network, address: Ipv4Addr) -> Option<String> {
    let (subnet, prefix) = network.subnet;
    let (low, high) = bounds(network);
    let number = u32::from(address);
    if number < low || number > high {
        return Some(format!("{address} is outside of {subnet}/{prefix}"));
    }
    (number == low || number == high).then(|| {
        format!("{address} is the network's or the broadcast address of {subnet}/{prefix}, no host's")
    })
}

/// First and last address of the subnet.
fn bounds(network: &Network) -> (u32, u32) {
    let (subnet, prefix) = network.subnet;
    let low = u32::from(subnet);
    (low, low | !value::mask(prefix))
}

/// Checks two networks against each other.
fn pair(checker: &mut Checker, earlier: &Network, later: &Network) {
    if earlier.name == later.name {
        checker.problem(
            format!("networks.{}", later.name),
            "two networks have this name; call one of them something else",
        );
    }
    if earlier.interface == later.interface && !later.interface.is_empty() {
        checker.problem(
            format!("networks.{}.interface", later.name),
            format!(
                "network `{}` is on {} already; DHCP could not tell the two apart, use a VLAN interface",
                earlier.name, later.interface
            ),
        );
    }
    let (a, b) = (bounds(earlier), bounds(later));
    let known = earlier.subnet.0 != Ipv4Addr::UNSPECIFIED && later.subnet.0 != Ipv4Addr::UNSPECIFIED;
    if known && a.0 <= b.1 && b.0 <= a.1 {
        checker.problem(
            format!("networks.{}.subnet", later.name),
            format!(
                "it overlaps with that of network `{}`, {}/{}",
                earlier.name, earlier.subnet.0, earlier.subnet.1
            ),
        );
    }
}

/// An address.
fn address(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse() {
        Ok(Ipv4Addr::UNSPECIFIED) | Err(_) => {
            Err(format!("`{text}` is not an IPv4 address; write it like 10.77.0.1"))
        }
        Ok(address) => Ok(address),
    }
}
