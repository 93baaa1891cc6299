//! From a document to a model: every field by itself. What fields have to do with each other is for `wiring` and
//! `addresses`.

use super::{Cidr, Interface, Kind, Model, Report, Route, addresses, wiring};
use crate::{config::domain, text::parse_mac};
use provisioner_api::{AddressSpec, FieldError, InterfaceSpec, NetworkSpec, NicMatch, RouteSpec};
use std::net::{IpAddr, Ipv4Addr};

/// The most interfaces of an instance, and of what an interface may have several.
const INTERFACES: usize = 64;
const ADDRESSES: usize = 32;
const ROUTES: usize = 64;
const SERVERS: usize = 8;
const DOMAINS: usize = 16;

/// The least packet that IPv4 hosts have to take (RFC 791), and the largest that network cards commonly do, as for DHCP.
const MTU: std::ops::RangeInclusive<u32> = 576..=9216;

/// How often the links of a bond may be looked at, in milliseconds.
const INTERVAL: std::ops::RangeInclusive<u32> = 1..=60_000;

/// How far a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// As somebody asks for it.
    Asked,
    /// With the addresses that were taken for it.
    Settled,
}

/// Reads a document; `at` is where it is in the request.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn read(at: &str, spec: &NetworkSpec, stage: Stage) -> Result<Model, Vec<FieldError>> {
    let mut report = Report { at, problems: Vec::new() };
    let count = spec.interfaces.len();
    report.check(
        (1..=INTERFACES).contains(&count),
        "interfaces",
        format!("1 to {INTERFACES} interfaces are needed; leave `network` out for DHCP on the card that the machine boots from"),
    );
    let read = spec.interfaces.iter().take(INTERFACES).enumerate();
    let read: Vec<_> =
        read.map(|(number, spec)| interface(&mut report, &place(number), spec, stage)).collect();
    // What they have to do with each other can only be said of interfaces that are some.
    if report.problems.is_empty() {
        let model = Model { interfaces: read.into_iter().flatten().collect() };
        wiring::check(&mut report, &model);
        addresses::check(&mut report, &model);
        if report.problems.is_empty() {
            return Ok(model);
        }
    }
    Err(report.problems)
}

/// Where an interface is in the document.
pub(super) fn place(number: usize) -> String {
    format!("interfaces[{number}]")
}

fn interface(report: &mut Report<'_>, at: &str, spec: &InterfaceSpec, stage: Stage) -> Option<Interface> {
    name(report, at, &spec.name);
    let kind = kind(report, at, spec)?;
    if let Some(mtu) = spec.mtu {
        let least = if spec.dhcp6 || spec.gateway6.is_some() { 1280 } else { *MTU.start() };
        report.check(
            (least..=*MTU.end()).contains(&mtu),
            format!("{at}.mtu"),
            format!("{mtu} is no MTU: it is {least} to {} bytes", MTU.end()),
        );
    }
    let most = [
        ("addresses", spec.addresses.len(), ADDRESSES),
        ("routes", spec.routes.len(), ROUTES),
        ("dns", spec.dns.len(), SERVERS),
        ("search", spec.search.len(), DOMAINS),
    ];
    for (field, count, most) in most {
        report.check(count <= most, format!("{at}.{field}"), format!("at most {most} can be given"));
    }
    let (addresses, open) = static_addresses(report, at, &spec.addresses, stage);
    let routes = spec.routes.iter().take(ROUTES).enumerate();
    let routes = routes.filter_map(|(number, spec)| route(report, &format!("{at}.routes[{number}]"), spec));
    let routes = routes.collect();
    let mut listed = |field: &str, texts: &[String]| -> Vec<IpAddr> {
        let texts = texts.iter().enumerate();
        texts.filter_map(|(n, text)| report.take(format!("{at}.{field}[{n}]"), host(text))).collect()
    };
    let dns = listed("dns", &spec.dns);
    let search = spec.search.iter().enumerate();
    let search =
        search.filter_map(|(n, text)| report.take(format!("{at}.search[{n}]"), domain(text))).collect();
    Some(Interface {
        name: spec.name.clone(),
        kind,
        mtu: spec.mtu,
        dhcp4: spec.dhcp4,
        dhcp6: spec.dhcp6,
        addresses,
        open,
        gateways: gateways(report, at, spec, stage),
        routes,
        dns,
        search,
    })
}

