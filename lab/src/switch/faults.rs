//! What goes wrong on the wire: chances, and what the dice make of them.

use crate::dice::Dice;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What goes wrong on the wire, for each frame independently.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Chance that a frame is lost, 0 to 1.
    pub drop: f64,
    /// Chance that a frame arrives twice, 0 to 1.
    pub duplicate: f64,
    /// What every frame waits, in milliseconds.
    pub delay_ms: u32,
    /// Up to this many milliseconds more, at random: frames overtake each other.
    pub jitter_ms: u32,
    /// Where the dice start.
    pub seed: u64,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// How often it arrives.
    pub(super) copies: u8,
    /// When.
    pub(super) delay: Duration,
}

impl Faults {
    /// A half sentence when a value can't be.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, chance) in [("drop", self.drop), ("duplicate", self.duplicate)] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(format!("{name} {chance} must be between 0 and 1"));
            }
        }
        Ok(())
    }

    pub(super) fn fate(&self, dice: &mut Dice) -> Fate {
        let copies = match (dice.hits(self.drop), dice.hits(self.duplicate)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        let jitter = Duration::from_millis(self.jitter_ms.into()).mul_f64(dice.roll());
        Fate { copies, delay: Duration::from_millis(self.delay_ms.into()) + jitter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_wire_delivers_each_frame_once_and_at_once() {
        let mut dice = Dice::new(7);
        let good = Fate { copies: 1, delay: Duration::ZERO };
        assert!((0..1000).all(|_| Faults::default().fate(&mut dice) == good));
    }

    #[test]
    fn chances_are_met_and_repeat_with_the_seed() {
        let faults = Faults { drop: 0.3, duplicate: 0.5, delay_ms: 10, jitter_ms: 5, seed: 1 };
        let run = || {
            let mut dice = Dice::new(faults.seed);
            (0..10_000).map(|_| faults.fate(&mut dice)).collect::<Vec<_>>()
        };
        let fates = run();
        let count = |copies| fates.iter().filter(|fate| fate.copies == copies).count();
        assert!((2800..3200).contains(&count(0)), "{} lost of 3000 expected", count(0));
        assert!((3300..3700).contains(&count(2)), "{} doubled of 3500 expected", count(2));
        let range = Duration::from_millis(10)..Duration::from_millis(15);
        assert!(fates.iter().all(|fate| range.contains(&fate.delay)));
        assert_eq!(fates, run());
    }

    #[test]
    fn impossible_chances_are_refused() {
        for drop in [-0.1, 1.1, f64::NAN] {
            assert!(Faults { drop, ..Faults::default() }.check().is_err(), "{drop}");
        }
        assert!(Faults { drop: 1.0, duplicate: 0.0, ..Faults::default() }.check().is_ok());
    }
}
