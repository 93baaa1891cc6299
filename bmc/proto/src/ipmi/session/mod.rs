//! The client's session as a pure machine: datagrams and time in, datagrams and events out.
//!
//! One request is in flight at a time, as BMCs like it. Whatever can't be proven to come from the BMC inside the
//! session is ignored, never an error, so that a stranger can't end a session; it is only counted for the message
//! of a later time-out. A machine never panics on input: see `tests`.
//!
//! - `login`: Open Session, RAKP 1 to 4, privilege.
//! - `active`: sealed requests and answers, closing.

mod active;
mod error;
mod login;

use super::command::Answer;
use super::handshake::{MAX_PASSWORD, MAX_USERNAME, privilege};
use super::keys::Rejection;
use super::packet::{self, Packet};
use super::suite::{CipherSuite, hmac_sha256};
use super::{IpmiCommand, Message};
use active::Link;
pub use error::{ConfigError, SessionError};
use login::Login;
use std::collections::VecDeque;
use std::time::Duration;
use zeroize::Zeroizing;

/// How to log in.
#[derive(Clone)]
pub struct Config {
    suite: CipherSuite,
    username: Vec<u8>,
    password: Zeroizing<Vec<u8>>,
    bmc_key: Option<Zeroizing<Vec<u8>>>,
    retransmission: Retransmission,
}

/// When a datagram is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retransmission {
    /// Time between two sendings, and from the last one to giving up.
    pub interval: Duration,
    /// How many times it is sent in all.
    pub tries: u8,
}

impl Default for Retransmission {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), tries: 5 }
    }
}

impl Config {
    /// Checks that name and password fit into the protocol.
    pub fn new(suite: CipherSuite, username: &str, password: &str) -> Result<Self, ConfigError> {
        if username.len() > MAX_USERNAME {
            return Err(ConfigError::LongUsername { length: username.len() });
        }
        if password.len() > MAX_PASSWORD {
            return Err(ConfigError::LongPassword);
        }
        Ok(Self {
            suite,
            username: username.into(),
            password: Zeroizing::new(password.into()),
            bmc_key: None,
            retransmission: Retransmission::default(),
        })
    }

    /// Sets the BMC key Kg, where the BMC has one (section 13.24).
    pub fn with_bmc_key(mut self, key: &[u8]) -> Self {
        self.bmc_key = Some(Zeroizing::new(key.to_vec()));
        self
    }

    /// Sets other times for retransmission.
    pub fn with_retransmission(mut self, retransmission: Retransmission) -> Self {
        self.retransmission = retransmission;
        self
    }
}

/// What a session tells its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is open and has this privilege; requests may be made.
    Established {
        /// See [`privilege`].
        privilege: u8,
    },
    /// The answer to the request.
    Answered(Answer),
    /// It is over, because of an error.
    Failed(SessionError),
    /// It is over, as was asked for.
    Closed,
}

/// A client's session with a BMC.
pub struct Session {
    config: Config,
    random: Random,
    phase: Phase,
    timer: Option<Timer>,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    rejected: Option<Rejection>,
}

enum Phase {
    LoggingIn(Login),
    /// Open, but still at user level.
    RaisingPrivilege(Link, u8),
    Ready(Link),
    Closing(Link),
    Over,
}

/// What is sent again until it is answered.
struct Timer {
    again_at: Duration,
    sendings_left: u8,
    what: Resend,
}

enum Resend {
    /// The same datagram: outside a session.
    Datagram(Vec<u8>),
    /// The same request in a new envelope: a session sequence number is never used twice.
    Request,
}

impl Session {
    /// Starts to log in. `seed` comes from the operating system's random generator and is used for one session only;
    /// `now` is the time since any fixed moment, as in all other calls, and never goes back.
    pub fn new(config: Config, seed: [u8; 32], now: Duration) -> Self {
        let mut session = Self {
            config,
            random: Random { seed: Zeroizing::new(seed), counter: 0 },
            phase: Phase::Over,
            timer: None,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            rejected: None,
        };
        session.open(privilege::ADMINISTRATOR, now);
        session
    }

    /// Takes a datagram in. Strays are ignored.
    pub fn handle(&mut self, datagram: &[u8], now: Duration) {
        let Some(Packet::Plus(plus)) = packet::parse(datagram) else {
            self.rejected = Some(Rejection::NotIpmi);
            return;
        };
        match self.phase {
            Phase::LoggingIn(_) => self.handle_login(&plus, now),
            Phase::RaisingPrivilege(..) | Phase::Ready(_) | Phase::Closing(_) => {
                self.handle_sealed(&plus, now)
            }
            Phase::Over => {}
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
        let Some(timer) = self.timer.as_mut().filter(|timer| timer.again_at <= now) else { return };
        if timer.sendings_left == 0 {
            return self.give_up();
        }
        timer.sendings_left -= 1;
        timer.again_at = now + self.config.retransmission.interval;
        match &timer.what {
            Resend::Datagram(datagram) => self.outbox.push_back(datagram.clone()),
            Resend::Request => self.send_sealed(),
        }
    }

    /// Makes a request. One that is still in flight is forgotten, its late answer ignored. False: not open.
    pub fn request(&mut self, message: Message, now: Duration) -> bool {
        let Phase::Ready(link) = &mut self.phase else { return false };
        self.events.clear();
        link.begin(message);
        self.start(Resend::Request, now);
        self.send_sealed();
        true
    }

    /// Whether requests can be made.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }

    fn start(&mut self, what: Resend, now: Duration) {
        let Retransmission { interval, tries } = self.config.retransmission;
        self.rejected = None;
        self.timer = Some(Timer { again_at: now + interval, sendings_left: tries.saturating_sub(1), what });
    }

    fn give_up(&mut self) {
        match self.phase {
            Phase::Closing(_) => self.finish(Event::Closed),
            Phase::LoggingIn(_) => {
                self.fail(SessionError::NoAnswer { logged_in: false, rejected: self.rejected });
            }
            _ => self.fail(SessionError::NoAnswer { logged_in: true, rejected: self.rejected }),
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

/// All random numbers of one session, made from its seed: HMAC-SHA256(seed, counter).
struct Random {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Random {
    fn bytes(&mut self) -> [u8; 16] {
        self.counter += 1;
        let digest = hmac_sha256(&*self.seed, &[&self.counter.to_le_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }

    /// A session id: anything but 0.
    fn id(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.bytes();
        u32::from_le_bytes([a, b, c, d]).max(1)
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
