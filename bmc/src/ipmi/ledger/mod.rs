//! Which sessions we hold at which BMC, so that those which a killed process left behind are closed by the next one:
//! a BMC has few, and forgets them only after a minute.
//!
//! A session is noted when the BMC granted it, before anything else is sent, and struck out when it was closed. One
//! that was lost instead (no answer any more) is left over: it may live on at the BMC. Whoever next logs in there as the
//! same user sends Close Session for it; an administrator may close any session (22.19). A left-over older than three
//! minutes is forgotten: its number may be somebody else's by then.
//!
//! Without a folder all this works within the process. A folder that fails costs a warning, never a call.
//!
//! - `journal`: the files.

mod journal;

use journal::Journal;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long closing a left-over is worth the try: BMCs end them after a minute without use.
const WORTH: Duration = Duration::from_secs(180);
/// Between two looks for the files of processes that ended.
const LOOK: Duration = Duration::from_secs(1);

/// A session at a BMC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    peer: SocketAddr,
    username: Arc<str>,
    /// The BMC's session id.
    id: u32,
}

/// How many left-over sessions are closed at one login.
const MOST_AT_A_BMC: usize = 16;

/// All sessions of this process, and those left over.
pub(super) struct Ledger {
    state: Mutex<State>,
}

struct State {
    /// Those in use.
    ours: BTreeSet<Entry>,
    /// Those that nobody uses, and when they were used last (seconds since 1970).
    left: BTreeMap<Entry, u64>,
    journal: Option<Journal>,
    /// When the folder was looked through last.
    looked: Option<u64>,
}

impl Ledger {
    /// Does no I/O yet.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let journal = folder.map(Journal::new);
        let state = State { ours: BTreeSet::new(), left: BTreeMap::new(), journal, looked: None };
        Self { state: Mutex::new(state) }
    }

    /// To be called before a login: takes over what processes that ended have left, and opens this process's file, so
    /// that noting a session takes no time in which it could be killed.
    pub(super) fn prepare(&self) {
        let mut state = self.lock();
        state.look_around(unix());
        if state.journal.as_ref().is_some_and(|journal| !journal.is_open()) {
            let live = state.live();
            if let Some(journal) = &mut state.journal {
                journal.open(&live);
            }
        }
    }

    /// Notes a session that was just granted.
    pub(super) fn opened(self: &Arc<Self>, peer: SocketAddr, username: &Arc<str>, id: u32) -> Note {
        let entry = Entry { peer, username: Arc::clone(username), id };
        let mut state = self.lock();
        // The BMC uses the number anew: the old session is no more.
        state.left.remove(&entry);
        state.ours.insert(entry.clone());
        state.write(&entry, Change::Opened);
        Note { ledger: Arc::clone(self), entry, over: false }
    }

    /// The left-over sessions of this user at this BMC. They are struck out by [`Self::settled`].
    pub(super) fn left_over(&self, peer: SocketAddr, username: &str) -> Vec<u32> {
        let now = unix();
        let mut state = self.lock();
        state.left.retain(|_, used| now.saturating_sub(*used) < WORTH.as_secs());
        let here = state.left.iter().filter(|(left, _)| left.peer == peer && &*left.username == username);
        let mut here: Vec<_> = here.map(|(left, used)| (*used, left.id)).collect();
        // The youngest first: a BMC has no more sessions than that, whatever a file says.
        here.sort_unstable_by_key(|(used, id)| (std::cmp::Reverse(*used), *id));
        here.into_iter().take(MOST_AT_A_BMC).map(|(_, id)| id).collect()
    }

    /// A left-over session was closed, or is none.
    pub(super) fn settled(&self, peer: SocketAddr, username: &Arc<str>, id: u32) {
        let entry = Entry { peer, username: Arc::clone(username), id };
        let mut state = self.lock();
        if state.left.remove(&entry).is_some() {
            state.write(&entry, Change::Closed);
        }
    }

    /// Says that sessions that are open for long are still in use.
    pub(super) fn in_use(&self) {
        if let Some(journal) = &mut self.lock().journal {
            journal.touch();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Opened,
    Closed,
    /// Not in use since this time, and perhaps open at the BMC.
    Left(u64),
}

impl State {
    fn write(&mut self, entry: &Entry, change: Change) {
        let Some(journal) = &mut self.journal else { return };
        if change == Change::Closed && !self.ours.is_empty() {
            journal.write_late(entry, change);
        } else {
            journal.write(entry, change);
        }
        if journal.is_large() {
            let live = self.live();
            if let Some(journal) = &mut self.journal {
                journal.compact(&live);
            }
        }
    }

    /// All that are not closed.
    fn live(&self) -> Vec<(Entry, Change)> {
        let ours = self.ours.iter().map(|entry| (entry.clone(), Change::Opened));
        ours.chain(self.left.iter().map(|(entry, used)| (entry.clone(), Change::Left(*used)))).collect()
    }

    /// Takes over what processes that ended have left.
    fn look_around(&mut self, now: u64) {
        let due = self.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK.as_secs());
        let Some(journal) = self.journal.as_mut().filter(|_| due) else { return };
        self.looked = Some(now);
        let found = journal.take_over(|entry, used| {
            now.saturating_sub(used) < WORTH.as_secs() && !self.ours.contains(entry)
        });
        self.left.extend(found);
    }
}

/// The note of a session that is open. Dropped without [`Note::closed`] it is left over.
pub(super) struct Note {
    ledger: Arc<Ledger>,
    entry: Entry,
    over: bool,
}

impl Note {
    /// The BMC has closed it.
    pub(super) fn closed(mut self) {
        self.over = true;
        let mut state = self.ledger.lock();
        if state.ours.remove(&self.entry) {
            state.write(&self.entry, Change::Closed);
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let used = unix();
        let mut state = self.ledger.lock();
        if state.ours.remove(&self.entry) {
            state.left.insert(self.entry.clone(), used);
            state.write(&self.entry, Change::Left(used));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the age of another process's file is told by the system's clock"
)]
fn unix() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
