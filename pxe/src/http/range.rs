//! Which part of a file a `Range` field wants (RFC 9110, 14.2): all, one range, or one that doesn't exist.

use std::ops::Range;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file: a field that may be ignored (several ranges, other units, malformed).
    All,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes beyond the end.
    Nothing,
}

/// Reads the field of a request for a file of `length` bytes.
pub(super) fn wanted(field: &[u8], length: u64) -> Wanted {
    let text = std::str::from_utf8(field).ok();
    text.and_then(|text| part(text.trim(), length)).unwrap_or(Wanted::All)
}

/// One `bytes=` range; `None` for what may be ignored.
fn part(range: &str, length: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let range = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if range.start < range.end { Wanted::Part(range) } else { Wanted::Nothing })
}

/// A number of digits alone; one that is too large for any file stands for the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_by_table() {
        let table = [
            ("bytes=0-99", Wanted::Part(0..100)),
            ("bytes=0-0", Wanted::Part(0..1)),
            ("Bytes= 0-0 ", Wanted::Part(0..1)),
            ("bytes=900-", Wanted::Part(900..1000)),
            ("bytes=-10", Wanted::Part(990..1000)),
            ("bytes=-5000", Wanted::Part(0..1000)),
            ("bytes=990-5000", Wanted::Part(990..1000)),
            ("bytes=0-18446744073709551615", Wanted::Part(0..1000)),
            ("bytes=0-99999999999999999999", Wanted::Part(0..1000)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=1000-1001", Wanted::Nothing),
            ("bytes=99999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-1,4-5", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("bytes=1 -2", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=", Wanted::All),
            ("", Wanted::All),
            ("items=0-1", Wanted::All),
        ];
        for (text, expected) in table {
            assert_eq!(wanted(text.as_bytes(), 1000), expected, "{text}");
        }
        assert_eq!(wanted(b"bytes=\xff", 1000), Wanted::All);
        assert_eq!(wanted(b"bytes=0-", 0), Wanted::Nothing);
    }

    /// The definition, byte by byte: which positions does a range name?
    fn model(first: Option<u64>, last: Option<u64>, length: u64) -> Wanted {
        let named: Vec<u64> = match (first, last) {
            (None, None) => return Wanted::All,
            (Some(first), Some(last)) if last < first => return Wanted::All,
            (Some(first), last) => {
                (0..length).filter(|at| *at >= first && last.is_none_or(|last| *at <= last)).collect()
            }
            (None, Some(suffix)) => (0..length).filter(|at| length - at <= suffix).collect(),
        };
        match (named.first(), named.last()) {
            (Some(first), Some(last)) => Wanted::Part(*first..last + 1),
            _ => Wanted::Nothing,
        }
    }

    proptest! {
        #[test]
        fn ranges_are_what_the_model_says(
            first in proptest::option::of(0_u64..300),
            last in proptest::option::of(0_u64..300),
            length in 0_u64..300,
        ) {
            let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
            let field = format!("bytes={}-{}", text(first), text(last));
            prop_assert_eq!(wanted(field.as_bytes(), length), model(first, last, length));
        }

        #[test]
        fn no_field_breaks_it(field in proptest::collection::vec(any::<u8>(), 0..40), length in any::<u64>()) {
            if let Wanted::Part(range) = wanted(&field, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
