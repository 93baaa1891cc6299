//! One subnet: its address plan and what its DHCP clients are told.

use super::{check::Checker, option, value, wire};
use pxe_proto::dhcp::{self, Route};
use std::net::Ipv4Addr;
use url::Url;

/// The most addresses of one option: 255 bytes of four each.
const ADDRESSES: usize = 63;

/// A subnet: a link, or what lies behind a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The name by which addresses are asked for; that of the network of its own link.
    pub name: Option<String>,
    /// What its clients are told, its address and prefix among it.
    pub told: dhcp::Subnet,
    /// First and last address of each range that may be leased; they don't overlap.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// First and last address of each range that static and virtual addresses are taken from; none of them is leased.
    pub static_ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// First and last address of what is not leased although it is in a range.
    pub exclude: Vec<(Ipv4Addr, Ipv4Addr)>,
}

impl Subnet {
    /// A subnet with the defaults of the configuration file, and no addresses to lease yet.
    #[must_use]
    pub fn new(first: Ipv4Addr, prefix: u8) -> Self {
        Subnet {
            name: None,
            told: dhcp::Subnet::new(first, prefix),
            ranges: Vec::new(),
            static_ranges: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// Whether an address lies in it, its first and last included.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        let (low, high) = self.bounds();
        (low..=high).contains(&u32::from(address))
    }

    /// Whether an address may be leased.
    pub(crate) fn leases(&self, address: Ipv4Addr) -> bool {
        let within = |parts: &[(Ipv4Addr, Ipv4Addr)]| {
            parts.iter().any(|(first, last)| (*first..=*last).contains(&address))
        };
        within(&self.ranges) && !within(&self.exclude)
    }

    /// Whether an address is static: taken out of the plan by name or for an instance, never leased.
    pub(crate) fn is_static(&self, address: Ipv4Addr) -> bool {
        self.static_ranges.iter().any(|(first, last)| (*first..=*last).contains(&address))
    }

    /// As it is written: `10.77.0.0/24`.
    pub(crate) fn cidr(&self) -> String {
        text(self)
    }

    /// How many addresses may be leased.
    pub(crate) fn size(&self) -> u64 {
        self.leasable().iter().map(|(low, high)| u64::from(u32::from(*high) - u32::from(*low)) + 1).sum()
    }

    /// First and last address of what may be leased: the ranges without what is excluded, in pieces that don't overlap.
    pub(crate) fn leasable(&self) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let number = |address: Ipv4Addr| u64::from(u32::from(address));
        let mut excluded: Vec<_> =
            self.exclude.iter().map(|(low, high)| (number(*low), number(*high))).collect();
        excluded.sort_unstable();
        let mut pieces = Vec::new();
        for (first, last) in &self.ranges {
            let (mut next, end) = (number(*first), number(*last) + 1);
            // Exclusions may overlap each other and reach over both ends; the last one begins behind everything.
            for (low, high) in excluded.iter().copied().chain([(end, end)]) {
                if next < low.min(end) {
                    pieces.push((next, low.min(end) - 1));
                }
                next = next.max(high + 1);
            }
        }
        // All lie between two addresses.
        let address = |number: u64| Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX));
        pieces.into_iter().map(|(low, high)| (address(low), address(high))).collect()
    }

    /// Why an address can't be a host's in it.
    pub(crate) fn outside(&self, address: Ipv4Addr) -> Option<String> {
        let (low, high) = self.bounds();
        let number = u32::from(address);
        if number < low || number > high {
            return Some(format!("{address} is outside of {}", text(self)));
        }
        (number == low || number == high).then(|| {
            format!("{address} is the network's or the broadcast address of {}, no host's", text(self))
        })
    }

    /// Whether two have addresses in common. One whose address could not be read has none.
    pub(super) fn overlaps(&self, other: &Subnet) -> bool {
        let (a, b) = (self.bounds(), other.bounds());
        a.0 != 0 && b.0 != 0 && a.0 <= b.1 && b.0 <= a.1
    }

    /// Its first and last address.
    fn bounds(&self) -> (u32, u32) {
        let low = u32::from(self.told.address);
        (low, low | !value::mask(self.told.prefix))
    }
}

/// As it is written: `10.77.0.0/24`.
pub(super) fn text(subnet: &Subnet) -> String {
    format!("{}/{}", subnet.told.address, subnet.told.prefix)
}

