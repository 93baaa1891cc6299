//! A TFTP client that reads one file: packets in, packets out (RFC 1350, 2347, 2348, 2349, 7440). Pure: no socket, no
//! clock; the caller says when time is up.

use std::net::SocketAddrV4;

const READ: u8 = 1;
const DATA: u8 = 3;
const ACK: u8 = 4;
const ERROR: u8 = 5;
const OACK: u8 = 6;
/// Error codes (RFC 1350, 5; RFC 2347).
const UNKNOWN_TID: u16 = 5;
const BAD_OPTIONS: u16 = 8;
/// The block size without options.
const PLAIN_BLOCK: usize = 512;

/// What a boot ROM asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Block size; none: the plain 512 bytes.
    pub(super) block: Option<usize>,
    /// Blocks between two acknowledgements.
    pub(super) window: Option<u16>,
    /// Whether to ask for the file's size.
    pub(super) size: bool,
}

/// What a packet, or time, leads to.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Step {
    /// To be sent, and to whom.
    pub(super) send: Option<(SocketAddrV4, Vec<u8>)>,
    /// Where in the packet the file goes on.
    pub(super) data: Option<std::ops::Range<usize>>,
    /// The transfer is over.
    pub(super) end: Option<End>,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The file is here, so many bytes.
    Whole(u64),
    /// The server said no.
    Refused { code: u16, why: String },
    /// The server breaks the protocol.
    Nonsense(String),
}

/// A transfer, as the client sees it.
#[derive(Debug)]
pub(super) struct Client {
    wishes: Wishes,
    /// Where the request goes, and from the first answer on the port of the transfer (RFC 1350, 4).
    server: SocketAddrV4,
    begun: bool,
    block: usize,
    window: u16,
    size: Option<u64>,
    /// The number of the block that is next.
    expected: u16,
    /// Blocks since the last acknowledgement.
    unacknowledged: u16,
    /// Whether a gap was told of: once for each, or the server would send the window for every block of it again.
    gap_told: bool,
    last: Vec<u8>,
    bytes: u64,
}

impl Client {
    /// A transfer, and its request.
    pub(super) fn new(server: SocketAddrV4, file: &str, wishes: Wishes) -> (Self, Vec<u8>) {
        let mut request = vec![0, READ];
        let mut word = |text: &str| {
            request.extend_from_slice(text.as_bytes());
            request.push(0);
        };
        word(file);
        word("octet");
        let options = [
            ("blksize", wishes.block.map(|block| block.to_string())),
            ("windowsize", wishes.window.map(|window| window.to_string())),
            ("tsize", wishes.size.then(|| "0".to_owned())),
        ];
        for (name, value) in options {
            if let Some(value) = value {
                word(name);
                word(&value);
            }
        }
        let client = Self {
            wishes,
            server,
            begun: false,
            block: PLAIN_BLOCK,
            window: 1,
            size: None,
            expected: 1,
            unacknowledged: 0,
            gap_told: false,
            last: request.clone(),
            bytes: 0,
        };
        (client, request)
    }

    /// A packet that came from there.
    pub(super) fn packet(&mut self, from: SocketAddrV4, packet: &[u8]) -> Step {
        let known = if self.begun { from == self.server } else { from.ip() == self.server.ip() };
        if !known {
            // It belongs to an earlier transfer, and its sender is told so (RFC 1350, 4).
            return Step { send: Some((from, error(UNKNOWN_TID, "unknown transfer"))), ..Step::default() };
        }
        match *packet {
            [0, DATA, high, low, ref data @ ..] => {
                self.begin(from);
                self.data(u16::from_be_bytes([high, low]), data.len())
            }
            [0, ERROR, high, low, ref text @ ..] => {
                let why = text.split(|byte| *byte == 0).next().unwrap_or_default();
                let why = String::from_utf8_lossy(why).into_owned();
                Step {
                    end: Some(End::Refused { code: u16::from_be_bytes([high, low]), why }),
                    ..Step::default()
                }
            }
            [0, OACK, ref options @ ..] => self.options(from, options),
            _ => Step::default(),
        }
    }

    /// Nothing came for a while: the last word is said again.
    pub(super) fn silence(&mut self) -> Step {
        self.gap_told = false;
        if self.begun { self.acknowledge() } else { self.say(self.last.clone()) }
    }

    fn begin(&mut self, from: SocketAddrV4) {
        self.begun = true;
        self.server = from;
    }

    /// The server grants options, and nothing but what was asked for (RFC 2347).
    fn options(&mut self, from: SocketAddrV4, text: &[u8]) -> Step {
        // Once a block is here, it is an old copy.
        if self.begun && (self.expected != 1 || self.unacknowledged != 0) {
            return Step::default();
        }
        self.begin(from);
        let words: Vec<_> = text.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        for pair in words.chunks_exact(2) {
            let (name, value) = (pair[0].to_ascii_lowercase(), pair[1].parse::<u64>().ok());
            if self.granted(&name, value).is_none() {
                let text = format!("{name} {} was not asked for", pair[1]);
                let send = Some((self.server, error(BAD_OPTIONS, &text)));
                return Step { send, end: Some(End::Nonsense(text)), ..Step::default() };
            }
        }
        self.acknowledge()
    }

    fn granted(&mut self, name: &str, value: Option<u64>) -> Option<()> {
        match name {
            "blksize" => {
                self.block = usize::try_from(value?)
                    .ok()
                    .filter(|block| (8..=self.wishes.block.unwrap_or(0)).contains(block))?;
            }
            "windowsize" => {
                self.window = u16::try_from(value?)
                    .ok()
                    .filter(|window| (1..=self.wishes.window.unwrap_or(0)).contains(window))?;
            }
            "tsize" if self.wishes.size => self.size = Some(value?),
            _ => return None,
        }
        Some(())
    }

    fn data(&mut self, number: u16, length: usize) -> Step {
        if number != self.expected {
            // Ahead: what is between was lost. Behind: an old copy, which is not answered (RFC 7440, 4).
            let ahead = number.wrapping_sub(self.expected) < 0x8000;
            return if ahead && !std::mem::replace(&mut self.gap_told, true) {
                self.acknowledge()
            } else {
                Step::default()
            };
        }
        if length > self.block {
            return Step {
                end: Some(End::Nonsense(format!("a block of {length} bytes"))),
                ..Step::default()
            };
        }
        self.gap_told = false;
        self.bytes += length as u64;
        self.expected = self.expected.wrapping_add(1);
        self.unacknowledged += 1;
        let last = length < self.block;
        let mut step =
            if last || self.unacknowledged >= self.window { self.acknowledge() } else { Step::default() };
        step.data = Some(4..4 + length);
        step.end = last.then(|| match self.size {
            Some(size) if size != self.bytes => End::Nonsense(format!("{} bytes of {size} came", self.bytes)),
            _ => End::Whole(self.bytes),
        });
        step
    }

    /// Acknowledges the last block in order.
    fn acknowledge(&mut self) -> Step {
        self.unacknowledged = 0;
        let [high, low] = self.expected.wrapping_sub(1).to_be_bytes();
        self.say(vec![0, ACK, high, low])
    }

    fn say(&mut self, packet: Vec<u8>) -> Step {
        self.last.clone_from(&packet);
        Step { send: Some((self.server, packet)), ..Step::default() }
    }
}

fn error(code: u16, text: &str) -> Vec<u8> {
    let mut packet = vec![0, ERROR];
    packet.extend_from_slice(&code.to_be_bytes());
    packet.extend_from_slice(text.as_bytes());
    packet.push(0);
    packet
}

#[cfg(test)]
mod tests;
