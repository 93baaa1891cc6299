//! A test's hand on a simulated BMC: the faults that it shall have, and what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ways in which it misbehaves, each seen on real BMCs. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// So many of the next requests are answered with 503.
    pub unavailable: u32,
    /// No request is ever answered.
    pub silent: bool,
    /// Every request is answered with a redirect there.
    pub redirect: Option<String>,
    /// Answers are followed by so many bytes of white space.
    pub padding: usize,
    /// There are no sessions: their addresses are 404.
    pub no_sessions: bool,
    /// A change of the boot override is answered with 204 and forgotten.
    pub ignore_boot: bool,
    /// A reset is answered with 204 and forgotten.
    pub ignore_reset: bool,
    /// After each reset, so many readings of the system still show the power as it was.
    pub stale_power: u32,
    /// So many of the next changes are answered with 412, whatever `If-Match` says.
    pub stale_etags: u32,
    /// ETags are weak ones, and then no `If-Match` ever matches.
    pub weak_etags: bool,
    /// Allowable reset types are told by an `ActionInfo` only.
    pub action_info: bool,
}

/// Its faults and counters.
#[derive(Debug, Default)]
pub struct Controls {
    faults: Mutex<Faults>,
    requests: AtomicUsize,
    logins: AtomicUsize,
    basic: AtomicUsize,
    sessions: AtomicUsize,
    generation: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Controls {
    /// Changes the faults.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults() = faults;
    }

    /// Forgets every session, as a BMC does when it restarts.
    pub fn drop_sessions(&self) {
        self.generation.fetch_add(1, SeqCst);
        self.sessions.store(0, SeqCst);
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }

    /// How many sessions were made.
    pub fn logins(&self) -> usize {
        self.logins.load(SeqCst)
    }

    /// How many requests proved themselves by Basic authentication.
    pub fn basic(&self) -> usize {
        self.basic.load(SeqCst)
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        self.sessions.load(SeqCst)
    }

    /// The most requests that were being answered at once.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(SeqCst)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        // A fault is set whole or counted down by one: a panic elsewhere can't have left it half done.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.requests.fetch_add(1, SeqCst);
        let now = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.most_in_flight.fetch_max(now, SeqCst);
        InFlight(self)
    }

    pub(super) fn logged_in(&self, open: usize) {
        self.logins.fetch_add(1, SeqCst);
        self.sessions.store(open, SeqCst);
    }

    pub(super) fn used_basic(&self) {
        self.basic.fetch_add(1, SeqCst);
    }

    pub(super) fn set_sessions(&self, open: usize) {
        self.sessions.store(open, SeqCst);
    }

    /// Rises when sessions are to be forgotten.
    pub(super) fn generation(&self) -> usize {
        self.generation.load(SeqCst)
    }
}

/// A request that is being answered.
pub(super) struct InFlight<'a>(&'a Controls);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}