/// Reads one; `place` is its key.
pub(super) fn read(checker: &mut Checker, place: &str, subnet: wire::Subnet) -> Subnet {
    let key = |key: &str| format!("{place}.{key}");
    let unset = Ipv4Addr::UNSPECIFIED;
    let (first, prefix) = checker.take(key("subnet"), value::subnet(&subnet.subnet), (unset, 8));
    let mut one = |name: &str, text: &String| checker.take(key(name), address(text), unset);
    let relay = subnet.relay.as_ref().map(|text| one("relay", text));
    let routers = subnet.gateway.iter().map(|text| one("gateway", text)).collect();
    let dns = subnet.dns.iter().map(|text| one("dns", text)).collect();
    let ntp = subnet.ntp.iter().map(|text| one("ntp", text)).collect();
    let mut ranges = Vec::new();
    for (name, [from, to]) in
        subnet.range.iter().map(|range| ("range", range)).chain(subnet.ranges.iter().map(|r| ("ranges", r)))
    {
        ranges.push((one(name, from), one(name, to)));
    }
    let mut static_ranges = Vec::new();
    for [from, to] in &subnet.static_ranges {
        static_ranges.push((one("static_ranges", from), one("static_ranges", to)));
    }
    let name = subnet.name.map(|name| checker.take(key("name"), value::dns_label(&name), String::new()));
    let exclude = subnet.exclude.iter().map(|text| checker.take(key("exclude"), span(text), (unset, unset)));
    let exclude = exclude.collect();
    let routes = subnet.routes.iter().filter_map(|text| listed(checker, key("routes"), route(text)));
    let routes = routes.collect();
    let options = option::options(checker, &key("options"), &subnet.options);
    let told = dhcp::Subnet {
        relay,
        routers,
        dns,
        ntp,
        domain: subnet.domain.map(|text| checker.take(key("domain"), domain(&text), String::new())),
        search: subnet
            .search
            .iter()
            .filter_map(|text| listed(checker, key("search"), domain(text)))
            .collect(),
        mtu: subnet.mtu.and_then(|mtu| listed(checker, key("mtu"), mtu_of(mtu))),
        routes,
        options,
        url: subnet.url.and_then(|text| listed(checker, key("url"), url(&text))),
        ..dhcp::Subnet::new(first, prefix)
    };
    let told = lease(checker, &key("lease"), &subnet.lease, told);
    Subnet { name, told, ranges, static_ranges, exclude }
}

/// One of several values, or a mistake.
fn listed<T>(checker: &mut Checker, key: String, value: Result<T, String>) -> Option<T> {
    value.map_err(|detail| checker.problem(key, detail)).ok()
}

/// How long leases run.
fn lease(checker: &mut Checker, key: &str, lease: &wire::Lease, told: dhcp::Subnet) -> dhcp::Subnet {
    let mut seconds = |name: &str, text: &Option<String>| {
        let text = text.as_ref()?;
        let duration = listed(checker, format!("{key}.{name}"), value::duration(text))?;
        u32::try_from(duration.as_secs()).ok()
    };
    let told = dhcp::Subnet {
        firmware_lease: seconds("firmware", &lease.firmware).unwrap_or(told.firmware_lease),
        system_lease: seconds("system", &lease.system).unwrap_or(told.system_lease),
        t1: seconds("t1", &lease.t1),
        t2: seconds("t2", &lease.t2),
        ..told
    };
    for (name, seconds) in [("firmware", told.firmware_lease), ("system", told.system_lease)] {
        if seconds < 60 {
            checker.problem(
                format!("{key}.{name}"),
                format!("{seconds} s is too short: a client would do nothing but renew; 1m is the least"),
            );
        }
    }
    let (t1, t2) = (told.t1.unwrap_or(told.system_lease / 2), told.t2.unwrap_or(told.system_lease / 8 * 7));
    let (name, mend) = match () {
        () if told.t2.is_some() && t2 >= told.system_lease => ("t2", "it must be shorter than the lease"),
        () if told.t1.is_some() && t1 >= t2 => {
            ("t1", "renewing comes before rebinding: make it shorter than t2")
        }
        () if told.t2.is_some() && t1 >= t2 => {
            ("t2", "rebinding comes after renewing: make it longer than t1")
        }
        () => return told,
    };
    checker.problem(format!("{key}.{name}"), mend);
    told
}

