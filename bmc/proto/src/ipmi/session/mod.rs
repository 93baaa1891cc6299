//! The client's session as a pure machine: datagrams and time in, datagrams and events out.
//!
//! One request is in flight at a time, as BMCs like it; packets of other payload types go beside it. Whatever can't be
//! proven to come from the BMC inside the session is ignored, never an error, so that a stranger can't end a session;
//! it is only counted for the message of a later time-out. A machine never panics on input: see `tests`.
//!
//! - `config`: credentials and patience; `random`: what comes of the seed;
//! - `login`: Open Session, RAKP 1 to 4; `suites`: what the BMC offers instead of what it refused;
//! - `active`: sealed requests and answers, raising the privilege, closing.

mod active;
mod config;
mod error;
mod login;
mod progress;
mod random;
mod suites;

use super::command::Answer;
use super::keys::Rejection;
use super::packet::{self, Packet};
use super::{IpmiCommand, Message};
use active::Link;
pub use config::{Config, Privilege, Retransmission};
pub use error::{ConfigError, SessionError};
use login::Login;
use progress::Progress;
use random::Random;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets of other payload types that wait to be fetched; what comes beyond is dropped, as the network would.
const PAYLOADS_KEPT: usize = 32;
/// Datagrams of other payload types that wait to be sent.
const OUTBOX_LIMIT: usize = 32;

/// What a session tells its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The BMC has set a session slot aside. From now on until the end it may count as open there. Comes again when
    /// the login had to be begun anew.
    Opened {
        /// The BMC's session id: what Close Session takes.
        system_id: u32,
    },
    /// It is open and has this privilege; requests may be made.
    Established {
        /// See [`privilege`](super::handshake::privilege).
        privilege: u8,
    },
    /// The answer to the request.
    Answered(Answer),
    /// A packet of another payload type, signed and encrypted by the BMC.
    Payload {
        /// See [`payload`](super::packet::payload).
        payload_type: u8,
        /// Decrypted.
        bytes: Vec<u8>,
    },
    /// It is over, because of an error.
    Failed(SessionError),
    /// It is over, as was asked for.
    Closed,
}

/// A client's session with a BMC.
pub struct Session {
    config: Config,
    random: Random,
    console_id: u32,
    phase: Phase,
    timer: Option<Timer>,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    rejected: Option<Rejection>,
}

enum Phase {
    LoggingIn(Box<Login>),
    /// Open, but still at user level; with what is needed to begin anew.
    RaisingPrivilege(Box<Link>, Progress),
    /// Open, and closing what earlier attempts of this login left open.
    Tidying(Box<Link>, Tidying),
    Ready(Box<Link>),
    Closing(Box<Link>),
    Over,
}

struct Tidying {
    privilege: u8,
    left: Vec<u32>,
}

/// What is sent again until it is answered.
struct Timer {
    again_at: Duration,
    /// The wait that ends then, without chance.
    wait: Duration,
    sendings_left: u8,
    what: Resend,
}

enum Resend {
    /// The same datagram: outside a session.
    Datagram(Vec<u8>),
    /// The same RAKP 1 with a new tag, so that the answers can be told apart: their random numbers may differ.
    Rakp1,
    /// The same request in a new envelope: a session sequence number is never used twice.
    Request,
}

impl Session {
    /// Starts to log in. `seed` comes from the operating system's random generator and is used for one session only;
    /// `now` is the time since any fixed moment, as in all other calls, and never goes back.
    pub fn new(config: Config, seed: [u8; 32], now: Duration) -> Self {
        let mut random = Random::new(seed);
        let progress = Progress::new(&config, &mut random);
        let console_id = random.id();
        let mut session = Self {
            config,
            random,
            console_id,
            phase: Phase::Over,
            timer: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            rejected: None,
        };
        session.open(progress, now);
        session
    }

