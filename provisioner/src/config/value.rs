//! Reading single values: names, durations, subnets, kernel parameters. Pure; each error says what would be right.

use jiff::SignedDuration;
use provisioner_lifecycle::EraseLimit;
use std::net::Ipv4Addr;

/// The longest time limit that makes sense.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Kernel parameters that decide what runs, or that are ours. A `.` at the end means all that begin so.
const RESERVED: &[&str] = &[
    "billet.",
    "BOOTIF",
    "init",
    "rdinit",
    "root",
    "initrd",
    "rd.",
    "module.",
    "lsm",
    "security",
    "selinux",
    "apparmor",
    "lockdown",
    "modprobe.",
    "systemd.",
];

/// A DNS label (RFC 1123 section 2.1): what machines, instances, pools and networks are called.
pub(crate) fn dns_label(text: &str) -> Result<String, String> {
    let right = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if right {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not a good name: use 1 to 63 lower-case letters, digits and `-`, not at either end"
    ))
}

/// A duration such as `90s`, `15m`, `1h30m`, of a second at least.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("`{text}` is not a duration; write it like 90s, 15m or 1h30m");
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    if duration < SignedDuration::from_secs(1) {
        return Err(format!("`{text}` is too short: a second is the least"));
    }
    if duration > LONGEST {
        return Err(format!("`{text}` is too long: 30 days are the most"));
    }
    Ok(duration)
}

/// How long something is kept: `7d`, `90d`, `36h`, from an hour to ten years.
pub(crate) fn age(text: &str) -> Result<SignedDuration, String> {
    let wrong =
        || format!("`{text}` is not how long to keep something; write it like 90d or 36h, from 1h to 3650d");
    let (number, hours) = text.strip_suffix('d').map_or((text.strip_suffix('h'), 1), |days| (Some(days), 24));
    let number: i64 = number.and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let hours =
        number.checked_mul(hours).filter(|hours| (1..=3650 * 24).contains(hours)).ok_or_else(wrong)?;
    Ok(SignedDuration::from_hours(hours))
}

/// How many machines are wiped at once: a number of them, or a share of all such as `5%`.
pub(super) fn erase_limit(text: &str) -> Result<EraseLimit, String> {
    let wrong = || {
        format!(
            "`{text}` is not how many machines may be wiped at once; write a number of them such as 10, or a share of all from 1% to 100%"
        )
    };
    match text.strip_suffix('%') {
        Some(percent) => match percent.trim_end().parse() {
            Ok(percent @ 1..=100) => Ok(EraseLimit::percent(percent)),
            _ => Err(wrong()),
        },
        None => match text.parse() {
            Ok(0) => Err("0 would never let anybody wipe a disk; write 1 or more, or `billet freeze` to stop everything".into()),
            Ok(number) => Ok(EraseLimit::number(number)),
            Err(_) => Err(wrong()),
        },
    }
}

/// A subnet such as `10.77.0.0/24`: its first address and the length of its prefix, 8 to 30.
pub(super) fn subnet(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let wrong = || format!("`{text}` is not a subnet; write it like 10.77.0.0/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    if !(8..=30).contains(&prefix) {
        return Err(format!("/{prefix} makes no sense here: the prefix has 8 to 30 bits"));
    }
    let first = Ipv4Addr::from(u32::from(address) & mask(prefix));
    if first != address {
        return Err(format!("{text} begins inside a subnet; {first}/{prefix} is meant, perhaps"));
    }
    Ok((first, prefix))
}

/// The network mask of a prefix of 1 to 32 bits.
pub(super) fn mask(prefix: u8) -> u32 {
    u32::MAX << (32 - u32::from(prefix))
}

/// A kernel parameter `key=value` or `key`; the characters are those that no loader and no shell treats specially.
pub(super) fn kernel_parameter(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:,@%+=-".contains(&byte);
    if key.is_empty() || text.len() > 256 || !text.bytes().all(plain) {
        return Err(format!(
            "`{text}` can't be a kernel parameter: write key=value with letters, digits and _ . / : , @ % + = - only, one parameter a string"
        ));
    }
    // The kernel takes `-` and `_` in keys for the same.
    let same = key.replace('-', "_");
    let reserved =
        RESERVED.iter().any(|word| same == *word || (word.ends_with('.') && same.starts_with(word)));
    if reserved {
        return Err(format!("`{key}` is not yours to set: it decides what runs in the agent's ramdisk"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// The name of a network interface, as the kernel allows it.
pub(super) fn interface(text: &str) -> Result<String, String> {
    let right = !text.is_empty()
        && text.len() < 16
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
    if right {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` can't be the name of an interface; see `ip link`"))
    }
}

#[cfg(test)]
mod tests {
    use super::{dns_label, duration, erase_limit, interface, kernel_parameter, subnet};
    use jiff::SignedDuration;
    use provisioner_lifecycle::EraseLimit;

    #[test]
    fn names() {
        for good in ["m1", "a", "0", "rack-7-node-12", &"a".repeat(63)] {
            assert!(dns_label(good).is_ok(), "{good}");
        }
        for bad in ["", "M1", "a.b", "-a", "a-", "a_b", "ä", "a b", &"a".repeat(64)] {
            assert!(dns_label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("1h 30m", 5400), ("24h", 86400)]
        {
            assert_eq!(duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "15", "m", "-5m", "0s", "10ms", "9999h", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_of_erasures() {
        for (text, limit) in [
            ("10", EraseLimit::number(10)),
            ("1", EraseLimit::number(1)),
            ("5%", EraseLimit::percent(5)),
            ("100 %", EraseLimit::percent(100)),
        ] {
            assert_eq!(erase_limit(text), Ok(limit), "{text}");
        }
        for bad in ["", "0", "-1", "0%", "101%", "%", "5 percent", "2.5%"] {
            assert!(erase_limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn subnets() {
        assert_eq!(subnet("10.77.0.0/24"), Ok(([10, 77, 0, 0].into(), 24)));
        assert_eq!(subnet("10.0.0.4/30"), Ok(([10, 0, 0, 4].into(), 30)));
        for bad in
            ["10.77.0.0", "10.77.0.1/24", "10.77.0.0/31", "10.0.0.0/7", "10.77.0/24", "x/24", "10.0.0.0/-8"]
        {
            assert!(subnet(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn kernel_parameters() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(kernel_parameter("console=ttyS0,115200"), pair("console", "ttyS0,115200"));
        assert_eq!(kernel_parameter("quiet"), pair("quiet", ""));
        assert_eq!(kernel_parameter("pci=nomsi,a=b"), pair("pci", "nomsi,a=b"));
        let long = format!("a={}", "b".repeat(300));
        for bad in [
            "",
            "=x",
            "a b",
            "a=b c=d",
            "a=\"b\"",
            "a=b\nc",
            "a=$x",
            "a=b#c",
            "init=/bin/sh",
            "rdinit=/x",
            "billet.url=x",
            "rd.break",
            "BOOTIF=x",
            "lock-down=x\t",
            &long,
        ] {
            assert!(kernel_parameter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn interfaces() {
        for good in ["lab0", "enp0s31f6", "br-lan", "vlan.7"] {
            assert!(interface(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:1", "abcdefghijklmnop"] {
            assert!(interface(bad).is_err(), "{bad}");
        }
    }
}
