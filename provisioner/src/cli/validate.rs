//! Reading single values that were typed: MACs, labels, digests, names. Pure; each error says what would be right.
//!
//! The service checks all of this again; here it is checked so that the answer comes at once.

mod bmc;
mod placement;
mod root_disk;
mod token;

pub(super) use bmc::{
    Pin, asset_tag, boot_uri, cipher, clock, device_path, fingerprint, firmware_mode, host, image_url,
    new_user, pin, post_url, user_id, user_privilege,
};

pub(super) use placement::{DeadlineChoice, deadline, deadline_choice, place, size, spread_by};
pub(super) use root_disk::root_disk;
pub(super) use token::{Expiry, digest_hex, expiry, role};

use crate::config::value::dns_label;
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{BootChain, Choice, ImageFormat, InstanceState, MAX_COMMAND_LINE, MachineState};
use std::net::Ipv4Addr;

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// From a time on.
    Time(Timestamp),
    /// So long ago.
    Ago(SignedDuration),
}

/// Reads a time, or how long ago it was.
pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse() {
        return Ok(Since::Time(time));
    }
    let wrong = "write a time like 2026-11-22T10:00:00Z, or how long ago it was, like 90s, 15m or 2h";
    crate::config::value::duration(text).map(Since::Ago).map_err(|_| wrong.to_owned())
}

/// Reads the kind of an event.
pub(super) fn kind(text: &str) -> Result<String, String> {
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if is_word { Ok(text.to_owned()) } else { Err("write a kind like dhcp, boot, agent or step".to_owned()) }
}

/// What a job is for.
pub(super) fn job_kind(text: &str) -> Result<provisioner_api::JobKind, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "write one of inspect, deploy, reinstall, release, service, rescue".to_owned())
}

/// What `billet why` is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WhyTarget {
    /// A machine or an instance.
    Any(String),
    /// A machine.
    Machine(String),
    /// An instance.
    Instance(String),
}

/// Reads `NAME`, `machine/NAME`, `instance/NAME`.
pub(super) fn why_target(text: &str) -> Result<WhyTarget, String> {
    let named = |name: &str| {
        if name.is_empty() { Err("the name is missing".to_owned()) } else { Ok(name.to_owned()) }
    };
    match text.split_once('/') {
        None => Ok(WhyTarget::Any(named(text)?)),
        Some(("machine", name)) => Ok(WhyTarget::Machine(named(name)?)),
        Some(("instance", name)) => Ok(WhyTarget::Instance(named(name)?)),
        Some((kind, _)) => Err(format!("there is no `{kind}/`; write machine/NAME or instance/NAME")),
    }
}

/// Reads a MAC address with `:` or `-`; gives it in lower case with `:`.
pub(super) fn mac(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not a MAC address; write it like 52:54:00:12:34:56");
    let parts: Vec<_> = text.split([':', '-']).collect();
    if parts.len() != 6 || parts.iter().any(|part| part.len() != 2) {
        return Err(wrong());
    }
    let mut bytes = [0; 6];
    hex::decode_to_slice(parts.concat(), &mut bytes).map_err(|_| wrong())?;
    if bytes[0] & 1 == 1 || bytes == [0; 6] {
        return Err(format!("`{text}` can't be the address of a network card: it is a group's, or none"));
    }
    Ok(bytes.map(|byte| format!("{byte:02x}")).join(":"))
}

/// Reads a label `key=value`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(format!("`{text}` is not a label; write it like rack=r7"));
    };
    let plain = |part: &str| {
        part.len() <= 63 && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
    };
    if key.is_empty() || !plain(key) || !plain(value) {
        return Err(format!(
            "`{text}` is not a label: key and value are up to 63 letters, digits, `.`, `_`, `-`, `/`"
        ));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads what labels are to be; gives it as it was written.
pub(super) fn selector(text: &str) -> Result<String, String> {
    crate::selector::selector(text).map(|_| text.to_owned())
}

/// Reads a digest, `sha256:<64 hex>` or `sha512:<128 hex>`; gives it in lower case.
pub(super) fn digest(text: &str) -> Result<String, String> {
    images::FileDigest::parse(text).map(|digest| digest.to_string()).map_err(|error| error.to_string())
}

/// Reads an image's name.
pub(super) fn image_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let right = text.len() <= 128
        && text.bytes().all(plain)
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if right {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not a good name: use letters, digits, `.`, `-`, `_`, beginning with a letter or digit"
        ))
    }
}

