//! How much of what need not be done to be told is told: what is denied or fails can be asked a thousand times a second, and
//! must not fill the disk.

use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// How long what was told of a kind counts.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Kinds that are remembered. Those of callers that are not known are one, so there are few.
const KINDS: usize = 4096;

/// All kinds that come while as many are remembered as may be.
const OTHERS: &str = "others";

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Limit(Mutex<HashMap<String, Told>>);

#[derive(Debug)]
struct Told {
    since: Timestamp,
    told: u32,
    left_out: u64,
}

impl Limit {
    /// How many of a kind were left out since one was told; none: this one is left out, too.
    pub(super) fn may(&self, kind: String, most: u32, now: Timestamp) -> Option<u64> {
        // Nothing in here panics half way.
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |told: &Told| now.duration_since(told.since).abs() >= WINDOW;
        if kinds.len() >= KINDS {
            kinds.retain(|kind, told| kind == OTHERS || !is_over(told));
        }
        // Never nothing at all: what is not told is at least counted.
        let full = kinds.len() >= KINDS && !kinds.contains_key(&kind);
        let kind = if full { OTHERS.to_owned() } else { kind };
        let told = kinds.entry(kind).or_insert(Told { since: now, told: 0, left_out: 0 });
        if is_over(told) {
            (told.since, told.told) = (now, 0);
        }
        if told.told >= most {
            told.left_out += 1;
            return None;
        }
        told.told += 1;
        Some(std::mem::take(&mut told.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_kind_are_told_and_then_how_many_were_not() {
        let limit = Limit::default();
        let may = |kind: &str, second| limit.may(kind.into(), 2, Timestamp::from_second(second).unwrap());
        assert_eq!([may("a", 0), may("a", 1), may("a", 2), may("a", 3)], [Some(0), Some(0), None, None]);
        assert_eq!(may("b", 3), Some(0), "another kind");
        assert_eq!([may("a", 600), may("a", 601)], [Some(2), Some(0)]);
        for number in 0..KINDS {
            may(&number.to_string(), 602);
        }
        assert_eq!(limit.0.lock().unwrap().len(), KINDS + 1, "memory is bounded");
        // Two of those numbers were told as others.
        assert_eq!(may("new", 602), None);
        for number in 1..KINDS {
            assert_eq!(may(&number.to_string(), 1203), Some(0), "there is room again");
        }
        assert_eq!(may("last", 1203), Some(1), "what was not told was counted");
    }
}
