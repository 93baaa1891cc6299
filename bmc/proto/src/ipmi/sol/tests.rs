//! Both machines against each other over a bad wire, and each by itself against golden packets.

use super::packet::{following, operation, status};
use super::*;
use proptest::prelude::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const START: Duration = Duration::ZERO;

fn console() -> Console {
    Console::new(ConsoleLimits::from_inbound_size(259), Retry::default())
}

/// Payloads that wait, as hex.
fn sent(console: &mut Console) -> Vec<String> {
    std::iter::from_fn(|| console.poll_transmit()).map(hex::encode).collect()
}

fn events(console: &mut Console) -> Vec<ConsoleEvent> {
    std::iter::from_fn(|| console.poll_event()).collect()
}

fn give(console: &mut Console, payload: &str, now: Duration) {
    console.handle(&hex::decode(payload).unwrap(), now);
}

/// A console whose greeting was acknowledged.
fn greeted() -> Console {
    let mut console = console();
    console.write(b"x", START);
    assert_eq!(sent(&mut console), ["01000000"]);
    give(&mut console, "00010000", START);
    assert_eq!(sent(&mut console), ["0200000078"]);
    give(&mut console, "00020100", START);
    assert!(console.is_settled());
    console
}

#[test]
fn packets_read_back() {
    let packet = Packet { sequence: 3, acknowledged: 15, accepted: 7, flags: 0x44, data: b"ab" };
    assert_eq!(hex::encode(packet.encode()), "030f07446162");
    assert_eq!(Packet::decode(&packet.encode()), Some(packet));
    assert_eq!(Packet::decode(&[1, 2, 3]), None);
    assert_eq!(
        Packet::decode(&[0xF1, 0xF2, 3, 4]).map(|packet| (packet.sequence, packet.acknowledged)),
        Some((1, 2))
    );
}

#[test]
fn numbers_go_round_without_zero() {
    assert_eq!((following(0), following(14), following(15)), (1, 15, 1));
}

#[test]
fn impossible_sizes_are_mended() {
    let table = [(259, 255), (258, 254), (5, 1), (0x6800, 100), (0, 64), (4, 64), (1024, 64), (0xFFFF, 64)];
    for (size, largest) in table {
        let mut console = Console::new(ConsoleLimits::from_inbound_size(size), Retry::default());
        console.write(&[b'a'; 300], START);
        sent(&mut console);
        give(&mut console, "00010000", START);
        assert_eq!(console.poll_transmit().map(|payload| payload.len() - 4), Some(largest), "{size}");
    }
}

#[test]
fn output_is_acknowledged_once_more_but_told_once() {
    let mut console = console();
    // BMCs may begin anywhere.
    give(&mut console, "05000000616263", START);
    assert_eq!(sent(&mut console), ["00050300"]);
    assert_eq!(events(&mut console), [ConsoleEvent::Output(b"abc".to_vec())]);
    // Again, with more behind it: that comes in a packet of its own.
    give(&mut console, "0500000061626364", START);
    assert_eq!(sent(&mut console), ["00050300"]);
    assert_eq!(events(&mut console), []);
    give(&mut console, "0600000064", START);
    assert_eq!(sent(&mut console), ["00060100"]);
    // A late one is neither.
    give(&mut console, "05000000616263", START);
    assert_eq!(
        (sent(&mut console), events(&mut console)),
        (vec![], vec![ConsoleEvent::Output(b"d".to_vec())])
    );
    // Two were given up by the BMC.
    give(&mut console, "0900000065", START);
    assert_eq!(events(&mut console), [ConsoleEvent::Lost, ConsoleEvent::Output(b"e".to_vec())]);
}

#[test]
fn signals_of_the_machine_are_told() {
    let mut console = console();
    give(&mut console, "010000046f", START);
    give(&mut console, "010000046f", START);
    give(&mut console, "02000008", START);
    give(&mut console, "00000004", START);
    let told =
        [ConsoleEvent::Break, ConsoleEvent::Output(b"o".to_vec()), ConsoleEvent::Lost, ConsoleEvent::Break];
    assert_eq!(events(&mut console), told);
    give(&mut console, "00000010", START);
    assert_eq!(events(&mut console), [ConsoleEvent::Deactivated]);
    assert_eq!((console.write(b"x", START), console.poll_timeout()), (0, None));
}

