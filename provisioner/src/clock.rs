//! The one place of the service that reads clocks.

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Now, in whole microseconds, which is what the database keeps.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// How long this host runs: a clock that nobody sets, and that goes on while the host is suspended.
pub(crate) fn since_boot() -> Duration {
    // Linux has it since 2.6.39; with the time of day in its place no leap is seen, and nothing is younger than it is.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(|_| wall(), Duration::from)
}

fn wall() -> Duration {
    Duration::from_micros(u64::try_from(now().as_microsecond()).unwrap_or(0))
}
