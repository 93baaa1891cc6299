//! One transfer to one client: a machine that is fed packets and time, and asked for packets.
//!
//! The caller sends all that `poll_transmit` gives, waits for a packet until `poll_timeout`, and stops when
//! there is an `outcome`. Time is a `Duration` since any fixed moment of the caller's.

use super::packet::{self, FromClient, ReadRequest};
use std::time::Duration;

/// Largest block that is granted: an Ethernet frame without fragments (1500 − 20 − 8 − 4).
pub const MAX_BLOCK: usize = 1468;
/// Largest window that is granted, in blocks.
pub const MAX_WINDOW: u16 = 64;
/// How often a window is sent again without any sign of the client, before it is taken as gone.
pub const MAX_RETRIES: u32 = 6;

/// Block size without the option (RFC 1350).
const DEFAULT_BLOCK: usize = 512;
/// Longest retransmission timeout that is granted, in seconds: a client that asks for more is not waited for.
const MAX_TIMEOUT: u8 = 30;
/// Retransmission timeout before any round trip was measured.
const INITIAL_TIMEOUT: Duration = Duration::from_millis(1000);
/// Bounds of the measured retransmission timeout.
const TIMEOUT_RANGE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

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

/// One file on its way to one client. Block 0 stands for the option acknowledgement.
#[derive(Debug)]
pub struct Transfer<B> {
    body: B,
    block_size: usize,
    window: u64,
    option_ack: Option<Vec<u8>>,
    /// Number of the last block, which is shorter than a full one.
    last: u64,
    /// First block that is not acknowledged.
    base: u64,
    /// Next block to send.
    next: u64,
    /// Whether an acknowledgement without progress has already made this window start again.
    rewound: bool,
    retries: u32,
    /// The client's own choice of timeout.
    fixed_timeout: Option<Duration>,
    timeout: Duration,
    smoothed_round_trip: Option<Duration>,
    /// When the current window's last packet went out, unless it was sent more than once.
    sample: Option<Duration>,
    deadline: Option<Duration>,
    outcome: Option<Outcome>,
}

impl<B: AsRef<[u8]>> Transfer<B> {
    /// Starts the transfer that a request asks for.
    #[must_use]
    pub fn start(request: &ReadRequest, body: B) -> Self {
        let length = body.as_ref().len();
        let block_size = request.blksize.map_or(DEFAULT_BLOCK, usize::from).min(MAX_BLOCK);
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
        let fixed_timeout = timeout.map(|seconds| Duration::from_secs(u64::from(seconds)));
        Transfer {
            body,
            block_size,
            window: u64::from(window),
            option_ack,
            last: (length / block_size) as u64 + 1,
            base: first,
            next: first,
            rewound: false,
            retries: 0,
            fixed_timeout,
            timeout: fixed_timeout.unwrap_or(INITIAL_TIMEOUT),
            smoothed_round_trip: None,
            sample: None,
            deadline: None,
            outcome: None,
        }
    }

    /// The next packet to send, if one is due at `now`.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.outcome.is_some() || self.next > self.window_end() {
            return None;
        }
        let packet = self.packet(self.next);
        self.next += 1;
        self.deadline = Some(now + self.timeout);
        if self.next > self.window_end() && self.retries == 0 && !self.rewound {
            self.sample = Some(now);
        }
        Some(packet)
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
        self.retries += 1;
        if self.retries > MAX_RETRIES {
            self.outcome = Some(Outcome::Vanished);
            return;
        }
        if self.fixed_timeout.is_none() {
            self.timeout = (self.timeout * 2).min(TIMEOUT_RANGE.1);
        }
        self.rewind();
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

    /// Bytes of the file that the client has acknowledged.
    #[must_use]
    pub fn acknowledged_bytes(&self) -> u64 {
        let full = self.base.saturating_sub(1).saturating_mul(self.block_size as u64);
        full.min(self.body.as_ref().len() as u64)
    }

    /// The last block that may be sent before an acknowledgement.
    fn window_end(&self) -> u64 {
        // The option acknowledgement goes alone: the client may still refuse.
        if self.base == 0 { 0 } else { (self.base + self.window - 1).min(self.last) }
    }

    fn packet(&self, block: u64) -> Vec<u8> {
        if let (0, Some(option_ack)) = (block, &self.option_ack) {
            return option_ack.clone();
        }
        let body = self.body.as_ref();
        let start = ((block - 1) as usize * self.block_size).min(body.len());
        let end = (start + self.block_size).min(body.len());
        // Numbers roll over to 0, as every client that takes files of this size expects.
        packet::data(block as u16, &body[start..end])
    }

    fn acknowledged(&mut self, block: u16, now: Duration) {
        // How many packets of this window have arrived; the window is far smaller than the numbers' range.
        let arrived = u64::from(block.wrapping_sub((self.base as u16).wrapping_sub(1)));
        let in_flight = self.next - self.base;
        if arrived == 0 && self.window > 1 && self.base > 0 && in_flight > 0 && !self.rewound {
            // The window's first block was lost: go back at once, but only once, so that a duplicate of an
            // acknowledgement can't double the traffic (RFC 1123, 4.2.3.1).
            self.rewind();
            self.rewound = true;
        }
        if arrived == 0 || arrived > in_flight {
            return;
        }
        if let Some(sent) = self.sample.filter(|_| arrived == in_flight) {
            self.measured(now.saturating_sub(sent));
        }
        self.base += arrived;
        self.retries = 0;
        self.rewind();
        if self.base > self.last {
            self.outcome = Some(Outcome::Complete);
        }
    }

    /// Go back to the first block that is not acknowledged.
    fn rewind(&mut self) {
        self.next = self.base;
        self.rewound = false;
        self.sample = None;
    }

    /// Sets the timeout by a measured round trip (after RFC 6298, with a fixed multiple for the variance).
    fn measured(&mut self, round_trip: Duration) {
        let smoothed = match self.smoothed_round_trip {
            Some(before) => (before * 7 + round_trip) / 8,
            None => round_trip,
        };
        self.smoothed_round_trip = Some(smoothed);
        if self.fixed_timeout.is_none() {
            self.timeout = (smoothed * 4).clamp(TIMEOUT_RANGE.0, TIMEOUT_RANGE.1);
        }
    }
}
