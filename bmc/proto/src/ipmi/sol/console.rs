//! The remote console's side of serial over LAN.

use super::packet::{HEADER, LONGEST, Packet, operation, status};
use super::receiver::{Arrival, Receiver};
use super::sender::{Expiry, Retry, Sender, Signal};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes that may wait to be typed.
const CAPACITY: usize = 16 * 1024;
/// Characters of a packet where the BMC names an impossible size.
const CAUTIOUS: usize = 64;

/// The first thing before something is typed: a packet without characters. Some BMCs (`ipmi_sim`) remember the last number
/// of the activation before, and would take our first packet for a repetition and drop what was typed in it.
const HELLO: Signal = Signal { flags: 0, optional: true };

/// What the BMC's answer to Activate Payload allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleLimits {
    /// Characters of a packet at the most.
    largest: usize,
}

impl ConsoleLimits {
    /// Of the inbound payload size in the answer to Activate Payload, header included (5 to 259). Some BMCs swap its
    /// bytes, some name impossible sizes.
    pub fn from_inbound_size(size: u16) -> Self {
        let possible = |size: &u16| (HEADER + 1..=HEADER + LONGEST).contains(&usize::from(*size));
        let sane = [size, size.swap_bytes()].into_iter().find(possible);
        Self { largest: sane.map_or(CAUTIOUS, |size| usize::from(size) - HEADER) }
    }
}

/// What a console tells its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleEvent {
    /// The machine said this.
    Output(Vec<u8>),
    /// The machine sent a break.
    Break,
    /// Some output was lost here.
    Lost,
    /// What is typed is not taken for now: the machine is off or in reset. It is kept and tried again.
    Unavailable,
    /// What is typed is taken again.
    Available,
    /// The BMC says that the console is deactivated. Nothing follows.
    Deactivated,
    /// The BMC doesn't acknowledge. Nothing follows.
    Failed,
}

/// A console: payloads, keys and time in; payloads and events out.
///
/// `now` is the time since any fixed moment, and never goes back.
#[derive(Debug)]
pub struct Console {
    sender: Sender,
    receiver: Receiver,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<ConsoleEvent>,
    greeted: bool,
    held: bool,
    unavailable: bool,
    over: bool,
}

impl Console {
    /// A console that was just activated. It sends nothing by itself.
    pub fn new(limits: ConsoleLimits, retry: Retry) -> Self {
        Self {
            sender: Sender::new(retry, limits.largest),
            receiver: Receiver::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            greeted: false,
            held: false,
            unavailable: false,
            over: false,
        }
    }

    /// Takes a payload of the BMC in.
    pub fn handle(&mut self, payload: &[u8], now: Duration) {
        if self.over {
            return;
        }
        let Some(packet) = Packet::decode(payload) else { return };
        self.receive(&packet);
        if packet.flags & status::INACTIVE != 0 {
            return self.end(ConsoleEvent::Deactivated);
        }
        self.set_unavailable(packet.flags & status::UNAVAILABLE != 0);
        let refused = packet.flags & (status::NACK | status::UNAVAILABLE) != 0;
        self.sender.acknowledged(packet.acknowledged, packet.accepted, refused, now);
        self.send(now);
    }

    /// What the packet says, and its acknowledgement.
    fn receive(&mut self, packet: &Packet<'_>) {
        match self.receiver.judge(packet.sequence) {
            Arrival::Unnumbered => self.signals(packet.flags, false),
            Arrival::New { gap } => {
                self.signals(packet.flags, gap);
                let length = packet.data.len().min(LONGEST);
                if length > 0 {
                    self.events.push_back(ConsoleEvent::Output(packet.data[..length].to_vec()));
                }
                // At most 255.
                let accepted = u8::try_from(length).unwrap_or(u8::MAX);
                self.receiver.accept(packet.sequence, accepted);
                self.acknowledge(packet.sequence, accepted);
            }
            Arrival::Again(accepted) => self.acknowledge(packet.sequence, accepted),
            Arrival::Late => {}
        }
    }

