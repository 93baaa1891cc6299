//! The highest fence of all answers that were heard: one that is lower was read before, and does not count.

use crate::ClientError;
use provisioner_api::agent::Fence;
use std::sync::{Mutex, PoisonError};

/// What was heard, of one machine.
#[derive(Debug, Default)]
pub(super) struct Highest(Mutex<Fence>);

impl Highest {
    /// Whether an answer with this fence counts. One without is of an older service, which says nothing of that.
    pub(super) fn hear(&self, fence: Option<&str>, from: impl Fn() -> String) -> Result<(), ClientError> {
        let Some(text) = fence else { return Ok(()) };
        let garbled = |why| ClientError::Garbled { url: from(), why };
        let fence: Fence = text.parse().map_err(garbled)?;
        // Each change of it is one assignment: a panic can't leave it half written.
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !fence.passes(*highest) {
            return Err(ClientError::Late { url: from(), fence, highest: *highest });
        }
        *highest = fence;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lower_than_what_was_heard_does_not_count() {
        let highest = Highest::default();
        let hear = |fence| highest.hear(fence, || "https://a".into());
        for fence in ["1.0", "1.4", "2.4", "2.4", "3.1"] {
            hear(Some(fence)).unwrap();
        }
        for late in ["3.0", "2.9", "0.0"] {
            let error = hear(Some(late)).unwrap_err();
            assert!(matches!(error, ClientError::Late { .. }) && error.is_transient(), "{error:?}");
        }
        hear(None).unwrap();
        hear(Some("3.1")).unwrap();
        for garbled in ["", "3", "3.x", "-1.2"] {
            assert!(matches!(hear(Some(garbled)), Err(ClientError::Garbled { .. })), "{garbled}");
        }
    }
}
