//! A database in memory for several replicas, with a clock that tests move.

use super::super::*;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
struct State {
    /// The database's clock and that of every machine but the one that slept.
    now: u64,
    set: i64,
    broken: bool,
    leases: BTreeMap<Ipv4Addr, Lease>,
    blocks: BTreeMap<(String, Block), String>,
    alive: BTreeMap<String, u64>,
    reservations: (u64, Vec<(String, Reservation)>),
    commits: Vec<usize>,
}

impl State {
    fn now(&self) -> u64 {
        self.now.saturating_add_signed(self.set)
    }

    fn lives(&self, owner: &str) -> bool {
        self.alive.get(owner).is_some_and(|until| *until > self.now())
    }
}

/// What all replicas share.
#[derive(Clone)]
pub(super) struct Database(Arc<Mutex<State>>);

/// The database as one replica sees it, and that replica's clocks.
pub(super) struct Replica {
    database: Database,
    owner: String,
    slept: AtomicU64,
}

impl Database {
    pub(super) fn new() -> Self {
        Database(Arc::new(Mutex::new(State { now: 1_800_000_000_000, ..State::default() })))
    }

    pub(super) fn replica(&self, owner: &str) -> Arc<Replica> {
        Arc::new(Replica { database: self.clone(), owner: owner.to_owned(), slept: AtomicU64::new(0) })
    }

    pub(super) fn lease(&self, address: Ipv4Addr) -> Option<Lease> {
        self.state().leases.get(&address).cloned()
    }

    /// How many writes each commit had.
    pub(super) fn commits(&self) -> Vec<usize> {
        self.state().commits.clone()
    }

    /// How many replicas have blocks.
    pub(super) fn owners(&self) -> usize {
        self.state().blocks.values().collect::<std::collections::BTreeSet<_>>().len()
    }

    pub(super) fn fail(&self, broken: bool) {
        self.state().broken = broken;
    }

    pub(super) fn pass(&self, milliseconds: u64) {
        self.state().now += milliseconds;
    }

    /// Sets the wall clocks; monotonic ones don't see it.
    pub(super) fn set_clock(&self, by: i64) {
        self.state().set += by;
    }

    pub(super) fn now(&self) -> u64 {
        self.state().now()
    }

    pub(super) fn reserve(&self, network: &str, reservations: &[Reservation]) {
        let mut state = self.state();
        let all = reservations.iter().map(|reservation| (network.to_owned(), *reservation)).collect();
        state.reservations = (state.reservations.0 + 1, all);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Replica {
    /// The machine sleeps: its monotonic clock stands still.
    pub(super) fn sleep(&self, milliseconds: u64) {
        self.database.pass(milliseconds);
        self.slept.fetch_add(milliseconds, Ordering::Relaxed);
    }

    fn working(&self) -> Result<MutexGuard<'_, State>, StoreFailure> {
        let state = self.database.state();
        if state.broken { Err(StoreFailure::new("the disk is full")) } else { Ok(state) }
    }
}

impl LeaseClock for Replica {
    fn monotonic(&self) -> u64 {
        self.database.state().now - 1_799_999_000_000 - self.slept.load(Ordering::Relaxed)
    }

    fn wall(&self) -> u64 {
        self.database.state().now()
    }
}

#[async_trait]
impl LeaseStore for Replica {
    async fn beat(&self, reservations: Option<u64>) -> Result<Beat, StoreFailure> {
        let mut state = self.working()?;
        let until = state.now() + CLAIM;
        state.alive.insert(self.owner.clone(), until);
        let replicas = state.alive.keys().filter(|owner| state.lives(owner)).count();
        let mut beat = Beat { now: state.now(), replicas, ..Beat::default() };
        for ((network, block), owner) in &state.blocks {
            if *owner == self.owner {
                beat.mine.push((network.clone(), *block));
            } else if state.lives(owner) {
                beat.taken.push((network.clone(), *block));
            }
        }
        beat.reservations = (reservations != Some(state.reservations.0)).then(|| state.reservations.clone());
        Ok(beat)
    }

    async fn claim(
        &self,
        network: &str,
        wanted: &[Block],
        most: usize,
    ) -> Result<Vec<Claimed>, StoreFailure> {
        let mut state = self.working()?;
        let mut claimed = Vec::new();
        for block in wanted.iter().copied() {
            let owner = state.blocks.get(&(network.to_owned(), block));
            let taken = owner.is_some_and(|owner| *owner != self.owner && state.lives(owner));
            if taken || claimed.len() == most {
                continue;
            }
            state.blocks.insert((network.to_owned(), block), self.owner.clone());
            let leases =
                state.leases.values().filter(|lease| block.contains(lease.address)).cloned().collect();
            claimed.push(Claimed { block, leases });
        }
        Ok(claimed)
    }

    async fn give_back(&self, network: &str, blocks: &[Block]) -> Result<(), StoreFailure> {
        let mut state = self.working()?;
        for block in blocks {
            state.blocks.remove(&(network.to_owned(), *block));
        }
        Ok(())
    }

    async fn elsewhere(&self, network: &str) -> Result<Vec<Elsewhere>, StoreFailure> {
        let state = self.working()?;
        let ours = |address: Ipv4Addr| {
            state
                .blocks
                .iter()
                .any(|((of, block), owner)| of == network && *owner == self.owner && block.contains(address))
        };
        let others = state.leases.values().filter(|lease| !ours(lease.address));
        Ok(others
            .map(|lease| Elsewhere { mac: lease.mac, address: lease.address, expires: lease.expires })
            .collect())
    }

    async fn commit(&self, writes: &[NetworkWrite]) -> Result<bool, StoreFailure> {
        let mut state = self.working()?;
        state.commits.push(writes.len());
        let mut all = true;
        for NetworkWrite { network, write } in writes {
            if state.blocks.get(&(network.to_string(), write.block)) == Some(&self.owner) {
                state.leases.insert(write.lease.address, write.lease.clone());
            } else {
                all = false;
            }
        }
        Ok(all)
    }

    async fn leave(&self) -> Result<(), StoreFailure> {
        let mut state = self.working()?;
        state.blocks.retain(|_, owner| *owner != self.owner);
        state.alive.remove(&self.owner);
        Ok(())
    }
}
