//! Text forms that every part of the service shares: MAC addresses, and the words of enums.

use serde::Serialize;

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
