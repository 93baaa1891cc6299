//! What the target of a request stands for. Pure text: nothing here looks anything up.

use percent_encoding::percent_decode_str;
use pxe_proto::Mac;
use pxe_proto::boot::{Arch, CHUNKS_PATH, FILES_PATH, NO_FILE_PATH, SCRIPT_PATH, UKI_PATH};
use std::borrow::Cow;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// A file of this name.
    File(Cow<'a, str>),
    /// The unified kernel image of a machine.
    Uki(Arch, Mac),
    /// A chunk of an image, by the SHA-256 of its stored bytes.
    Chunk([u8; 32]),
    /// A boot script.
    Script(Option<Asker>),
    /// Something below our paths that never exists.
    Nothing,
    /// A path that isn't ours: the caller's routes.
    Other,
}

/// Who asks for a script, as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) mac: Mac,
    pub(super) uuid: Option<String>,
    pub(super) arch: Arch,
    /// How often it was told to ask again.
    pub(super) asked: u32,
}

impl Target<'_> {
    /// The label under which it is counted.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Target::File(_) => "files",
            Target::Uki(..) => "uki",
            Target::Chunk(_) => "chunks",
            Target::Script(_) => "script",
            Target::Nothing => "none",
            Target::Other => "other",
        }
    }
}

/// The path of a target, without the authority of an absolute URI and without the query.
pub(super) fn path(target: &str) -> &str {
    split(target).0
}

/// Reads a target.
pub(super) fn parse(target: &str) -> Target<'_> {
    let (path, query) = split(target);
    if path == SCRIPT_PATH {
        return Target::Script(asker(query));
    }
    if path == NO_FILE_PATH {
        return Target::Nothing;
    }
    if let Some(name) = below(path, FILES_PATH) {
        return percent_decode_str(name).decode_utf8().map_or(Target::Nothing, Target::File);
    }
    if let Some(name) = below(path, UKI_PATH) {
        let name = percent_decode_str(name).decode_utf8().ok();
        let machine = name.and_then(|name| pxe_proto::uki::parse_name(&name));
        return machine.map_or(Target::Nothing, |(arch, mac)| Target::Uki(arch, mac));
    }
    if let Some(name) = below(path, CHUNKS_PATH) {
        return digest(name).map_or(Target::Nothing, Target::Chunk);
    }
    Target::Other
}

/// A SHA-256 as 64 lower-case hex digits, its only spelling.
fn digest(text: &str) -> Option<[u8; 32]> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 64 || !text.bytes().all(is_digit) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, two) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// Path and query.
fn split(target: &str) -> (&str, &str) {
    let origin = match target.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("http://") => {
            let authority = &target[7..];
            authority.find(['/', '?']).map_or("/", |end| &authority[end..])
        }
        _ => target,
    };
    origin.split_once('?').unwrap_or((origin, ""))
}

/// What stands in a path behind a folder and its slash.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// `mac=52:54:00:…&uuid=…&arch=…`; the first of each counts.
fn asker(query: &str) -> Option<Asker> {
    let value = |key: &str| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == key);
        pair.and_then(|(_, value)| percent_decode_str(value).decode_utf8().ok())
    };
    Some(Asker {
        mac: parse_mac(&value("mac")?)?,
        uuid: value("uuid").map(Cow::into_owned),
        arch: if value("arch").as_deref() == Some(Arch::Arm64.word()) { Arch::Arm64 } else { Arch::X64 },
        asked: value("asked").and_then(|asked| asked.parse().ok()).unwrap_or(0),
    })
}

