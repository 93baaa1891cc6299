//! The one place where time comes from: a `Duration` since the start, as `pxe-proto` wants it.

use std::time::Duration;
use tokio::time::Instant;

/// A clock that starts at its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Clock(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// The moment at this time since the start.
    pub(crate) fn at(&self, time: Duration) -> Instant {
        self.0 + time
    }
}
