//! The one place of the service that reads clocks.

use jiff::{SignedDuration, Timestamp};
use nix::time::{ClockId, clock_gettime};

/// Now, in whole microseconds, which is what the database keeps.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// What has passed since the host was started, on a clock that nobody sets and that runs while the host is suspended.
pub(crate) fn since_boot() -> SignedDuration {
    // Every kernel since 2.6.39 has that clock, so that asking for it can't fail.
    let at = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("the kernel has CLOCK_BOOTTIME");
    SignedDuration::new(at.tv_sec(), i32::try_from(at.tv_nsec()).unwrap_or(0))
}