/// Reads an image's format.
pub(super) fn image_format(text: &str) -> Result<ImageFormat, String> {
    match text {
        "raw" => Ok(ImageFormat::Raw),
        "qcow2" => Ok(ImageFormat::Qcow2),
        "iso" => Ok(ImageFormat::Iso),
        _ => Err("use raw, qcow2 or iso; `file FILE` tells which one it is".to_owned()),
    }
}

/// Reads the command line of a kernel that runs from RAM.
pub(super) fn command_line(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if printable && text.len() <= MAX_COMMAND_LINE {
        Ok(text.to_owned())
    } else {
        Err(format!("use at most {MAX_COMMAND_LINE} printable ASCII characters, in one line"))
    }
}

/// Reads an architecture.
pub(super) fn architecture(text: &str) -> Result<String, String> {
    match text {
        "x86_64" | "amd64" => Ok("x86_64".to_owned()),
        "aarch64" | "arm64" => Ok("aarch64".to_owned()),
        _ => Err("use x86_64 or aarch64".to_owned()),
    }
}

/// What may be chosen about held work.
pub(super) fn choice(text: &str) -> Result<Choice, String> {
    let found = Choice::ALL.into_iter().find(|choice| choice.word() == text);
    found.ok_or_else(|| {
        let words: Vec<_> = Choice::ALL.iter().map(|choice| choice.word()).collect();
        format!("it has to be one of {}", words.join(", "))
    })
}

/// Reads the state of a machine at which nothing is at work.
pub(super) fn resting_state(text: &str) -> Result<MachineState, String> {
    match machine_state(text) {
        Ok(state @ (MachineState::Available | MachineState::Deployed)) => Ok(state),
        _ => Err("use available or deployed; a machine at work is answered for itself, with `billet machine choose`".to_owned()),
    }
}

/// Reads a machine's state.
pub(super) fn machine_state(text: &str) -> Result<MachineState, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| {
        "use discovered, inspecting, available, deploying, deployed, servicing, rescue or releasing"
            .to_owned()
    })
}

/// Reads an instance's state.
pub(super) fn instance_state(text: &str) -> Result<InstanceState, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| {
        "use pending, deploying, running, reinstalling, servicing, rescue or releasing".to_owned()
    })
}

/// A boot chain of a machine's own; none for its network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainChoice(pub(super) Option<BootChain>);

/// Reads a boot chain, or `network` for what the machine's network says.
pub(super) fn chain_choice(text: &str) -> Result<ChainChoice, String> {
    if text == "network" {
        return Ok(ChainChoice(None));
    }
    boot_chain(text).map(|chain| ChainChoice(Some(chain))).map_err(|known| format!("{known}, or network"))
}

/// Reads a boot chain.
pub(super) fn boot_chain(text: &str) -> Result<BootChain, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| "use auto, snponly, ipxe or uki".to_owned())
}

/// Reads an address.
pub(super) fn address(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an IPv4 address; write it like 10.77.0.150"))
}

/// Reads a hostname: DNS labels with dots between (RFC 1123 section 2.1).
pub(super) fn hostname(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if text.len() <= 253 && lower.split('.').all(|part| dns_label(part).is_ok()) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a hostname: use letters, digits and `-`, with dots between the parts"))
}

/// Reads a user name, as `useradd` takes it.
pub(super) fn user(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let rest =
        bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-');
    if text == "root" {
        return Err("root needs no making; log in as another user and use sudo".to_owned());
    }
    if first && rest && text.len() <= 32 {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not a user name: use lower-case letters, digits, `-`, `_`, beginning with a letter"
    ))
}

