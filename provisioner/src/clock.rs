//! The one place of the service that reads the clock.

use jiff::Timestamp;

/// Now, in whole microseconds, which is what the database keeps.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
