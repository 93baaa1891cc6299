//! When to kill: at what, the how many-th, and how long after. Pure but for the dice.

use crate::dice::Dice;
use crate::fleet::entry::{Entry, SeenKind, What};

/// What is aimed at if the scenario does not say: moments at which the service has something in hand.
const ANY: [SeenKind; 12] = [
    SeenKind::Power,
    SeenKind::BootSet,
    SeenKind::Ack,
    SeenKind::Script,
    SeenKind::Claimed,
    SeenKind::Order,
    SeenKind::Reported,
    SeenKind::Seeded,
    SeenKind::PhonedHome,
    SeenKind::Bmc,
    SeenKind::Call,
    SeenKind::Answer,
];

/// A moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aim {
    /// After one of these was seen.
    pub(crate) kind: SeenKind,
    /// The how many-th of the run.
    pub(crate) nth: u64,
    /// So long after it, in microseconds.
    pub(crate) plus_us: u32,
}

impl Aim {
    /// Chooses one of `kinds` (empty: any); `count` says how many were seen already.
    pub(crate) fn choose(dice: &mut Dice, kinds: &[SeenKind], count: impl Fn(SeenKind) -> u64) -> Self {
        let kinds = if kinds.is_empty() { &ANY } else { kinds };
        let kind = kinds[(dice.roll() * kinds.len() as f64) as usize];
        let nth = count(kind) + 1 + (dice.roll() * 6.0) as u64;
        // From 1 µs to 20 ms, the short ones as likely as the long ones.
        let plus_us = 10_f64.powf(dice.roll() * 4.3) as u32;
        Self { kind, nth, plus_us }
    }

    /// What is as good when this does not come: any of `kinds` (empty: whatever is no mere question to a BMC, which
    /// would always be next). One that was a matter of time has nothing.
    pub(crate) fn instead(&self, kinds: &[SeenKind]) -> Vec<SeenKind> {
        let kinds = if kinds.is_empty() { &ANY } else { kinds };
        let timeless = self.nth == u64::MAX;
        kinds
            .iter()
            .copied()
            .filter(|kind| !timeless && (*kind != SeenKind::Bmc || kinds.len() == 1))
            .collect()
    }

    /// The kills of a journal, in order. One that was a matter of time is aimed at nothing that will come, so that it
    /// becomes a matter of time again.
    pub(crate) fn of_journal(entries: &[Entry]) -> Vec<Self> {
        let aim = |entry: &Entry| match entry.what {
            What::Killed { after: Some((kind, nth)), plus_us } => Some(Self { kind, nth, plus_us }),
            What::Killed { after: None, .. } => {
                Some(Self { kind: SeenKind::Answer, nth: u64::MAX, plus_us: 0 })
            }
            _ => None,
        };
        // What comes after the quiet is the rest's own restart.
        entries.iter().take_while(|entry| !matches!(entry.what, What::Quiet)).filter_map(aim).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_dice_aim_at_the_same_and_always_at_what_is_to_come() {
        let aims = |seed| {
            let mut dice = Dice::new(seed);
            (0..500).map(|_| Aim::choose(&mut dice, &[], |_| 40)).collect::<Vec<_>>()
        };
        assert_eq!(aims(3), aims(3));
        assert_ne!(aims(3), aims(4));
        assert!(
            aims(3).iter().all(|aim| (41..=46).contains(&aim.nth) && (1..=20_000).contains(&aim.plus_us))
        );
        assert!(ANY.iter().all(|kind| aims(3).iter().any(|aim| aim.kind == *kind)), "each kind is hit");
        let only = Aim::choose(&mut Dice::new(1), &[SeenKind::Wrote], |_| 0);
        assert_eq!(only.kind, SeenKind::Wrote);
    }

    #[test]
    fn a_journal_gives_its_kills_back() {
        let killed = |after| Entry { at_us: 0, machine: None, what: What::Killed { after, plus_us: 40 } };
        let entries = [
            killed(Some((SeenKind::Reported, 17))),
            killed(None),
            Entry { at_us: 1, machine: None, what: What::Ready },
            Entry { at_us: 2, machine: None, what: What::Quiet },
            killed(None),
        ];
        let aims = Aim::of_journal(&entries);
        assert_eq!(aims[0], Aim { kind: SeenKind::Reported, nth: 17, plus_us: 40 });
        assert_eq!((aims.len(), aims[1].nth), (2, u64::MAX));
        assert_eq!((aims[0].instead(&[]).len(), aims[1].instead(&[]).len()), (ANY.len() - 1, 0));
    }
}
