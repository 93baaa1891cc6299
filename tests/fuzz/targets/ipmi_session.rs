//! An IPMI session between an honest BMC and somebody on the wire who drops, repeats, re-orders and changes what the BMC
//! says, and sends whatever he likes in any phase, but knows no password: nothing is believed but what the BMC sealed.
#![no_main]

use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::packet::{self, payload};
use bmc_proto::ipmi::{Answer, CipherSuite, Config, Event, Message, NetFn, Session};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use tests_fuzz::Knobs;
use tests_fuzz::bmc::{Bmc, ECHO, PASSWORD, Said};

/// Datagrams that one step may send.
const MOST_SENT: usize = 40;
/// Events that may wait.
const MOST_EVENTS: usize = 40;

struct Wire {
    session: Session,
    bmc: Bmc,
    now: Duration,
    /// What the client sent and nobody passed on yet.
    sent: Vec<Vec<u8>>,
    /// What the BMC said.
    said: Vec<Said>,
    /// Sessions whose proof (RAKP 4) the client got.
    proven: Vec<u32>,
    /// Payloads of the BMC that the client got.
    delivered: usize,
    /// What the request under way asks to be echoed.
    asked: Option<u32>,
    requests: u32,
    over: bool,
}

fuzz_target!(|data: &[u8]| {
    let mut knobs = Knobs::all(data);
    let suite = knobs.pick(&CipherSuite::ALL);
    // The client of every fourth input has a wrong password.
    let password = if knobs.byte() % 4 == 3 { "wrong" } else { PASSWORD };
    let config = Config::new(suite, "root", password).expect("they fit");
    let mut wire = Wire {
        session: Session::new(config, [knobs.byte(); 32], Duration::ZERO),
        bmc: Bmc::new(suite),
        now: Duration::ZERO,
        sent: Vec::new(),
        said: Vec::new(),
        proven: Vec::new(),
        delivered: 0,
        asked: None,
        requests: 0,
        over: false,
    };
    wire.look(password);
    while !knobs.is_empty() && !wire.over {
        wire.step(&mut knobs);
        wire.look(password);
    }
    wire.end(password);
});

impl Wire {
    /// Somebody does something.
    fn step(&mut self, knobs: &mut Knobs<'_>) {
        match knobs.byte() % 12 {
            0..=2 => self.pass_on(),
            3 => {
                let datagram = self.earlier(knobs);
                self.session.handle(&datagram, self.now);
            }
            4 => {
                let datagram = changed(self.earlier(knobs), knobs);
                self.session.handle(&datagram, self.now);
            }
            5 => {
                let length = usize::from(knobs.byte());
                self.session.handle(knobs.take(length), self.now);
            }
            6 => {
                let datagram = self.forged(knobs);
                self.session.handle(&datagram, self.now);
            }
            7 => {
                self.now = self.now.max(self.session.poll_timeout().unwrap_or_default());
                self.session.handle_timeout(self.now);
            }
            8 => self.now += Duration::from_millis(knobs.short().into()),
            9 => {
                let message =
                    Message::new_request(NetFn::App, ECHO, (self.requests + 1).to_le_bytes().to_vec());
                if self.session.request(message, self.now) {
                    self.requests += 1;
                    self.asked = Some(self.requests);
                }
            }
            10 => {
                self.session.send_payload(payload::SOL, &[knobs.byte(); 3]);
                let number = self.bmc.payloads.len() as u32;
                let said = self.bmc.volunteer(&number.to_le_bytes());
                self.said.extend(said);
            }
            _ => {
                if knobs.byte() % 8 == 0 {
                    self.session.close(self.now);
                }
            }
        }
    }

    /// Gives the BMC what was sent first, and the client the answer, as an honest wire does.
    fn pass_on(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let datagram = self.sent.remove(0);
        if let Some(said) = self.bmc.answer(&datagram) {
            self.said.push(said);
            self.deliver(self.said.len() - 1);
        }
    }

    fn deliver(&mut self, index: usize) {
        let said = &self.said[index];
        self.proven.extend(said.proves);
        self.session.handle(&said.datagram, self.now);
    }

    /// Something that the BMC said, which the client may have got before.
    fn earlier(&mut self, knobs: &mut Knobs<'_>) -> Vec<u8> {
        let back = usize::from(knobs.byte());
        let Some(last) = self.said.len().checked_sub(1) else { return Vec::new() };
        let said = &self.said[last - back % (last + 1)];
        self.proven.extend(said.proves);
        said.datagram.clone()
    }