#[test]
fn what_is_accepted_in_part_is_sent_on() {
    let mut console = greeted();
    console.write(b"hello", START);
    assert_eq!(sent(&mut console), ["0300000068656c6c6f"]);
    assert_eq!(console.unacknowledged(), 5);
    // The acknowledgement comes with output.
    give(&mut console, "010302004f4b", START);
    assert_eq!(sent(&mut console), ["00010200", "040000006c6c6f"]);
    assert_eq!(console.unacknowledged(), 3);
    give(&mut console, "0004ff00", START);
    assert!(console.is_settled());
}

#[test]
fn a_refusal_is_waited_for() {
    let mut console = greeted();
    console.write(b"abc", START);
    sent(&mut console);
    give(&mut console, "00030160", START);
    assert_eq!((sent(&mut console), events(&mut console)), (vec![], vec![ConsoleEvent::Unavailable]));
    assert!(console.is_unavailable());
    // Its end is told by the same acknowledgement without the bits.
    give(&mut console, "00030100", 200 * MS);
    assert_eq!(sent(&mut console), ["040000006263"]);
    assert_eq!(events(&mut console), [ConsoleEvent::Available]);
    // Or nobody tells it.
    give(&mut console, "00040040", 300 * MS);
    assert_eq!(console.poll_timeout(), Some(1300 * MS));
    console.handle_timeout(1299 * MS);
    assert_eq!(sent(&mut console), [""; 0]);
    console.handle_timeout(1300 * MS);
    assert_eq!(sent(&mut console), ["050000006263"]);
}

#[test]
fn silence_is_answered_by_repetition_and_then_ends() {
    let mut console = greeted();
    console.write(b"a", START);
    let (mut sendings, mut times) = (sent(&mut console), vec![]);
    while let Some(at) = console.poll_timeout() {
        console.handle_timeout(at);
        sendings.extend(sent(&mut console));
        times.push(at.as_millis());
    }
    assert_eq!(sendings, ["0300000061"; 8]);
    assert_eq!(times, [300, 900, 1900, 2900, 3900, 4900, 5900, 6900]);
    assert_eq!(events(&mut console), [ConsoleEvent::Failed]);
}

/// The greeting may be ignored; what is typed then has the same number.
#[test]
fn a_bmc_that_ignores_empty_packets_is_typed_at() {
    let mut console = console();
    console.write(b"a", START);
    for _ in 0..8 {
        assert_eq!(sent(&mut console), ["01000000"]);
        let at = console.poll_timeout().unwrap();
        console.handle_timeout(at);
    }
    assert_eq!(sent(&mut console), ["0100000061"]);
    assert_eq!(events(&mut console), []);
}

#[test]
fn breaks_keep_their_place_and_holds_count_at_once() {
    let mut console = greeted();
    console.write(b"a", START);
    console.send_break(START);
    console.send_break(START);
    console.write(b"b", START);
    console.hold(true, START);
    let mut all = sent(&mut console);
    for sequence in 3..7 {
        give(&mut console, &format!("000{sequence}ff00"), START);
        all.extend(sent(&mut console));
    }
    assert_eq!(all, ["0300000061", "04000018", "0500000862", "06000008"]);
    // Acknowledgements carry it, too.
    give(&mut console, "010000007a", START);
    assert_eq!(sent(&mut console), ["00010108"]);
    console.hold(false, START);
    assert_eq!(sent(&mut console), ["07000000"]);
}

#[test]
fn what_was_given_up_is_not_typed_later() {
    let mut console = greeted();
    assert_eq!(console.write(&[b'a'; 20_000], START), 16 * 1024);
    assert_eq!(console.discard(), 16 * 1024);
    assert_eq!(console.unacknowledged(), 0);
    sent(&mut console);
    give(&mut console, "00030500", START);
    assert_eq!(sent(&mut console), [""; 0]);
}

#[test]
fn the_port_gathers_characters() {
    let settings = PortSettings { accumulate: 20 * MS, threshold: 4, ..PortSettings::default() };
    let mut port = Port::new(settings);
    port.write(b"ab", START);
    assert_eq!((port.poll_transmit(), port.poll_timeout()), (None, Some(20 * MS)));
    port.handle_timeout(20 * MS);
    assert_eq!(port.poll_transmit(), Some(b"\x01\0\0\0ab".to_vec()));
    port.handle(&[0, 1, 1, 0], 21 * MS);
    assert_eq!(port.poll_transmit(), Some(b"\x02\0\0\0b".to_vec()), "one was not accepted");
    port.handle(&[0, 2, 1, 0], 22 * MS);
    port.write(b"cdef", 23 * MS);
    assert_eq!(port.poll_transmit(), Some(b"\x03\0\0\0cdef".to_vec()), "four are enough");
    port.deactivate();
    assert_eq!(port.poll_transmit(), Some(vec![0, 0, 0, status::INACTIVE]));
}

