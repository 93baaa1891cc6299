//! Leases: answered from memory, stored before anybody is told.
//!
//! [`Leases`] answers; it is cheap to clone and never waits. [`Keeper`] works behind it: it writes what was promised
//! in groups, and keeps the claims on blocks of addresses that let several replicas work on one database. What to
//! answer is decided in `pxe_proto::lease`; where it is stored, by the [`LeaseStore`] that the caller brings.

mod clock;
mod keeper;
mod queue;
mod store;

#[cfg(test)]
mod tests;

pub use clock::{LeaseClock, SystemClock};
pub use keeper::Keeper;
pub use pxe_proto::lease::{
    Ask, Block, Lease, LeaseState, Plan, RelayInfo, Reservation, ReservationProblem, SubnetPlan, Usage, Write,
};
pub use store::{Beat, CLAIM, Claimed, Elsewhere, LeaseStore, NetworkWrite, StoreFailure};

use clock::Time;
use pxe_proto::Mac;
use pxe_proto::lease::{Grant, Table};
use queue::{Pending, Queue};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a new reservation waits at most for its block to be claimed.
const CLAIMED: Duration = Duration::from_secs(2);

/// Told whether a lease was stored: true, and the client may be answered; false, and it must not be. Runs on the
/// keeper's task: it must not wait.
pub type Done = Box<dyn FnOnce(bool) + Send>;

/// What becomes of a REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The client may be told at once (`done` is dropped).
    Now,
    /// `done` will be called when it is stored.
    Later,
    /// It can't have this address: NAK (`done` is dropped).
    Refused,
    /// Not ours to say: silence (`done` is dropped).
    Unknown,
    /// More is promised than the store keeps up with: silence, the client asks again (`done` is dropped).
    Busy,
}

/// The leases of all networks. Clones are the same leases.
#[derive(Clone)]
pub struct Leases(Arc<Shared>);

/// What the answering side and the keeper share.
struct Shared {
    networks: HashMap<String, Network>,
    queue: Queue,
    time: Time,
    /// Something was reserved in a block that we don't hold.
    reserved: Notify,
    /// Tells of each beat of the keeper.
    beats: watch::Sender<()>,
}

/// One network.
struct Network {
    name: Arc<str>,
    table: Mutex<Table>,
}

impl Network {
    /// The table. A panic under the lock is a bug, but not a reason to stop answering.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Takes up the leases of all networks: those in blocks that no other replica holds. The second value has to be
    /// run, or nothing is ever stored.
    ///
    /// # Errors
    /// The store failed.
    pub async fn open(
        store: Arc<dyn LeaseStore>,
        plans: Vec<(String, Plan)>,
        clock: Arc<dyn LeaseClock>,
    ) -> Result<(Leases, Keeper), StoreFailure> {
        let network = |(name, plan): (String, Plan)| {
            let table = Mutex::new(Table::new(plan));
            (name.clone(), Network { name: name.into(), table })
        };
        let shared = Arc::new(Shared {
            networks: plans.into_iter().map(network).collect(),
            queue: Queue::default(),
            time: Time::new(clock),
            reserved: Notify::new(),
            beats: watch::Sender::new(()),
        });
        let mut keeper = Keeper::new(Arc::clone(&shared), store);
        keeper.beat().await?;
        Ok((Leases(shared), keeper))
    }

    /// The address to offer to a client; it waits for the client's REQUEST for a minute. `None`: there is none, or
    /// it is not ours to offer one. The address may be of another subnet on the same link than asked for.
    #[must_use]
    pub fn offer(&self, network: &str, ask: &Ask) -> Option<Ipv4Addr> {
        let (network, now) = self.at(network)?;
        network.table().offer(ask, now)
    }

    /// What becomes of the REQUEST of an address. With [`Keep::Later`], `done` is called once; else never.
    pub fn keep(&self, network: &str, ask: &Ask, address: Ipv4Addr, done: Done) -> Keep {
        let Some((network, now)) = self.at(network) else { return Keep::Unknown };
        if self.0.queue.is_full() {
            return Keep::Busy;
        }
        // Queued under the table's lock, so that writes of one address are stored in the order in which they were
        // decided.
        let mut table = network.table();
        match table.request(ask, address, now) {
            Grant::Covered => Keep::Now,
            Grant::Refused => Keep::Refused,
            Grant::Unknown => Keep::Unknown,
            Grant::Write(writes) => {
                let mut done = Some(done);
                let last = writes.len().saturating_sub(1);
                let writes = writes.into_iter().enumerate().map(|(index, write)| Pending {
                    network: Arc::clone(&network.name),
                    write,
                    done: if index == last { done.take() } else { None },
                });
                self.0.queue.push(writes);
                Keep::Later
            }
        }
    }

