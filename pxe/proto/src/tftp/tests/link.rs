//! A link between the machine and a client by RFC 7440, in simulated time: it loses, doubles and delays packets.

use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// In percent of the packets of both directions, with the seed of all choices.
pub(super) struct Faults {
    pub(super) lost: u32,
    pub(super) doubled: u32,
    /// Delayed so much that later ones overtake them.
    pub(super) late: u32,
    /// The client answers a block that it has already only once, and its timeout begins anew with each.
    pub(super) deaf: bool,
    pub(super) seed: u64,
}

impl Faults {
    pub(super) const NONE: Faults = Faults { lost: 0, doubled: 0, late: 0, deaf: false, seed: 1 };
}

/// A client of which nothing was ever heard is given up after a few tries, and rightly: so many are lost in a row
/// at the most, in each direction, and what the tests promise doesn't hang on luck.
const MOST_LOST_IN_A_ROW: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Server,
    Client,
}

/// When, a number that keeps the order, to whom, and what.
type Flight = (Duration, u64, To, Vec<u8>);

struct Link<'a> {
    faults: &'a Faults,
    state: u64,
    now: Duration,
    flying: BinaryHeap<Reverse<Flight>>,
    count: u64,
    /// How many were lost since the last one that arrived, to the server and to the client.
    lost_in_a_row: [u32; 2],
}

impl Link<'_> {
    /// True in so many percent of the cases (splitmix64).
    fn chance(&mut self, percent: u32) -> bool {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 33) % 100 < u64::from(percent)
    }

    fn send(&mut self, to: To, packet: &[u8]) {
        let copies = if self.chance(self.faults.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            if self.chance(self.faults.lost) && self.lost_in_a_row[to as usize] < MOST_LOST_IN_A_ROW {
                self.lost_in_a_row[to as usize] += 1;
                continue;
            }
            self.lost_in_a_row[to as usize] = 0;
            let delay = if self.chance(self.faults.late) { 3 } else { 1 };
            self.count += 1;
            let at = self.now + Duration::from_millis(delay);
            self.flying.push(Reverse((at, self.count, to, packet.to_vec())));
        }
    }
}

/// The client: takes blocks in order; acknowledges the end of a window, the end of the file, and once for each gap
/// the last block before it; says again where it is when nothing comes for a second.
struct Client {
    request: Vec<u8>,
    block_size: usize,
    window: u64,
    got: Vec<u8>,
    received: u64,
    in_window: u64,
    gap: bool,
    deaf: bool,
    /// Whether it has answered the repetition of the last block.
    answered: bool,
    heard: bool,
    done: bool,
    deadline: Duration,
}

impl Client {
    fn timeout(&self) -> Duration {
        Duration::from_secs(if self.deaf { 5 } else { 1 })
    }

    fn ack(&self) -> Vec<u8> {
        if self.heard { ack(self.received as u16) } else { self.request.clone() }
    }

    /// What it says to a packet, if anything.
    fn take(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.heard = true;
        if packet[1] == 6 {
            return (self.received == 0).then(|| ack(0));
        }
        assert_eq!(packet[1], 3);
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        if self.done {
            return (number == self.received as u16).then(|| self.ack());
        }
        if number != (self.received + 1) as u16 {
            let ahead = number.wrapping_sub(self.received as u16) < 0x8000;
            let again = number == self.received as u16;
            let say = (ahead && !self.gap) || (again && !(self.deaf && self.answered));
            self.answered |= again;
            (self.gap, self.in_window) = (self.gap || ahead, 0);
            return say.then(|| self.ack());
        }
        self.got.extend_from_slice(&packet[4..]);
        (self.received, self.in_window) = (self.received + 1, self.in_window + 1);
        (self.gap, self.answered) = (false, false);
        self.done = packet.len() - 4 < self.block_size;
        let say = self.done || self.in_window == self.window;
        if say {
            self.in_window = 0;
        }
        say.then(|| self.ack())
    }
}

