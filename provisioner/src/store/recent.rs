//! Machines on which a job runs, as they were last written: each step of a job is written once and looked at several
//! times, by the reconciler, the agent's questions and the boot server.
//!
//! What is kept is what this process itself committed, put here while it still held the only connection that writes;
//! before a write begins, what is known of the machine is forgotten. So it is never newer than the database, and older
//! only by what another process wrote: then for no longer than [`BELIEVED`], and not at all while another one is known
//! to be alive. Whoever changes a machine by what was read here does it by compare-and-set all the same.

use super::MachineRecord;
use provisioner_api::MachineId;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long a machine is believed to be as this process wrote it.
const BELIEVED: Duration = Duration::from_secs(2);

/// Most machines that are kept.
const MOST: usize = 4096;

/// What was written lately.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: Mutex<HashMap<MachineId, (Instant, MachineRecord)>>,
    /// Others write to this database, too.
    others: AtomicBool,
}

impl Recent {
    /// The machine, if it was written a moment ago.
    pub(super) fn get(&self, id: MachineId) -> Option<MachineRecord> {
        if self.others.load(Ordering::SeqCst) {
            return None;
        }
        let known = self.lock();
        known.get(&id).filter(|(until, _)| Instant::now() < *until).map(|(_, record)| record.clone())
    }

    /// It is about to be written. The only connection that writes has to be held from before this until after the
    /// commit, and until after [`Recent::keep`] if that is called.
    pub(super) fn forget(&self, id: MachineId) {
        self.lock().remove(&id);
    }

    /// It was written so, in the version after `record`'s. What a person changed is read anew: that need not be what is
    /// read back.
    pub(super) fn keep(&self, before: &MachineRecord, record: &MachineRecord) {
        let by_person = before.generation != record.generation
            || before.spec != record.spec
            || before.name != record.name
            || before.created != record.created;
        if by_person || record.machine.running_job().is_none() || self.others.load(Ordering::SeqCst) {
            return;
        }
        let now = Instant::now();
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (until, _)| now < *until);
        }
        if known.len() < MOST {
            let record = MachineRecord { version: record.version + 1, ..record.clone() };
            known.insert(record.id(), (now + BELIEVED, record));
        }
    }

    /// How many processes use this database, this one included.
    pub(super) fn processes(&self, count: i64) {
        let others = count > 1;
        self.others.store(others, Ordering::SeqCst);
        if others {
            self.lock().clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MachineId, (Instant, MachineRecord)>> {
        // Each change of the map is one call: a panic can't leave it half written.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