/// Checks the address plan of one; `ours` is our address on the link.
pub(super) fn plan(checker: &mut Checker, subnet: &Subnet, ours: Ipv4Addr, place: &str) {
    let key = |key: &str| format!("{place}.{key}");
    let before = checker.problems.len();
    for (first, last) in &subnet.ranges {
        for end in [first, last] {
            if let Some(detail) = subnet.outside(*end) {
                checker.problem(key("range"), detail);
            }
        }
        if first > last {
            checker
                .problem(key("range"), format!("{first} lies behind {last}; write the lower address first"));
        }
    }
    for (index, (first, last)) in subnet.ranges.iter().enumerate() {
        for (other, end) in &subnet.ranges[..index] {
            if first <= end && other <= last {
                checker.problem(
                    key("ranges"),
                    format!("{first} to {last} overlaps with {other} to {end}; name each address once"),
                );
            }
        }
    }
    if subnet.leases(ours) {
        checker
            .problem(key("range"), format!("it contains our own address {ours}; take it out of the range"));
    }
    for gateway in &subnet.told.routers {
        if let Some(detail) = subnet.outside(*gateway) {
            let detail = format!("{detail}: clients could not reach it from {}", text(subnet));
            checker.problem(key("gateway"), detail);
        }
        if subnet.leases(*gateway) {
            checker.problem(
                key("range"),
                format!("it contains the gateway {gateway}; take it out of the range"),
            );
        }
    }
    for route in subnet.told.routes.iter().filter(|route| subnet.outside(route.via).is_some()) {
        let detail = format!("{} is outside of {}: clients could not reach it", route.via, text(subnet));
        checker.problem(key("routes"), detail);
    }
    for (name, list) in [("dns", &subnet.told.dns), ("ntp", &subnet.told.ntp)] {
        if list.len() > ADDRESSES {
            checker.problem(key(name), format!("{ADDRESSES} addresses are the most that DHCP can tell"));
        }
    }
    // What else there is can only be judged by ranges that are right.
    if checker.problems.len() == before {
        static_plan(checker, subnet, ours, &key("static_ranges"));
        exclusions(checker, subnet, &key("exclude"));
    }
}

/// Static addresses are hosts' addresses of the subnet that nobody else may have.
fn static_plan(checker: &mut Checker, subnet: &Subnet, ours: Ipv4Addr, key: &str) {
    for (index, (first, last)) in subnet.static_ranges.iter().enumerate() {
        let what = format!("{first} to {last}");
        let ends = [first, last].into_iter().filter_map(|end| subnet.outside(*end));
        ends.for_each(|detail| checker.problem(key, detail));
        if first > last {
            checker.problem(key, format!("{first} lies behind {last}; write the lower address first"));
        }
        let overlap = |(low, high): &(Ipv4Addr, Ipv4Addr)| first <= high && low <= last;
        if subnet.static_ranges[..index].iter().any(overlap) {
            checker.problem(key, format!("{what} overlaps with another one; name each address once"));
        }
        if let Some((low, high)) = subnet.leasable().into_iter().find(overlap) {
            checker.problem(
                key,
                format!("{what} overlaps with what DHCP leases, {low} to {high}; make one of them smaller"),
            );
        }
    }
    let relay = subnet.told.relay.as_ref();
    for used in subnet.told.routers.iter().chain(relay).chain([&ours]).filter(|used| subnet.is_static(**used))
    {
        checker.problem(key, format!("it contains {used}, which is in use; take it out of the range"));
    }
}

/// An exclusion outside of all ranges excludes nothing, which is hardly what was meant.
fn exclusions(checker: &mut Checker, subnet: &Subnet, key: &str) {
    if subnet.size() == 0 && !subnet.ranges.is_empty() {
        checker.problem(key, "nothing is left of the ranges; widen them, or exclude less");
    }
    for (first, last) in &subnet.exclude {
        let what = if first == last { first.to_string() } else { format!("{first}-{last}") };
        if first > last {
            checker.problem(key, format!("{what} ends before it begins; write the lower address first"));
        } else if !subnet.ranges.iter().any(|(low, high)| first <= high && low <= last) {
            checker.problem(key, format!("{what} is in no range, so that it excludes nothing; take it out"));
        }
    }
}

/// An address.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse::<Ipv4Addr>() {
        Ok(address) if !address.is_unspecified() && !address.is_broadcast() && !address.is_multicast() => {
            Ok(address)
        }
        Ok(_) | Err(_) => Err(format!("`{text}` is not an IPv4 address; write it like 10.77.0.1")),
    }
}

/// An address, or two with a `-` between them.
fn span(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let wrong = |_| format!("`{text}` is neither an address nor 10.77.0.130-10.77.0.139");
    Ok((address(first.trim()).map_err(wrong)?, address(last.trim()).map_err(wrong)?))
}

