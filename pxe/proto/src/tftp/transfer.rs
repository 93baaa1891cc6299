//! One transfer to one client: a machine that is fed packets and time, and asked for packets.
//!
//! The caller sends all that `poll_transmit` gives, waits for a packet until `poll_timeout`, and stops when
//! there is an `outcome`. Time is a `Duration` since any fixed moment of the caller's.

use super::body::Body;
use super::packet::{self, FromClient, ReadRequest};
use super::timer::Timer;
use std::time::Duration;

/// Largest block that is granted: an Ethernet frame without fragments (1500 − 20 − 8 − 4).
pub const MAX_BLOCK: usize = 1468;
/// Largest window that is granted, in blocks.
pub const MAX_WINDOW: u16 = 64;
/// How often a first packet is sent to a client that never answered: the sender of a request may be forged, and
/// must not be flooded.
pub const MAX_TRIES: u32 = 7;
/// How long a client that has answered may go on without acknowledging anything new.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Most packets of one run: what every Linux that has `UDP_SEGMENT` takes in one call.
pub const MAX_SEGMENTS: usize = 64;
/// Most bytes of one run: the payload of the largest IPv4 datagram.
pub const MAX_RUN: usize = 65_507;

/// Block size without the option (RFC 1350), which can't be made smaller.
const DEFAULT_BLOCK: usize = 512;
/// Smallest block size of RFC 2348.
const MIN_BLOCK: usize = 8;
/// Longest retransmission timeout that is granted, in seconds: a client that asks for more is not waited for.
const MAX_TIMEOUT: u8 = 30;
/// However long the client chose to be waited for, it is asked at least so often before it is given up.
const MIN_MISSES: u32 = 4;

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The last block was acknowledged.
    Complete,
    /// The client ended it. Code 8 right after the option acknowledgement is how firmware asks for a size.
    Refused {
        /// TFTP error code.
        code: u16,
        /// Its message, without control characters.
        message: String,
    },
    /// The client answered no more.
    Vanished,
}

/// Packets to send, laid out one after the other: all are `segment` bytes long, but the last may be shorter.
/// At most [`MAX_SEGMENTS`] packets and [`MAX_RUN`] bytes, so that one system call can send them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Length of each packet, in bytes.
    pub segment: usize,
}

/// What is known of a block that the client misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Nothing.
    None,
    /// The client seems to miss the first block that is not acknowledged: it is sent again when there was quiet for
    /// a round trip.
    Hinted,
    /// It was sent again for that reason.
    Sent,
}

/// One file on its way to one client. Block 0 stands for the option acknowledgement.
#[derive(Debug)]
pub struct Transfer {
    body: Body,
    block_size: usize,
    window: u64,
    option_ack: Option<Vec<u8>>,
    /// Number of the last block, which is shorter than a full one.
    last: u64,
    /// First block that is not acknowledged.
    base: u64,
    /// Next block to send.
    next: u64,
    /// Whether the client seems to miss a block of this window, so that it is sent again soon.
    gap: Gap,
    /// Whether the last block was sent.
    all_sent: bool,
    timer: Timer,
    /// When a packet went out last.
    sent: Duration,
    /// Whether the current window went out once only, so that its acknowledgement measures the round trip.
    sample: bool,
    /// When something new was acknowledged last.
    progress: Option<Duration>,
    deadline: Option<Duration>,
    outcome: Option<Outcome>,
}

impl Transfer {
    /// Starts the transfer that a request asks for. `max_block` is what fits the path without fragments, at most
    /// [`MAX_BLOCK`].
    #[must_use]
    pub fn start(request: &ReadRequest, body: impl Into<Body>, max_block: usize) -> Self {
        let body = body.into();
        let length = body.length();
        let max_block = max_block.clamp(MIN_BLOCK, MAX_BLOCK);
        let block_size = request.blksize.map_or(DEFAULT_BLOCK, |asked| usize::from(asked).min(max_block));
        let window = request.windowsize.map_or(1, |asked| asked.min(MAX_WINDOW));
        let timeout = request.timeout.filter(|seconds| *seconds <= MAX_TIMEOUT);
        let mut granted = Vec::new();
        if request.blksize.is_some() {
            granted.push(("blksize", block_size as u64));
        }
        if request.tsize {
            granted.push(("tsize", length as u64));
        }
        if let Some(seconds) = timeout {
            granted.push(("timeout", u64::from(seconds)));
        }
        if request.windowsize.is_some() {
            granted.push(("windowsize", u64::from(window)));
        }
        let option_ack = (!granted.is_empty()).then(|| packet::option_ack(&granted));
        let first = u64::from(option_ack.is_none());
        Transfer {
            body,
            block_size,
            window: u64::from(window),
            option_ack,
            last: (length / block_size) as u64 + 1,
            base: first,
            next: first,
            gap: Gap::None,
            all_sent: false,
            timer: Timer::new(timeout.map(|seconds| Duration::from_secs(u64::from(seconds)))),
            sent: Duration::ZERO,
            sample: false,
            progress: None,
            deadline: None,
            outcome: None,
        }
    }

