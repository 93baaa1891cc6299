//! A test's hand on a simulated BMC: the faults that it shall have, its restart and its certificate, and what it was
//! asked.

use super::faults::{Fault, Faults, Rules};
use super::group::Event;
use super::parts::Parts;
use super::state::{Shared, State, lock};
use super::tls::{Certificate, Secured, TlsError};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The most requests that are remembered.
const SEEN_MOST: usize = 10_000;
/// How long a session lasts without use, until that is set.
const IDLE: Duration = Duration::from_secs(1800);

/// A simulated BMC's faults, counters and parts.
pub struct Controls {
    faults: Mutex<Faults>,
    rules: Mutex<Rules>,
    counters: Counters,
    seen: Mutex<Option<Vec<Seen>>>,
    parts: Parts,
    idle: Mutex<Duration>,
    /// Cancelled, and made anew, when every connection is to be cut.
    life: Mutex<CancellationToken>,
    down_until: Mutex<Option<Instant>>,
    /// `None`: plain HTTP.
    transport: Mutex<Option<Arc<Secured>>>,
    bmc: OnceLock<Weak<State>>,
}

#[derive(Default)]
struct Counters {
    requests: AtomicUsize,
    connections: AtomicUsize,
    logins: AtomicUsize,
    refused: AtomicUsize,
    basic: AtomicUsize,
    sessions: AtomicUsize,
    generation: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

/// A request that came, as a test may look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// `If-Match`, if it was sent.
    pub if_match: Option<String>,
    /// Whether it carried a token or a password.
    pub credentials: bool,
    /// The body, if it was short text.
    pub body: String,
}

