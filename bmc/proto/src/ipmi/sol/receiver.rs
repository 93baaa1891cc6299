//! The receiving half of both sides: tells new packets from repeated and from late ones.

use super::packet::SEQUENCES;

/// How many packets may be missing before a new one; numbers further ahead are late ones of the last round.
const AHEAD: u8 = SEQUENCES / 2;

/// Remembers the last packet.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// Its number, and how many characters of it were accepted.
    last: Option<(u8, u8)>,
}

/// What a packet is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It has no number.
    Unnumbered,
    /// It is new; `gap`: some before it never came, the sender gave them up.
    New {
        /// Whether some are missing.
        gap: bool,
    },
    /// It is the last one again: the acknowledgement was lost. So many of its characters had been accepted.
    ///
    /// Some BMCs add characters when they send again (`ipmi_sim` does). Those are left: the old count makes the BMC
    /// send them in a packet of their own, while taking them would double them when both acknowledgements arrive.
    Again(u8),
    /// It comes too late.
    Late,
}

impl Receiver {
    /// What a packet of this number is now.
    pub(super) fn judge(&self, sequence: u8) -> Arrival {
        if sequence == 0 {
            return Arrival::Unnumbered;
        }
        // BMCs don't all begin with 1.
        let Some((last, accepted)) = self.last else { return Arrival::New { gap: false } };
        match (sequence + SEQUENCES - last) % SEQUENCES {
            0 => Arrival::Again(accepted),
            1 => Arrival::New { gap: false },
            ahead if ahead <= AHEAD => Arrival::New { gap: true },
            _ => Arrival::Late,
        }
    }

    /// Remembers a new packet.
    pub(super) fn accept(&mut self, sequence: u8, accepted: u8) {
        self.last = Some((sequence, accepted));
    }

    /// The last packet's number and accepted count.
    pub(super) fn last(&self) -> Option<(u8, u8)> {
        self.last
    }
}
