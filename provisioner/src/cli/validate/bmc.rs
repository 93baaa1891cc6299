//! Values of `billet bmc`: addresses, cipher suites, times, URLs, words of ipmitool's.

use crate::cli::args::Clock;
use jiff::Timestamp;
use provisioner_api::{BmcUserPrivilege, BootMode};
use std::net::Ipv6Addr;
use url::Url;

/// Reads `HOST`, `HOST:PORT`, an IPv6 address, or one in brackets with a port.
pub(in crate::cli) fn host(text: &str) -> Result<(String, Option<u16>), String> {
    if text.contains("://") || text.contains(['@', '/']) {
        return Err(
            "give nothing but host and port here, the user with -U, and --redfish for Redfish".to_owned()
        );
    }
    let wrong =
        || format!("`{text}` is no address; write it like 10.0.0.9, bmc7.example.org:623 or [fe80::9]:623");
    let is_v6 = |host: &str| host.split('%').next().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok());
    if is_v6(text) {
        return Ok((text.to_owned(), None));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) if is_v6(host) => (host, None),
        Some((host, rest)) if is_v6(host) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
        Some(_) => return Err(wrong()),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(wrong());
    }
    let port = port.map(|port| port.parse().ok().filter(|&port: &u16| port != 0).ok_or_else(wrong));
    Ok((host.to_owned(), port.transpose()?))
}

/// Reads a cipher suite.
pub(in crate::cli) fn cipher(text: &str) -> Result<u8, String> {
    match text {
        "17" => Ok(17),
        "3" => Ok(3),
        "0" => Err("with suite 0 anybody may switch the machine; it is not spoken here. Use 17, or 3 for an old BMC".to_owned()),
        _ => Err(
            "only 17 is strong enough, and 3 is spoken for old BMCs when told so; the others lack encryption or a sound check of messages"
                .to_owned(),
        ),
    }
}

/// Reads the SHA-256 of a certificate, with or without colons.
pub(in crate::cli) fn fingerprint(text: &str) -> Result<String, String> {
    let print = text.replace(':', "").to_ascii_lowercase();
    if print.len() != 64 || !print.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("tls-sha256 takes the SHA-256 of the BMC's certificate, 64 hexadecimal digits".to_owned());
    }
    Ok(print)
}

/// Which certificate a machine's BMC is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Pin {
    /// The one with this SHA-256.
    This(String),
    /// The one that it shows first.
    First,
}

/// Reads what is pinned.
pub(in crate::cli) fn pin(text: &str) -> Result<Pin, String> {
    if text == "first" {
        return Ok(Pin::First);
    }
    fingerprint(text)
        .map(Pin::This)
        .map_err(|why| format!("{why}, or `first` for the one that it shows next"))
}

/// Reads an asset tag (DCMI 1.5 section 6.4.3: 63 bytes at the most).
pub(in crate::cli) fn asset_tag(text: &str) -> Result<String, String> {
    if text.len() > 63 {
        return Err(format!("an asset tag has 63 bytes at the most, this one has {}", text.len()));
    }
    one_line("an asset tag", text)
}

/// Reads a firmware mode; `efi` and `legacy` as other tools call them.
pub(in crate::cli) fn firmware_mode(text: &str) -> Result<BootMode, String> {
    match text {
        "bios" | "legacy" => Ok(BootMode::Bios),
        "uefi" | "efi" => Ok(BootMode::Uefi),
        _ => Err("use bios or uefi".to_owned()),
    }
}

/// Reads what a clock is set to.
pub(in crate::cli) fn clock(text: &str) -> Result<Clock, String> {
    if text == "now" {
        return Ok(Clock::Now);
    }
    let wrong = || format!("`{text}` is no time; use now, or write it like 2026-11-21T03:30:00Z");
    let at: Timestamp = text.parse().map_err(|_| wrong())?;
    // Seconds since 1970 in 32 bits; the highest value means that the clock was never set (37.1).
    if (0..i64::from(u32::MAX)).contains(&at.as_second()) {
        Ok(Clock::At(at))
    } else {
        Err("a BMC's clock goes from 1970 to 2106".to_owned())
    }
}