    /// The client gives its address back.
    pub fn release(&self, network: &str, mac: Mac, address: Ipv4Addr) {
        self.change(network, |table, now| table.release(mac, address, now).into_iter().collect());
    }

    /// The client took the offer of another server: ours is free again. When the address is another replica's, the
    /// client is left to that one.
    pub fn elsewhere(&self, network: &str, mac: Mac, address: Option<Ipv4Addr>) {
        self.change(network, |table, now| table.elsewhere(mac, address, now));
    }

    /// The client found another host at the address that it was given: it stays out of use for half an hour.
    pub fn decline(&self, network: &str, mac: Mac, address: Ipv4Addr) {
        self.change(network, |table, now| table.decline(mac, address, now).into_iter().collect());
    }

    /// A probe found another host than the client at an address: it stays out of use for half an hour, and a REQUEST
    /// of it is refused.
    pub fn conflict(&self, network: &str, address: Ipv4Addr, found: Mac) {
        self.change(network, |table, now| table.conflict(address, found, now).into_iter().collect());
    }

    /// Keeps an address for a client from now on. The caller has stored the reservation. Where the address is in a block
    /// that is nobody's yet, this waits until the keeper tried to claim it, so that the client's next message is
    /// answered.
    pub async fn reserve(&self, network: &str, reservation: Reservation) {
        let Some(network) = self.0.networks.get(network) else { return };
        let mut beats = self.0.beats.subscribe();
        let held = {
            let mut table = network.table();
            table.reserve(reservation);
            table.held().iter().any(|block| block.contains(reservation.address))
        };
        if !held {
            self.0.reserved.notify_one();
            // Without a keeper that works, the next beat of one that does will do.
            let _ = tokio::time::timeout(CLAIMED, beats.changed()).await;
        }
    }

    /// Ends the reservation of a client. The caller has removed it from the store.
    pub fn unreserve(&self, network: &str, mac: Mac) {
        if let Some(network) = self.0.networks.get(network) {
            network.table().unreserve(mac);
        }
    }

    /// Who has an address on any network, or had it last.
    #[must_use]
    pub fn mac_of(&self, address: Ipv4Addr) -> Option<Mac> {
        self.0.networks.values().find_map(|network| {
            let table = network.table();
            table.plan().subnet_of(address).and_then(|_| table.mac_of(address))
        })
    }

    /// The address that a client has, or had last; on which network is anybody's guess if there are several.
    #[must_use]
    pub fn address_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.0.networks.values().find_map(|network| network.table().address_of(mac))
    }

    /// Whether an address could be reserved on a network; `None` when there is no such network.
    #[must_use]
    pub fn check_reservation(
        &self,
        network: &str,
        address: Ipv4Addr,
    ) -> Option<Result<(), ReservationProblem>> {
        Some(self.0.networks.get(network)?.table().plan().check_reservation(address))
    }

    /// How many addresses are what, subnet by subnet of a network; `None` when there is no such network. Looks at all
    /// of them: for people, not for packets.
    #[must_use]
    pub fn usage(&self, network: &str) -> Option<Vec<Usage>> {
        let network = self.0.networks.get(network)?;
        Some(network.table().usage(self.0.time.now()))
    }

    /// Milliseconds since 1970, by the clock that leases end by.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.time.now()
    }

    /// The network and the time, while our claims hold.
    fn at(&self, network: &str) -> Option<(&Network, u64)> {
        Some((self.0.networks.get(network)?, self.0.time.claimed_now()?))
    }

    /// Changes a table, and stores what follows.
    fn change(&self, network: &str, change: impl FnOnce(&mut Table, u64) -> Vec<Write>) {
        let Some((network, now)) = self.at(network) else { return };
        let mut table = network.table();
        let writes = change(&mut table, now);
        // Full: what is not stored ends by itself, and in memory it has ended.
        if !writes.is_empty() && !self.0.queue.is_full() {
            let pending = |write| Pending { network: Arc::clone(&network.name), write, done: None };
            self.0.queue.push(writes.into_iter().map(pending));
        }
    }
}
