//! Which addresses a document takes out of the address plan, and the document with them in it.

use super::{Report, read::place as interface_place};
use crate::{address_plan::Place, config::Network};
use provisioner_api::{AddressSpec, FieldError, NetworkSpec};
use std::net::Ipv4Addr;

/// An address that is to be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Out of which subnet.
    pub(crate) from: Place<'a>,
    /// Exactly this one, if not any.
    pub(crate) exactly: Option<Ipv4Addr>,
    /// For which interface, and in which place there.
    interface: usize,
    address: usize,
}

/// What a document takes.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    spec: &'a NetworkSpec,
    /// The addresses.
    pub(crate) wanted: Vec<Wanted<'a>>,
}

impl<'a> Plan<'a> {
    /// What a document takes; `at` is where it is in the request.
    ///
    /// # Errors
    /// Subnets that don't have what is asked for.
    pub(crate) fn new(
        at: &str,
        spec: &'a NetworkSpec,
        networks: &'a [Network],
    ) -> Result<Self, Vec<FieldError>> {
        let mut report = Report { at, problems: Vec::new() };
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        for (interface, of) in spec.interfaces.iter().enumerate() {
            let mut first = None;
            for (address, asked) in of.addresses.iter().enumerate() {
                let field = format!("{}.addresses[{address}]", interface_place(interface));
                let Some(subnet) = &asked.subnet else {
                    written(&mut report, &field, asked, networks);
                    continue;
                };
                let place = Place::find(networks, subnet);
                let Some(from) = report.take(format!("{field}.subnet"), place) else { continue };
                let exactly = asked.address.as_ref().and_then(|text| text.parse().ok());
                if let Some(exactly) = exactly {
                    report.take(format!("{field}.address"), from.check(exactly));
                    let twice = wanted.iter().any(|other| other.exactly == Some(exactly));
                    report.check(!twice, format!("{field}.address"), format!("{exactly} is asked for twice"));
                }
                first.get_or_insert(from);
                wanted.push(Wanted { from, exactly, interface, address });
            }
            if of.gateway.as_deref() == Some("auto")
                && let Some(from) = first
            {
                let detail =
                    format!("subnet `{}` has no `gateway` in the configuration file; name one", from.name());
                report.check(
                    !from.subnet.told.routers.is_empty(),
                    format!("{}.gateway", interface_place(interface)),
                    detail,
                );
            }
        }
        if report.problems.is_empty() { Ok(Self { spec, wanted }) } else { Err(report.problems) }
    }

    /// The name of the interface that one is for.
    pub(crate) fn interface(&self, wanted: &Wanted<'_>) -> &'a str {
        &self.spec.interfaces[wanted.interface].name
    }

    /// The document with these addresses in it, one for each that is wanted, and with what their subnets say of routers and
    /// name servers.
    pub(crate) fn settle(&self, taken: &[Ipv4Addr]) -> NetworkSpec {
        let mut spec = self.spec.clone();
        for (wanted, address) in self.wanted.iter().zip(taken) {
            let told = &wanted.from.subnet.told;
            let interface = &mut spec.interfaces[wanted.interface];
            interface.addresses[wanted.address].address = Some(format!("{address}/{}", told.prefix));
            if interface.gateway.as_deref() == Some("auto") {
                interface.gateway = told.routers.first().map(ToString::to_string);
            }
            if interface.dns.is_empty() {
                interface.dns = told.dns.iter().map(ToString::to_string).collect();
            }
            if interface.search.is_empty() {
                interface.search = if told.search.is_empty() {
                    told.domain.iter().cloned().collect()
                } else {
                    told.search.clone()
                };
            }
        }
        spec
    }
}

/// An address that is written down must not be one that somebody else may be given.
fn written(report: &mut Report<'_>, field: &str, asked: &AddressSpec, networks: &[Network]) {
    let text = asked.address.as_deref().unwrap_or_default();
    let address = text.split('/').next().unwrap_or_default();
    let Ok(address) = address.parse::<Ipv4Addr>() else { return };
    let subnets =
        networks.iter().flat_map(|network| network.subnets.iter().map(move |subnet| (network, subnet)));
    for (network, subnet) in subnets.filter(|(_, subnet)| subnet.contains(address)) {
        let own = [network.address, network.server_identifier].contains(&address)
            || subnet.told.routers.contains(&address)
            || network.subnets.iter().any(|subnet| subnet.told.relay == Some(address));
        let name = subnet.name.clone().unwrap_or_else(|| subnet.cidr());
        let detail = if own {
            format!("{address} is Billet's own address, a router's or a relay's; choose another")
        } else if subnet.leases(address) {
            format!(
                "{address} may be leased by DHCP to somebody else; take an address of the static ranges of subnet `{name}`"
            )
        } else if subnet.is_static(address) {
            format!(
                "{address} belongs to the address plan: write `subnet: {name}` beside it, and leave its prefix out"
            )
        } else {
            continue;
        };
        report.check(false, format!("{field}.address"), detail);
    }
}
