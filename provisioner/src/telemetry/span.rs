//! A span, and the ids of spans and traces: pure. Ids of what is stored follow from it, so that what one process began and
//! another ended is of one trace, and nothing has to be stored for that.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use uuid::Uuid;

/// A trace's id (W3C Trace Context section 3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) [u8; 16]);

impl TraceId {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// The trace that is about what has this id, of which the last 56 bits are random (UUIDs of version 4 and 7).
    pub(super) fn of(id: Uuid) -> Self {
        Self(id.into_bytes())
    }

    /// Whether a trace is among a share of all. By the last 56 bits, as everybody does it (W3C Trace Context level 2, section
    /// 5.4), so that all who see a trace decide the same.
    pub(super) fn is_sampled(self, ratio: f64) -> bool {
        let [.., a, b, c, d, e, f, g] = self.0;
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        // The first 53 of them, which a `f64` holds exactly.
        ((random >> 3) as f64) < ratio * (1_u64 << 53) as f64
    }
}

/// A span's id within its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) [u8; 8]);

impl SpanId {
    /// A new one.
    pub(super) fn random() -> Self {
        Self::first_of(Uuid::new_v4().as_bytes())
    }

    /// The one that follows from these parts.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length before it, so that no two lists are one text.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self::first_of(&hash.finalize())
    }

    /// The first bytes; all zeros would be no id.
    fn first_of(bytes: &[u8]) -> Self {
        let mut id = [0; 8];
        id.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(if id == [0; 8] { [1; 8] } else { id })
    }
}

/// What a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our own work.
    Internal,
    /// What somebody asked of us.
    Server,
    /// What we asked of somebody.
    Client,
}

/// What is said of a span. Only words of our own and names of objects: never a text from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A word.
    Word(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word.into())
    }
}

impl From<String> for Value {
    fn from(word: String) -> Self {
        Self::Word(word.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Something that took its time and is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Whose part it is.
    pub(super) trace: TraceId,
    /// Its id there.
    pub(super) id: SpanId,
    /// What it is a part of.
    pub(super) parent: Option<SpanId>,
    /// What it is called: of few kinds, never of one object.
    pub(super) name: Cow<'static, str>,
    /// What it is of.
    pub(super) kind: Kind,
    /// When it began.
    pub(super) from: Timestamp,
    /// When it ended.
    pub(super) until: Timestamp,
    /// What else is said of it.
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// It failed. Why is in the log and the timeline, which fewer read.
    pub(super) failed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_traces_is_sampled_and_always_the_same() {
        let traces: Vec<_> = (0..20_000).map(|_| TraceId::random()).collect();
        let count = |ratio| traces.iter().filter(|trace| trace.is_sampled(ratio)).count();
        assert_eq!((count(0.0), count(1.0)), (0, traces.len()));
        // Five standard deviations to either side.
        assert!((1_788..2_212).contains(&count(0.1)), "{}", count(0.1));
        assert!(traces.iter().all(|trace| !trace.is_sampled(0.1) || trace.is_sampled(0.5)), "of more, more");
        assert!(TraceId([0xff; 16]).is_sampled(1.0) && TraceId([0; 16]).is_sampled(1e-16));
    }

    #[test]
    fn ids_follow_from_what_they_are_of() {
        let id = SpanId::of(&[b"job", b"1"]);
        assert_eq!(id, SpanId::of(&[b"job", b"1"]));
        assert_ne!(id, SpanId::of(&[b"jo", b"b1"]));
        assert_eq!(SpanId::first_of(&[0; 16]), SpanId([1; 8]), "zeros are no id");
        assert_ne!(SpanId::random(), SpanId::random());
    }
}
