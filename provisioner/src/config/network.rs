//! Networks: the link that we are on, the subnets behind its relays, and that none is in another's way.

use super::{
    check::Checker,
    subnet::{self, Subnet, address, text},
    value, wire,
};
use provisioner_api::DhcpMode;
use pxe::RoguePolicy;
use pxe_proto::{boot::Preference, dhcp};
use std::{collections::BTreeSet, net::Ipv4Addr};

/// A network on which machines are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The interface that it is on.
    pub interface: String,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// What DHCP does.
    pub dhcp: DhcpMode,
    /// The server identifier of DHCP (option 54).
    pub server_identifier: Ipv4Addr,
    /// The link's own subnet, then those behind relays. Never empty.
    pub subnets: Vec<Subnet>,
    /// Whether unknown machines that netboot are inventoried.
    pub discovery: bool,
    /// How machines boot that say nothing themselves.
    pub boot_chain: Preference,
    /// Whether router solicitations are answered.
    pub router_advertisements: bool,
    /// Whether an address is probed for another user when it is offered.
    pub conflict_probe: bool,
    /// What is done about another DHCP server.
    pub rogue: RoguePolicy,
    /// Other DHCP servers that may be there.
    pub known_servers: Vec<Ipv4Addr>,
}

impl Network {
    /// A network with the defaults of the configuration file, and no addresses to lease yet.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        interface: impl Into<String>,
        address: Ipv4Addr,
        subnet: (Ipv4Addr, u8),
    ) -> Self {
        Network {
            name: name.into(),
            interface: interface.into(),
            address,
            dhcp: DhcpMode::Full,
            server_identifier: address,
            subnets: vec![Subnet::new(subnet.0, subnet.1)],
            discovery: false,
            boot_chain: Preference::Auto,
            router_advertisements: true,
            conflict_probe: true,
            rogue: RoguePolicy::Silent,
            known_servers: Vec::new(),
        }
    }

    /// The subnet of the link itself.
    #[must_use]
    pub fn link(&self) -> &Subnet {
        // Never empty, see the field.
        &self.subnets[0]
    }

    /// Whether an address belongs to this network.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.subnets.iter().any(|subnet| subnet.contains(address))
    }

    /// The mode in which DHCP is served, if it is.
    pub(crate) fn mode(&self) -> Option<dhcp::Mode> {
        match self.dhcp {
            DhcpMode::Full => Some(dhcp::Mode::Full),
            DhcpMode::ReservedOnly => Some(dhcp::Mode::ReservedOnly),
            DhcpMode::Proxy => Some(dhcp::Mode::Proxy),
            DhcpMode::Off => None,
        }
    }

    /// As the boot server wants it.
    pub(crate) fn served(&self) -> pxe::Network {
        pxe::Network {
            name: self.name.clone(),
            interface: self.interface.clone(),
            address: self.address,
            dhcp: self.mode().map(|mode| pxe::Dhcp {
                mode,
                identifier: self.server_identifier,
                subnets: self.subnets.iter().map(|subnet| subnet.told.clone()).collect(),
                conflict_probe: self.conflict_probe,
                rogue: self.rogue,
                known_servers: self.known_servers.clone(),
            }),
            router_advertisements: self.router_advertisements,
        }
    }
}

/// Checks the networks.
pub(super) fn networks(checker: &mut Checker, networks: Vec<wire::Network>) -> Vec<Network> {
    let networks: Vec<_> = networks.into_iter().map(|network| one(checker, network)).collect();
    for (index, network) in networks.iter().enumerate() {
        for other in networks.iter().take(index) {
            pair(checker, other, network);
        }
    }
    names(checker, &networks);
    networks
}

/// A name, of a network or a subnet, means one subnet.
fn names(checker: &mut Checker, networks: &[Network]) {
    let mut names: BTreeSet<&str> = networks.iter().map(|network| &*network.name).collect();
    for network in networks {
        for subnet in &network.subnets {
            if let Some(name) = subnet.name.as_deref().filter(|name| !name.is_empty())
                && !names.insert(name)
            {
                let key = format!("networks.{}.subnets.{}.name", network.name, text(subnet));
                checker
                    .problem(key, "another network or subnet has this name; call one of them something else");
            }
        }
    }
}