    /// Takes a datagram in. Strays are ignored.
    pub fn handle(&mut self, datagram: &[u8], now: Duration) {
        let packet = packet::parse(datagram);
        match (&self.phase, packet) {
            (Phase::Over, _) => {}
            (Phase::LoggingIn(_), Some(packet)) => self.handle_login(&packet, now),
            (_, Some(Packet::Plus(plus))) => self.handle_sealed(&plus, now),
            (_, Some(Packet::V15 { .. })) => self.rejected = Some(Rejection::Unprotected),
            // Says less than anything else that came.
            (_, None) => self.rejected = self.rejected.or(Some(Rejection::NotIpmi)),
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// The next event. Send what [`Self::poll_transmit`] gives first, also after the last event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timer.as_ref().map(|timer| timer.again_at)
    }

    /// Sends again what was not answered, or gives up. Too early is harmless.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.timer.as_ref().is_none_or(|timer| timer.again_at > now) || self.believe_held(now) {
            return;
        }
        let Some(timer) = &mut self.timer else { return };
        if timer.sendings_left == 0 {
            return self.give_up(now);
        }
        timer.sendings_left -= 1;
        timer.wait = self.config.retransmission.next(timer.wait);
        timer.again_at = now + self.random.jittered(timer.wait);
        match &timer.what {
            Resend::Datagram(datagram) => {
                self.outbox.push_back(datagram.clone());
                self.mark_repeated();
            }
            Resend::Rakp1 => self.repeat_rakp1(),
            Resend::Request => self.repeat_sealed(),
        }
    }

    /// Makes a request. One that is still in flight is forgotten, its late answer ignored. False: not open.
    pub fn request(&mut self, message: Message, now: Duration) -> bool {
        let Phase::Ready(link) = &mut self.phase else { return false };
        self.events.retain(|event| matches!(event, Event::Payload { .. }));
        link.begin(message);
        self.start(Resend::Request, now);
        self.send_sealed();
        true
    }

    /// Sends one packet of another payload type beside the request in flight. It is not sent again: that is the
    /// business of the payload's own protocol. False: not open, or too many wait to be sent.
    pub fn send_payload(&mut self, payload_type: u8, bytes: &[u8]) -> bool {
        let Phase::Ready(link) = &mut self.phase else { return false };
        if self.outbox.len() >= OUTBOX_LIMIT {
            return false;
        }
        let iv = self.random.bytes();
        self.outbox.push_back(link.seal(payload_type, bytes, iv));
        true
    }

    /// Whether requests can be made.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }

    /// The session id in the packets that come to us, the same for all the life of this object; 0 when it is over.
    /// Messages of the key exchange carry it in their payload, see [`packet::addressee`].
    pub fn console_id(&self) -> u32 {
        if matches!(self.phase, Phase::Over) { 0 } else { self.console_id }
    }

    /// The BMC's session id, once it has granted one.
    pub fn system_id(&self) -> Option<u32> {
        match &self.phase {
            Phase::LoggingIn(login) => login.system_id(),
            Phase::RaisingPrivilege(link, _)
            | Phase::Tidying(link, _)
            | Phase::Ready(link)
            | Phase::Closing(link) => Some(link.system_id()),
            Phase::Over => None,
        }
    }

    /// Sends `what` again until an answer stops the timer.
    fn start(&mut self, what: Resend, now: Duration) {
        let Retransmission { interval, tries } = self.config.retransmission;
        self.start_with(what, interval, tries, now);
    }

    fn start_with(&mut self, what: Resend, wait: Duration, tries: u8, now: Duration) {
        self.rejected = None;
        let again_at = now + self.random.jittered(wait);
        self.timer = Some(Timer { again_at, wait, sendings_left: tries.saturating_sub(1), what });
    }

    fn give_up(&mut self, now: Duration) {
        match &self.phase {
            Phase::Closing(_) => self.finish(Event::Closed),
            Phase::LoggingIn(_) => self.give_up_login(now),
            _ => self.give_up_request(now),
        }
    }

    fn fail(&mut self, error: SessionError) {
        self.finish(Event::Failed(error));
    }

    fn finish(&mut self, event: Event) {
        self.timer = None;
        self.phase = Phase::Over;
        self.events.push_back(event);
    }
}

/// Reads the answer of a command, if it is a success.
fn success<C: IpmiCommand>(answer: &Answer) -> Option<C::Output> {
    if answer.completion == Answer::OK { C::parse_success_response(&answer.data).ok() } else { None }
}

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;
