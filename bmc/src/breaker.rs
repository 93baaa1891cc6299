//! Whether a BMC is asked at all: one that doesn't answer is let alone for growing times, and one that refuses the
//! password at once and for long, so that nobody is locked out by our polling. Pure: time and chance are arguments.

use crate::driver::Health;
use std::time::Duration;
use tokio::time::Instant;

/// Calls in a row without an answer before it rests.
const PATIENCE: u32 = 3;
/// First and longest rest of a silent BMC.
const SILENT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// First and longest rest after a refused login.
const REFUSED: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer that we can use.
    Silent,
    /// It refuses user, password, privilege or key.
    Refused,
    /// It answered, but has no session for us now.
    Busy,
}

/// Why it is not asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) rest: Duration,
    pub(crate) last: String,
    pub(crate) credentials: bool,
}

/// The memory of one BMC's failures.
#[derive(Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Rests for silence, and for refused logins, since the last answer.
    rests: (u32, u32),
    until: Option<Instant>,
    last: Option<Box<str>>,
    credentials: bool,
    answered: bool,
}

impl Breaker {
    /// Whether it may be asked now. After a rest it may, once: another failure brings the next rest.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Resting> {
        match self.until.filter(|until| *until > now) {
            None => Ok(()),
            Some(until) => Err(Resting {
                rest: until - now,
                last: self.last.as_deref().unwrap_or_default().to_owned(),
                credentials: self.credentials,
            }),
        }
    }

    /// Takes note of an answer.
    pub(crate) fn answered(&mut self) {
        *self = Self { answered: true, ..Self::default() };
    }

    /// Whether it ever answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered
    }

    /// Takes note of a failed call. `chance` is any random number.
    pub(crate) fn failed(&mut self, failure: Failure, last: String, now: Instant, chance: u32) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some(last.into());
        // Neither kind forgives the other: a BMC that is silent now and then still counts refused logins.
        let ((first, longest), rests) = match failure {
            Failure::Busy => return,
            Failure::Silent if self.failures < PATIENCE => return,
            Failure::Silent => (SILENT, &mut self.rests.0),
            Failure::Refused => (REFUSED, &mut self.rests.1),
        };
        self.credentials = failure == Failure::Refused;
        let even = first.saturating_mul(1 << (*rests).min(10)).min(longest);
        *rests += 1;
        // Up to a quarter less, so that BMCs that went silent together aren't asked together.
        self.until = Some(now + even - even / 400 * (chance % 101));
    }

    /// For people.
    pub(crate) fn health(&self, now: Instant) -> Health {
        Health {
            failures: self.failures,
            last: self.last.as_deref().map(ToOwned::to_owned),
            rests_for: self.until.filter(|until| *until > now).map(|until| until - now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rests after so many failures, each as soon as it may be asked again.
    fn rests(failure: Failure, count: usize, chance: u32) -> Vec<u64> {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        (0..count)
            .map(|_| {
                breaker.failed(failure, "x".into(), now, chance);
                let rest = breaker.admit(now).err().map_or(Duration::ZERO, |resting| resting.rest);
                now += rest;
                assert_eq!(breaker.admit(now), Ok(()));
                rest.as_secs()
            })
            .collect()
    }

    #[test]
    fn a_silent_bmc_rests_longer_and_longer() {
        assert_eq!(rests(Failure::Silent, 10, 0), [0, 0, 5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(rests(Failure::Silent, 9, 100), [0, 0, 3, 7, 15, 30, 60, 120, 225]);
    }

    #[test]
    fn a_refused_login_rests_at_once_and_for_long() {
        assert_eq!(rests(Failure::Refused, 6, 0), [300, 600, 1200, 2400, 3600, 3600]);
        let mut breaker = Breaker::default();
        breaker.failed(Failure::Refused, "wrong password".into(), Instant::now(), 0);
        let resting = breaker.admit(Instant::now()).unwrap_err();
        assert!(resting.credentials && resting.last == "wrong password", "{resting:?}");
    }

    #[test]
    fn busy_is_counted_and_does_not_rest() {
        assert_eq!(rests(Failure::Busy, 5, 0), [0; 5]);
    }

    #[test]
    fn an_answer_forgives_everything() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert!(!breaker.has_answered());
        for _ in 0..5 {
            breaker.failed(Failure::Silent, "no answer".into(), now, 0);
        }
        let health = breaker.health(now);
        assert_eq!((health.failures, health.last.as_deref()), (5, Some("no answer")));
        assert_eq!(health.rests_for, Some(Duration::from_secs(20)));
        breaker.answered();
        assert_eq!(breaker.health(now), Health::default());
        assert!(breaker.has_answered() && breaker.admit(now).is_ok());
        // And patience begins anew.
        breaker.failed(Failure::Silent, "no answer".into(), now, 0);
        assert!(breaker.admit(now).is_ok() && breaker.has_answered());
    }

    #[test]
    fn another_kind_of_failure_begins_its_own_row() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..6 {
            breaker.failed(Failure::Silent, "no answer".into(), now, 0);
        }
        breaker.failed(Failure::Refused, "wrong password".into(), now, 0);
        assert_eq!(breaker.health(now).rests_for, Some(Duration::from_secs(300)));
        assert!(breaker.admit(now).unwrap_err().credentials);
    }

    #[test]
    fn neither_silence_nor_full_sessions_forgive_a_refused_login() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.failed(Failure::Refused, "wrong password".into(), now, 0);
        breaker.failed(Failure::Busy, "no session".into(), now, 0);
        breaker.failed(Failure::Silent, "no answer".into(), now, 0);
        breaker.failed(Failure::Refused, "wrong password".into(), now, 0);
        assert_eq!(breaker.health(now).rests_for, Some(Duration::from_secs(600)));
    }
}
