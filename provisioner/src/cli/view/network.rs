//! Networks, leases and reservations.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{Lease, Network, OtherServer, Reservation, Subnet};

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

impl HasName for Reservation {
    fn name(&self) -> String {
        self.address.clone()
    }
}

/// A table of networks.
pub(in crate::cli) fn networks(networks: &[Network], wide: bool) -> String {
    let narrow = |network: &Network| {
        [
            network.name.clone(),
            network.subnets.first().map(|link| link.subnet.clone()).unwrap_or_default(),
            network.interface.clone(),
            word(network.dhcp),
            yes(network.discovery),
            network.status.leases.to_string(),
            network.subnets.iter().map(|subnet| subnet.free).sum::<u64>().to_string(),
            trouble(network),
        ]
    };
    if !wide {
        return table(
            ["NAME", "SUBNET", "INTERFACE", "DHCP", "DISCOVERY", "LEASES", "FREE", "TROUBLE"],
            networks.iter().map(narrow),
        );
    }
    let rows = networks.iter().map(|network| {
        let [name, subnet, interface, dhcp, discovery, leases, free, trouble] = narrow(network);
        let link = network.subnets.first();
        [
            name,
            subnet,
            interface,
            dhcp,
            discovery,
            leases,
            free,
            link.map(ranges).unwrap_or_default(),
            network.address.clone(),
            link.and_then(|link| link.gateway.clone()).unwrap_or_default(),
            link.map(|link| link.dns.join(",")).unwrap_or_default(),
            network.subnets.len().saturating_sub(1).to_string(),
            word(network.boot_chain),
            trouble,
        ]
    });
    let titles = [
        "NAME",
        "SUBNET",
        "INTERFACE",
        "DHCP",
        "DISCOVERY",
        "LEASES",
        "FREE",
        "RANGES",
        "OUR ADDRESS",
        "GATEWAY",
        "DNS",
        "RELAYED",
        "BOOT CHAIN",
        "TROUBLE",
    ];
    table(titles, rows)
}

/// What an operator must not overlook.
fn trouble(network: &Network) -> String {
    let status = &network.status;
    let mut said = Vec::new();
    if !status.rogues.is_empty() {
        let servers: Vec<_> = status.rogues.iter().map(|rogue| rogue.server.as_str()).collect();
        said.push(format!("other DHCP server {}", servers.join(", ")));
    }
    if status.silent {
        said.push("silent".to_owned());
    }
    if !status.undeclared_relays.is_empty() {
        said.push(format!("undeclared relays: {}", status.undeclared_relays.len()));
    }
    said.join("; ")
}

/// A page about one.
pub(in crate::cli) fn network(network: &Network, context: &Context) -> String {
    let status = &network.status;
    let mut page = Page::default();
    page.line("Name", &network.name).line("Interface", &network.interface);
    page.line("Our address", &network.address).line("DHCP", word(network.dhcp));
    if network.server_identifier != network.address {
        page.line("Identifier", &network.server_identifier);
    }
    if status.silent {
        page.line("Silent", "no DHCP message is answered while another server is there");
    }
    for warning in &status.warnings {
        page.line("Warning", warning);
    }
    page.line("Boot chain", word(network.boot_chain)).line("Discovery", yes(network.discovery));
    let quarantined = match status.quarantined {
        0 => String::new(),
        number => format!(", and {number} addresses in quarantine"),
    };
    page.line("Leases", format!("{}{quarantined}", status.leases));
    page.line("Reservations", status.reservations.to_string());
    let rows = network.subnets.iter().map(|subnet| {
        [
            subnet.subnet.clone(),
            subnet.relay.clone().unwrap_or_default(),
            ranges(subnet),
            subnet.addresses.to_string(),
            subnet.used.to_string(),
            subnet.free.to_string(),
            subnet.gateway.clone().unwrap_or_default(),
            subnet.dns.join(","),
        ]
    });
    let titles = ["SUBNET", "RELAY", "RANGES", "ADDRESSES", "USED", "FREE", "GATEWAY", "DNS"];
    page.block("Subnets", &table(titles, rows));
    others(&mut page, "Other DHCP servers that should not be there", &status.rogues, context);
    others(&mut page, "Other DHCP servers that may be there", &status.known, context);
    if !status.undeclared_relays.is_empty() {
        let rows = status.undeclared_relays.iter().map(|relay| {
            [relay.relay.clone(), relay.packets.to_string(), context.time_and_age(relay.last_seen)]
        });
        let title = "Relays that speak for no declared subnet";
        page.block(title, &table(["RELAY", "PACKETS", "LAST HEARD"], rows));
    }
    page.end()
}

/// Other DHCP servers, if there are any.
fn others(page: &mut Page, title: &str, servers: &[OtherServer], context: &Context) {
    if servers.is_empty() {
        return;
    }
    let rows = servers.iter().map(|other| {
        let gives = if other.gives_addresses { "addresses" } else { "boot files only" }.to_owned();
        let (first, last) = (context.time(other.first_seen), context.time_and_age(other.last_seen));
        [other.server.clone(), other.mac.clone(), gives, first, last]
    });
    page.block(title, &table(["SERVER", "MAC", "GIVES", "FIRST HEARD", "LAST HEARD"], rows));
}

/// A table of leases.
pub(in crate::cli) fn leases(leases: &[Lease], wide: bool, context: &Context) -> String {
    let narrow = |lease: &Lease| {
        let name = lease.machine_name.clone();
        let machine = name.or_else(|| lease.machine.map(|id| id.to_string())).unwrap_or_default();
        let host = lease.hostname.clone().unwrap_or_default();
        let expires = context.time_and_age(lease.expires);
        [lease.address.clone(), lease.mac.clone(), word(lease.state), machine, host, expires]
    };
    if !wide {
        return table(
            ["ADDRESS", "MAC", "STATE", "MACHINE", "HOST NAME", "EXPIRES"],
            leases.iter().map(narrow),
        );
    }
    let rows = leases.iter().map(|lease| {
        let [address, mac, state, machine, host, expires] = narrow(lease);
        let relay = lease.relay.as_ref();
        let part = |text: Option<&String>| text.cloned().unwrap_or_default();
        let circuit = part(relay.and_then(|relay| relay.circuit.as_ref()));
        let remote = part(relay.and_then(|relay| relay.remote.as_ref()));
        [
            address,
            mac,
            state,
            machine,
            host,
            expires,
            part(relay.and_then(|relay| relay.address.as_ref())),
            circuit,
            remote,
        ]
    });
    let titles =
        ["ADDRESS", "MAC", "STATE", "MACHINE", "HOST NAME", "EXPIRES", "RELAY", "CIRCUIT", "REMOTE ID"];
    table(titles, rows)
}

/// A table of reservations.
pub(in crate::cli) fn reservations(reservations: &[Reservation]) -> String {
    let rows = reservations.iter().map(|reservation| [reservation.address.clone(), reservation.mac.clone()]);
    table(["ADDRESS", "MAC"], rows)
}

fn ranges(subnet: &Subnet) -> String {
    let spans: Vec<_> = subnet.ranges.iter().map(|(first, last)| format!("{first} to {last}")).collect();
    spans.join(", ")
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