/// The server: the machine, begun anew by a request that comes again.
struct Server {
    transfer: Option<Transfer>,
    length: usize,
    window: u64,
    /// The highest block of which it has an acknowledgement.
    acknowledged: u64,
    sent: usize,
}

impl Server {
    fn take(&mut self, packet: &[u8], now: Duration) {
        if packet[1] == 1 {
            match &mut self.transfer {
                Some(running) if running.outcome().is_none() => {
                    if !running.has_begun() {
                        running.restart();
                    }
                }
                _ => {
                    let request = parse_request(packet).unwrap();
                    self.transfer = Some(Transfer::start(&request, content(self.length), MAX_BLOCK));
                }
            }
            return;
        }
        let number = u16::from_be_bytes([packet[2], packet[3]]);
        let ahead = number.wrapping_sub(self.acknowledged as u16);
        if u64::from(ahead) <= self.window {
            self.acknowledged += u64::from(ahead);
        }
        if let Some(running) = &mut self.transfer {
            running.handle_packet(packet, now);
        }
    }

    fn speak(&mut self, link: &mut Link) {
        let Some(running) = &mut self.transfer else { return };
        if running.poll_timeout().is_some_and(|due| due <= link.now) {
            running.handle_timeout(link.now);
        }
        for packet in drain(running, link.now) {
            self.sent += 1;
            if packet[1] == 3 {
                let ahead = u16::from_be_bytes([packet[2], packet[3]]).wrapping_sub(self.acknowledged as u16);
                assert!((1..=self.window).contains(&u64::from(ahead)), "outside of the window by {ahead}");
            }
            link.send(To::Client, &packet);
        }
    }
}

/// Fetches a file of this length; what arrived, how the machine ended, and how many packets it sent.
pub(super) fn run(length: usize, options: &[(&str, &str)], faults: &Faults) -> (Vec<u8>, Outcome, usize) {
    let value =
        |wanted| options.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.parse().unwrap());
    let window = value("windowsize").unwrap_or(1) as u64;
    let mut link = Link {
        faults,
        state: faults.seed,
        now: START,
        flying: BinaryHeap::new(),
        count: 0,
        lost_in_a_row: [0; 2],
    };
    let mut server = Server { transfer: None, length, window, acknowledged: 0, sent: 0 };
    let mut client = Client {
        request: read_request("file", options),
        block_size: value("blksize").unwrap_or(512),
        window,
        got: Vec::new(),
        received: 0,
        in_window: 0,
        gap: false,
        deaf: faults.deaf,
        answered: false,
        heard: false,
        done: false,
        deadline: START,
    };
    loop {
        if let Some(outcome) = server.transfer.as_ref().and_then(Transfer::outcome) {
            if client.done || *outcome != Outcome::Vanished {
                return (client.got, outcome.clone(), server.sent);
            }
            assert!(!client.heard, "given up although the client asks on");
        }
        if !client.done && client.deadline <= link.now {
            link.send(To::Server, &client.ack());
            (client.in_window, client.deadline) = (0, link.now + client.timeout());
        }
        server.speak(&mut link);
        let next = link.flying.peek().map(|Reverse((at, ..))| *at);
        let due = server.transfer.as_ref().and_then(Transfer::poll_timeout);
        let client_due = (!client.done).then_some(client.deadline);
        link.now =
            [next, due, client_due].into_iter().flatten().min().expect("something goes on").max(link.now);
        while link.flying.peek().is_some_and(|Reverse((at, ..))| *at <= link.now) {
            let Some(Reverse((_, _, to, packet))) = link.flying.pop() else { break };
            match to {
                To::Server => {
                    server.take(&packet, link.now);
                    server.speak(&mut link);
                }
                To::Client => {
                    client.deadline = link.now + client.timeout();
                    if let Some(reply) = client.take(&packet) {
                        link.send(To::Server, &reply);
                    }
                }
            }
        }
    }
}
