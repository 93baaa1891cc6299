//! Serial over LAN: both machines at the ends of a wire that loses, doubles and reorders as the input wants. What is
//! written on one side is read on the other, in order and once; what is missing was announced. Against a stranger that
//! sends anything, a console stays small and speaks proper packets.
#![no_main]

use bmc_proto::ipmi::sol::{
    Console, ConsoleEvent, ConsoleLimits, Packet, Port, PortEvent, PortSettings, Retry,
};
use libfuzzer_sys::fuzz_target;
use std::collections::VecDeque;
use std::time::Duration;
use tests_fuzz::Knobs;

const MS: Duration = Duration::from_millis(1);
/// A packet that so many others of its direction left behind is lost: beyond seven the numbers mean something else.
const HORIZON: u64 = 6;
/// What is written is its position by this, so that a doubled or moved piece shows.
const CYCLE: usize = 251;

fuzz_target!(|data: &[u8]| {
    let mut knobs = Knobs::all(data);
    let mut wire = Wire::new(&mut knobs);
    while !knobs.is_empty() {
        wire.step(&mut knobs);
        wire.drain();
    }
    wire.settle();
});

/// One direction of the wire.
#[derive(Default)]
struct Way {
    air: VecDeque<(u64, Vec<u8>)>,
    sent: u64,
}

impl Way {
    fn send(&mut self, payload: Vec<u8>) {
        assert!((4..=259).contains(&payload.len()), "{} bytes", payload.len());
        let packet = Packet::decode(&payload).expect("a whole header");
        assert_eq!(packet.encode(), payload, "reserved bits");
        self.sent += 1;
        self.air.push_back((self.sent, payload));
        while self.air.front().is_some_and(|(number, _)| number + HORIZON < self.sent) {
            self.air.pop_front();
        }
    }
}

struct Wire {
    console: Console,
    port: Port,
    now: Duration,
    ways: [Way; 2],
    written: usize,
    typed: usize,
    said: usize,
    heard: usize,
    /// What must be heard next, if nothing was lost since.
    next: Option<usize>,
    lost: bool,
    held: bool,
    over: bool,
    /// A stranger spoke: nothing is known of the streams any more.
    hostile: bool,
}

impl Wire {
    fn new(knobs: &mut Knobs<'_>) -> Self {
        let retry = Retry { first: 20 * MS, longest: 40 * MS, sendings: 1 + knobs.byte() % 4 };
        let settings = PortSettings {
            retry,
            accumulate: u32::from(knobs.byte() % 8) * MS,
            threshold: knobs.byte().into(),
            largest: knobs.byte().into(),
            buffer: usize::from(knobs.byte()) * 4,
        };
        Self {
            console: Console::new(ConsoleLimits::from_inbound_size(knobs.short()), retry),
            port: Port::new(settings),
            now: Duration::ZERO,
            ways: Default::default(),
            written: 0,
            typed: 0,
            said: 0,
            heard: 0,
            next: Some(0),
            lost: false,
            held: false,
            over: false,
            hostile: false,
        }
    }

    fn step(&mut self, knobs: &mut Knobs<'_>) {
        let way = usize::from(knobs.byte() % 2);
        match knobs.byte() % 12 {
            0 | 1 => {
                let length = usize::from(knobs.byte());
                self.written += self.console.write(&stream(self.written, length), self.now);
            }
            2 | 3 => {
                let length = usize::from(knobs.byte());
                // What it has no room for is lost, and announced.
                self.port.write(&stream(self.said, length), self.now);
                self.said += length;
            }
            4 | 5 => self.deliver(way, 0, true),
            6 => self.deliver(way, 0, false),
            7 => self.deliver(way, usize::from(knobs.byte() % 4), true),
            8 => _ = self.ways[way].air.pop_front(),
            9 => self.pass(u32::from(knobs.byte()) * MS),
            10 => match knobs.byte() % 5 {
                0 => self.console.send_break(self.now),
                1 => self.port.send_break(self.now),
                2 => {
                    self.held = !self.held;
                    self.console.hold(self.held, self.now);
                }
                3 => self.port.lose(self.now),
                _ => self.port.set_room(knobs.byte().into()),
            },
            _ => {
                self.hostile = true;
                let length = usize::from(knobs.byte());
                let payload: Vec<u8> = (0..length).map(|_| knobs.byte()).collect();
                if way == 0 {
                    self.port.handle(&payload, self.now);
                } else {
                    self.console.handle(&payload, self.now);
                }
            }
        }
    }

    fn deliver(&mut self, way: usize, which: usize, once: bool) {
        let air = &mut self.ways[way].air;
        let Some((_, payload)) = air.get(which).cloned() else { return };
        if once {
            air.remove(which);
        }
        if way == 0 {
            self.port.handle(&payload, self.now);
        } else {
            self.console.handle(&payload, self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.console.handle_timeout(self.now);
            self.port.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn due(&self) -> Option<Duration> {
        self.console.poll_timeout().into_iter().chain(self.port.poll_timeout()).min()
    }

    fn drain(&mut self) {
        while let Some(payload) = self.console.poll_transmit() {
            self.ways[0].send(payload);
        }
        while let Some(payload) = self.port.poll_transmit() {
            self.ways[1].send(payload);
        }
        while let Some(event) = self.port.poll_event() {
            if let PortEvent::Typed(bytes) = event {
                assert!(self.hostile || bytes == stream(self.typed, bytes.len()), "typed otherwise");
                self.typed += bytes.len();
            }
        }
        while let Some(event) = self.console.poll_event() {
            assert!(!self.over, "something after the end");
            match event {
                ConsoleEvent::Output(bytes) => self.hear(&bytes),
                ConsoleEvent::Lost => {
                    self.lost = true;
                    self.next = None;
                }
                ConsoleEvent::Failed | ConsoleEvent::Deactivated => self.over = true,
                ConsoleEvent::Break | ConsoleEvent::Unavailable | ConsoleEvent::Available => {}
            }
        }
        assert!(self.console.unacknowledged() <= 16 * 1024);
        assert!(self.hostile || self.typed <= self.written && self.heard <= self.said);
    }

    fn hear(&mut self, bytes: &[u8]) {
        let begin = self.next.unwrap_or_else(|| usize::from(bytes[0]));
        assert!(self.hostile || bytes == stream(begin, bytes.len()), "heard otherwise");
        self.next = Some(begin + bytes.len());
        self.heard += bytes.len();
    }

    /// From here on the wire is good, and everything arrives.
    fn settle(&mut self) {
        self.port.set_room(usize::MAX);
        self.console.hold(false, self.now);
        self.drain();
        for _ in 0..5_000 {
            while self.ways.iter().any(|way| !way.air.is_empty()) {
                self.deliver(0, 0, true);
                self.deliver(1, 0, true);
                self.drain();
            }
            // A port never gives up what it has to announce; its session ends instead.
            let Some(due) = self.due().filter(|_| !self.over) else { break };
            self.pass(due.saturating_sub(self.now));
        }
        if self.over || self.hostile {
            return;
        }
        assert!(self.console.is_settled() && self.due().is_none(), "they never come to rest");
        assert_eq!(self.typed, self.written);
        assert!(
            self.lost || self.heard == self.said,
            "{} of {} bytes lost in silence",
            self.said - self.heard,
            self.said
        );
    }
}

fn stream(from: usize, length: usize) -> Vec<u8> {
    // Below 251.
    (from..from + length).map(|position| (position % CYCLE) as u8).collect()
}
