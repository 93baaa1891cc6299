//! What booting clients are answered from: for each MAC, whose it is and whether its window is open, kept in memory.
//!
//! It only remembers what the database said. Each write of this process that could change an answer makes it forget
//! (the store's methods see to that, by [`BootIndex::changing`]), and nothing is believed for longer than a limit, for
//! the writes of other replicas. What it doesn't know it asks the database: absence here never means anything.
//! Deliberately not here: what follows for a client (`directory`), and claims, which the database alone decides.

use crate::clock;
use crate::store::{MachineRecord, Store, StoreError, Window};
use jiff::Timestamp;
use provisioner_api::{BootChain, MachineId};
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long an answer of the database is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// How long the database has for an answer: less than a client is kept waiting.
const ANSWER: Duration = Duration::from_secs(1);

/// How much longer an open window is believed in while the database can't be asked: what is between two questions of one
/// boot. Another replica may have changed it; then an agent starts in vain, finds that out, and has destroyed nothing.
const IN_NEED: Duration = Duration::from_secs(120);

/// Most answers of one kind that are kept; when there are more, all are forgotten. MAC addresses are easily made up.
const MOST: usize = 65_536;

/// How many counters tell that something changed while it was being read.
const COUNTERS: usize = 1024;

/// What booting needs to know of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootMachine {
    /// Its id.
    pub(crate) id: MachineId,
    /// Somebody took it in.
    pub(crate) accepted: bool,
    /// An agent has looked at it.
    pub(crate) inventoried: bool,
    /// The boot chain that its owner wants.
    pub(crate) boot_chain: Option<BootChain>,
    /// Its instance runs from RAM, and a boot that no window is open for starts it again.
    pub(crate) boots_again: bool,
    /// The window of its running job, open or not; none while it is held.
    window: Option<Window>,
}

impl BootMachine {
    /// The window in which it may netboot now: not yet claimed, not expired.
    pub(crate) fn open_window(&self, now: Timestamp) -> Option<&Window> {
        self.window.as_ref().filter(|window| window.claimed.is_none() && window.expires > now)
    }
}

/// What the database said lately.
#[derive(Debug, Default)]
pub(crate) struct BootIndex {
    known: Mutex<Known>,
    /// Raised whenever something that hashes to it has changed.
    changes: Counters,
    /// Raised whenever machines got or lost a MAC.
    mac_changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// Whose a MAC is.
    owners: Remembered<String, Option<MachineId>>,
    machines: Remembered<MachineId, Option<Arc<BootMachine>>>,
    /// The newest unclaimed discovery window of a MAC.
    discoveries: Remembered<String, Option<Window>>,
}

/// Answers, each with the time from which on it is not believed any more.
#[derive(Debug)]
struct Remembered<K, V>(HashMap<K, (Instant, V)>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Remembered(HashMap::new())
    }
}

impl<K: Hash + Eq, V: Clone> Remembered<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: Instant) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// What was said last, although it is not believed any more.
    fn last<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: Instant) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).filter(|(until, _)| now < *until + IN_NEED).map(|(_, value)| value)
    }

    fn put(&mut self, key: K, until: Instant, value: V) {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, (until, value));
    }
}

#[derive(Debug)]
struct Counters {
    hasher: RandomState,
    counters: Vec<AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            hasher: RandomState::new(),
            counters: (0..COUNTERS).map(|_| AtomicU64::default()).collect(),
        }
    }
}

impl Counters {
    fn of<K: Hash + ?Sized>(&self, key: &K) -> &AtomicU64 {
        // The remainder is less than COUNTERS.
        &self.counters[(self.hasher.hash_one(key) % COUNTERS as u64) as usize]
    }
}

/// A write that is under way. When it ends, however it does, what it may have changed is forgotten.
#[must_use = "it forgets when it is dropped, which must be after the commit"]
pub(crate) struct Changing {
    index: Arc<BootIndex>,
    machine: Option<MachineId>,
    macs: Vec<String>,
    /// Whether MACs get another owner.
    owners: bool,
}

impl Changing {
    /// Something of this MAC changes, too.
    pub(crate) fn and_mac(mut self, mac: &str) -> Self {
        self.macs.push(mac.to_owned());
        self
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let mut known = self.index.lock();
        if self.owners {
            self.index.mac_changes.fetch_add(1, Ordering::SeqCst);
        }
        if let Some(machine) = self.machine {
            self.index.changes.of(&machine).fetch_add(1, Ordering::SeqCst);
            known.machines.0.remove(&machine);
        }
        for mac in &self.macs {
            self.index.changes.of(mac.as_str()).fetch_add(1, Ordering::SeqCst);
            known.owners.0.remove(mac);
            known.discoveries.0.remove(mac);
        }
    }
}

