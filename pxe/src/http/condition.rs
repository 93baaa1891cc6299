//! Whether a file is sent, and which bytes of it (RFC 9110, 13.2.2 and 14.2).

use super::head::Conditions;
use super::range::{Wanted, wanted};
use httpdate::{HttpDate, parse_http_date};
use std::ops::Range;
use std::time::SystemTime;

/// What there is to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Bytes in all.
    pub(super) length: u64,
    /// Its strong validator, with quotes.
    pub(super) etag: &'a str,
    /// Its last change, in whole seconds.
    pub(super) modified: SystemTime,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// All of it (200).
    All,
    /// These bytes (206).
    Part(Range<u64>),
    /// Nothing, the client has it (304).
    NotModified,
    /// Nothing, it is another than the client meant (412).
    Failed,
    /// Nothing, there are no such bytes (416).
    Unsatisfiable,
}

/// Decides, in the order that the standard sets.
pub(super) fn decide(conditions: &Conditions<'_>, subject: &Subject<'_>) -> Decision {
    if !conditions.if_match.is_empty() {
        // A weak validator never matches strongly.
        if !names(&conditions.if_match, |tag| tag == subject.etag.as_bytes()) {
            return Decision::Failed;
        }
    } else if date(conditions.if_unmodified_since).is_some_and(|date| subject.modified > date) {
        return Decision::Failed;
    }
    if !conditions.if_none_match.is_empty() {
        let weak = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == subject.etag.as_bytes();
        if names(&conditions.if_none_match, weak) {
            return Decision::NotModified;
        }
    } else if date(conditions.if_modified_since).is_some_and(|date| subject.modified <= date) {
        return Decision::NotModified;
    }
    let Some(range) = conditions.range else { return Decision::All };
    let same = conditions.if_range.is_none_or(|value| {
        let value = value.trim_ascii();
        value == subject.etag.as_bytes() || date(Some(value)) == Some(subject.modified)
    });
    if !same {
        return Decision::All;
    }
    match wanted(range, subject.length) {
        Wanted::All => Decision::All,
        Wanted::Part(range) => Decision::Part(range),
        Wanted::Nothing => Decision::Unsatisfiable,
    }
}

/// Whether a list of validators is `*` or has one that fits. Ours have no comma, so that a comma always divides.
fn names(fields: &[&[u8]], fits: impl Fn(&[u8]) -> bool) -> bool {
    let mut tags = fields.iter().flat_map(|field| field.split(|c| *c == b',')).map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || fits(tag))
}

/// The time that a field holds, if it is one.
fn date(field: Option<&[u8]>) -> Option<SystemTime> {
    parse_http_date(std::str::from_utf8(field?).ok()?.trim()).ok()
}

/// A time as HTTP writes it.
pub(super) fn http_date(time: SystemTime) -> HttpDate {
    HttpDate::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// 1994-11-06 08:49:37 GMT.
    fn subject() -> Subject<'static> {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        Subject { length: 1000, etag: "\"e\"", modified }
    }

    #[test]
    fn conditions_by_table() {
        const THEN: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
        const BEFORE: &[u8] = b"Sun, 06 Nov 1994 08:49:36 GMT";
        const AFTER: &[u8] = b"Sun, 06 Nov 1994 08:49:38 GMT";
        let none = Conditions::default;
        let part = Conditions { range: Some(b"bytes=0-9"), ..none() };
        let with = |if_range: &'static [u8]| Conditions {
            range: Some(b"bytes=0-9"),
            if_range: Some(if_range),
            ..none()
        };
        for (conditions, expected) in [
            (none(), Decision::All),
            (part, Decision::Part(0..10)),
            (Conditions { range: Some(b"bytes=1000-"), ..none() }, Decision::Unsatisfiable),
            (Conditions { range: Some(b"bytes=0-1,4-5"), ..none() }, Decision::All),
            (with(b"\"e\""), Decision::Part(0..10)),
            (with(b"W/\"e\""), Decision::All),
            (with(b"\"x\""), Decision::All),
            (with(THEN), Decision::Part(0..10)),
            (with(AFTER), Decision::All),
            (Conditions { if_none_match: vec![b"\"e\""], ..none() }, Decision::NotModified),
            (Conditions { if_none_match: vec![b"\"x\" , W/\"e\""], ..none() }, Decision::NotModified),
            (Conditions { if_none_match: vec![b"\"x\"", b"\"e\""], ..none() }, Decision::NotModified),
            (Conditions { if_none_match: vec![b"*"], ..none() }, Decision::NotModified),
            (
                Conditions { if_none_match: vec![b"\"x\""], if_modified_since: Some(AFTER), ..none() },
                Decision::All,
            ),
            (Conditions { if_modified_since: Some(THEN), ..none() }, Decision::NotModified),
            (Conditions { if_modified_since: Some(AFTER), ..none() }, Decision::NotModified),
            (Conditions { if_modified_since: Some(BEFORE), ..none() }, Decision::All),
            (Conditions { if_modified_since: Some(b"yesterday"), ..none() }, Decision::All),
            (Conditions { if_modified_since: Some(b"\xff"), ..none() }, Decision::All),
            (Conditions { if_match: vec![b"\"e\""], ..none() }, Decision::All),
            (Conditions { if_match: vec![b"*"], ..none() }, Decision::All),
            (Conditions { if_match: vec![b"W/\"e\""], ..none() }, Decision::Failed),
            (Conditions { if_unmodified_since: Some(BEFORE), ..none() }, Decision::Failed),
            (Conditions { if_unmodified_since: Some(THEN), ..none() }, Decision::All),
            // The client has it: no range, not even one that does not exist.
            (
                Conditions { if_none_match: vec![b"\"e\""], range: Some(b"bytes=5000-"), ..none() },
                Decision::NotModified,
            ),
        ] {
            assert_eq!(decide(&conditions, &subject()), expected, "{conditions:?}");
        }
    }
}
