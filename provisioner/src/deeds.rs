//! What requests that change something are at: a stop waits for them for a while, and what it cuts off then is told in the
//! audit log. Deliberately not here: when an entry is written, and what stands in it (`api`).

use provisioner_api::AuditEntry;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The deeds under way in this process.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    tasks: TaskTracker,
    untold: Mutex<Untold>,
}

/// Entries of what is under way, by the number of the deed.
#[derive(Debug, Default)]
struct Untold {
    entries: BTreeMap<u64, AuditEntry>,
    last: u64,
}

impl Deeds {
    /// Does something that goes on without the client, and that a stop waits for.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// A deed begins; its number.
    pub(crate) fn begin(&self, entry: AuditEntry) -> u64 {
        let mut untold = self.lock();
        untold.last += 1;
        let number = untold.last;
        untold.entries.insert(number, entry);
        number
    }

    /// The entry of a deed, for whoever writes it: none is given twice.
    pub(crate) fn take(&self, number: u64) -> Option<AuditEntry> {
        self.lock().entries.remove(&number)
    }

    /// Waits for what is under way, so long at the most; the entries of what is not over then. Whoever ends later has none.
    pub(crate) async fn end(&self, patience: Duration) -> Vec<AuditEntry> {
        self.tasks.close();
        // Whether it ended shows by what is left.
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
        std::mem::take(&mut self.lock().entries).into_values().collect()
    }

    /// How many deeds are under way.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
