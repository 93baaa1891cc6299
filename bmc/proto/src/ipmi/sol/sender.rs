//! The sending half of both sides: a queue of bytes and signals, one packet of it in the air.

use super::packet::{LONGEST, Packet, following};
use std::collections::VecDeque;
use std::time::Duration;

/// After a refusal that doesn't end by itself, how long until the rest is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// When a packet is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Until the first repetition; doubled after each.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// How often a packet is sent in all; at least once.
    pub sendings: u8,
}

impl Default for Retry {
    /// About 6 s in all.
    fn default() -> Self {
        Self { first: Duration::from_millis(300), longest: Duration::from_secs(1), sendings: 8 }
    }
}

/// The queue and the packet in the air.
#[derive(Debug)]
pub(super) struct Sender {
    retry: Retry,
    /// Characters of a packet at the most.
    largest: usize,
    queue: VecDeque<Item>,
    /// Bytes in the queue.
    queued: usize,
    flight: Option<Flight>,
    /// Number of the newest packet; 0: none yet.
    newest: u8,
    /// A signal of this number was given up.
    given_up: Option<Signal>,
    paused_until: Option<Duration>,
}

#[derive(Debug)]
enum Item {
    Bytes(VecDeque<u8>),
    Signal(Signal),
}

/// A packet without characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signal {
    /// Its bits.
    pub(super) flags: u8,
    /// Whether it doesn't matter when it is never acknowledged; its number is then used again, for itself or for
    /// characters: if it had arrived, the accepted count of those is 0, and they are sent under the next number.
    pub(super) optional: bool,
}

#[derive(Debug)]
struct Flight {
    sequence: u8,
    flags: u8,
    data: Vec<u8>,
    signal: Signal,
    /// Whether what is not accepted of it is not sent again.
    abandoned: bool,
    sendings_left: u8,
    wait: Duration,
    again_at: Duration,
}

/// What a time-out asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Nothing.
    Nothing,
    /// The same packet once more.
    Again(Vec<u8>),
    /// The packet is given up: what is in it may be lost.
    GaveUp {
        /// See [`Signal::optional`].
        optional: bool,
    },
}

impl Sender {
    pub(super) fn new(retry: Retry, largest: usize) -> Self {
        Self {
            retry,
            largest: largest.clamp(1, LONGEST),
            queue: VecDeque::new(),
            queued: 0,
            flight: None,
            newest: 0,
            given_up: None,
            paused_until: None,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.queued += bytes.len();
        match self.queue.back_mut() {
            Some(Item::Bytes(last)) => last.extend(bytes),
            _ => self.queue.push_back(Item::Bytes(bytes.iter().copied().collect())),
        }
    }

    /// Puts a signal behind the bytes.
    pub(super) fn signal(&mut self, signal: Signal) {
        self.queue.push_back(Item::Signal(signal));
    }

    /// Puts a signal before everything that waits, unless it is there.
    pub(super) fn signal_first(&mut self, signal: Signal) {
        if !matches!(self.queue.front(), Some(Item::Signal(first)) if *first == signal) {
            self.queue.push_front(Item::Signal(signal));
        }
    }

    /// Whether the last thing that waits is this signal.
    pub(super) fn ends_with(&self, signal: Signal) -> bool {
        matches!(self.queue.back(), Some(Item::Signal(last)) if *last == signal)
    }

    /// Bytes that wait for their first packet.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes that are not acknowledged, those in the air among them.
    pub(super) fn unacknowledged(&self) -> usize {
        self.queued
            + self.flight.as_ref().filter(|flight| !flight.abandoned).map_or(0, |flight| flight.data.len())
    }

    /// Whether signals wait or are in the air.
    pub(super) fn has_signals(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.data.is_empty())
            || self.queue.iter().any(|item| matches!(item, Item::Signal(_)))
    }

    /// Whether signals wait before bytes: they don't wait for more to come.
    pub(super) fn begins_with_signal(&self) -> bool {
        matches!(self.queue.front(), Some(Item::Signal(_)))
    }

    /// Forgets everything that waits, and what is not accepted of the packet in the air. Gives the number of bytes.
    pub(super) fn discard(&mut self) -> usize {
        let bytes = self.unacknowledged();
        self.queue.clear();
        self.queued = 0;
        if let Some(flight) = &mut self.flight {
            flight.abandoned = true;
        }
        bytes
    }

