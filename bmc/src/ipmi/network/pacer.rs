//! When the next datagram may leave, so that thousands of BMCs asked at one moment overrun neither the receive buffers
//! nor the switches of a management network. Pure: the waiting is done by `network`.

use std::time::Duration;
use tokio::time::Instant;

/// Datagrams in a second: about 10 Mbit/s, what the slowest management port carries.
const RATE: u32 = 10_000;
/// Datagrams that may leave at once after a pause.
const BURST: u32 = 256;

/// Hands out slots for datagrams (the generic cell rate algorithm, ITU-T I.371).
pub(super) struct Pacer {
    interval: Duration,
    tolerance: Duration,
    /// When the next datagram would leave if all left evenly.
    next: Option<Instant>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self::new(RATE, BURST)
    }
}

impl Pacer {
    /// So many in a second, and so many at once.
    fn new(rate: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / rate;
        Self { interval, tolerance: interval * burst.saturating_sub(1), next: None }
    }

    /// Takes the next slot. How long to wait for it.
    pub(super) fn slot(&mut self, now: Instant) -> Duration {
        let even = self.next.map_or(now, |next| next.max(now));
        self.next = Some(even + self.interval);
        (even - now).saturating_sub(self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_evenly() {
        let mut pacer = Pacer::new(100, 3);
        let now = Instant::now();
        let waits: Vec<u128> = (0..6).map(|_| pacer.slot(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 10, 20, 30]);
        // A pause gives the burst back, and no more than it.
        let later = now + Duration::from_secs(5);
        let waits: Vec<u128> = (0..5).map(|_| pacer.slot(later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 10, 20]);
    }

    #[test]
    fn in_no_second_leave_more_than_rate_and_burst() {
        let mut pacer = Pacer::new(1000, 50);
        let start = Instant::now();
        let mut leaving: Vec<Duration> = (0..5000u64)
            .map(|number| {
                // Uneven: all of a group of 500 ask at one moment.
                let asked = Duration::from_millis(number / 500 * 300);
                asked + pacer.slot(start + asked)
            })
            .collect();
        leaving.sort();
        for (index, first) in leaving.iter().enumerate() {
            let within =
                leaving[index..].iter().take_while(|at| **at < *first + Duration::from_secs(1)).count();
            assert!(within <= 1051, "{within} from {first:?} on");
        }
    }
}