/// Found by the fuzz target: whoever calls at the times that it says was told the same past time for ever.
#[test]
fn the_end_of_a_pause_waits_for_what_is_gathered() {
    let settings = PortSettings { accumulate: 20 * MS, threshold: 9, ..PortSettings::default() };
    let mut port = Port::new(settings);
    port.write(b"ab", START);
    port.handle_timeout(20 * MS);
    assert_eq!(port.poll_transmit(), Some(b"\x01\0\0\0ab".to_vec()));
    port.handle(&[0, 1, 1, operation::NACK], 20 * MS);
    assert_eq!(port.poll_timeout(), Some(1020 * MS), "the rest is tried again after the pause");
    port.write(b"c", 1010 * MS);
    assert_eq!((port.poll_transmit(), port.poll_timeout()), (None, Some(1030 * MS)));
    port.handle_timeout(1020 * MS);
    assert_eq!((port.poll_transmit(), port.poll_timeout()), (None, Some(1030 * MS)));
    port.handle_timeout(1030 * MS);
    assert_eq!(port.poll_transmit(), Some(b"\x02\0\0\0bc".to_vec()));
}

#[test]
fn the_port_refuses_what_the_machine_does_not_take() {
    let mut port = Port::new(PortSettings::default());
    port.set_room(2);
    port.handle(b"\x01\0\0\0abc", START);
    assert_eq!(port.poll_event(), Some(PortEvent::Typed(b"ab".to_vec())));
    assert_eq!(port.poll_transmit(), Some(vec![0, 1, 2, 0]), "in part");
    port.handle(b"\x01\0\0\0abc", START);
    assert_eq!((port.poll_event(), port.poll_transmit()), (None, Some(vec![0, 1, 2, 0])));
    port.handle(b"\x02\0\0\0c", START);
    assert_eq!((port.poll_event(), port.poll_transmit()), (None, Some(vec![0, 2, 0, status::NACK])));
    assert!(port.is_refusing());
    port.set_room(5);
    assert_eq!(port.poll_transmit(), Some(vec![0, 2, 0, 0]));
    port.set_available(false);
    port.handle(&[3, 0, 0, operation::BREAK, b'c'], START);
    assert_eq!(port.poll_transmit(), Some(vec![0, 3, 0, status::NACK | status::UNAVAILABLE]));
    port.set_available(true);
    assert_eq!((port.poll_event(), port.poll_transmit()), (None, Some(vec![0, 3, 0, 0])));
}

/// A wire that loses, doubles and reorders, with both machines at its ends.
struct Wire {
    console: Console,
    port: Port,
    now: Duration,
    air: Vec<(Duration, bool, Vec<u8>)>,
    dice: u64,
    percent: [u64; 2],
    /// What was written and read on either side; each loss announced to the console begins a new part.
    typed: [Vec<u8>; 2],
    said: Vec<u8>,
    heard: Vec<Vec<u8>>,
    failed: bool,
}

impl Wire {
    fn new(seed: u64, loss: u64, doubles: u64, buffer: usize) -> Self {
        let retry = Retry { first: 40 * MS, longest: 80 * MS, sendings: 10 };
        let settings = PortSettings { retry, accumulate: 5 * MS, threshold: 30, largest: 50, buffer };
        Self {
            console: Console::new(ConsoleLimits::from_inbound_size(60), retry),
            port: Port::new(settings),
            now: START,
            air: vec![],
            dice: seed | 1,
            percent: [loss, doubles],
            typed: [vec![], vec![]],
            said: vec![],
            heard: vec![vec![]],
            failed: false,
        }
    }

