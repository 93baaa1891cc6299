//! One BMC's actor: the orders of all callers go through it one after the other, so that there is one session, one
//! request in flight, and never two logins that cross.
//!
//! A reading that comes alone, as each minute of a machine that rests, has a session of its own that ends with it: what
//! rests holds no session at its BMC, no task and no keys here.
//!
//! Its task lives from the first order until the session is closed, by request, when it was idle for long, or when the
//! driver is gone; then nothing is left of it but an empty queue. A caller that goes away stops nothing half-way: what was
//! begun is finished, what was not begun is not done.
//!
//! - `work`: what the task does.

mod work;

use super::errors::Errors;
use super::hub::Hub;
use super::port::PayloadPort;
use super::timing::Timing;
use crate::breaker::{Breaker, Failure, Resting};
use crate::driver::{BmcError, Endpoint, Health, Privilege, Protocol};
use bmc_proto::ipmi::{self, Answer, CipherSuite, Config, ConfigError, Message};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// The UDP port of RMCP (primary).
pub(super) const PORT: u16 = 623;

/// Whether a request may be made again in a second session when its answer was lost with the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Twice is as good as once.
    Harmless,
    /// The same, and a user may ask it; it often comes alone, and then no session is kept for what follows.
    Reading,
    /// Twice is something else: rather not know whether it was done.
    Never,
}

/// The actor of one BMC, to give orders to.
#[derive(Clone)]
pub(super) struct Actor(Arc<Shared>);

/// What callers and the task share. This is what an idle BMC costs.
struct Shared {
    hub: Arc<Hub>,
    endpoint: Endpoint,
    suite: CipherSuite,
    privilege: Privilege,
    username: Arc<str>,
    timing: Arc<Timing>,
    errors: Arc<Errors>,
    desk: Mutex<Desk>,
    breaker: Mutex<Breaker>,
    /// Wakes the task.
    wake: Arc<Notify>,
}

#[derive(Default)]
struct Desk {
    orders: VecDeque<Order>,
    /// Whether the task is there.
    running: bool,
    /// When a session was last used.
    used: Option<Instant>,
    /// Whether the BMC wants more than user level for a reading.
    wants_more: bool,
    /// Whether the driver is gone: then a session is closed at once.
    dropped: bool,
}

/// What a caller wants.
struct Order {
    what: What,
    during: &'static str,
    /// When it was given.
    since: Instant,
}

enum What {
    Exchange { message: Message, repeat: Repeat, reply: oneshot::Sender<Result<Answer, BmcError>> },
    Attach { reply: oneshot::Sender<Result<PayloadPort, BmcError>> },
    Close { reply: oneshot::Sender<()> },
}

impl Order {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool {
        match &self.what {
            What::Exchange { reply, .. } => reply.is_closed(),
            What::Attach { reply } => reply.is_closed(),
            What::Close { .. } => false,
        }
    }
}

impl Actor {
    /// Does no I/O yet.
    pub(super) fn new(hub: Arc<Hub>, endpoint: Endpoint, timing: Arc<Timing>, errors: Arc<Errors>) -> Self {
        let privilege = match endpoint.protocol {
            Protocol::Ipmi { privilege, .. } => privilege,
            _ => Privilege::default(),
        };
        Self(Arc::new(Shared {
            hub,
            suite: errors.suite,
            privilege,
            username: endpoint.credentials.username.as_str().into(),
            endpoint,
            timing,
            errors,
            desk: Mutex::default(),
            breaker: Mutex::default(),
            wake: Arc::default(),
        }))
    }

    /// Has a request made. The answer may be a refusal.
    pub(super) async fn exchange(
        &self,
        message: Message,
        repeat: Repeat,
        during: &'static str,
    ) -> Result<Answer, BmcError> {
        let (reply, answer) = oneshot::channel();
        self.order(What::Exchange { message, repeat, reply }, during);
        answer.await.unwrap_or_else(|_| Err(self.0.errors.stopped(during)))
    }

