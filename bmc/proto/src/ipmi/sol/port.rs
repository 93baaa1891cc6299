//! The BMC's side of serial over LAN: what a simulated BMC has between its session and the machine's serial port.

use super::packet::{HEADER, LONGEST, Packet, operation, status};
use super::receiver::{Arrival, Receiver};
use super::sender::{Expiry, Retry, Sender, Signal};
use std::collections::VecDeque;
use std::time::Duration;

/// What was lost between the machine and the console is told by this, under the same number until it is acknowledged: so
/// the numbers of the two sides never part by a whole round.
const OVERRUN: Signal = Signal { flags: status::OVERRUN, optional: true };

/// How a BMC's SOL is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortSettings {
    /// When a packet is sent again (table 26-5, parameter 4).
    pub retry: Retry,
    /// How long characters are gathered before they are sent (parameter 3).
    pub accumulate: Duration,
    /// So many characters are sent at once (parameter 3).
    pub threshold: usize,
    /// Characters of a packet at the most.
    pub largest: usize,
    /// Bytes of the machine that may wait; more are lost, which is announced.
    pub buffer: usize,
}

impl Default for PortSettings {
    fn default() -> Self {
        let retry =
            Retry { first: Duration::from_millis(500), longest: Duration::from_millis(500), sendings: 8 };
        Self { retry, accumulate: Duration::from_millis(20), threshold: 96, largest: 255, buffer: 32 * 1024 }
    }
}

/// What a port tells the BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortEvent {
    /// This was typed.
    Typed(Vec<u8>),
    /// A break was sent.
    Break,
    /// The console can't take more (true), or goes on (false).
    Held(bool),
}

/// The port: payloads, the machine's characters and time in; payloads and events out.
#[derive(Debug)]
pub struct Port {
    settings: PortSettings,
    sender: Sender,
    receiver: Receiver,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<PortEvent>,
    /// Characters that the machine's serial port takes now.
    room: usize,
    /// The last acknowledgement was a refusal; the console waits for its end.
    refused: bool,
    available: bool,
    held: bool,
    /// When gathered characters go at the latest.
    due: Option<Duration>,
    over: bool,
}

impl Port {
    /// A port that was just activated, before a machine that is on and takes everything.
    pub fn new(settings: PortSettings) -> Self {
        Self {
            sender: Sender::new(settings.retry, settings.largest),
            settings,
            receiver: Receiver::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            room: usize::MAX,
            refused: false,
            available: true,
            held: false,
            due: None,
            over: false,
        }
    }

    /// The inbound and outbound payload sizes that Activate Payload tells.
    pub fn sizes(&self) -> (u16, u16) {
        // Both are far below 64 KiB.
        let size = |characters: usize| u16::try_from(characters + HEADER).unwrap_or(u16::MAX);
        (size(LONGEST), size(self.settings.largest))
    }

    /// Takes a payload of the console in.
    pub fn handle(&mut self, payload: &[u8], now: Duration) {
        if self.over {
            return;
        }
        let Some(packet) = Packet::decode(payload) else { return };
        let refused = packet.flags & operation::NACK != 0;
        self.sender.acknowledged(packet.acknowledged, packet.accepted, refused, now);
        match self.receiver.judge(packet.sequence) {
            Arrival::New { .. } => self.receive(&packet, now),
            Arrival::Again(accepted) => self.acknowledge(packet.sequence, accepted, now),
            Arrival::Unnumbered | Arrival::Late => {}
        }
        self.send((0, 0), now);
    }

    /// Operation bits count in numbered packets only: those come in order and once.
    fn receive(&mut self, packet: &Packet<'_>, now: Duration) {
        if packet.flags & operation::FLUSH_OUTBOUND != 0 {
            self.sender.discard();
            self.due = None;
        }
        if packet.flags & operation::BREAK != 0 && self.available {
            self.events.push_back(PortEvent::Break);
        }
        let held = packet.flags & operation::DEASSERT_CTS != 0;
        if held != self.held {
            self.held = held;
            self.events.push_back(PortEvent::Held(held));
        }
        let room = if self.available { self.room } else { 0 };
        let length = packet.data.len().min(LONGEST).min(room);
        if length > 0 {
            self.room = self.room.saturating_sub(length);
            self.events.push_back(PortEvent::Typed(packet.data[..length].to_vec()));
        }
        // What is taken in part is no refusal: the rest may come at once (ipmitool would give it up).
        self.refused = length == 0 && !packet.data.is_empty();
        // At most 255.
        let accepted = u8::try_from(length).unwrap_or(u8::MAX);
        self.receiver.accept(packet.sequence, accepted);
        self.acknowledge(packet.sequence, accepted, now);
    }

