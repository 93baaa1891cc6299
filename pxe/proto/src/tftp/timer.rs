//! How long to wait for an acknowledgement.
//!
//! By the measured round trip (after RFC 6298), with bounds that fit firmware: a lost packet costs a tenth of a second,
//! not whole seconds. After a few repetitions there is a silence, longer than the client's own timeout, and then they
//! begin anew: some clients (atftp) answer a repeated block only once, and wait anew from each one that they ignore,
//! so that a server which never falls silent never hears from them again.
//!
//! The timeout of RFC 2349 is no lower bound, since clients name some seconds without thinking of it (curl 6), which
//! would make each lost packet in lock-step as dear as that; a packet that comes twice is harmless.

use std::time::Duration;

/// Before any round trip was measured.
const INITIAL: Duration = Duration::from_secs(1);
/// Bounds of a wait between repetitions. A client that was merely busy for longer than the lower one gets a packet
/// twice.
const RANGE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));
/// What the waits of a row are multiplied with; a silence follows.
const ROW: [u32; 4] = [1, 1, 2, 4];
/// The timeout of a client that named none.
const CLIENTS_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer than the client's timeout the silence is.
const MARGIN: Duration = Duration::from_millis(1500);
/// Least time in which an acknowledgement is expected.
const LEAST_QUIET: Duration = Duration::from_millis(2);
/// Time in which an acknowledgement is expected before any round trip was measured.
const INITIAL_QUIET: Duration = Duration::from_millis(20);

/// The retransmission timer of one transfer.
#[derive(Debug)]
pub(super) struct Timer {
    /// The client's own choice (RFC 2349).
    chosen: Option<Duration>,
    /// Smoothed round trip and its variation.
    measured: Option<(Duration, Duration)>,
    /// How often in a row nothing came.
    misses: u32,
}

impl Timer {
    pub(super) fn new(chosen: Option<Duration>) -> Self {
        Timer { chosen, measured: None, misses: 0 }
    }

    /// How long to wait now.
    pub(super) fn wait(&self) -> Duration {
        let Some(times) = ROW.get(self.misses as usize % (ROW.len() + 1)) else {
            return self.chosen.unwrap_or(CLIENTS_TIMEOUT) + MARGIN;
        };
        match self.measured {
            Some((smoothed, variation)) => {
                (smoothed + variation * 4).clamp(RANGE.0, RANGE.1).saturating_mul(*times).min(RANGE.1)
            }
            None => self.chosen.unwrap_or_else(|| (INITIAL * *times).min(RANGE.1)),
        }
    }

    /// The time after which an acknowledgement of what was sent should have come, when there is a reason to doubt
    /// that it will.
    pub(super) fn quiet(&self) -> Duration {
        let expected = self.measured.map(|(smoothed, variation)| smoothed + variation * 2);
        expected.unwrap_or(INITIAL_QUIET).max(LEAST_QUIET).min(self.wait())
    }

    /// How often in a row nothing came.
    pub(super) fn misses(&self) -> u32 {
        self.misses
    }

    /// Nothing came in time.
    pub(super) fn missed(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }

    /// Something new was acknowledged; `round_trip` when it is known which packet it answers.
    pub(super) fn progress(&mut self, round_trip: Option<Duration>) {
        self.misses = 0;
        let Some(round_trip) = round_trip else { return };
        self.measured = Some(match self.measured {
            None => (round_trip, round_trip / 2),
            Some((smoothed, variation)) => {
                let off = smoothed.abs_diff(round_trip);
                ((smoothed * 7 + round_trip) / 8, (variation * 3 + off) / 4)
            }
        });
    }
}