    /// Takes the way for payloads in. Whoever had it before is told that it is lost.
    pub(super) async fn attach(&self, during: &'static str) -> Result<PayloadPort, BmcError> {
        let (reply, port) = oneshot::channel();
        self.order(What::Attach { reply }, during);
        port.await.unwrap_or_else(|_| Err(self.0.errors.stopped(during)))
    }

    /// Has the session closed, if there is one.
    pub(super) async fn close(&self) {
        if !self.0.desk().running {
            return;
        }
        let (reply, closed) = oneshot::channel();
        self.order(What::Close { reply }, "closing the session");
        // If another call holds it for so long, the session is closed after it.
        let _ = tokio::time::timeout(self.0.timing.call, closed).await;
    }

    /// The driver is gone.
    pub(super) fn leave(&self) {
        self.0.desk().dropped = true;
        self.0.wake.notify_one();
    }

    /// How the BMC has been answering.
    pub(super) fn health(&self) -> Health {
        self.0.breaker().health(Instant::now())
    }

    fn order(&self, what: What, during: &'static str) {
        let order = Order { what, during, since: Instant::now() };
        let mut desk = self.0.desk();
        desk.orders.push_back(order);
        if std::mem::replace(&mut desk.running, true) {
            self.0.wake.notify_one();
        } else {
            tokio::spawn(work::run(Arc::clone(&self.0)));
        }
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self) -> Result<(), BmcError> {
        self.breaker().admit(Instant::now()).map_err(|resting: Resting| self.errors.resting(resting))
    }

    /// Notes how a call failed, for the circuit breaker.
    fn failed(&self, error: &BmcError) {
        let failure = match error {
            BmcError::Resting { .. } => return,
            BmcError::AuthenticationFailed { .. } => Failure::Refused,
            BmcError::NoFreeSession { .. } => Failure::Busy,
            _ => Failure::Silent,
        };
        let mut chance = [0; 4];
        // Without it all rest for the same time, that is all.
        let _ = getrandom::fill(&mut chance);
        let chance = u32::from_le_bytes(chance);
        self.breaker().failed(failure, error.to_string(), Instant::now(), chance);
    }

    /// Whether a reading that comes now comes alone, so that a session is made for it only: the last one was let go
    /// long ago. The first is no such: it shows whether the privilege suffices for all that may follow.
    fn is_alone(&self) -> bool {
        let desk = self.desk();
        let idle = desk.used.is_some_and(|used| used.elapsed() >= self.timing.idle);
        idle && !desk.wants_more && desk.orders.is_empty()
    }

    fn config(&self) -> Result<Config, ConfigError> {
        let credentials = &self.endpoint.credentials;
        let privilege = match self.privilege {
            Privilege::Operator => ipmi::Privilege::Operator,
            Privilege::Administrator => ipmi::Privilege::Administrator,
        };
        let key = credentials.bmc_key.as_ref().map_or(&[][..], |key| key.as_slice());
        Ok(Config::new(self.suite, &credentials.username, &credentials.password)?
            .with_bmc_key(key)?
            .with_privilege(privilege)
            .with_retransmission(self.timing.retransmission))
    }

    async fn resolve(&self) -> Result<SocketAddr, BmcError> {
        let port = self.endpoint.port.unwrap_or(PORT);
        let unknown = || self.errors.unknown_name();
        let mut addresses =
            tokio::net::lookup_host((self.endpoint.host.as_str(), port)).await.map_err(|_| unknown())?;
        addresses.next().ok_or_else(unknown)
    }
}

#[cfg(test)]
impl Actor {
    /// As if the last session had been used so long ago.
    pub(super) fn rest(&self, age: std::time::Duration) {
        let mut desk = self.0.desk();
        desk.used = desk.used.map(|used| used - age);
    }
}
