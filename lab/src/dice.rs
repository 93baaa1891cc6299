//! Random numbers that can be had again: dice with a seed. What they decide is not here.

/// A step of SplitMix64 (Steele, Lea, Flood 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random numbers that can be had again: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that always fall like this.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for one of many users, by what it is and its number: nobody's throws change another's.
    /// These dice are not thrown by it.
    pub(crate) fn fork(&self, label: &str, number: u64) -> Self {
        // FNV-1a over the label; mixing makes up for its weakness.
        let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mix(mix(self.0.wrapping_add(hash)).wrapping_add(number.wrapping_mul(STEP))))
    }

    /// 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// From 0 to below 1.
    pub(crate) fn roll(&mut self) -> f64 {
        // 53 bits are what a double holds.
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something with this chance, 0 to 1, happens.
    pub(crate) fn hits(&mut self, chance: f64) -> bool {
        self.roll() < chance
    }
}

fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn forks_differ_and_repeat() {
        let dice = Dice::new(7);
        let first = |label, number| dice.fork(label, number).bits();
        let all: BTreeSet<u64> = ["disk", "dhcp"]
            .into_iter()
            .flat_map(|label| (0..1000).map(move |n| (label, n)))
            .map(|(label, number)| first(label, number))
            .collect();
        assert_eq!(all.len(), 2000);
        assert_eq!(first("disk", 3), Dice::new(7).fork("disk", 3).bits());
        assert_ne!(first("disk", 3), Dice::new(8).fork("disk", 3).bits());
    }
}
