//! The clock that leases end by: the database's, carried on by our monotonic one.
//!
//! Steps of the system's clock move nothing that was promised; they only make us ask the database again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How far the system's clock and the monotonic one may drift apart between two beats before our claims are doubted:
/// the machine may have slept, and the monotonic clock does not see that.
const DRIFT: u64 = 2_000;

/// Where time comes from; tests bring their own.
pub trait LeaseClock: Send + Sync + 'static {
    /// Milliseconds of a clock that never jumps.
    fn monotonic(&self) -> u64;
    /// Milliseconds since 1970, by the system's clock.
    fn wall(&self) -> u64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        SystemClock(Instant::now())
    }
}

impl LeaseClock for SystemClock {
    fn monotonic(&self) -> u64 {
        milliseconds(self.0.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the shell where leases read the clock")]
    fn wall(&self) -> u64 {
        milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The time by which leases end, and how long our claims hold.
pub(super) struct Time {
    clock: Arc<dyn LeaseClock>,
    /// The database's clock less the monotonic one.
    ahead: AtomicI64,
    /// The system's clock less the monotonic one, at the last beat.
    wall_ahead: AtomicI64,
    /// Until when our claims hold, by the monotonic clock.
    claimed: AtomicU64,
    anchored: AtomicBool,
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    monotonic: u64,
    wall: u64,
}

impl Time {
    pub(super) fn new(clock: Arc<dyn LeaseClock>) -> Self {
        Time {
            clock,
            ahead: AtomicI64::new(0),
            wall_ahead: AtomicI64::new(0),
            claimed: AtomicU64::new(0),
            anchored: AtomicBool::new(false),
        }
    }

    /// Now, by our clocks.
    pub(super) fn moment(&self) -> Moment {
        Moment { monotonic: self.clock.monotonic(), wall: self.clock.wall() }
    }

    /// Milliseconds since 1970, as the database would say.
    pub(super) fn now(&self) -> u64 {
        self.clock.monotonic().saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    /// The same, if our claims hold.
    pub(super) fn claimed_now(&self) -> Option<u64> {
        let Moment { monotonic, wall } = self.moment();
        let drift = difference(wall, monotonic).abs_diff(self.wall_ahead.load(Ordering::Relaxed));
        let holds = monotonic < self.claimed.load(Ordering::Acquire) && drift < DRIFT;
        holds.then(|| monotonic.saturating_add_signed(self.ahead.load(Ordering::Relaxed)))
    }

    /// The database said what time it is, some time after `before`. By how much that differs from what we thought,
    /// when that is more than a round trip and a drift can explain.
    pub(super) fn anchor(&self, before: Moment, database: u64) -> Option<i64> {
        let ahead = difference(database, before.monotonic);
        let first = !self.anchored.swap(true, Ordering::Relaxed);
        let step = ahead.saturating_sub(self.ahead.load(Ordering::Relaxed));
        if !first && step.unsigned_abs() < 2 * DRIFT {
            return None;
        }
        self.ahead.store(ahead, Ordering::Relaxed);
        (!first).then_some(step)
    }

    /// Our claims hold for so many milliseconds from `before` on.
    pub(super) fn claim(&self, before: Moment, length: u64) {
        self.wall_ahead.store(difference(before.wall, before.monotonic), Ordering::Relaxed);
        self.claimed.store(before.monotonic.saturating_add(length), Ordering::Release);
    }

    /// Our claims are gone.
    pub(super) fn unclaim(&self) {
        self.claimed.store(0, Ordering::Release);
    }
}

fn difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(i128::from(later) - i128::from(earlier)).unwrap_or(i64::MAX)
}