/// A route such as `10.0.0.0/8 via 10.77.0.254`.
fn route(text: &str) -> Result<Route, String> {
    let wrong = || format!("`{text}` is not a route; write it like 10.0.0.0/8 via 10.77.0.254");
    let (to, via) = text.split_once(" via ").ok_or_else(wrong)?;
    let via = address(via.trim()).map_err(|_| wrong())?;
    let (to, prefix) = to.trim().split_once('/').ok_or_else(wrong)?;
    let to: Ipv4Addr = to.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
    if prefix == 0 {
        return Err(format!("`{text}` is the default route: `gateway` sets it"));
    }
    let first = Ipv4Addr::from(u32::from(to) & value::mask(prefix));
    if first != to {
        return Err(format!("{to}/{prefix} begins inside a subnet; {first}/{prefix} is meant, perhaps"));
    }
    Ok(Route { to, prefix, via })
}

/// A domain name (RFC 1123 section 2.1), in lower or upper case, with or without the last dot.
pub(crate) fn domain(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(name.to_owned());
    }
    Err(format!("`{text}` is not a domain name; write it like lab.example.org"))
}

/// The largest packet of a link, in bytes.
fn mtu_of(mtu: u32) -> Result<u16, String> {
    match u16::try_from(mtu) {
        Ok(small) if (576..=9216).contains(&small) => Ok(small),
        _ => Err(format!("{mtu} is no MTU: it is 576 to 9216 bytes")),
    }
}

/// The address of option 114 (RFC 8910).
fn url(text: &str) -> Result<String, String> {
    let right = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if right && text.is_ascii() && text.len() <= 255 {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not an http or https address of 255 characters at most"))
}

#[cfg(test)]
mod tests {
    use super::{Subnet, domain, route, span, url};
    use std::net::Ipv4Addr;

    fn host(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, last)
    }

    #[test]
    fn what_may_be_leased_is_counted() {
        let mut subnet = Subnet::new(host(0), 24);
        assert_eq!(subnet.size(), 0);
        subnet.ranges = vec![(host(10), host(19)), (host(30), host(39))];
        assert_eq!(subnet.size(), 20);
        // Overlapping each other, reaching over both ends, and in no range at all.
        subnet.exclude =
            vec![(host(12), host(13)), (host(13), host(15)), (host(36), host(99)), (host(200), host(201))];
        assert_eq!(subnet.size(), 20 - 4 - 4);
        let pieces = [(10, 11), (16, 19), (30, 35)].map(|(low, high)| (host(low), host(high)));
        assert_eq!(subnet.leasable(), pieces);
        let within = |address| pieces.iter().any(|(low, high)| (*low..=*high).contains(&address));
        for address in (0..=255).map(host) {
            assert_eq!(subnet.leases(address), within(address), "{address}");
        }
        subnet.ranges = vec![(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)];
        subnet.exclude.clear();
        assert_eq!(subnet.size(), 1 << 32);
    }

    #[test]
    fn routes() {
        let read = route("10.0.0.0/8 via 10.77.0.254").unwrap();
        assert_eq!((read.to, read.prefix, read.via), (Ipv4Addr::new(10, 0, 0, 0), 8, host(254)));
        assert!(route("10.1.2.3/32 via 10.77.0.254").is_ok());
        for bad in [
            "",
            "10.0.0.0/8",
            "10.0.0.0/8 10.77.0.1",
            "10.0.0.1/8 via 10.77.0.1",
            "0.0.0.0/0 via 10.77.0.1",
            "10.0.0.0/33 via 10.77.0.1",
            "10.0.0.0/8 via 0.0.0.0",
            "10.0.0.0/8 via x",
        ] {
            assert!(route(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_names_and_urls() {
        assert_eq!(span("10.77.0.1"), Ok((host(1), host(1))));
        assert_eq!(span("10.77.0.1 - 10.77.0.9"), Ok((host(1), host(9))));
        assert!(span("10.77.0.1-9").is_err());
        assert_eq!(domain("Lab.Example.org."), Ok("Lab.Example.org".to_owned()));
        for bad in ["", ".", "a..b", "-a.b", "a b", &"a".repeat(64)] {
            assert!(domain(bad).is_err(), "{bad}");
        }
        assert!(url("https://portal.example.org/api").is_ok());
        for bad in
            ["portal.example.org", "ftp://x/", "https:", "https://ä/", &format!("http://{}", "a".repeat(255))]
        {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
