//! Which of several replicas is asked: one, until it does not answer; then the next.

use crate::ClientError;
use reqwest::Url;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The replicas, and whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    bases: Vec<Url>,
    at: AtomicUsize,
}

impl Turns {
    /// At least one.
    pub(super) fn new(bases: Vec<Url>) -> Self {
        Self { bases, at: AtomicUsize::new(0) }
    }

    /// Whether there is another one to ask.
    pub(super) fn are_several(&self) -> bool {
        self.bases.len() > 1
    }

    /// One call's. A call that is given up before [`Turn::end`] counts as not answered.
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn { turns: self, at: self.at.load(Ordering::SeqCst), answered: false }
    }
}

/// Who is asked by one call.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    at: usize,
    answered: bool,
}

impl Turn<'_> {
    /// Its address.
    pub(super) fn base(&self) -> &Url {
        // The remainder is less than their number, and `split` gives one at least.
        &self.turns.bases[self.at % self.turns.bases.len()]
    }

    /// What came of the call.
    pub(super) fn end<T>(mut self, result: Result<T, ClientError>) -> Result<T, ClientError> {
        // One that is behind answers, and has caught up when it is asked again.
        let silent = |error: &ClientError| error.is_transient() && !matches!(error, ClientError::Late { .. });
        self.answered = !result.as_ref().is_err_and(silent);
        result
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.answered {
            // Of several calls that were not answered at the same time one is enough.
            let next = self.at.wrapping_add(1);
            _ = self.turns.at.compare_exchange(self.at, next, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Turns {
        Turns::new(["https://a", "https://b", "https://c"].map(|url| url.parse().unwrap()).into())
    }

    fn host(turns: &Turns) -> String {
        let turn = turns.turn();
        let host = turn.base().host_str().unwrap().to_owned();
        turn.end(Ok(host)).unwrap()
    }

    #[test]
    fn who_answers_is_asked_again_and_who_is_silent_is_not() {
        let turns = turns();
        assert_eq!(host(&turns), "a");
        assert_eq!(host(&turns), "a");
        // Two calls that are given up at the same time.
        let both = (turns.turn(), turns.turn());
        drop(both);
        assert_eq!(host(&turns), "b");
        let refused = ClientError::Status { url: "https://b".into(), status: 403 };
        assert!(turns.turn().end::<()>(Err(refused)).is_err());
        assert_eq!(host(&turns), "b", "it answered");
        let fence = Default::default();
        let late = ClientError::Late { url: "https://b".into(), fence, highest: fence };
        assert!(turns.turn().end::<()>(Err(late)).is_err());
        assert_eq!(host(&turns), "b", "it answered, too");
        let busy = ClientError::Status { url: "https://b".into(), status: 503 };
        assert!(turns.turn().end::<()>(Err(busy)).is_err());
        drop(turns.turn());
        assert_eq!(host(&turns), "a", "around");
    }
}
