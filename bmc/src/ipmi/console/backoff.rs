//! When a lost console is connected again. Pure: chance is an argument.

use std::time::Duration;

/// Waits that double up to a limit.
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest }
    }

    /// The next wait; `chance` spreads it by a quarter to either side, so that many consoles of one dead switch don't
    /// come back in one moment.
    pub(super) fn next(&mut self, chance: u8) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait * 3 / 4 + wait * u32::from(chance) / 510
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_are_spread() {
        const SECOND: Duration = Duration::from_secs(1);
        let mut backoff = Backoff::new(SECOND, 5 * SECOND);
        let waits: Vec<_> = [0, 0, 255, 0, 255].map(|chance| backoff.next(chance).as_millis()).into();
        assert_eq!(waits, [750, 1500, 5000, 3750, 6250]);
    }
}