/// Checks one.
fn one(checker: &mut Checker, mut network: wire::Network) -> Network {
    let before = checker.problems.len();
    let place = format!("networks.{}", network.name);
    let key = |key: &str| format!("{place}.{key}");
    let unset = Ipv4Addr::UNSPECIFIED;
    let link = network.take_link();
    let ours = checker.take(key("address"), address(&network.address), unset);
    let identifier = network.server_identifier.as_ref();
    let identifier =
        identifier.map(|text| checker.take(key("server_identifier"), address(text), unset)).unwrap_or(ours);
    let known_servers = network.known_servers.iter();
    let known_servers =
        known_servers.map(|text| checker.take(key("known_servers"), address(text), unset)).collect();
    let mut subnets = vec![subnet::read(checker, &place, link)];
    for subnet in network.subnets {
        let place = format!("{place}.subnets.{}", subnet.subnet);
        subnets.push(subnet::read(checker, &place, subnet));
    }
    let checked = Network {
        interface: checker.take(key("interface"), value::interface(&network.interface), String::new()),
        address: ours,
        dhcp: network.dhcp,
        server_identifier: identifier,
        subnets,
        discovery: network.discovery,
        boot_chain: network.boot_chain,
        router_advertisements: network.router_advertisements,
        conflict_probe: network.conflict_probe,
        rogue: network.rogue,
        known_servers,
        name: checker.take(key("name"), value::dns_label(&network.name), network.name.clone()),
    };
    // What addresses have to do with each other can only be said of addresses that are some.
    if checker.problems.len() == before {
        plan(checker, &checked, &place);
    }
    checked
}

/// Checks a network's address plan.
fn plan(checker: &mut Checker, network: &Network, place: &str) {
    let key = |key: &str| format!("{place}.{key}");
    if let Some(detail) = network.link().outside(network.address) {
        checker.problem(key("address"), detail);
    }
    for (index, subnet) in network.subnets.iter().enumerate() {
        let place = if index == 0 { place.to_owned() } else { format!("{place}.subnets.{}", text(subnet)) };
        subnet::plan(checker, subnet, network.address, &place);
        relay(checker, network, subnet, &place);
        for earlier in &network.subnets[..index] {
            if subnet.overlaps(earlier) {
                checker.problem(
                    format!("{place}.subnet"),
                    format!("it overlaps with {} of the same network", text(earlier)),
                );
            }
        }
    }
    if network.dhcp == DhcpMode::Full && network.subnets.iter().all(|subnet| subnet.ranges.is_empty()) {
        checker.problem(
            key("range"),
            "`dhcp = \"full\"` gives addresses and has none to give; write a range of addresses, or \"reserved-only\" or \"proxy\"",
        );
    }
    let identifier = network.server_identifier;
    if identifier != network.address && network.subnets.iter().any(|subnet| subnet.is_static(identifier)) {
        checker.problem(key("server_identifier"), format!("{identifier} is in a range of static addresses"));
    }
    if identifier != network.address && network.subnets.iter().any(|subnet| subnet.leases(identifier)) {
        checker.problem(key("server_identifier"), format!("{identifier} is in a range; exclude it there"));
    }
    if network.known_servers.contains(&network.address) {
        checker.problem(key("known_servers"), format!("{} is our own address", network.address));
    }
}

/// A relay speaks from an address inside one of the network's subnets.
fn relay(checker: &mut Checker, network: &Network, subnet: &Subnet, place: &str) {
    let Some(relay) = subnet.told.relay else { return };
    let key = format!("{place}.relay");
    if !network.contains(relay) {
        checker.problem(
            key,
            format!(
                "the relay {relay} is in none of this network's subnets; declare the subnet that it is in"
            ),
        );
    } else if network.subnets.iter().any(|subnet| subnet.leases(relay) || subnet.is_static(relay)) {
        checker.problem(key, format!("the relay {relay} is in a range; exclude it there"));
    }
}

/// Checks two networks against each other.
fn pair(checker: &mut Checker, earlier: &Network, later: &Network) {
    let key = |key: &str| format!("networks.{}{key}", later.name);
    if earlier.name == later.name {
        checker.problem(key(""), "two networks have this name; call one of them something else");
    }
    if earlier.interface == later.interface && !later.interface.is_empty() {
        checker.problem(
            key(".interface"),
            format!(
                "network `{}` is on {} already; DHCP could not tell the two apart, use a VLAN interface",
                earlier.name, later.interface
            ),
        );
    }
    for (index, subnet) in later.subnets.iter().enumerate() {
        for other in earlier.subnets.iter().filter(|other| subnet.overlaps(other)) {
            let part = if index == 0 { String::new() } else { format!(".subnets.{}", text(subnet)) };
            checker.problem(
                key(&format!("{part}.subnet")),
                format!("it overlaps with that of network `{}`, {}", earlier.name, text(other)),
            );
        }
    }
}
