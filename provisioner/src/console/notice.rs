//! What the service itself says in a console's stream, and how patient it is. Pure.

use std::time::Duration;

/// A line of ours among the machine's bytes, on lines of its own: a terminal shows it as it is.
pub(super) fn notice(text: &str) -> Vec<u8> {
    format!("\r\n[billet: {}]\r\n", plain(text)).into_bytes()
}

/// A BMC's words without what could steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How patient the consoles are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long a console stays connected after the last one who wanted it left: somebody may just have lost the
    /// network.
    pub(super) linger: Duration,
    /// The first pause before a console that failed is tried again.
    pub(super) pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { linger: Duration::from_secs(5), pause: Duration::from_secs(1) }
    }
}

impl Pace {
    /// How long until a console that could not be connected, or was lost, is tried again: the first pause, doubled each
    /// time, 60 of them at most; 600 where a person has to change something first.
    pub(super) fn back_off(self, failures: u32, permanent: bool) -> Duration {
        let pauses = if permanent { 600 } else { (1 << failures.saturating_sub(1).min(6)).min(60) };
        self.pause.saturating_mul(pauses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_can_not_steer_a_terminal() {
        assert_eq!(notice("a\x1b[2J\r\nb"), b"\r\n[billet: a [2J  b]\r\n");
    }

    #[test]
    fn patience_grows_and_ends() {
        let pace = Pace::default();
        let seconds: Vec<_> = (1..9).map(|failures| pace.back_off(failures, false).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.back_off(1, true).as_secs(), 600);
        assert_eq!(pace.back_off(u32::MAX, false).as_secs(), 60);
    }
}
