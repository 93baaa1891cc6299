//! What a simulated BMC does wrong on request. Each fault is one that real BMCs or networks have.
//!
//! Everything here is decided from counters and a seeded generator, so that a test sees the same twice.

use std::time::Duration;

/// Which of many are hit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Share {
    /// None.
    #[default]
    Never,
    /// The nth and each nth after it; `Every(1)` is all of them.
    Every(u32),
    /// So many of the next, and then no more.
    Next(u32),
    /// Each with this probability, from 0 to 1.
    Random(f64),
}

/// What a BMC does wrong.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// Of the random choices.
    pub seed: u64,
    /// Datagrams to the BMC that get lost.
    pub lost_requests: Share,
    /// Datagrams of the BMC that get lost.
    pub lost_answers: Share,
    /// Datagrams of the BMC that arrive twice.
    pub doubled_answers: Share,
    /// Datagrams of the BMC that arrive late, by `late_by`: after those sent meanwhile.
    pub late_answers: Share,
    /// How late.
    pub late_by: Duration,
    /// How long the BMC takes for each answer. It does nothing else meanwhile.
    pub slow: Duration,
    /// Datagrams of the BMC that are noise instead: by turns without and with a header that looks right.
    pub garbage: Share,
    /// Answers inside a session that come after forged ones: one without signature and encryption, and one with a
    /// wrong signature. Both say that all is well.
    pub forged_answers: Share,
    /// Answers inside a session whose message has a wrong checksum, though signature and encryption are right.
    pub wrong_checksums: Share,
    /// Answers inside a session whose signature is wrong.
    pub wrong_signatures: Share,
    /// After so many answers it restarts, in mid-session.
    pub restart_after: Option<u32>,
    /// After each change of power it goes on telling the old state, for so long.
    pub stale_power: Option<Stale>,
    /// Says yes to power commands and does nothing.
    pub ignores_power: bool,
    /// Says yes to boot flags and doesn't keep them.
    pub ignores_boot_flags: bool,
    /// Clears the valid bit of boot flags as soon as they are set, the rest stays.
    pub clears_valid_bit: bool,
}

/// How long a power state is told that is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// For so many readings.
    Readings(u32),
    /// For this long.
    For(Duration),
}

/// What to do to one answer inside a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoilt {
    Forged,
    Checksum,
    Signature,
}

/// A BMC's faults and how far they got.
#[derive(Default)]
pub(super) struct Faulty {
    faults: Faults,
    random: u64,
    requests: u32,
    losses: u32,
    doubles: u32,
    lates: u32,
    garbage: u32,
    forgeries: u32,
    checksums: u32,
    signatures: u32,
    answers: u32,
    /// The power state that is told, and until when.
    lie: Option<Lie>,
}

#[derive(Clone, Copy)]
struct Lie {
    on: bool,
    how: Stale,
    since: Duration,
}

