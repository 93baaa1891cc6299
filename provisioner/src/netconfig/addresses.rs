//! What addresses have to do with each other: none twice, one default router for each version of IP, and every router on
//! a link.

use super::{Cidr, Interface, Model, Report, read::place};
use std::{collections::BTreeMap, net::IpAddr};

/// Checks all of that.
pub(super) fn check(report: &mut Report<'_>, model: &Model) {
    let mut seen: BTreeMap<IpAddr, &str> = BTreeMap::new();
    let mut defaults: [Option<&str>; 2] = [None, None];
    for (number, interface) in model.interfaces.iter().enumerate() {
        let at = place(number);
        for address in &interface.addresses {
            if let Some(other) = seen.insert(address.address, &interface.name) {
                let detail = format!("{} is an address of `{other}` already", address.address);
                report.check(false, format!("{at}.addresses"), detail);
            }
        }
        for (gateway, (field, default)) in
            interface.gateways.iter().zip(["gateway", "gateway6"].into_iter().zip(&mut defaults))
        {
            let Some(gateway) = gateway else { continue };
            let field = format!("{at}.{field}");
            if let Some(other) = default.replace(&interface.name) {
                let detail =
                    format!("`{other}` has a default router already; write `routes` for what goes this way");
                report.check(false, &field, detail);
            }
            on_link(report, &field, interface, *gateway);
        }
        for (index, route) in interface.routes.iter().enumerate() {
            on_link(report, &format!("{at}.routes[{index}].via"), interface, route.via);
        }
    }
}

/// A router is reached only if it is in the subnet of an address. What DHCP will give, or the address plan, is not known
/// yet; a router of IPv6 may have an address of the link itself.
fn on_link(report: &mut Report<'_>, field: &str, interface: &Interface, router: IpAddr) {
    let of_link = matches!(router, IpAddr::V6(router) if router.is_unicast_link_local());
    let by_dhcp = if router.is_ipv4() { interface.dhcp4 } else { interface.dhcp6 };
    if of_link || by_dhcp || (interface.open && router.is_ipv4()) {
        return;
    }
    let own = |address: &&Cidr| address.address == router;
    if interface.addresses.iter().any(|address| own(&address)) {
        return report.check(false, field, format!("{router} is the interface's own address"));
    }
    let reached = interface.addresses.iter().any(|address| address.contains(router));
    let links: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
    let links = if links.is_empty() { "none".to_owned() } else { links.join(", ") };
    report.check(
        reached,
        field,
        format!("{router} is not on the link of `{}`: its addresses are {links}", interface.name),
    );
}