    /// Writes the packets that are due at `now` to `out`, in place of what it held. `None`: nothing is due.
    /// To be asked until then; each answer is a part of one window.
    pub fn poll_transmit(&mut self, now: Duration, out: &mut Vec<u8>) -> Option<Run> {
        out.clear();
        let end = self.window_end();
        if self.outcome.is_some() || self.next > end {
            return None;
        }
        let segment = match &self.option_ack {
            Some(option_ack) if self.next == 0 => {
                out.extend_from_slice(option_ack);
                self.next = 1;
                out.len()
            }
            _ => self.frame(end, out),
        };
        self.all_sent |= self.next > self.last;
        self.sent = now;
        self.sample = self.timer.misses() == 0 && self.gap == Gap::None;
        self.deadline =
            Some(now + if self.gap == Gap::Hinted { self.timer.quiet() } else { self.timer.wait() });
        Some(Run { segment })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.outcome.is_some() { None } else { self.deadline }
    }

    /// Takes in a packet of this transfer's client. What makes no sense is ignored.
    pub fn handle_packet(&mut self, datagram: &[u8], now: Duration) {
        if self.outcome.is_some() {
            return;
        }
        match packet::parse_reply(datagram) {
            Some(FromClient::Ack(block)) => self.acknowledged(block, now),
            Some(FromClient::Error { code, message }) => {
                self.outcome = Some(Outcome::Refused { code, message });
            }
            None => {}
        }
    }

    /// Sends the window again when its time is over, or gives up.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.outcome.is_some() || self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.gap == Gap::Hinted {
            self.rewind();
            self.gap = Gap::Sent;
            return;
        }
        self.timer.missed();
        let gone = match self.progress {
            None => self.timer.misses() >= MAX_TRIES,
            Some(since) => now.saturating_sub(since) >= PATIENCE && self.timer.misses() >= MIN_MISSES,
        };
        if gone {
            self.outcome = Some(Outcome::Vanished);
        } else {
            self.rewind();
        }
    }

    /// The network says that nobody is at the client's port any more.
    pub fn handle_unreachable(&mut self) {
        if self.outcome.is_none() {
            // It closed its port after the last block: only its last acknowledgement was lost.
            let has_all = self.all_sent && self.has_begun();
            self.outcome = Some(if has_all { Outcome::Complete } else { Outcome::Vanished });
        }
    }

    /// Starts again at the first packet: the client sent its request once more.
    pub fn restart(&mut self) {
        if self.outcome.is_none() {
            self.base = u64::from(self.option_ack.is_none());
            self.rewind();
        }
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether the client has acknowledged anything.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.base > u64::from(self.option_ack.is_none())
    }

    /// The file's length, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.length() as u64
    }

    /// The length of a whole DATA packet, in bytes.
    #[must_use]
    pub fn segment(&self) -> usize {
        packet::DATA_HEADER + self.block_size
    }

    /// How many packets may be sent before an acknowledgement.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Bytes of the file that the client has acknowledged.
    #[must_use]
    pub fn acknowledged_bytes(&self) -> u64 {
        if self.outcome == Some(Outcome::Complete) {
            return self.size();
        }
        let full = self.base.saturating_sub(1).saturating_mul(self.block_size as u64);
        full.min(self.size())
    }

    /// The last block that may be sent before an acknowledgement.
    fn window_end(&self) -> u64 {
        // The option acknowledgement goes alone: the client may still refuse.
        if self.base == 0 { 0 } else { (self.base + self.window - 1).min(self.last) }
    }

    /// Writes the next DATA packets up to block `end`, as many as fit one run.
    fn frame(&mut self, end: u64, out: &mut Vec<u8>) -> usize {
        let segment = self.segment();
        let most = MAX_SEGMENTS.min(MAX_RUN / segment) as u64;
        let stop = end.min(self.next + most - 1);
        while self.next <= stop {
            // Numbers roll over to 0, as every client that takes files of this size expects.
            packet::data_header(self.next as u16, out);
            self.body.append((self.next - 1) as usize * self.block_size, self.block_size, out);
            self.next += 1;
        }
        segment
    }

    fn acknowledged(&mut self, block: u16, now: Duration) {
        // How many packets of this window have arrived; the window is far smaller than the numbers' range.
        let arrived = u64::from(block.wrapping_sub((self.base as u16).wrapping_sub(1)));
        let in_flight = self.next - self.base;
        if arrived > in_flight {
            return;
        }
        if arrived == 0 {
            // A duplicate, or the window's first block is missing. Heeded once for each block, so that duplicates
            // can't double the traffic (RFC 1123, 4.2.3.1); in lock-step never.
            if self.window > 1 && self.base > 0 && in_flight > 0 && self.gap == Gap::None {
                self.hint(now);
            }
            return;
        }
        let round_trip = (self.sample && arrived == in_flight).then(|| now.saturating_sub(self.sent));
        self.timer.progress(round_trip);
        self.progress = Some(now);
        self.base += arrived;
        if self.base > self.last {
            self.outcome = Some(Outcome::Complete);
        } else if arrived == in_flight {
            self.rewind();
        } else {
            self.hint(now);
        }
    }

    /// The client may miss a block. Not sent again at once: some clients say so for each packet of the window that
    /// they can't use, and for each duplicate, and answering each of these would multiply all windows to come.
    fn hint(&mut self, now: Duration) {
        self.gap = Gap::Hinted;
        self.deadline = Some(now.max(self.sent + self.timer.quiet()));
    }

    /// Go back to the first block that is not acknowledged.
    fn rewind(&mut self) {
        self.next = self.base;
        self.gap = Gap::None;
    }
}
