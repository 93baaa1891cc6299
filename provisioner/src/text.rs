//! Text forms that every part of the service shares: MAC addresses, the words of enums, errors with their causes, and
//! texts of BMCs without the secrets that URLs carry.

use serde::Serialize;
use std::error::Error;

/// A MAC address as it is stored and shown, however it was written.
pub(crate) fn parse_mac(text: &str) -> Option<String> {
    parse_mac_bytes(text).map(format_mac)
}

/// A MAC address, with colons, hyphens, dots or nothing between its digits. Only unicast, not zero.
pub(crate) fn parse_mac_bytes(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(|c| !":-.".contains(*c)).collect();
    let bytes: [u8; 6] = hex::decode(digits).ok()?.try_into().ok()?;
    (bytes[0] & 1 == 0 && bytes != [0; 6]).then_some(bytes)
}

/// A MAC address as text.
pub(crate) fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// An enum's word, as serde writes it; empty for what is no word.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// An error with its whole chain of causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// An error for the log, which tells its causes one by one (`logging`).
pub(crate) fn logged<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error
}

/// A text whose URLs have neither user nor password: BMCs repeat what they were told to fetch.
pub(crate) fn without_logins(text: &str) -> String {
    cleaned(text, false)
}

/// A text whose URLs have neither user, password nor query, which may be a signature that lets everybody in. For
/// timelines, errors and the log, which many read.
pub(crate) fn without_secrets(text: &str) -> String {
    cleaned(text, true)
}

fn cleaned(text: &str, queries: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        out.push_str(before);
        let behind = &behind[login(behind)..];
        let end = behind.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(behind.len());
        let (url, after) = behind.split_at(end);
        match url.split_once('?').filter(|_| queries) {
            Some((before, _)) => {
                out.push_str(before);
                out.push_str("?…");
            }
            None => out.push_str(url),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// How long user and password are at the beginning of this. A password may have in it, against RFC 3986, what ends a host or a
/// quotation: whatever has a colon before an `@` counts as one, also where that takes too much of a path.
fn login(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || "\"<>".contains(c)).unwrap_or(text.len());
    let Some(last) = text[..end].rfind('@') else { return 0 };
    if text[..last].contains(':') {
        return last + 1;
    }
    let path = text[..end].find(['/', '?', '#']).unwrap_or(end);
    text[..path].rfind('@').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::{without_logins, without_secrets};

    #[test]
    fn no_text_tells_what_a_url_lets_in_with() {
        for (text, told) in [
            ("", ""),
            ("no URL @ all?", "no URL @ all?"),
            ("http://a/b.iso", "http://a/b.iso"),
            ("https://user:secret@a/b.iso", "https://a/b.iso"),
            ("can't mount 'nfs://u:p@a:1/b', nor https://u@b.", "can't mount 'nfs://a:1/b', nor https://b."),
            ("cifs://u:p@q@a/b", "cifs://a/b"),
            ("https://a/b@1.bin", "https://a/b@1.bin"),
            ("https://[::1]:8/x", "https://[::1]:8/x"),
            ("://", "://"),
            ("https://u:pa'ss@h/x", "https://h/x"),
            ("https://u:pa/ss@h/x", "https://h/x"),
            ("https://u:12/ss@h/x", "https://h/x"),
            ("'https://u:p?a#s`s@h/x' failed", "'https://h/x' failed"),
            ("https://u'v@h/x", "https://h/x"),
            ("https://u:p@a:1/x, https://u:p/q@b", "https://a:1/x, https://b"),
            ("{\"a\":\"https://u:p@h\",\"b\":\"c@d\"}", "{\"a\":\"https://h\",\"b\":\"c@d\"}"),
            ("oci://a/b@sha256:00", "oci://a/b@sha256:00"),
        ] {
            assert_eq!(without_logins(text), told);
            assert_eq!(without_secrets(text), told);
        }
        let signed = "fetching https://u:p@a/b.bin?Signature=x&y=1 failed";
        assert_eq!(without_logins(signed), "fetching https://a/b.bin?Signature=x&y=1 failed");
        assert_eq!(without_secrets(signed), "fetching https://a/b.bin?… failed");
    }
}
