//! Reading what a token is to be. Pure, but for the time that a duration is from.

use crate::config::value;
use jiff::Timestamp;
use provisioner_api::Role;

/// Reads a role.
pub(in crate::cli) fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.word() == text);
    found.ok_or_else(|| "use viewer, tenant, operator or admin".to_owned())
}

/// Reads a hash of the audit log.
pub(in crate::cli) fn digest_hex(text: &str) -> Result<String, String> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(text.to_ascii_lowercase()) } else { Err("64 hexadecimal digits are needed".to_owned()) }
}

/// The end of a token's time, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Expiry(pub(in crate::cli) Option<Timestamp>);

/// Reads a time, how long from now, or `never`.
pub(in crate::cli) fn expiry(text: &str) -> Result<Expiry, String> {
    expiry_from(text, crate::clock::now())
}

fn expiry_from(text: &str, now: Timestamp) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry(None));
    }
    let wrong = || {
        format!(
            "`{text}` is neither a time like 2026-12-24T18:00:00Z, nor a while like 36h or 90d, nor `never`"
        )
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        let past = || format!("{at} is past; give a time that is to come");
        return if at > now { Ok(Expiry(Some(at))) } else { Err(past()) };
    }
    let while_ = value::age(text).map_err(|_| wrong())?;
    now.checked_add(while_).map(|at| Expiry(Some(at))).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_ends() {
        assert_eq!(role("tenant"), Ok(Role::Tenant));
        assert!(role("root").unwrap_err().contains("use viewer"));
        let now = Timestamp::UNIX_EPOCH;
        for (text, second) in [
            ("never", None),
            ("36h", Some(129_600)),
            ("90d", Some(7_776_000)),
            ("1970-01-01T00:01:00Z", Some(60)),
        ] {
            let read = expiry_from(text, now).map(|expiry| expiry.0.map(Timestamp::as_second));
            assert_eq!(read, Ok(second), "{text}");
        }
        for (text, says) in [("", "neither"), ("90", "neither"), ("1969-01-01T00:00:00Z", "is past")] {
            assert!(expiry_from(text, now).unwrap_err().contains(says), "{text}");
        }
    }
}
