//! What interfaces are made of: that names are unique, that each is a part of one other at the most, and that nothing is
//! made of itself.

use super::{Interface, Kind, Model, Report, read::place};
use provisioner_api::{BondMode, BondSpec, VlanSpec};
use std::collections::BTreeMap;

/// The largest packet of an interface that says nothing of it.
const USUAL_MTU: u32 = 1500;

/// Interfaces by name, with their places.
type Named<'a> = BTreeMap<&'a str, (usize, &'a Interface)>;

/// Checks all of that.
pub(super) fn check(report: &mut Report<'_>, model: &Model) {
    let before = report.problems.len();
    let named = names(report, model);
    cards(report, model);
    for (number, interface) in model.interfaces.iter().enumerate() {
        let at = format!("{}.{}", place(number), interface.kind.field());
        match &interface.kind {
            Kind::Nic(_) => {}
            Kind::Bond(bond) => check_bond(report, &at, bond),
            Kind::Vlan(vlan) => check_vlan(report, &at, interface, vlan, &named),
            Kind::Bridge(_) => {}
        }
    }
    members(report, model, &named);
    vlans(report, model);
    if report.problems.len() == before {
        circles(report, model, &named);
    }
}

fn names<'a>(report: &mut Report<'_>, model: &'a Model) -> Named<'a> {
    let mut named = Named::new();
    for (number, interface) in model.interfaces.iter().enumerate() {
        let first = named.insert(&*interface.name, (number, interface)).is_none();
        let detail =
            format!("two interfaces are called `{}`; call one of them something else", interface.name);
        report.check(first, format!("{}.name", place(number)), detail);
    }
    named
}

/// No card is meant twice, as far as it is named in the same way.
fn cards(report: &mut Report<'_>, model: &Model) {
    let mut seen = BTreeMap::new();
    for (number, interface) in model.interfaces.iter().enumerate() {
        let Kind::Nic(nic) = &interface.kind else { continue };
        if let Some(other) = seen.insert(nic, &interface.name) {
            report.check(
                false,
                format!("{}.nic", place(number)),
                format!("it is the same network card as that of `{other}`"),
            );
        }
    }
}

fn check_bond(report: &mut Report<'_>, at: &str, bond: &BondSpec) {
    let lacp = bond.lacp_rate.is_none() || bond.mode == BondMode::Lacp;
    report.check(lacp, format!("{at}.lacp_rate"), "only mode `802.3ad` speaks LACP");
    let hashes = matches!(bond.mode, BondMode::BalanceXor | BondMode::Lacp | BondMode::BalanceTlb);
    report.check(
        bond.transmit_hash_policy.is_none() || hashes,
        format!("{at}.transmit_hash_policy"),
        "only the modes `802.3ad`, `balance-xor` and `balance-tlb` choose by a hash",
    );
}

fn check_vlan(report: &mut Report<'_>, at: &str, interface: &Interface, vlan: &VlanSpec, named: &Named<'_>) {
    let field = format!("{at}.on");
    let Some((_, carrier)) = named.get(&*vlan.on) else {
        return report.check(false, field, missing(&vlan.on));
    };
    let tagged = matches!(carrier.kind, Kind::Vlan(_));
    report.check(!tagged, field, format!("`{}` is a VLAN itself; name what carries that", vlan.on));
    let most = carrier.mtu.unwrap_or(USUAL_MTU);
    let own = interface.mtu.unwrap_or(most);
    report.check(
        own <= most,
        format!("{}.mtu", at.trim_end_matches(".vlan")),
        format!("{own} is more than the {most} of `{}`, which carries it; raise that one's `mtu`", vlan.on),
    );
}

/// What bonds and bridges are made of.
fn members(report: &mut Report<'_>, model: &Model, named: &Named<'_>) {
    let mut part_of: BTreeMap<&str, &str> = BTreeMap::new();
    for (number, whole) in model.interfaces.iter().enumerate() {
        let at = format!("{}.{}.members", place(number), whole.kind.field());
        let is_whole = matches!(whole.kind, Kind::Bond(_) | Kind::Bridge(_));
        let empty = is_whole && whole.kind.members().is_empty();
        report.check(!empty, &at, "name at least one interface that it is made of");
        for (index, member) in whole.kind.members().iter().enumerate() {
            let at = format!("{at}[{index}]");
            let Some((_, part)) = named.get(&**member) else {
                report.check(false, at, missing(member));
                continue;
            };
            if let Some(other) = part_of.insert(member, &whole.name) {
                report.check(false, &at, format!("`{member}` is a part of `{other}` already"));
            }
            let (fits, of) = match (&whole.kind, &part.kind) {
                (Kind::Bond(_), kind) => (matches!(kind, Kind::Nic(_)), "a bond is made of network cards"),
                (_, kind) => (!matches!(kind, Kind::Bridge(_)), "a bridge can't be a part of a bridge"),
            };
            report.check(fits, &at, format!("`{member}` is a {}: {of}", part.kind.field()));
        }
    }
    for (number, part) in model.interfaces.iter().enumerate() {
        let Some(whole) = part_of.get(&*part.name) else { continue };
        let has = [
            ("dhcp4", part.dhcp4),
            ("dhcp6", part.dhcp6),
            ("addresses", part.open || !part.addresses.is_empty()),
            ("gateway", part.gateways[0].is_some()),
            ("gateway6", part.gateways[1].is_some()),
            ("routes", !part.routes.is_empty()),
            ("dns", !part.dns.is_empty()),
            ("search", !part.search.is_empty()),
        ];
        for (field, has) in has {
            let detail = format!("`{}` is a part of `{whole}`, to which this belongs", part.name);
            report.check(!has, format!("{}.{field}", place(number)), detail);
        }
    }
    // A bond takes all that comes over its cards.
    for (number, interface) in model.interfaces.iter().enumerate() {
        let Kind::Vlan(vlan) = &interface.kind else { continue };
        if let Some(whole) = part_of.get(&*vlan.on) {
            let detail = format!("`{}` is a part of `{whole}`; put the VLAN on that", vlan.on);
            report.check(false, format!("{}.vlan.on", place(number)), detail);
        }
    }
}

/// No tag twice on the same interface.
fn vlans(report: &mut Report<'_>, model: &Model) {
    let mut seen = BTreeMap::new();
    for (number, interface) in model.interfaces.iter().enumerate() {
        let Kind::Vlan(vlan) = &interface.kind else { continue };
        if let Some(other) = seen.insert((&vlan.on, vlan.id), &interface.name) {
            let detail = format!("`{other}` is VLAN {} on `{}` already", vlan.id, vlan.on);
            report.check(false, format!("{}.vlan.id", place(number)), detail);
        }
    }
}

/// Nothing is made of itself: a VLAN on a bridge, say, that is a part of that bridge. Each interface is a part of one other
/// at the most, and a VLAN goes to what carries it, so that each walk down ends or comes back.
fn circles(report: &mut Report<'_>, model: &Model, named: &Named<'_>) {
    for (number, interface) in model.interfaces.iter().enumerate() {
        let mut open: Vec<&str> = below(interface).collect();
        let mut seen = vec![];
        while let Some(name) = open.pop() {
            if name == interface.name {
                let detail = format!("`{name}` is made of itself; take it out of what it is made of");
                report.check(false, place(number), detail);
                return;
            }
            if !seen.contains(&name) {
                seen.push(name);
                open.extend(named.get(name).into_iter().flat_map(|(_, interface)| below(interface)));
            }
        }
    }
}

/// What an interface stands on.
fn below(interface: &Interface) -> impl Iterator<Item = &str> {
    let carrier = match &interface.kind {
        Kind::Vlan(vlan) => Some(vlan.on.as_str()),
        _ => None,
    };
    interface.kind.members().iter().map(String::as_str).chain(carrier)
}

fn missing(name: &str) -> String {
    format!("there is no interface `{name}` here; name one of `interfaces`")
}