impl Faulty {
    pub(super) fn new(faults: Faults) -> Self {
        Self { random: faults.seed, faults, ..Self::default() }
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// From now on it tells this power state.
    pub(super) fn lie_about_power(&mut self, on: bool, how: Stale, now: Duration) {
        self.lie = Some(Lie { on, how, since: now });
    }

    /// Power went from this state to another.
    pub(super) fn power_changed(&mut self, from: bool, now: Duration) {
        if let Some(how) = self.faults.stale_power {
            self.lie_about_power(from, how, now);
        }
    }

    /// What a reading of the power tells instead, which is used up by it.
    pub(super) fn lie(&mut self, now: Duration) -> Option<bool> {
        let lie = self.lie.as_mut()?;
        let holds = match &mut lie.how {
            Stale::For(time) => now.saturating_sub(lie.since) < *time,
            Stale::Readings(0) => false,
            Stale::Readings(left) => {
                *left -= 1;
                true
            }
        };
        let on = lie.on;
        if !holds {
            self.lie = None;
        }
        holds.then_some(on)
    }

    pub(super) fn loses_request(&mut self) -> bool {
        hits(self.faults.lost_requests, &mut self.requests, &mut self.random)
    }

    pub(super) fn slow(&self) -> Option<Duration> {
        Some(self.faults.slow).filter(|slow| !slow.is_zero())
    }

    /// What is done to the next answer inside a session.
    pub(super) fn spoils(&mut self) -> Vec<Spoilt> {
        let mut spoilt = vec![];
        if hits(self.faults.forged_answers, &mut self.forgeries, &mut self.random) {
            spoilt.push(Spoilt::Forged);
        }
        if hits(self.faults.wrong_checksums, &mut self.checksums, &mut self.random) {
            spoilt.push(Spoilt::Checksum);
        }
        if hits(self.faults.wrong_signatures, &mut self.signatures, &mut self.random) {
            spoilt.push(Spoilt::Signature);
        }
        spoilt
    }

    /// Whether it restarts now, an answer being out.
    pub(super) fn restarts(&mut self) -> bool {
        self.answers = self.answers.saturating_add(1);
        let now = self.faults.restart_after == Some(self.answers);
        if now {
            self.faults.restart_after = None;
        }
        now
    }

    /// What becomes of a datagram on its way, and after how long each arrives.
    pub(super) fn deliver(&mut self, datagram: &[u8]) -> Vec<(Vec<u8>, Duration)> {
        if hits(self.faults.lost_answers, &mut self.losses, &mut self.random) {
            return vec![];
        }
        let noise = hits(self.faults.garbage, &mut self.garbage, &mut self.random);
        let bytes = if noise { self.noise(datagram) } else { datagram.to_vec() };
        let late = hits(self.faults.late_answers, &mut self.lates, &mut self.random);
        let after = if late { self.faults.late_by } else { Duration::ZERO };
        let mut deliveries = vec![(bytes, after)];
        if hits(self.faults.doubled_answers, &mut self.doubles, &mut self.random) {
            deliveries.extend_from_within(..);
        }
        deliveries
    }

    fn noise(&mut self, datagram: &[u8]) -> Vec<u8> {
        // RMCP+ header and session id are right every second time.
        let kept = if self.garbage.is_multiple_of(2) { datagram.len().min(10) } else { 0 };
        let mut bytes = datagram.to_vec();
        for byte in &mut bytes[kept..] {
            *byte = next(&mut self.random) as u8;
        }
        bytes
    }
}

fn hits(share: Share, count: &mut u32, random: &mut u64) -> bool {
    *count = count.wrapping_add(1);
    match share {
        Share::Never => false,
        Share::Every(n) => n != 0 && count.is_multiple_of(n),
        Share::Next(n) => *count <= n,
        // 53 bits, as many as a double holds.
        Share::Random(share) => ((next(random) >> 11) as f64) < share * (1u64 << 53) as f64,
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(share: Share, of: u32) -> Vec<bool> {
        let (mut count, mut random) = (0, 7);
        (0..of).map(|_| hits(share, &mut count, &mut random)).collect()
    }

    #[test]
    fn shares() {
        assert_eq!(pattern(Share::Never, 3), [false; 3]);
        assert_eq!(pattern(Share::Every(1), 3), [true; 3]);
        assert_eq!(pattern(Share::Every(2), 5), [false, true, false, true, false]);
        assert_eq!(pattern(Share::Next(2), 4), [true, true, false, false]);
        assert_eq!(pattern(Share::Random(0.0), 100), [false; 100]);
        assert_eq!(pattern(Share::Random(1.0), 100), [true; 100]);
        let some = pattern(Share::Random(0.2), 10_000);
        assert_eq!(some, pattern(Share::Random(0.2), 10_000), "the same seed gives the same");
        let hit = some.iter().filter(|hit| **hit).count();
        assert!((1800..2200).contains(&hit), "{hit}");
    }

    #[test]
    fn a_lie_ends_by_readings_or_by_time() {
        let second = Duration::from_secs(1);
        let mut faulty = Faulty::new(Faults { stale_power: Some(Stale::Readings(2)), ..Faults::default() });
        assert_eq!(faulty.lie(second), None);
        faulty.power_changed(true, second);
        assert_eq!(
            [faulty.lie(second), faulty.lie(second), faulty.lie(second)],
            [Some(true), Some(true), None]
        );
        faulty.lie_about_power(false, Stale::For(second * 5), second);
        assert_eq!([faulty.lie(second * 5), faulty.lie(second * 6)], [Some(false), None]);
    }

    #[test]
    fn datagrams_on_their_way() {
        let faults = Faults {
            lost_answers: Share::Every(3),
            doubled_answers: Share::Every(2),
            late_answers: Share::Next(1),
            late_by: Duration::from_secs(9),
            ..Faults::default()
        };
        let mut faulty = Faulty::new(faults);
        let times: Vec<Vec<u64>> = (0..4)
            .map(|_| faulty.deliver(&[1, 2]).into_iter().map(|(_, late)| late.as_secs()).collect())
            .collect();
        assert_eq!(times, [vec![9], vec![0, 0], vec![], vec![0]]);
        let mut faulty = Faulty::new(Faults { garbage: Share::Next(2), ..Faults::default() });
        let good: Vec<u8> = (0..40).collect();
        let noise: Vec<_> = (0..3).map(|_| faulty.deliver(&good)[0].0.clone()).collect();
        assert!(noise[0][..10] != good[..10] && noise[1][..10] == good[..10] && noise[1] != good);
        assert_eq!(noise[2], good);
    }
}
