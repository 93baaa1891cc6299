//! Networks and leases.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{Lease, Network};

impl HasName for Network {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for Lease {
    fn name(&self) -> String {
        self.address.clone()
    }
}

/// A table of networks.
pub(in crate::cli) fn networks(networks: &[Network], wide: bool) -> String {
    let narrow = |network: &Network| {
        [
            network.name.clone(),
            network.subnet.clone(),
            network.interface.clone(),
            word(network.dhcp),
            yes(network.discovery),
            network.leases.to_string(),
        ]
    };
    if !wide {
        return table(
            ["NAME", "SUBNET", "INTERFACE", "DHCP", "DISCOVERY", "LEASES"],
            networks.iter().map(narrow),
        );
    }
    let rows = networks.iter().map(|network| {
        let [name, subnet, interface, dhcp, discovery, leases] = narrow(network);
        let gateway = network.gateway.clone().unwrap_or_default();
        [
            name,
            subnet,
            interface,
            dhcp,
            discovery,
            leases,
            range(network),
            network.address.clone(),
            gateway,
            network.dns.join(","),
        ]
    });
    let titles = [
        "NAME",
        "SUBNET",
        "INTERFACE",
        "DHCP",
        "DISCOVERY",
        "LEASES",
        "RANGE",
        "OUR ADDRESS",
        "GATEWAY",
        "DNS",
    ];
    table(titles, rows)
}

/// A page about one.
pub(in crate::cli) fn network(network: &Network) -> String {
    let mut page = Page::default();
    page.line("Name", &network.name).line("Subnet", &network.subnet).line("Interface", &network.interface);
    page.line("Our address", &network.address).line("Range", range(network));
    page.line("Leases", network.leases.to_string()).line("DHCP", word(network.dhcp));
    page.line("Discovery", yes(network.discovery));
    page.line("Gateway", network.gateway.as_deref().unwrap_or_default()).line("DNS", network.dns.join(", "));
    page.end()
}

/// A table of leases; `machine` knows names.
pub(in crate::cli) fn leases(
    leases: &[Lease],
    context: &Context,
    machine: impl Fn(&Lease) -> Option<String>,
) -> String {
    let rows = leases.iter().map(|lease| {
        let machine = machine(lease).or_else(|| lease.machine.map(|id| id.to_string())).unwrap_or_default();
        [lease.address.clone(), lease.mac.clone(), machine, context.time_and_age(lease.expires)]
    });
    table(["ADDRESS", "MAC", "MACHINE", "EXPIRES"], rows)
}

fn range(network: &Network) -> String {
    format!("{} to {}", network.range.0, network.range.1)
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
