//! Reading what is asked of a machine: sizes, places, deadlines. Pure, but for the time that a duration is from.

use crate::config::value;
use jiff::Timestamp;
use provisioner_api::SpreadBy;

/// Reads a size such as `64GiB`; gives bytes.
pub(in crate::cli) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write it like 512MiB, 64GiB or 1TiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Reads a zone or a rack.
pub(in crate::cli) fn place(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=63).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a place; use 1 to 63 letters, digits, `.`, `_`, `-`"))
}

/// Reads over what a group is spread.
pub(in crate::cli) fn spread_by(text: &str) -> Result<SpreadBy, String> {
    match text {
        "zone" => Ok(SpreadBy::Zone),
        "rack" => Ok(SpreadBy::Rack),
        _ => Err("use zone, or rack (zones first, then racks within them)".to_owned()),
    }
}

/// Reads a time, or a duration from now.
pub(in crate::cli) fn deadline(text: &str) -> Result<Timestamp, String> {
    deadline_from(text, crate::clock::now())
}

fn deadline_from(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong =
        || format!("`{text}` is neither a time like 2026-12-24T18:00:00Z nor a duration like 30m or 2h");
    if let Ok(at) = text.parse::<Timestamp>() {
        return if at > now { Ok(at) } else { Err(format!("{at} is past; give a time that is to come")) };
    }
    // What looks like a duration is told what is wrong with it as one.
    let duration =
        value::duration(text).map_err(|why| if why.contains("not a duration") { wrong() } else { why })?;
    now.checked_add(duration).map_err(|_| wrong())
}

/// A deadline, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct DeadlineChoice(pub(in crate::cli) Option<Timestamp>);

/// Reads a deadline, or `none`.
pub(in crate::cli) fn deadline_choice(text: &str) -> Result<DeadlineChoice, String> {
    if text == "none" {
        return Ok(DeadlineChoice(None));
    }
    deadline(text).map(|at| DeadlineChoice(Some(at))).map_err(|why| format!("{why}; or none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("64GiB", 64 << 30), ("1TiB", 1 << 40), ("512 MiB", 512 << 20), ("4KiB", 4096)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "64", "GiB", "64GB", "64G", "-1GiB", "0GiB", "1.5GiB", "99999999999TiB"] {
            assert!(size(bad).unwrap_err().contains("like 512MiB"), "{bad}");
        }
    }

    #[test]
    fn places() {
        assert_eq!(place("dc1.room-2_b").as_deref(), Ok("dc1.room-2_b"));
        for bad in ["", "a b", "a/b", &"x".repeat(64)] {
            assert!(place(bad).is_err(), "{bad}");
        }
        assert_eq!(spread_by("zone"), Ok(SpreadBy::Zone));
        assert!(spread_by("row").unwrap_err().contains("use zone"));
    }

    #[test]
    fn deadlines() {
        let now = Timestamp::UNIX_EPOCH;
        for (text, second) in
            [("2h", 7200), ("1970-01-01T00:01:00Z", 60), ("1970-01-01T01:00:00+00:30", 1800)]
        {
            assert_eq!(deadline_from(text, now).map(Timestamp::as_second), Ok(second), "{text}");
        }
        for (text, says) in
            [("", "neither"), ("soon", "neither"), ("1969-01-01T00:00:00Z", "is past"), ("0s", "too short")]
        {
            let said = deadline_from(text, now).expect_err(text);
            assert!(said.contains(says), "{text}: {said}");
        }
        assert_eq!(deadline_choice("none"), Ok(DeadlineChoice(None)));
        assert!(deadline_choice("never").unwrap_err().ends_with("or none"));
    }
}
