//! The one place where time comes from: a `Duration` since the start, as `pxe-proto` wants it, and the time of day for
//! what people and clients are shown.

use std::time::{Duration, SystemTime};
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
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "it is shown, and nothing is decided by it")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> u64 {
    let since = wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
