//! The serial console over the session: one connection for all readers, made again as long as somebody reads.
//!
//! - `connect`: activation, and what its refusals mean;
//! - `attend`: the task that a console with readers has: connects, carries, connects again;
//! - `carry`: one connection, from its activation to its end;
//! - `typing`: what somebody types, until the BMC has it; `backoff`: when it is tried again.
//!
//! The protocol is `bmc_proto::ipmi::sol`. Deliberately not here: the record of what was said, which is the caller's.

mod attend;
mod backoff;
mod carry;
mod connect;
mod typing;

use super::Ipmi;
use crate::capability::{ConsoleEvent, ConsoleReader, SerialConsole};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::sol::Retry;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use typing::{Order, What};

/// For error messages.
const CONNECTING: &str = "connecting its serial console";
/// For error messages.
const TYPING: &str = "typing on its serial console";
/// Events that a slow reader may be behind before it misses some; each has 255 bytes at the most. Room for all of them is
/// made at once, 56 bytes each, and a thousand machines may be recorded at a time.
const BEHIND: usize = 256;
/// For giving the console back when nobody reads any more.
const FAREWELL: Duration = Duration::from_secs(5);
/// Orders that wait; more wait outside.
const ORDERS: usize = 8;
/// Sessions of ours that are remembered, for finding a left-over one.
const REMEMBERED: usize = 8;

/// What the clones of a driver share about its console.
#[derive(Default)]
pub(super) struct Desk {
    /// Held while the first reader's connection is made, so that others wait for it.
    line: tokio::sync::Mutex<Option<Line>>,
    /// Held by the task from before the activation until after the deactivation: a new one must not meet the old.
    busy: Arc<tokio::sync::Mutex<()>>,
    past: Mutex<Past>,
    pace: Mutex<Pace>,
}

/// A console with readers, and its task.
struct Line {
    events: broadcast::Sender<ConsoleEvent>,
    orders: mpsc::Sender<Order>,
    stay: Weak<DropGuard>,
}

/// Activations of ours.
#[derive(Default)]
struct Past {
    /// The BMC's ids of the sessions that had it.
    sessions: VecDeque<u32>,
    /// The last one, if we did not end it.
    left_open: Option<Instant>,
}

/// How long what takes. Tests shorten it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When a packet is sent again.
    pub(super) retry: Retry,
    /// How often it is looked whether the console is still ours.
    pub(super) check: Duration,
    /// Before a lost connection is made again for the first time; doubled each time.
    pub(super) first: Duration,
    /// The longest wait.
    pub(super) longest: Duration,
    /// The first wait after the BMC ended it: whoever asked it to should have time to take it.
    pub(super) ended: Duration,
    /// For typing, without any of it being taken.
    pub(super) typing: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            check: Duration::from_secs(20),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            ended: Duration::from_secs(10),
            typing: Duration::from_secs(10),
        }
    }
}

impl Desk {
    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> Pace {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no task attends to it.
    #[cfg(test)]
    pub(super) async fn at_rest(&self) {
        drop(self.busy.lock().await);
    }

    /// Other times.
    #[cfg(test)]
    pub(super) fn set_pace(&self, change: impl FnOnce(&mut Pace)) {
        change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Line {
    /// A further reader, if it is not over.
    fn join(&self) -> Option<ConsoleReader> {
        // Before it is looked whether it is over: who joins just then still hears why.
        let events = self.events.subscribe();
        let stay = self.stay.upgrade().filter(|_| !self.orders.is_closed())?;
        Some(ConsoleReader::new(events, stay))
    }
}

#[async_trait]
impl SerialConsole for Ipmi {
    async fn read_console(&self, take_over: bool) -> Result<ConsoleReader, BmcError> {
        let mut line = self.console.line.lock().await;
        if let Some(reader) = line.as_ref().and_then(Line::join) {
            return Ok(reader);
        }
        let left = CancellationToken::new();
        let stay = Arc::new(left.clone().drop_guard());
        let (events, receiver) = broadcast::channel(BEHIND);
        let (orders, inbox) = mpsc::channel(ORDERS);
        let (ready, connected) = oneshot::channel();
        // A task from the beginning: a caller that goes away leaves no half-made connection.
        tokio::spawn(attend::run(self.clone(), events.clone(), inbox, left, take_over, ready));
        connected.await.unwrap_or_else(|_| Err(self.errors.stopped(CONNECTING)))?;
        *line = Some(Line { events, orders, stay: Arc::downgrade(&stay) });
        Ok(ConsoleReader::new(receiver, stay))
    }

    async fn type_console(&self, bytes: &[u8]) -> Result<(), BmcError> {
        self.order(What::Type(bytes.to_vec())).await
    }

    async fn break_console(&self) -> Result<(), BmcError> {
        self.order(What::Break).await
    }
}

impl Ipmi {
    /// Lets a console that nobody reads any more be given back first: its farewell after the session's end would need
    /// a session of its own.
    pub(super) async fn finish_console(&self) {
        let is_left = |line: &Option<Line>| line.as_ref().is_none_or(|line| line.stay.strong_count() == 0);
        // Held: somebody is about to read.
        if self.console.line.try_lock().is_ok_and(|line| is_left(&line)) {
            let _too_slow = tokio::time::timeout(FAREWELL, self.console.busy.lock()).await;
        }
    }

    async fn order(&self, what: What) -> Result<(), BmcError> {
        let orders = {
            let line = self.console.line.lock().await;
            line.as_ref().filter(|line| line.stay.strong_count() > 0).map(|line| line.orders.clone())
        };
        let nobody = || self.cannot("nobody reads its serial console; open it before typing");
        let (reply, done) = oneshot::channel();
        let order = Order { what, reply };
        orders.ok_or_else(nobody)?.send(order).await.map_err(|_| nobody())?;
        done.await.unwrap_or_else(|_| Err(self.not_typed("the console was closed")))
    }

    /// Something was not typed, or perhaps not.
    fn not_typed(&self, why: impl Into<String>) -> BmcError {
        BmcError::Refused { address: self.errors.address.clone(), during: TYPING, answer: why.into() }
    }
}