/// Reads the content of a file with SSH public keys, one a line; comments and empty lines are left out.
pub(super) fn ssh_keys(content: &str) -> Result<Vec<String>, String> {
    if content.contains("PRIVATE KEY") {
        return Err("holds a private key; give the public one, it ends in .pub".to_owned());
    }
    let mut keys = Vec::new();
    for line in content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let kind = line.split(' ').next().unwrap_or_default();
        let known = kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-");
        if !known || line.split(' ').count() < 2 || line.chars().any(char::is_control) {
            return Err(
                "holds a line that is no SSH public key; it should look like `ssh-ed25519 AAAA… name`, without options before it"
                    .to_owned(),
            );
        }
        keys.push(line.to_owned());
    }
    if keys.is_empty() { Err("holds no SSH public key".to_owned()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of a text: the value, or its complaint.
    fn check<T: std::fmt::Debug>(
        read: fn(&str) -> Result<T, String>,
        good: &[(&str, &str)],
        bad: &[(&str, &str)],
    ) {
        for (text, want) in good {
            assert_eq!(format!("{:?}", read(text).unwrap()), *want, "{text}");
        }
        for (text, want) in bad {
            let said = read(text).expect_err(text);
            assert!(said.contains(want), "{text}: {said}");
        }
    }

    #[test]
    fn macs() {
        let plain = "\"52:54:00:ab:cd:ef\"";
        check(
            mac,
            &[("52:54:00:ab:cd:ef", plain), ("52-54-00-AB-CD-EF", plain)],
            &[
                ("", "like 52:54"),
                ("525400abcdef", "like 52:54"),
                ("52:54:00:ab:cd", "like 52:54"),
                ("52:54:00:ab:cd:ef:01", "like 52:54"),
                ("52:54:00:ab:cd:eg", "like 52:54"),
                ("5:254:00:ab:cd:ef", "like 52:54"),
                ("01:00:5e:00:00:01", "a group's"),
                ("ff:ff:ff:ff:ff:ff", "a group's"),
                ("00:00:00:00:00:00", "or none"),
            ],
        );
    }

    #[test]
    fn labels() {
        check(
            label,
            &[("rack=r7", "(\"rack\", \"r7\")"), ("a.b/c=", "(\"a.b/c\", \"\")")],
            &[("rack", "like rack=r7"), ("=x", "up to 63"), ("a b=c", "up to 63"), ("a=b=c", "up to 63")],
        );
    }

    #[test]
    fn digests() {
        let (hash, long) = ("AB".repeat(32), "AB".repeat(64));
        let low = format!("\"sha256:{}\"", "ab".repeat(32));
        check(
            digest,
            &[
                (&format!("sha256:{hash}"), &low),
                (&format!("sha512:{long}"), &format!("\"sha512:{}\"", long.to_lowercase())),
            ],
            &[
                (&hash, "write sha256:ABAB"),
                ("sha256:abcd", "64 hexadecimal"),
                ("md5:d41d8cd98f00b204e9800998ecf8427e", "`md5` is not supported"),
                ("latest", "not a digest"),
                (&long.to_lowercase(), "write sha512:abab"),
            ],
        );
    }

    #[test]
    fn names_of_images_hosts_and_users() {
        check(
            image_name,
            &[("debian-12.7_x", "\"debian-12.7_x\"")],
            &[("", "good name"), ("../x", "good name"), ("a b", "good name"), (".hidden", "good name")],
        );
        check(
            hostname,
            &[("a.example.org", "\"a.example.org\""), ("Web", "\"Web\"")],
            &[("a..b", "hostname"), ("", "hostname"), ("a_b", "hostname")],
        );
        check(
            user,
            &[("ops", "\"ops\""), ("_a-1", "\"_a-1\"")],
            &[("root", "sudo"), ("1a", "user name"), ("a b", "user name"), ("", "user name")],
        );
    }

    #[test]
    fn words() {
        let good = [("raw", "Raw"), ("qcow2", "Qcow2"), ("iso", "Iso")];
        check(image_format, &good, &[("vmdk", "raw, qcow2 or iso")]);
        check(architecture, &[("amd64", "\"x86_64\""), ("aarch64", "\"aarch64\"")], &[("mips", "x86_64 or")]);
        check(machine_state, &[("available", "Available")], &[("broken", "use discovered")]);
    }

    #[test]
    fn targets_of_why() {
        check(
            why_target,
            &[("m1", "Any(\"m1\")"), ("machine/m1", "Machine(\"m1\")"), ("instance/a", "Instance(\"a\")")],
            &[("node/m1", "machine/NAME"), ("machine/", "missing"), ("", "missing")],
        );
    }

    #[test]
    fn files_of_ssh_keys() {
        check(
            ssh_keys,
            &[(
                "# mine\nssh-ed25519 AAAA me@host\n\n  ecdsa-sha2-nistp256 AAAA\n",
                "[\"ssh-ed25519 AAAA me@host\", \"ecdsa-sha2-nistp256 AAAA\"]",
            )],
            &[
                ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key"),
                ("", "no SSH public key"),
                ("hello world", "should look like"),
                ("ssh-ed25519", "should look like"),
            ],
        );
    }
}
