//! Values of `billet bmc`: addresses, cipher suites, times, words of ipmitool's.

use crate::cli::args::Clock;
use jiff::Timestamp;
use provisioner_api::{BmcUserPrivilege, BootMode};
use std::net::Ipv6Addr;

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

/// Reads an asset tag (DCMI 1.5 section 6.4.3: 63 bytes at the most).
pub(in crate::cli) fn asset_tag(text: &str) -> Result<String, String> {
    if text.len() > 63 {
        return Err(format!("an asset tag has 63 bytes at the most, this one has {}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("an asset tag is one line of text".to_owned());
    }
    Ok(text.to_owned())
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
    }
}