/// Reads the id of a BMC's user.
pub(in crate::cli) fn user_id(text: &str) -> Result<String, String> {
    let id = one_line("a user's id", text)?;
    // In a path it would mean something else.
    if id.is_empty() || matches!(id.as_str(), "." | "..") {
        return Err("a user's id is a number, or a name; see `billet bmc user list`".to_owned());
    }
    Ok(id)
}

/// Reads the name of a user that is added.
pub(in crate::cli) fn new_user(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a user has a name".to_owned());
    }
    one_line("a user's name", text)
}

/// Reads the URL of an image that a BMC fetches.
pub(in crate::cli) fn image_url(text: &str) -> Result<String, String> {
    url(
        text,
        &["https", "http", "nfs", "cifs", "smb", "ftp", "tftp", "scp", "sftp"],
        "https://10.0.0.1/debian.iso",
    )
}

/// Reads the URL that a machine boots from.
pub(in crate::cli) fn boot_uri(text: &str) -> Result<String, String> {
    url(text, &["https", "http"], "http://10.0.0.1/boot.efi")
}

/// Reads the URL that a BMC posts its reports to.
pub(in crate::cli) fn post_url(text: &str) -> Result<String, String> {
    url(text, &["https", "http"], "https://10.0.0.1/reports")
}

/// Reads a URL of one of these kinds, without a password in it.
fn url(text: &str, schemes: &[&str], example: &str) -> Result<String, String> {
    let read =
        Url::parse(text).map_err(|error| format!("that is no URL ({error}); write it like {example}"))?;
    if read.password().is_some() {
        return Err("a password does not belong here: others could see it, and the BMC would show it to everybody who can read its settings".to_owned());
    }
    if !schemes.contains(&read.scheme()) {
        return Err(format!("`{}` is no protocol for this; there are {}", read.scheme(), schemes.join(", ")));
    }
    if read.host_str().is_none_or(str::is_empty) {
        return Err(format!("the host is missing; write it like {example}"));
    }
    // As it was typed: BMCs compare texts.
    one_line("a URL", text)
}

/// Reads a UEFI device path in text (UEFI 2.10 section 10.6).
pub(in crate::cli) fn device_path(text: &str) -> Result<String, String> {
    if !text.contains('(') {
        return Err(
            "a UEFI device path looks like PciRoot(0x0)/Pci(0x1,0x0)/MAC(525400000001,0x1); see `billet bmc boot-order show -o wide`"
                .to_owned(),
        );
    }
    one_line("a UEFI device path", text)
}

/// A text without anything that ends a line or that nobody sees.
fn one_line(what: &str, text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{what} is one line of text"));
    }
    Ok(text.to_owned())
}