    /// What a stranger can make who sees all packets: right ids and numbers, no keys.
    fn forged(&mut self, knobs: &mut Knobs<'_>) -> Vec<u8> {
        let console_id = self.session.console_id();
        let kind = knobs.pick(&[
            payload::OPEN_SESSION_RESPONSE,
            payload::RAKP2,
            payload::RAKP4,
            payload::IPMI,
            payload::SOL,
        ]);
        let (tag, status) = (knobs.byte(), knobs.byte());
        let length = usize::from(knobs.byte() % 80);
        let mut bytes = vec![tag, status, 0, 0];
        bytes.extend(console_id.to_le_bytes());
        bytes.extend(knobs.take(length));
        if kind == payload::IPMI {
            let request = Message::new_request(NetFn::App, ECHO, vec![]);
            bytes = LanMessage::request(tag, &request).response(status, knobs.take(8)).encode();
        }
        let mut datagram = packet::plain(kind, &bytes);
        if knobs.flip() {
            // Into the session: with its id, a fresh number, and perhaps the bits that say it is protected.
            datagram[5] |= knobs.byte() & 0xC0;
            datagram[6..10].copy_from_slice(&console_id.to_le_bytes());
            datagram[10] = knobs.byte();
            datagram.extend([0xFF, 0xFF, 2, 7]);
            datagram.extend(knobs.take(16));
        }
        datagram
    }

    /// Fetches all that the session has to say and looks at it.
    fn look(&mut self, password: &str) {
        let mut fetched = 0;
        while let Some(datagram) = self.session.poll_transmit() {
            assert!(datagram.len() < 256);
            self.sent.push(datagram);
            fetched += 1;
        }
        assert!(fetched <= MOST_SENT, "{fetched} datagrams at once");
        // What nobody passes on is lost.
        let surplus = self.sent.len().saturating_sub(8);
        self.sent.drain(..surplus);
        let mut events = 0;
        while let Some(event) = self.session.poll_event() {
            events += 1;
            self.judge(event, password);
        }
        assert!(events <= MOST_EVENTS, "{events} events at once");
        assert_eq!(self.over, self.session.console_id() == 0);
    }

    fn judge(&mut self, event: Event, password: &str) {
        assert!(!self.over, "{event:?} after the end");
        match event {
            Event::Opened { system_id } => assert_ne!(system_id, 0),
            Event::Established { privilege } => {
                assert_eq!(password, PASSWORD, "in without the password");
                let id = self.session.system_id().expect("an open session has an id");
                assert!(self.proven.contains(&id), "the BMC never proved itself");
                assert!((3..=4).contains(&privilege));
            }
            Event::Answered(answer) => {
                let asked = self.asked.take().expect("an answer to nothing");
                assert_eq!(answer, Answer { completion: 0, data: asked.to_le_bytes().to_vec() });
            }
            Event::Payload { payload_type, bytes } => {
                assert_eq!(payload_type, payload::SOL);
                let number = u32::from_le_bytes(bytes.try_into().expect("the BMC said four bytes")) as usize;
                assert!(number < self.bmc.payloads.len(), "the BMC never said this");
                self.delivered += 1;
                assert!(self.delivered <= self.bmc.payloads.len(), "one was given twice");
            }
            Event::Failed(error) => {
                assert!(!error.to_string().is_empty());
                self.over = true;
            }
            Event::Closed => self.over = true,
        }
    }

    /// Nobody says anything more: it ends, or waits for nothing.
    fn end(&mut self, password: &str) {
        let begun = self.now;
        while let Some(at) = self.session.poll_timeout() {
            assert!(!self.over, "it waits after the end");
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.look(password);
            assert!(self.now - begun < Duration::from_secs(120), "it never ends");
        }
        assert!(self.over || self.session.is_ready());
        assert!(!(self.over && self.session.is_ready()));
        assert!(self.over || self.asked.is_none(), "a request without an end");
    }
}

/// With one byte changed, or cut short.
fn changed(mut datagram: Vec<u8>, knobs: &mut Knobs<'_>) -> Vec<u8> {
    let (at, flip) = (usize::from(knobs.byte()), knobs.byte());
    if datagram.is_empty() {
        return datagram;
    }
    let at = at % datagram.len();
    if flip == 0 {
        datagram.truncate(at);
    } else {
        datagram[at] ^= flip;
    }
    datagram
}