    fn signals(&mut self, flags: u8, gap: bool) {
        if gap || flags & status::OVERRUN != 0 {
            self.events.push_back(ConsoleEvent::Lost);
        }
        if flags & status::BREAK != 0 {
            self.events.push_back(ConsoleEvent::Break);
        }
    }

    /// Never in passing with something typed: that would have to be sent again without it.
    fn acknowledge(&mut self, acknowledged: u8, accepted: u8) {
        let flags = self.flags();
        self.outbox.push_back(Packet { sequence: 0, acknowledged, accepted, flags, data: &[] }.encode());
    }

    fn set_unavailable(&mut self, unavailable: bool) {
        if self.unavailable != unavailable {
            self.unavailable = unavailable;
            self.events.push_back(if unavailable {
                ConsoleEvent::Unavailable
            } else {
                self.sender.resume();
                ConsoleEvent::Available
            });
        }
    }

    /// Types. Gives how many of the bytes are taken: the queue is bounded, and none are when it is over.
    pub fn write(&mut self, bytes: &[u8], now: Duration) -> usize {
        if self.over {
            return 0;
        }
        let length = bytes.len().min(CAPACITY.saturating_sub(self.sender.unacknowledged()));
        if length > 0 {
            self.greet();
            self.sender.push(&bytes[..length]);
            self.send(now);
        }
        length
    }

    /// Sends a break behind what was typed. One that waits already is enough.
    pub fn send_break(&mut self, now: Duration) {
        let signal = Signal { flags: operation::BREAK, optional: false };
        if !self.over && !self.sender.ends_with(signal) {
            self.greet();
            self.sender.signal(signal);
            self.send(now);
        }
    }

    /// Asks the machine to wait (deasserts Clear To Send), or to go on.
    pub fn hold(&mut self, hold: bool, now: Duration) {
        if !self.over && self.held != hold {
            self.held = hold;
            self.greet();
            let signal = Signal { flags: 0, optional: false };
            if !self.sender.ends_with(signal) {
                self.sender.signal(signal);
            }
            self.send(now);
        }
    }

    fn greet(&mut self) {
        if !self.greeted {
            self.greeted = true;
            self.sender.signal(HELLO);
        }
    }

    /// Bytes that were typed and that the BMC did not acknowledge yet.
    pub fn unacknowledged(&self) -> usize {
        self.sender.unacknowledged()
    }

    /// Whether everything that was typed or signalled is acknowledged.
    pub fn is_settled(&self) -> bool {
        self.sender.unacknowledged() == 0 && !self.sender.has_signals()
    }

    /// Forgets what was typed and not acknowledged; gives how many bytes. Those in the air may arrive all the same.
    pub fn discard(&mut self) -> usize {
        self.sender.discard()
    }

    /// Whether the BMC says that the machine takes no characters now.
    pub fn is_unavailable(&self) -> bool {
        self.unavailable
    }

    /// The next payload to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ConsoleEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.over { None } else { self.sender.timeout() }
    }

    /// Sends again what was not acknowledged, or gives up. Too early is harmless.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.over {
            return;
        }
        match self.sender.expire(now) {
            Expiry::Nothing | Expiry::GaveUp { optional: true } => {}
            Expiry::Again(payload) => self.outbox.push_back(payload),
            Expiry::GaveUp { .. } => return self.end(ConsoleEvent::Failed),
        }
        self.send(now);
    }

    fn send(&mut self, now: Duration) {
        let flags = self.flags();
        self.outbox.extend(self.sender.next(flags, (0, 0), now));
    }

    fn flags(&self) -> u8 {
        if self.held { operation::DEASSERT_CTS } else { 0 }
    }

    fn end(&mut self, event: ConsoleEvent) {
        self.over = true;
        self.events.push_back(event);
    }
}