/// A hardware address with `:` or `-` between its bytes.
fn parse_mac(text: &str) -> Option<Mac> {
    let mut mac: Mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: Mac = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];

    #[test]
    fn hardware_addresses_by_table() {
        assert_eq!(parse_mac("52:54:00:aa:BB:cc"), Some(MAC));
        assert_eq!(parse_mac("52-54-00-aa-bb-cc"), Some(MAC));
        for text in
            ["", "52:54:00:aa:bb", "52:54:00:aa:bb:cc:dd", "52:54:00:aa:bb:c", "52:54:00:aa:bb:+c", "x"]
        {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }

    const CHUNK: &str = "/boot/chunks/abababababababababababababababababababababababababababababababab";
    const UPPER_CHUNK: &str = "/boot/chunks/ABababababababababababababababababababababababababababababababab";

    #[test]
    fn targets_by_table() {
        let file = |name: &'static str| Target::File(Cow::Borrowed(name));
        let asker = |arch, asked| Asker { mac: MAC, uuid: Some("1-2".to_owned()), arch, asked };
        let script = |arch| Target::Script(Some(asker(arch, 0)));
        let again = |asked| Target::Script(Some(asker(Arch::X64, asked)));
        for (target, expected) in [
            ("/boot/files/vmlinuz", file("vmlinuz")),
            ("/boot/files/vmlinuz?x", file("vmlinuz")),
            ("http://10.0.0.1:8080/boot/files/vmlinuz", file("vmlinuz")),
            ("HTTP://h/boot/files/vmlinuz", file("vmlinuz")),
            ("/boot/files/%76mlinuz", file("vmlinuz")),
            ("/boot/files/", file("")),
            ("/boot/files/../../etc/passwd", file("../../etc/passwd")),
            ("/boot/files/%2e%2e%2fetc%2fpasswd", file("../etc/passwd")),
            ("/boot/files/a%00b", file("a\0b")),
            ("/boot/files/%ff", Target::Nothing),
            ("/boot/none", Target::Nothing),
            ("/boot/uki/x64/52-54-00-aa-bb-cc.efi", Target::Uki(Arch::X64, MAC)),
            ("/boot/uki/arm64/52-54-00-AA-bb-cc.efi", Target::Uki(Arch::Arm64, MAC)),
            ("/boot/uki/x64/../52-54-00-aa-bb-cc.efi", Target::Nothing),
            ("/boot/uki/", Target::Nothing),
            (CHUNK, Target::Chunk([0xab; 32])),
            (&CHUNK[..CHUNK.len() - 1], Target::Nothing),
            (UPPER_CHUNK, Target::Nothing),
            ("/boot/chunks/", Target::Nothing),
            ("/boot/chunks/../../etc/passwd", Target::Nothing),
            (
                "/boot/chunks/+bababababababababababababababababababababababababababababababab",
                Target::Nothing,
            ),
            ("/boot/chunks", Target::Other),
            ("/boot/script?mac=52:54:00:aa:bb:cc&uuid=1-2", script(Arch::X64)),
            ("/boot/script?uuid=1-2&mac=52%3a54%3A00:aa:bb:cc&arch=arm64", script(Arch::Arm64)),
            ("/boot/script?mac=52-54-00-aa-bb-cc&mac=x&uuid=1-2&arch=mips", script(Arch::X64)),
            ("/boot/script?mac=52:54:00:aa:bb:cc&uuid=1-2&asked=7", again(7)),
            ("/boot/script?mac=52:54:00:aa:bb:cc&uuid=1-2&asked=-1", again(0)),
            ("/boot/script", Target::Script(None)),
            ("/boot/script?mac=", Target::Script(None)),
            ("/boot/scripts", Target::Other),
            ("/boot/files", Target::Other),
            ("/boot/filesx/a", Target::Other),
            ("//boot/files/a", Target::Other),
            ("/", Target::Other),
            ("*", Target::Other),
            ("", Target::Other),
            ("http://h", Target::Other),
            ("http://h?mac=x", Target::Other),
            ("http:/", Target::Other),
            ("h\u{e9}ttp://", Target::Other),
        ] {
            assert_eq!(parse(target), expected, "{target}");
        }
    }

    proptest! {
        /// Whatever is asked for: no panic, and a file only by a path below ours.
        #[test]
        fn no_target_breaks_it(target in "\\PC{0,60}|(http://|/boot/|files/|uki/|script|[?&=%./a-f0-9-]){0,20}") {
            if let Target::File(_) = parse(&target) {
                prop_assert!(path(&target).starts_with("/boot/files/"));
            }
        }
    }
}
