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
    /// Nothing is begun any more.
    over: bool,
}

impl Deeds {
    /// Does something that goes on without the client, and that a stop waits for.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// A deed begins; its number. None: the stop waits for no more, so that it must not begin.
    pub(crate) fn begin(&self, entry: AuditEntry) -> Option<u64> {
        let mut untold = self.lock();
        if untold.over {
            return None;
        }
        untold.last += 1;
        let number = untold.last;
        untold.entries.insert(number, entry);
        Some(number)
    }

    /// What is under way, as `POST /v1/machines`.
    pub(crate) fn what(&self) -> Vec<String> {
        let untold = self.lock();
        untold.entries.values().map(|entry| format!("{} {}", entry.method, entry.path)).collect()
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
        let mut untold = self.lock();
        untold.over = true;
        std::mem::take(&mut untold.entries).into_values().collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::AuditOutcome;

    fn entry() -> AuditEntry {
        AuditEntry {
            seq: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
            token: None,
            user: None,
            role: None,
            address: None,
            method: "POST".into(),
            route: "/v1/machines".into(),
            path: "/v1/machines".into(),
            name: None,
            fields: Vec::new(),
            outcome: AuditOutcome::Done,
            status: 0,
            left_out: 0,
        }
    }

    #[tokio::test]
    async fn what_the_stop_cut_off_is_told_once_and_nothing_begins_behind_it() {
        let deeds = Deeds::default();
        let (done, cut) = (deeds.begin(entry()).unwrap(), deeds.begin(entry()).unwrap());
        assert!(deeds.take(done).is_some());
        assert_eq!(deeds.what(), ["POST /v1/machines"]);
        assert_eq!(deeds.end(Duration::ZERO).await.len(), 1);
        assert!(deeds.take(cut).is_none(), "it was told as cut off");
        assert!(deeds.begin(entry()).is_none());
        assert!(deeds.end(Duration::ZERO).await.is_empty());
    }
}