    /// The next packet, if one may go now. `flags` are added to it; `acknowledge` is the packet that it acknowledges
    /// in passing (only this first time).
    pub(super) fn next(&mut self, flags: u8, acknowledge: (u8, u8), now: Duration) -> Option<Vec<u8>> {
        if self.flight.is_some() || self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        let (data, signal) = match self.queue.front_mut()? {
            Item::Bytes(bytes) => {
                let data: Vec<u8> = bytes.drain(..self.largest.min(bytes.len())).collect();
                if bytes.is_empty() {
                    self.queue.pop_front();
                }
                self.queued -= data.len();
                (data, Signal { flags: 0, optional: false })
            }
            Item::Signal(signal) => {
                let signal = *signal;
                self.queue.pop_front();
                (Vec::new(), signal)
            }
        };
        let reused = self.given_up.take().is_some_and(|given_up| !data.is_empty() || given_up == signal);
        if !reused {
            self.newest = following(self.newest);
        }
        let flight = Flight {
            sequence: self.newest,
            flags: flags | signal.flags,
            data,
            signal,
            abandoned: false,
            sendings_left: self.retry.sendings.saturating_sub(1),
            wait: self.retry.first,
            again_at: now + self.retry.first,
        };
        let bytes = flight.encode(acknowledge);
        self.flight = Some(flight);
        Some(bytes)
    }

    /// Takes an acknowledgement: of the packet in the air, or, repeated without a refusal, the end of a pause.
    /// `refused`: what was not accepted has to wait.
    pub(super) fn acknowledged(&mut self, sequence: u8, accepted: u8, refused: bool, now: Duration) {
        if sequence == 0 || sequence != self.newest {
            return;
        }
        let Some(flight) = self.flight.take() else {
            self.paused_until = if refused { Some(now + PAUSE) } else { None };
            return;
        };
        let accepted = usize::from(accepted).min(flight.data.len());
        let rest = &flight.data[accepted..];
        // Without a word why nothing was taken: not at once again.
        let stuck = accepted == 0 && !rest.is_empty();
        if refused || stuck {
            self.paused_until = Some(now + PAUSE);
        }
        if !flight.abandoned {
            self.push_back_to_front(rest);
        }
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self) {
        self.paused_until = None;
    }

    fn push_back_to_front(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        self.queued += rest.len();
        match self.queue.front_mut() {
            Some(Item::Bytes(first)) => rest.iter().rev().for_each(|byte| first.push_front(*byte)),
            _ => self.queue.push_front(Item::Bytes(rest.iter().copied().collect())),
        }
    }

    /// When [`Self::expire`] or [`Self::next`] has something to do.
    pub(super) fn timeout(&self) -> Option<Duration> {
        match &self.flight {
            Some(flight) => Some(flight.again_at),
            None => self.paused_until.filter(|_| !self.queue.is_empty()),
        }
    }

    /// Whether a packet is in the air.
    pub(super) fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether a packet is in the air, or the pause is not over.
    pub(super) fn is_blocked(&self, now: Duration) -> bool {
        self.flight.is_some() || self.paused_until.is_some_and(|until| now < until)
    }

    /// Sends again, or gives up, what was not acknowledged in time.
    pub(super) fn expire(&mut self, now: Duration) -> Expiry {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.again_at <= now) else {
            return Expiry::Nothing;
        };
        if flight.sendings_left > 0 {
            flight.sendings_left -= 1;
            flight.wait = (flight.wait * 2).min(self.retry.longest);
            flight.again_at = now + flight.wait;
            // Some BMCs drop a packet whose acknowledgement is out of date, so it carries none.
            return Expiry::Again(flight.encode((0, 0)));
        }
        let signal = flight.signal;
        let optional = signal.optional;
        self.flight = None;
        self.given_up = optional.then_some(signal);
        Expiry::GaveUp { optional }
    }
}

impl Flight {
    fn encode(&self, (acknowledged, accepted): (u8, u8)) -> Vec<u8> {
        Packet { sequence: self.sequence, acknowledged, accepted, flags: self.flags, data: &self.data }
            .encode()
    }
}
