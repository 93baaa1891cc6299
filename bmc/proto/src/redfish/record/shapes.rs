//! What tells whose a machine is by its shape alone, wherever it stands in a text: addresses of all kinds, UUIDs,
//! people's addresses, URLs of other hosts.
//!
//! Not here: what only the name of its property tells (`words`), and what it is replaced by (`redact`).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A serial number, service tag, or the like.
    Serial,
    /// So many octets in hex: a MAC address, a World Wide Name, a digest.
    Octets,
    /// A UUID.
    Uuid,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A host or domain name.
    Host,
    /// A user name.
    User,
    /// An e-mail address.
    Mail,
    /// A whole URL.
    Url,
    /// Words of the owner's: a place, a person, a tag.
    Words,
    /// A secret.
    Secret,
    /// A sentence that may name anybody: it is hidden, and its words are not looked for elsewhere.
    Prose,
}

/// Hosts that belong to nobody in particular: standards and makers.
const PUBLIC: [&str; 16] = [
    "dmtf.org",
    "snia.org",
    "w3.org",
    "oasis-open.org",
    "ietf.org",
    "opencompute.org",
    "github.com",
    "dell.com",
    "hpe.com",
    "hp.com",
    "lenovo.com",
    "supermicro.com",
    "ami.com",
    "intel.com",
    "amd.com",
    "nvidia.com",
];

/// What of a text is of such a shape, from left to right, without overlaps.
pub(super) fn shapes(text: &str) -> Vec<(Range<usize>, Kind)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begins = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        match if begins { shape(text, at) } else { None } {
            Some((length, kind)) => {
                found.extend(kind.map(|kind| (at..at + length, kind)));
                at += length.max(1);
            }
            None => at += 1,
        }
    }
    found
}

/// What begins here: its length, and what it is; without a kind if it is to be left as it is.
fn shape(text: &str, at: usize) -> Option<(usize, Option<Kind>)> {
    let bytes = &text.as_bytes()[at..];
    if !bytes[0].is_ascii_alphanumeric() && bytes[0] != b':' {
        return None;
    }
    url(text, at)
        .or_else(|| uuid(bytes).map(|length| (length, Some(Kind::Uuid))))
        .or_else(|| octets(bytes).map(|length| (length, Some(Kind::Octets))))
        .or_else(|| v6(text, at))
        .or_else(|| v4(text, at))
        .or_else(|| mail(bytes).map(|length| (length, Some(Kind::Mail))))
}

/// The longest part of an address (a scheme, a name, digits) that is looked at: a text is looked at from each of its
/// words on, and one of a million words must not take a million times as long.
const PART_MAX: usize = 320;

fn run(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| of(**byte)).count()
}

/// As `run`, of what is no longer than an address may be.
fn part(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    run(&bytes[..bytes.len().min(PART_MAX)], of)
}

