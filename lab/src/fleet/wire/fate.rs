//! What becomes of a datagram, a request or an answer, as the faults of the network and a machine's own dice say.

use crate::dice::Dice;
use crate::fleet::NetworkFaults;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What becomes of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// How often it arrives.
    pub(super) copies: u8,
    /// How late.
    pub(super) delay: Duration,
}

impl Fate {
    /// A good network's.
    const GOOD: Self = Self { copies: 1, delay: Duration::ZERO };
}

/// The faults that hold now, and the dice.
#[derive(Debug)]
pub(super) struct Fates {
    /// Whether there are any: a good network costs no lock.
    any: AtomicBool,
    seed: u64,
    lost: AtomicU64,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    faults: NetworkFaults,
    /// A machine's dice, by its number: what one meets does not depend on what others did before.
    dice: HashMap<u32, Dice>,
}

impl Fates {
    /// A good network; its dice start at `seed` when it becomes a bad one.
    pub(super) fn new(seed: u64) -> Self {
        Self { any: AtomicBool::new(false), seed, lost: AtomicU64::new(0), now: Mutex::default() }
    }

    /// From now on this goes wrong.
    pub(super) fn set(&self, faults: NetworkFaults) {
        let any = faults.drop > 0.0 || faults.duplicate > 0.0 || faults.jitter_ms > 0;
        self.now.lock().unwrap_or_else(PoisonError::into_inner).faults = faults;
        self.any.store(any, Ordering::Release);
    }

    /// How much was lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What becomes of this machine's next datagram.
    pub(super) fn next(&self, number: u32) -> Fate {
        if !self.any.load(Ordering::Acquire) {
            return Fate::GOOD;
        }
        let fate = {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            let Now { faults, dice } = &mut *now;
            let dice =
                dice.entry(number).or_insert_with(|| Dice::new(self.seed).fork("network", u64::from(number)));
            let copies = match (dice.hits(faults.drop), dice.hits(faults.duplicate)) {
                (true, _) => 0,
                (false, true) => 2,
                (false, false) => 1,
            };
            Fate { copies, delay: Duration::from_millis(faults.jitter_ms.into()).mul_f64(dice.roll()) }
        };
        if fate.copies == 0 {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        fate
    }

    /// Waits as long as the network holds up what can't be lost: TCP sends lost segments again by itself.
    pub(super) async fn linger(&self, number: u32) {
        wait(self.next(number).delay).await;
    }
}

/// Waits, if there is anything to wait.
pub(super) async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_network_delivers_each_once_and_at_once() {
        let fates = Fates::new(7);
        assert!((0..1000).all(|number| fates.next(number) == Fate::GOOD));
        fates.set(NetworkFaults { drop: 1.0, ..NetworkFaults::default() });
        assert_eq!(fates.next(1).copies, 0);
        fates.set(NetworkFaults::default());
        assert_eq!((fates.next(1), fates.lost()), (Fate::GOOD, 1));
    }

    #[test]
    fn what_a_machine_meets_depends_on_the_seed_and_on_nobody_else() {
        let run = |others: u32| {
            let fates = Fates::new(3);
            fates.set(NetworkFaults { drop: 0.3, duplicate: 0.3, jitter_ms: 9 });
            let one = |_| {
                for other in 1..=others {
                    fates.next(other);
                }
                fates.next(0)
            };
            (0..500).map(one).collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(3));
        let lost = run(0).iter().filter(|fate| fate.copies == 0).count();
        assert!((110..190).contains(&lost), "{lost} lost of 150 expected");
    }
}