    fn dice(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    fn random(&mut self, longest: u64) -> Vec<u8> {
        (0..self.dice(longest)).map(|_| self.dice(256) as u8).collect()
    }

    /// Something is typed or said, or the machine takes more or less.
    fn act(&mut self) {
        match self.dice(5) {
            0 | 1 => {
                let bytes = self.random(150);
                let taken = self.console.write(&bytes, self.now);
                self.typed[0].extend(&bytes[..taken]);
            }
            2 | 3 => {
                let bytes = self.random(200);
                self.port.write(&bytes, self.now);
                self.said.extend(&bytes);
            }
            _ => {
                let room = self.dice(60) as usize;
                self.port.set_room(room);
            }
        }
    }

    fn throw(&mut self, to_port: bool, payload: Vec<u8>) {
        let copies = if self.dice(100) < self.percent[0] {
            0
        } else if self.dice(100) < self.percent[1] {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let at = self.now + (5 + self.dice(25) as u32) * MS;
            self.air.push((at, to_port, payload.clone()));
        }
    }

    fn drain(&mut self) {
        while let Some(payload) = self.console.poll_transmit() {
            self.throw(true, payload);
        }
        while let Some(payload) = self.port.poll_transmit() {
            self.throw(false, payload);
        }
        while let Some(event) = self.port.poll_event() {
            if let PortEvent::Typed(bytes) = event {
                self.typed[1].extend(bytes);
            }
        }
        while let Some(event) = self.console.poll_event() {
            match event {
                ConsoleEvent::Output(bytes) => self.heard.last_mut().unwrap().extend(bytes),
                ConsoleEvent::Lost => self.heard.push(vec![]),
                ConsoleEvent::Failed => self.failed = true,
                _ => {}
            }
        }
    }

    /// Goes on to the next thing that happens before `until`. False: nothing does.
    fn step(&mut self, until: Duration) -> bool {
        self.drain();
        let arrival = self.air.iter().map(|(at, ..)| *at).min();
        let timeouts = [self.console.poll_timeout(), self.port.poll_timeout(), arrival];
        let Some(next) = timeouts.into_iter().flatten().min().filter(|next| *next <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        if let Some(at) = self.air.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to_port, payload) = self.air.swap_remove(at);
            if to_port {
                self.port.handle(&payload, self.now);
            } else {
                self.console.handle(&payload, self.now);
            }
        }
        self.console.handle_timeout(self.now);
        self.port.handle_timeout(self.now);
        true
    }

    fn run(&mut self) {
        for _ in 0..40 {
            self.act();
            let until = self.now + self.dice(200) as u32 * MS;
            while self.step(until) {}
        }
        self.port.set_room(usize::MAX);
        let end = self.now + 600_000 * MS;
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < 100_000, "they never come to rest");
        }
    }
}

proptest! {
    #[test]
    fn no_byte_is_doubled_moved_or_lost_in_silence(
        seed in any::<u64>(), loss in 0u64..30, doubles in 0u64..30, small in any::<bool>()
    ) {
        let mut wire = Wire::new(seed, loss, doubles, if small { 120 } else { 1 << 20 });
        wire.run();
        if wire.failed {
            prop_assert!(wire.typed[0].starts_with(&wire.typed[1]));
        } else {
            prop_assert_eq!(&wire.typed[0], &wire.typed[1]);
            prop_assert!(wire.console.is_settled());
        }
        if wire.heard.len() == 1 && !wire.failed {
            prop_assert_eq!(&wire.heard[0], &wire.said);
        }
        let mut rest = wire.said.as_slice();
        for part in &wire.heard {
            let at = if part.is_empty() { Some(0) } else { rest.windows(part.len()).position(|window| window == part) };
            prop_assert!(at.is_some(), "{part:?} was not said, or not then");
            rest = &rest[at.unwrap() + part.len()..];
        }
        prop_assert!(small || loss > 0 || wire.heard.len() == 1, "nothing was lost on a wire that loses nothing");
    }

    #[test]
    fn strangers_are_endured(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..40)) {
        let (mut console, mut port) = (console(), Port::new(PortSettings::default()));
        for (number, payload) in payloads.iter().enumerate() {
            let now = number as u32 * 100 * MS;
            console.write(payload, now);
            port.write(payload, now);
            console.handle(payload, now);
            port.handle(payload, now);
            console.handle_timeout(now);
            port.handle_timeout(now);
            prop_assert!(console.unacknowledged() <= 16 * 1024);
            while let Some(sent) = console.poll_transmit().or_else(|| port.poll_transmit()) {
                prop_assert!((4..=259).contains(&sent.len()));
            }
        }
    }
}
