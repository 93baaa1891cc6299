//! Addresses and UUIDs that follow from a machine's name, so that a lab is the same at each start.

/// A locally administered address in QEMU's usual range.
pub(super) fn mac(name: &str) -> String {
    let hash = fnv(name, 0);
    let [a, b, c, ..] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

/// A UUID of version 8 (RFC 9562 section 5.8), lower case with dashes.
pub(super) fn uuid(name: &str) -> String {
    let high = fnv(name, 1) & !0xf000 | 0x8000;
    let low = fnv(name, 2) & !(0b11 << 62) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// Whether this is six pairs of lower case hex with colons and not a group's address.
pub(super) fn is_unicast_mac(text: &str) -> bool {
    let is_pair = |pair: &str| {
        pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let pairs: Vec<_> = text.split(':').collect();
    let first = pairs.first().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    pairs.len() == 6 && pairs.iter().all(|pair| is_pair(pair)) && first.is_some_and(|byte| byte & 1 == 0)
}

/// FNV-1a with 64 bits, mixed once more because names of two letters differ in few bits.
fn fnv(name: &str, salt: u8) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = name.bytes().chain([salt]).fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