/// A URL of another host is one thing; of one with a path of Redfish only the host is looked at, since the BMC writes links to
/// itself so.
fn url(text: &str, at: usize) -> Option<(usize, Option<Kind>)> {
    let bytes = &text.as_bytes()[at..];
    let scheme = part(bytes, |byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let rest = bytes.get(scheme..)?.strip_prefix(b"://")?;
    let length = run(rest, |byte| byte.is_ascii_graphic() && !b"\"'<>,;)]}|".contains(&byte) || byte == b']');
    let rest = &rest[..length];
    let authority = run(rest, |byte| !b"/?#".contains(&byte));
    let host = &rest[..authority];
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    if host.is_empty() {
        return Some((scheme + 3, None));
    }
    let login = rest[..authority].contains(&b'@');
    // A query may be a signature that lets everybody in.
    if is_public(host) && !login && !rest.contains(&b'?') {
        return Some((scheme + 3 + length, None));
    }
    if rest[authority..].starts_with(b"/redfish/") && !login {
        return Some((scheme + 3, None));
    }
    Some((scheme + 3 + length, Some(Kind::Url)))
}

/// Whether a host or domain belongs to nobody in particular.
pub(super) fn is_public(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let within = |before: &str| before.is_empty() || before.ends_with('.');
    PUBLIC.iter().any(|one| host.strip_suffix(one).is_some_and(within))
}

fn uuid(bytes: &[u8]) -> Option<usize> {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut at = 0;
    for (index, length) in GROUPS.into_iter().enumerate() {
        if index > 0 {
            (bytes.get(at) == Some(&b'-')).then_some(())?;
            at += 1;
        }
        (run(bytes.get(at..)?, |byte| byte.is_ascii_hexdigit()) == length).then_some(())?;
        at += length;
    }
    ends(bytes, at).then_some(at)
}

/// Six or more octets with the same sign between them.
fn octets(bytes: &[u8]) -> Option<usize> {
    let sign = *bytes.get(2).filter(|byte| b":-".contains(byte))?;
    let pair = |at: usize| {
        bytes.get(at..at + 2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            && ends(bytes, at + 2)
    };
    let mut count = 0;
    let mut at = 0;
    while pair(at) {
        count += 1;
        at += 2;
        if bytes.get(at) != Some(&sign) {
            break;
        }
        at += 1;
    }
    let length = (count * 3usize).checked_sub(1)?;
    (count >= 6).then_some(length)
}

fn v6(text: &str, at: usize) -> Option<(usize, Option<Kind>)> {
    let length = part(&text.as_bytes()[at..], |byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
    let mut candidate = &text[at..at + length];
    loop {
        if candidate.bytes().filter(|byte| *byte == b':').count() < 2 {
            return None;
        }
        if let Ok(address) = candidate.parse::<Ipv6Addr>() {
            let plain = address.is_unspecified() || address.is_loopback();
            return Some((candidate.len(), (!plain).then_some(Kind::V6)));
        }
        candidate = candidate.strip_suffix([':', '.'])?;
    }
}

/// An address; not a number with more dots, and not a mask.
fn v4(text: &str, at: usize) -> Option<(usize, Option<Kind>)> {
    let bytes = text.as_bytes();
    if at > 0 && bytes[at - 1] == b'.' {
        return None;
    }
    let length = part(&bytes[at..], |byte| byte.is_ascii_digit() || byte == b'.');
    let candidate = text[at..at + length].trim_end_matches('.');
    if !ends(&bytes[at..], candidate.len()) {
        return None;
    }
    let address: Ipv4Addr = candidate.parse().ok()?;
    let bits = address.to_bits();
    let mask = bits.leading_ones() + bits.trailing_zeros() == 32 && bits.leading_ones() > 0;
    let plain = address.octets()[0] == 0 || address.is_loopback() || address.is_broadcast() || mask;
    Some((candidate.len(), (!plain).then_some(Kind::V4)))
}

fn mail(bytes: &[u8]) -> Option<usize> {
    let local = part(bytes, |byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte));
    let domain = bytes.get(local..)?.strip_prefix(b"@")?;
    let length = part(domain, |byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let domain = &domain[..length];
    let domain = &domain[..length - domain.iter().rev().take_while(|byte| b".-".contains(byte)).count()];
    // What OData and Redfish mark properties with looks the same.
    let marks: [&[u8]; 3] = [b"odata.", b"Redfish.", b"Message."];
    let marked = marks.iter().any(|mark| domain.starts_with(mark));
    (local > 0 && domain.contains(&b'.') && !marked).then(|| local + 1 + domain.len())
}

/// Whether what ends here is not a part of something longer.
fn ends(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_found() {
        let table: [(&str, &[(&str, Kind)]); 26] = [
            ("", &[]),
            ("PCIe Slot 3", &[]),
            ("52:54:00:0a:0B:01", &[("52:54:00:0a:0B:01", Kind::Octets)]),
            ("NIC-52-54-00-0A-0B-01-x", &[("52-54-00-0A-0B-01", Kind::Octets)]),
            ("wwn 50:01:43:80:12:34:56:78.", &[("50:01:43:80:12:34:56:78", Kind::Octets)]),
            ("12:34:56", &[]),
            ("2026-01-01T10:20:30+00:00", &[]),
            (
                "urn:uuid:4c4c4544-0042-4a10-8051-b4c04f4d3333",
                &[("4c4c4544-0042-4a10-8051-b4c04f4d3333", Kind::Uuid)],
            ),
            ("4c4c4544-0042-4a10-8051-b4c04f4d33334", &[]),
            ("from 10.1.2.3, port 80", &[("10.1.2.3", Kind::V4)]),
            ("10.1.2.3:443", &[("10.1.2.3", Kind::V4)]),
            ("1.2.3.4.5 and 1.2.3", &[]),
            ("7.00.00.171", &[]),
            ("255.255.255.0 0.0.0.0 127.0.0.1", &[]),
            ("fe80::5054:ff:fe00:1%eth0", &[("fe80::5054:ff:fe00:1", Kind::V6)]),
            ("[2001:db8::7]:443", &[("2001:db8::7", Kind::V6)]),
            (":: ::1", &[]),
            ("ops@dc.example.net", &[("ops@dc.example.net", Kind::Mail)]),
            ("Members@odata.count", &[]),
            ("ResetType@Redfish.AllowableValues", &[]),
            ("http://redfish.dmtf.org/schemas/v1", &[]),
            ("https://10.0.0.5/redfish/v1/Systems/1", &[("10.0.0.5", Kind::V4)]),
            (
                "at https://u:p!w@10.0.0.5/redfish/v1/x.",
                &[("https://u:p!w@10.0.0.5/redfish/v1/x.", Kind::Url)],
            ),
            ("https://dell.com/a?sig=1", &[("https://dell.com/a?sig=1", Kind::Url)]),
            ("at nfs://u:p@srv/iso/a.iso now", &[("nfs://u:p@srv/iso/a.iso", Kind::Url)]),
            ("/redfish/v1/Chassis/1", &[]),
        ];
        for (text, wanted) in table {
            let found: Vec<_> = shapes(text).into_iter().map(|(range, kind)| (&text[range], kind)).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_looked_at(text in "\\PC{0,80}|[0-9a-f:.@/-]{0,60}") {
            let mut end = 0;
            for (range, _) in shapes(&text) {
                proptest::prop_assert!(range.start >= end && range.end > range.start);
                proptest::prop_assert!(text.get(range.clone()).is_some(), "not at characters");
                end = range.end;
            }
        }
    }
}