/// The name of an interface in Linux: 15 characters (IFNAMSIZ), none that means something in a path or to `ip`.
fn name(report: &mut Report<'_>, at: &str, name: &str) {
    let good = (1..=15).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && name.bytes().any(|byte| byte.is_ascii_alphabetic());
    report.check(
        good,
        format!("{at}.name"),
        format!("`{name}` is not a name: 1 to 15 letters, digits, `.`, `_`, `-`, a letter or digit first, a letter among them"),
    );
    let reserved = ["lo", "all", "default"].contains(&name);
    report.check(
        !reserved,
        format!("{at}.name"),
        format!("`{name}` means something else to Linux; choose another"),
    );
}

fn kind(report: &mut Report<'_>, at: &str, spec: &InterfaceSpec) -> Option<Kind> {
    let kinds = [
        spec.nic.clone().map(Kind::Nic),
        spec.bond.clone().map(Kind::Bond),
        spec.vlan.clone().map(Kind::Vlan),
        spec.bridge.clone().map(Kind::Bridge),
    ];
    let mut kinds = kinds.into_iter().flatten();
    let (Some(mut kind), None) = (kinds.next(), kinds.next()) else {
        let detail = "give exactly one of `nic`, `bond`, `vlan` and `bridge`; `nic: {}` is the card that the machine boots from";
        report.check(false, at, detail);
        return None;
    };
    let at = format!("{at}.{}", kind.field());
    match &mut kind {
        Kind::Nic(nic) => nic_match(report, &at, nic),
        Kind::Bond(bond) => {
            let interval = bond.mii_monitor_interval.is_none_or(|interval| INTERVAL.contains(&interval));
            report.check(
                interval,
                format!("{at}.mii_monitor_interval"),
                format!(
                    "{} to {} milliseconds; without it a dead link is not seen",
                    INTERVAL.start(),
                    INTERVAL.end()
                ),
            );
        }
        Kind::Vlan(vlan) => report.check(
            (1..=4094).contains(&vlan.id),
            format!("{at}.id"),
            format!("{} is no VLAN: it is 1 to 4094 (IEEE 802.1Q)", vlan.id),
        ),
        Kind::Bridge(_) => {}
    }
    Some(kind)
}

/// A card by one thing at the most; its MAC address as the inventory has it.
fn nic_match(report: &mut Report<'_>, at: &str, nic: &mut NicMatch) {
    let given = [nic.mac.is_some(), nic.name.is_some(), nic.position.is_some()];
    let one = given.iter().filter(|given| **given).count() <= 1;
    report.check(
        one,
        at,
        "give one of `mac`, `name` and `position`, or none for the card that the machine boots from",
    );
    if let Some(mac) = &nic.mac {
        let detail = format!("`{mac}` is not a unicast MAC address like 52:54:00:12:34:56");
        let canonical = report.take(format!("{at}.mac"), parse_mac(mac).ok_or(detail));
        nic.mac = canonical;
    }
    let named = nic.name.as_ref().is_none_or(|name| (1..=15).contains(&name.len()));
    report.check(named, format!("{at}.name"), "1 to 15 characters: as `billet machine show` lists it");
}