    /// Acknowledges, in passing with the machine's characters if some may go.
    fn acknowledge(&mut self, sequence: u8, accepted: u8, now: Duration) {
        if !self.refused && self.send((sequence, accepted), now) {
            return;
        }
        let flags = self.status() | if self.refused { status::NACK } else { 0 };
        let packet = Packet { sequence: 0, acknowledged: sequence, accepted, flags, data: &[] };
        self.outbox.push_back(packet.encode());
    }

    /// The machine said this. Gives how much is taken; the rest is lost, and the console hears of it.
    pub fn write(&mut self, bytes: &[u8], now: Duration) -> usize {
        if self.over {
            return 0;
        }
        let length = bytes.len().min(self.settings.buffer.saturating_sub(self.sender.queued()));
        self.sender.push(&bytes[..length]);
        if length < bytes.len() {
            self.overrun();
        }
        if length > 0 && self.due.is_none() {
            self.due = Some(now + self.settings.accumulate);
        }
        self.send((0, 0), now);
        length
    }

    /// Some of what the machine said was lost before it came here.
    pub fn lose(&mut self, now: Duration) {
        self.overrun();
        self.send((0, 0), now);
    }

    fn overrun(&mut self) {
        if !self.over && !self.sender.ends_with(OVERRUN) {
            self.sender.signal(OVERRUN);
        }
    }

    /// The machine sent a break.
    pub fn send_break(&mut self, now: Duration) {
        let signal = Signal { flags: status::BREAK, optional: false };
        if !self.over && !self.sender.ends_with(signal) {
            self.sender.signal(signal);
            self.send((0, 0), now);
        }
    }

    /// How many characters the machine's serial port takes from now on.
    pub fn set_room(&mut self, room: usize) {
        self.room = room;
        self.end_refusal();
    }

    /// Whether the console waits for the end of a refusal.
    pub fn is_refusing(&self) -> bool {
        self.refused && !self.over
    }

    /// Whether the machine is on.
    pub fn set_available(&mut self, available: bool) {
        if self.available != available {
            self.available = available;
            self.end_refusal();
        }
    }

    /// Tells a console that waits that it may go on.
    fn end_refusal(&mut self) {
        if !self.refused || self.over || !self.available || self.room == 0 {
            return;
        }
        self.refused = false;
        if let Some((acknowledged, accepted)) = self.receiver.last() {
            let flags = self.status();
            self.outbox.push_back(Packet { sequence: 0, acknowledged, accepted, flags, data: &[] }.encode());
        }
    }

    /// Ends it and tells the console.
    pub fn deactivate(&mut self) {
        if !self.over {
            self.over = true;
            let flags = self.status() | status::INACTIVE;
            self.outbox
                .push_back(Packet { sequence: 0, acknowledged: 0, accepted: 0, flags, data: &[] }.encode());
        }
    }

    /// The next payload to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        // While the console holds, only what is in the air is sent again.
        if self.over || self.held && !self.sender.is_in_flight() {
            return None;
        }
        let Some(due) = self.sender.timeout() else { return self.due };
        // A pause that is over sends nothing that is still gathered.
        let gathers = !self.sender.is_in_flight() && !self.is_urgent();
        Some(if gathers { self.due.map_or(due, |gathered| gathered.max(due)) } else { due })
    }

    /// Whether what waits goes without being gathered.
    fn is_urgent(&self) -> bool {
        self.sender.queued() >= self.settings.threshold.max(1) || self.sender.begins_with_signal()
    }

    /// Sends what is due, again or for the first time. Too early is harmless.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.over {
            return;
        }
        match self.sender.expire(now) {
            Expiry::Again(payload) => self.outbox.push_back(payload),
            Expiry::GaveUp { .. } => self.sender.signal_first(OVERRUN),
            Expiry::Nothing => {}
        }
        self.send((0, 0), now);
    }

    /// Sends gathered characters and signals. False: nothing could go.
    fn send(&mut self, acknowledge: (u8, u8), now: Duration) -> bool {
        let queued = self.sender.queued();
        // Without a time it is the rest of a packet that was accepted in part.
        let due = queued > 0 && self.due.is_none_or(|due| due <= now);
        let ready = due || self.is_urgent();
        if self.over || self.held || !ready || self.sender.is_blocked(now) {
            return false;
        }
        let status = self.status();
        let Some(payload) = self.sender.next(status, acknowledge, now) else { return false };
        if self.sender.queued() == 0 {
            self.due = None;
        }
        self.outbox.push_back(payload);
        true
    }

    fn status(&self) -> u8 {
        if self.available { 0 } else { status::UNAVAILABLE }
    }
}
