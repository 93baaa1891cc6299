//! A group of commands that belong together: the event log, the users, … Each is a file of its own and knows nothing
//! of sessions and sockets.

use super::bmc::Bmc;
use bmc_proto::ipmi::{Answer, NetFn};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Completion code and data.
pub(super) type Done = (u8, Vec<u8>);

/// A command inside a session.
pub(super) struct Request<'a> {
    /// Its network function.
    pub(super) netfn: NetFn,
    /// Its number.
    pub(super) command: u8,
    /// Its data.
    pub(super) body: &'a [u8],
    /// What the session may do, see `bmc_proto::ipmi::handshake::privilege`. Standard commands were checked against
    /// it already (`privileges`).
    pub(super) privilege: u8,
    /// The BMC's id of the session.
    pub(super) session: u32,
    /// Whether the machine is on; a chassis that can't tell counts as off.
    pub(super) power: bool,
    /// Seconds since 1970 UTC.
    pub(super) unix: u32,
    /// Time since the BMC was made; it never goes back.
    pub(super) now: Duration,
}

/// Commands about one thing.
pub(super) trait Group: Send + Sync {
    /// Executes a command. `None`: it is not one of this group.
    fn execute(&self, request: &Request<'_>) -> Option<Done>;

    /// The machine was switched on or off through this BMC, at this time (seconds since 1970 UTC).
    fn power_changed(&self, _on: bool, _unix: u32) {}
}

/// What takes in payloads that are no IPMI messages: serial over LAN.
pub(super) trait PayloadGroup: Send + Sync {
    /// Takes in what a session sent, signed and encrypted as it must be.
    fn handle(&self, session: u32, bytes: &[u8]);
    /// A session is over, by whatever cause. Never called from within [`Outbox::send`].
    fn session_closed(&self, session: u32);
}

/// Sends payloads to the consoles of sessions, at any time.
#[derive(Clone)]
pub(super) struct Outbox {
    pub(super) bmc: Weak<Bmc>,
}

impl Outbox {
    /// Seals and sends a payload of this type. One for a session that is gone goes nowhere, as does one that the
    /// system's buffers have no room for: it is UDP.
    pub(super) fn send(&self, session: u32, payload_type: u8, bytes: Vec<u8>) {
        if let Some(bmc) = self.bmc.upgrade() {
            bmc.send_payload(session, payload_type, &bytes);
        }
    }

    /// The UDP port that consoles talk to; 0 while there is none.
    pub(super) fn port(&self) -> u16 {
        self.bmc.upgrade().map_or(0, |bmc| bmc.port())
    }

    /// The slot of a session's user.
    pub(super) fn user(&self, session: u32) -> Option<u8> {
        lock(&self.bmc.upgrade()?.sessions).user_of(session)
    }
}

/// An answer of nothing but a completion code.
pub(super) fn refuse(completion: u8) -> Done {
    (completion, vec![])
}

/// Success with data.
pub(super) fn answer(data: impl Into<Vec<u8>>) -> Done {
    (Answer::OK, data.into())
}

/// Locks; a panic elsewhere left a state that is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