impl Controls {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            faults: Mutex::default(),
            rules: Mutex::default(),
            counters: Counters::default(),
            seen: Mutex::default(),
            parts,
            idle: Mutex::new(IDLE),
            life: Mutex::default(),
            down_until: Mutex::default(),
            transport: Mutex::default(),
            bmc: OnceLock::new(),
        }
    }

    pub(super) fn belong_to(&self, bmc: &Shared) {
        // Set once, when the BMC is made.
        let _first = self.bmc.set(Arc::downgrade(bmc));
    }

    /// The BMC that it belongs to, while there is one.
    pub(super) fn bmc(&self) -> Option<Shared> {
        self.bmc.get().and_then(Weak::upgrade)
    }

    /// Its parts: where tests look at media, users, logs and the like.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Changes the faults that it has everywhere.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults() = faults;
    }

    /// Adds a fault at some paths. Those added first are looked at first; of each request, all that fit hold.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.rules).add(fault);
    }

    /// Takes all faults away, also those of `add_fault`.
    pub fn clear_faults(&self) {
        self.set_faults(Faults::default());
        *lock(&self.rules) = Rules::default();
    }

    /// Forgets every session, as a BMC does when it restarts.
    pub fn drop_sessions(&self) {
        self.counters.generation.fetch_add(1, SeqCst);
        self.counters.sessions.store(0, SeqCst);
    }

    /// Restarts the BMC: connections are cut, sessions lost, and for this time nobody is let in. The machine goes on.
    pub fn restart(&self, down: Duration) {
        *lock(&self.down_until) = Some(Instant::now() + down);
        self.drop_sessions();
        self.cut_connections();
        if let Some(bmc) = self.bmc.get().and_then(Weak::upgrade) {
            bmc.announce(&Event::ManagerRestart);
        }
    }

    /// Cuts every connection. New ones are taken.
    pub fn cut_connections(&self) {
        std::mem::take(&mut *lock(&self.life)).cancel();
    }

    /// Shows this certificate from now on, and cuts every connection. Answers its SHA-256.
    pub fn set_certificate(&self, certificate: &Certificate, address: IpAddr) -> Result<[u8; 32], TlsError> {
        let secured = Arc::new(certificate.secure(address)?);
        let fingerprint = secured.fingerprint;
        self.set_transport(Some(secured));
        self.cut_connections();
        Ok(fingerprint)
    }

    /// How long a session lasts without use.
    pub fn set_session_idle(&self, idle: Duration) {
        self.set_idle(idle);
    }

    /// Remembers every request from now on, for `seen`.
    pub fn watch(&self) {
        *lock(&self.seen) = Some(vec![]);
    }

    /// The requests that came since `watch`; 10,000 at the most.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone().unwrap_or_default()
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.counters.requests.load(SeqCst)
    }

    /// How many connections came: TLS handshakes, unless it speaks plain HTTP.
    pub fn connections(&self) -> usize {
        self.counters.connections.load(SeqCst)
    }

    /// How many sessions were made.
    pub fn logins(&self) -> usize {
        self.counters.logins.load(SeqCst)
    }

    /// How often user name or password were refused.
    pub fn refused_logins(&self) -> usize {
        self.counters.refused.load(SeqCst)
    }

    /// How many requests proved themselves by Basic authentication.
    pub fn basic(&self) -> usize {
        self.counters.basic.load(SeqCst)
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.counters.sessions.load(SeqCst)
    }

    /// The most requests that were being answered at once.
    pub fn most_in_flight(&self) -> usize {
        self.counters.most_in_flight.load(SeqCst)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        // A fault is set whole or counted down by one: a panic elsewhere can't have left it half done.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults that a request meets, counted.
    pub(super) fn rules_for(&self, method: &str, path: &str) -> Vec<super::faults::Effect> {
        lock(&self.rules).fitting(method, path)
    }

    /// Takes one off a countdown of faults; whether there was one.
    pub(super) fn count_down(&self, counter: impl Fn(&mut Faults) -> &mut u32) -> bool {
        let mut faults = self.faults();
        let counter = counter(&mut faults);
        let had = *counter > 0;
        *counter = counter.saturating_sub(1);
        had
    }

    pub(super) fn began(&self) -> InFlight<'_> {
        self.counters.requests.fetch_add(1, SeqCst);
        let now = self.counters.in_flight.fetch_add(1, SeqCst) + 1;
        self.counters.most_in_flight.fetch_max(now, SeqCst);
        InFlight(self)
    }

    pub(super) fn note(&self, seen: impl FnOnce() -> Seen) {
        if let Some(all) = lock(&self.seen).as_mut().filter(|all| all.len() < SEEN_MOST) {
            all.push(seen());
        }
    }

    pub(super) fn connected(&self) {
        self.counters.connections.fetch_add(1, SeqCst);
    }

    pub(super) fn logged_in(&self, open: usize) {
        self.counters.logins.fetch_add(1, SeqCst);
        self.set_sessions(open);
    }

    pub(super) fn refused_login(&self) {
        self.counters.refused.fetch_add(1, SeqCst);
    }

    pub(super) fn used_basic(&self) {
        self.counters.basic.fetch_add(1, SeqCst);
    }

    pub(super) fn set_sessions(&self, open: usize) {
        self.counters.sessions.store(open, SeqCst);
    }

    /// Rises when sessions are to be forgotten.
    pub(super) fn generation(&self) -> usize {
        self.counters.generation.load(SeqCst)
    }

    pub(super) fn idle(&self) -> Duration {
        *lock(&self.idle)
    }

    pub(super) fn set_idle(&self, idle: Duration) {
        *lock(&self.idle) = idle;
    }

    /// What a connection lives as long as.
    pub(super) fn life(&self) -> CancellationToken {
        lock(&self.life).clone()
    }

    /// Whether it is down now.
    pub(super) fn is_down(&self) -> bool {
        lock(&self.down_until).is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn transport(&self) -> Option<Arc<Secured>> {
        lock(&self.transport).clone()
    }

    pub(super) fn set_transport(&self, transport: Option<Arc<Secured>>) {
        *lock(&self.transport) = transport;
    }
}

/// A request that is being answered.
pub(super) struct InFlight<'a>(&'a Controls);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.counters.in_flight.fetch_sub(1, SeqCst);
    }
}