impl BootIndex {
    /// To be called before a write that concerns this machine, and held until it is committed.
    pub(crate) fn changing(self: &Arc<Self>, machine: Option<MachineId>) -> Changing {
        Changing { index: Arc::clone(self), machine, macs: Vec::new(), owners: false }
    }

    /// The same for a machine with its MACs, as they are and as they were.
    pub(crate) fn changing_machine(
        self: &Arc<Self>,
        record: &MachineRecord,
        before: Option<&MachineRecord>,
    ) -> Changing {
        let mut changing = self.changing(Some(record.id()));
        match before {
            Some(before) if before.spec.macs == record.spec.macs => {}
            Some(before) => changing.macs.extend(before.spec.macs.iter().chain(&record.spec.macs).cloned()),
            None => changing.macs.extend(record.spec.macs.iter().cloned()),
        }
        changing.owners = !changing.macs.is_empty();
        changing
    }

    /// Grows with each change of whose the MACs are that this process makes.
    pub(crate) fn mac_changes(&self) -> u64 {
        self.mac_changes.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change of the maps is one call: a panic can't leave them half written.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine with this MAC if its window was open when that was asked last, for when the database can't be asked.
    fn last_open(&self, mac: &str, now: Instant, time: Timestamp) -> Option<Arc<BootMachine>> {
        let known = self.lock();
        let owner = (*known.owners.last(mac, now)?)?;
        let machine = known.machines.last(&owner, now)?.clone()?;
        machine.open_window(time).is_some().then_some(machine)
    }

    /// What is remembered, or else what the database says; the latter is remembered if nothing of `key` changed
    /// while it was being read.
    async fn get<K, V, F>(
        &self,
        key: &K,
        kind: fn(&mut Known) -> &mut Remembered<K, V>,
        now: Instant,
        read: F,
    ) -> Result<V, StoreError>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        F: Future<Output = Result<V, StoreError>>,
    {
        if let Some(value) = kind(&mut self.lock()).get(key, now) {
            return Ok(value);
        }
        let counter = self.changes.of(key);
        let before = counter.load(Ordering::SeqCst);
        let value = read.await?;
        let mut known = self.lock();
        if counter.load(Ordering::SeqCst) == before {
            kind(&mut known).put(key.clone(), now + BELIEVED, value.clone());
        }
        Ok(value)
    }
}

impl Store {
    /// What booting needs to know of the machine with this MAC; none if no machine has it.
    pub(crate) async fn boot_machine(&self, mac: &str) -> Result<Option<Arc<BootMachine>>, StoreError> {
        self.boot_machine_at(mac, Instant::now()).await
    }

    async fn boot_machine_at(&self, mac: &str, now: Instant) -> Result<Option<Arc<BootMachine>>, StoreError> {
        // A server that is gone without a word keeps its clients waiting.
        let known = tokio::time::timeout(ANSWER, self.boot_machine_known(mac, now)).await;
        let known = known.unwrap_or_else(|_| Err(StoreError::no_answer()));
        match known {
            Err(error) if error.is_lost() => {
                self.boot_index.last_open(mac, now, clock::now()).map(Some).ok_or(error)
            }
            known => known,
        }
    }

    async fn boot_machine_known(
        &self,
        mac: &str,
        now: Instant,
    ) -> Result<Option<Arc<BootMachine>>, StoreError> {
        let key = mac.to_owned();
        let owner =
            self.boot_index.get(&key, |known| &mut known.owners, now, self.machine_id_by_mac(mac)).await?;
        let Some(id) = owner else { return Ok(None) };
        // None: it was deleted since its MAC was read.
        self.boot_index.get(&id, |known| &mut known.machines, now, self.boot_machine_read(id)).await
    }

    /// The newest unclaimed discovery window of a MAC.
    pub(crate) async fn boot_discovery(
        &self,
        mac: &str,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        let key = mac.to_owned();
        let read = self.window_discovery(mac, now);
        let window = self.boot_index.get(&key, |known| &mut known.discoveries, Instant::now(), read).await?;
        Ok(window.filter(|window| window.expires > now))
    }

    async fn boot_machine_read(&self, id: MachineId) -> Result<Option<Arc<BootMachine>>, StoreError> {
        let Some(record) = self.machine_get(id).await? else { return Ok(None) };
        let window = match record.machine.running_job() {
            Some(job) if record.machine.state.hold.is_none() => self.window_of_job(job.id, job.epoch).await?,
            _ => None,
        };
        Ok(Some(Arc::new(BootMachine {
            id,
            accepted: record.machine.want.accepted,
            inventoried: record.machine.facts.inventory.is_some(),
            boot_chain: record.spec.boot_chain,
            boots_again: record.machine.boots_again() || record.machine.awaits_its_window(),
            window,
        })))
    }
}

#[cfg(test)]
mod tests;
