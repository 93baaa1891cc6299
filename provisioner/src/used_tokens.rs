//! When the use of a token was last taken down by this process, so that a program that asks a hundred times a second makes
//! it write once a minute.

use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// How long it is not taken down again.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// By the hashes of the tokens. Only those that are known come here, so there are few.
#[derive(Debug, Default)]
pub(crate) struct UsedTokens(Mutex<HashMap<String, Timestamp>>);

impl UsedTokens {
    /// Whether it is to be taken down now; it is asked once then.
    pub(crate) fn is_due(&self, hash: &str, now: Timestamp) -> bool {
        // Nothing in here panics half way.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |at: Timestamp| now.duration_since(at);
        if last.get(hash).is_some_and(|at| since(*at) < AGAIN) {
            return false;
        }
        last.retain(|_, at| since(*at) < AGAIN);
        last.insert(hash.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_each() {
        let used = UsedTokens::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let asked = [("a", 0, true), ("a", 1, false), ("b", 2, true), ("a", 59, false), ("a", 60, true)];
        for (hash, second, due) in asked {
            assert_eq!(used.is_due(hash, at(second)), due, "{hash} {second}");
        }
    }
}
