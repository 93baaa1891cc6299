//! Which part of a file a request wants (RFC 9110, 14): all, one range, or one that doesn't exist.

use axum::http::{HeaderMap, header};
use std::ops::Range;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file: no range, or one that may be ignored (several, other units, conditional, malformed).
    All,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes beyond the end.
    Nothing,
}

/// Reads the headers of a request for a file of `length` bytes.
pub(super) fn wanted(headers: &HeaderMap, length: u64) -> Wanted {
    // Files have no validator here, so that no If-Range can match.
    if headers.contains_key(header::IF_RANGE) {
        return Wanted::All;
    }
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    range.and_then(|range| part(range, length)).unwrap_or(Wanted::All)
}

/// One `bytes=` range; `None` for what may be ignored.
fn part(range: &str, length: u64) -> Option<Wanted> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_table() {
        let table = [
            ("bytes=0-99", Wanted::Part(0..100)),
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=900-", Wanted::Part(900..1000)),
            ("bytes=-10", Wanted::Part(990..1000)),
            ("bytes=-5000", Wanted::Part(0..1000)),
            ("bytes=990-5000", Wanted::Part(990..1000)),
            ("bytes=0-18446744073709551615", Wanted::Part(0..1000)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=1000-1001", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-1,4-5", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=", Wanted::All),
            ("items=0-1", Wanted::All),
            ("bytes=99999999999999999999-", Wanted::All),
        ];
        for (text, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            assert_eq!(wanted(&headers, 1000), expected, "{text}");
            headers.insert(header::IF_RANGE, "\"x\"".parse().unwrap());
            assert_eq!(wanted(&headers, 1000), Wanted::All);
        }
        assert_eq!(wanted(&HeaderMap::new(), 1000), Wanted::All);
        assert_eq!(part("bytes=0-", 0), Some(Wanted::Nothing));
    }
}
