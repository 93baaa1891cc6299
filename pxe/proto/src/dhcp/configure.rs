//! What a subnet's clients are told of it: routers, names, times, routes and whatever else was configured.

use super::code;
use super::request::Request;
use super::settings::{Route, Subnet};
use super::write::Writer;
use std::net::Ipv4Addr;

/// Longest label of a domain name, in bytes (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;

/// Whether an option is made here, from settings of its own or by the protocol. Such options can't be set freely;
/// and of the others, 43 and 60 are told to operating systems only, since firmware takes them for ours.
#[must_use]
pub fn is_ours(code: u8) -> bool {
    use code::{
        BOOT_FILE, CLIENT_IDENTIFIER, CLIENT_UUID, DNS, DOMAIN, DOMAIN_SEARCH, IPXE, MTU, NTP,
        RELAY_INFORMATION, ROUTER, ROUTES, ROUTES_OLD, SUBNET_MASK, SUBNET_SELECTION, TFTP_SERVER, URL,
    };
    let made = [
        SUBNET_MASK,
        ROUTER,
        DNS,
        DOMAIN,
        MTU,
        NTP,
        CLIENT_IDENTIFIER,
        TFTP_SERVER,
        BOOT_FILE,
        RELAY_INFORMATION,
        CLIENT_UUID,
        URL,
        SUBNET_SELECTION,
        DOMAIN_SEARCH,
        ROUTES,
        IPXE,
        ROUTES_OLD,
    ];
    // Padding, the end, and 50 to 59: the protocol itself.
    matches!(code, 0 | 255 | code::REQUESTED_ADDRESS..=code::REBINDING_TIME) || made.contains(&code)
}

/// Writes all of it.
pub(super) fn configure(writer: &mut Writer, subnet: &Subnet, request: &Request) {
    writer.put(code::SUBNET_MASK, &subnet.mask().octets());
    writer.put_addresses(code::ROUTER, &subnet.routers);
    writer.put_addresses(code::DNS, &subnet.dns);
    if let Some(domain) = &subnet.domain {
        writer.put(code::DOMAIN, domain.as_bytes());
    }
    if let Some(mtu) = subnet.mtu {
        writer.put(code::MTU, &mtu.to_be_bytes());
    }
    writer.put_addresses(code::NTP, &subnet.ntp);
    if let Some(url) = &subnet.url {
        writer.put(code::URL, url.as_bytes());
    }
    if !subnet.search.is_empty() {
        writer.put(code::DOMAIN_SEARCH, &search_list(&subnet.search));
    }
    if !subnet.routes.is_empty() {
        let wanted = request.wanted();
        // Windows before Vista knows no other number.
        let old = wanted.contains(&code::ROUTES_OLD) && !wanted.contains(&code::ROUTES);
        writer.put(if old { code::ROUTES_OLD } else { code::ROUTES }, &routes(subnet));
    }
    for (code, value) in &subnet.options {
        let firmwares = matches!(*code, code::VENDOR_OPTIONS | code::VENDOR_CLASS) && request.is_firmware();
        if !is_ours(*code) && !firmwares {
            writer.put(*code, value);
        }
    }
}

/// Classless routes (RFC 3442). Who takes them takes no router from option 3, so that the default route is among them.
fn routes(subnet: &Subnet) -> Vec<u8> {
    let everywhere = |via: &Ipv4Addr| Route { to: Ipv4Addr::UNSPECIFIED, prefix: 0, via: *via };
    let has_default = subnet.routes.iter().any(|route| route.prefix == 0);
    let default = subnet.routers.first().filter(|_| !has_default).map(everywhere);
    let mut bytes = Vec::with_capacity((subnet.routes.len() + 1) * 9);
    for route in subnet.routes.iter().copied().chain(default) {
        let prefix = route.prefix.min(32);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let destination = (u32::from(route.to) & mask).to_be_bytes();
        bytes.push(prefix);
        bytes.extend_from_slice(&destination[..usize::from(prefix.div_ceil(8))]);
        bytes.extend_from_slice(&route.via.octets());
    }
    bytes
}

/// Domains as DNS writes them, without compression (RFC 3397). What is no domain is left out.
fn search_list(domains: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for domain in domains {
        let labels = || domain.trim_end_matches('.').split('.');
        if labels().any(|label| label.is_empty() || label.len() > LONGEST_LABEL) {
            continue;
        }
        for label in labels() {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
    }
    bytes
}

/// Writes the lease: to be renewed at half and rebound at seven eighths of it unless told otherwise (RFC 2131, 4.4.5).
pub(super) fn lease(writer: &mut Writer, seconds: u32, subnet: &Subnet) {
    let rest = |usual: u32| if seconds == u32::MAX { seconds } else { usual };
    // What is configured for a long lease may not fit a short one.
    let rebind = subnet.t2.filter(|t2| *t2 < seconds).unwrap_or(rest(seconds - seconds / 8));
    let renew = subnet.t1.filter(|t1| *t1 < rebind).unwrap_or(rest(seconds / 2).min(rebind));
    writer.put_number(code::LEASE_TIME, seconds);
    writer.put_number(code::RENEWAL_TIME, renew);
    writer.put_number(code::REBINDING_TIME, rebind);
}