/// Reads what a BMC's user may do.
pub(in crate::cli) fn user_privilege(text: &str) -> Result<BmcUserPrivilege, String> {
    serde_json::from_value(serde_json::Value::String(text.to_ascii_lowercase()))
        .map_err(|_| "use no-access, callback, user, operator, administrator or oem".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, want) in [
            ("10.0.0.9", ("10.0.0.9", None)),
            ("10.0.0.9:9623", ("10.0.0.9", Some(9623))),
            ("bmc-7.example.org:623", ("bmc-7.example.org", Some(623))),
            ("fe80::9", ("fe80::9", None)),
            ("fe80::9%eth0", ("fe80::9%eth0", None)),
            ("[fe80::9]", ("fe80::9", None)),
            ("[::1]:6230", ("::1", Some(6230))),
        ] {
            assert_eq!(host(text), Ok((want.0.to_owned(), want.1)), "{text}");
        }
        for (text, want) in [
            ("", "is no address"),
            (":623", "is no address"),
            ("a:0", "is no address"),
            ("a:65536", "is no address"),
            ("a:b", "is no address"),
            ("[10.0.0.9]:1", "is no address"),
            ("[::1", "is no address"),
            ("[::1]623", "is no address"),
            ("a b", "is no address"),
            ("admin@10.0.0.9", "the user with -U"),
            ("ipmi://10.0.0.9", "the user with -U"),
        ] {
            let said = host(text).expect_err(text);
            assert!(said.contains(want), "{text}: {said}");
        }
    }

    #[test]
    fn cipher_suites() {
        assert_eq!((cipher("17"), cipher("3")), (Ok(17), Ok(3)));
        for (text, want) in [("0", "anybody may switch"), ("8", "only 17"), ("x", "only 17")] {
            assert!(cipher(text).unwrap_err().contains(want), "{text}");
        }
    }

    #[test]
    fn clocks() {
        assert_eq!(clock("now"), Ok(Clock::Now));
        assert_eq!(clock("2026-11-21T03:30:00Z"), Ok(Clock::At("2026-11-21T03:30:00Z".parse().unwrap())));
        for (text, want) in [
            ("soon", "is no time"),
            ("2026-11-21", "is no time"),
            ("1969-12-31T23:59:59Z", "from 1970"),
            ("2106-02-07T06:28:15Z", "from 1970"),
        ] {
            assert!(clock(text).unwrap_err().contains(want), "{text}");
        }
    }

    #[test]
    fn urls() {
        for text in [
            "https://h/a.iso",
            "http://10.0.0.1:8080/x?y=z",
            "nfs://h/export/a.iso",
            "cifs://me@h/share/a.iso",
        ] {
            assert_eq!(image_url(text).as_deref(), Ok(text));
        }
        assert!(boot_uri("http://[fe80::1]/b.efi").is_ok() && post_url("https://h").is_ok());
        for (read, text, want) in [
            (image_url as fn(&str) -> _, "a.iso", "that is no URL"),
            (image_url, "file:///a.iso", "`file` is no protocol for this"),
            (image_url, "https://me:secret@h/a.iso", "a password does not belong here"),
            (image_url, "nfs:///a.iso", "the host is missing"),
            (boot_uri, "nfs://h/a.efi", "there are https, http"),
            (post_url, "ftp://h", "there are https, http"),
            (post_url, "https://h/\u{7}", "one line"),
            (device_path, "Boot0001", "looks like PciRoot"),
            (device_path, "Pci(0)\n", "one line"),
        ] {
            let said: String = read(text).expect_err(text);
            assert!(said.contains(want) && !said.contains("secret"), "{text}: {said}");
        }
    }

    #[test]
    fn users() {
        assert_eq!((user_id("3"), user_id("root")), (Ok("3".to_owned()), Ok("root".to_owned())));
        for text in ["", ".", "..", "a\nb"] {
            assert!(user_id(text).is_err(), "{text:?}");
        }
        assert!(new_user("").is_err() && new_user("a\tb").is_err() && new_user("ops").is_ok());
    }

    #[test]
    fn words() {
        assert_eq!((firmware_mode("efi"), firmware_mode("legacy")), (Ok(BootMode::Uefi), Ok(BootMode::Bios)));
        assert!(firmware_mode("UEFI").is_err());
        assert_eq!(user_privilege("ADMINISTRATOR"), Ok(BmcUserPrivilege::Administrator));
        assert_eq!(user_privilege("no-access"), Ok(BmcUserPrivilege::NoAccess));
        assert!(user_privilege("root").is_err());
        assert_eq!(asset_tag(&"x".repeat(63)).unwrap().len(), 63);
        assert!(asset_tag(&"x".repeat(64)).is_err() && asset_tag("a\nb").is_err());
        assert!(fingerprint(&"AB:".repeat(31)).is_err());
        assert_eq!(fingerprint(&"AB".repeat(32)), Ok("ab".repeat(32)));
        assert_eq!((pin("first"), pin(&"AB".repeat(32))), (Ok(Pin::First), Ok(Pin::This("ab".repeat(32)))));
        assert!(pin("next").unwrap_err().ends_with("the one that it shows next"));
    }
}