/// The addresses that are known, and whether there are others.
fn static_addresses(
    report: &mut Report<'_>,
    at: &str,
    specs: &[AddressSpec],
    stage: Stage,
) -> (Vec<Cidr>, bool) {
    let (mut known, mut open) = (Vec::new(), false);
    for (number, spec) in specs.iter().take(ADDRESSES).enumerate() {
        let at = format!("{at}.addresses[{number}]");
        match (&spec.subnet, &spec.address, stage) {
            (None, None, _) => report.check(
                false,
                at,
                "give an `address` with its prefix, such as 192.0.2.10/24, or the `subnet` that one is taken from",
            ),
            (Some(_), None, Stage::Asked) => open = true,
            (Some(_), None, Stage::Settled) => report.check(false, at, "no address was taken for it"),
            (Some(_), Some(text), Stage::Asked) => {
                let good = text.parse::<Ipv4Addr>().is_ok();
                report.check(
                    good,
                    format!("{at}.address"),
                    format!("`{text}` is not an IPv4 address without a prefix, which the subnet has: write 10.77.0.200, or leave it out for a free one"),
                );
                open = true;
            }
            (None, Some(text), _) | (Some(_), Some(text), Stage::Settled) => {
                known.extend(report.take(format!("{at}.address"), own_address(text)));
            }
        }
    }
    (known, open)
}

/// An address that a host may have, with its prefix.
fn own_address(text: &str) -> Result<Cidr, String> {
    let wrong = || format!("`{text}` is not an address with its prefix, such as 192.0.2.10/24");
    let cidr: Cidr = text.parse().map_err(|()| wrong())?;
    host(&cidr.address.to_string())?;
    if cidr.prefix == 0 {
        return Err(format!(
            "`{text}` has the whole Internet on its link; the prefix has to be that of the subnet"
        ));
    }
    if cidr.is_no_host() {
        return Err(format!(
            "{} is the network's or the broadcast address of its subnet, no host's",
            cidr.address
        ));
    }
    Ok(cidr)
}

/// An address that one host has.
fn host(text: &str) -> Result<IpAddr, String> {
    let wrong = || format!("`{text}` is not an IP address of a host");
    let address: IpAddr = text.parse().map_err(|_| wrong())?;
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    let special = address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast;
    if special { Err(wrong()) } else { Ok(address) }
}

fn route(report: &mut Report<'_>, at: &str, spec: &RouteSpec) -> Option<Route> {
    let to = || {
        let wrong = || format!("`{}` is not a subnet such as 10.0.0.0/8", spec.to);
        let to: Cidr = spec.to.parse().map_err(|()| wrong())?;
        match to {
            Cidr { prefix: 0, .. } => Err(format!("`{}` is the default route: `gateway` sets it", spec.to)),
            _ if !to.is_network() => Err(format!("{to} begins inside a subnet; a route goes to a whole one")),
            _ => Ok(to),
        }
    };
    let to = report.take(format!("{at}.to"), to());
    let via = report.take(format!("{at}.via"), host(&spec.via));
    let (to, via) = (to?, via?);
    let same = to.address.is_ipv4() == via.is_ipv4();
    report.check(
        same,
        format!("{at}.via"),
        format!("{via} can't route to {to}: one is IPv4, the other IPv6"),
    );
    Some(Route { to, via, metric: spec.metric })
}

/// The default routers that are known by now.
fn gateways(report: &mut Report<'_>, at: &str, spec: &InterfaceSpec, stage: Stage) -> [Option<IpAddr>; 2] {
    let planned = spec.addresses.iter().any(|address| address.subnet.is_some());
    let mut one = |field: &str, text: &Option<String>, v4: bool| {
        let text = text.as_deref()?;
        let field = format!("{at}.{field}");
        if text == "auto" && v4 && stage == Stage::Asked {
            report.check(
                planned,
                field,
                "`auto` is the router of the subnet that an address is taken from, and none is; name one",
            );
            return None;
        }
        let address = report.take(&field, host(text))?;
        let version = if v4 { "IPv4" } else { "IPv6" };
        report.check(address.is_ipv4() == v4, field, format!("{address} is not an address of {version}"));
        Some(address)
    };
    [one("gateway", &spec.gateway, true), one("gateway6", &spec.gateway6, false)]
}
