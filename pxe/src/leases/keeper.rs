//! The work behind the answers: group commits, and the claims on blocks.
//!
//! One task does both, one after the other, so that a block never changes hands between a write and its outcome.

use super::queue::Pending;
use super::store::CLAIM;
use super::{Block, LeaseStore, Leases, Network, NetworkWrite, Reservation, Shared, StoreFailure};
use crate::counters::Counters;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// How often we say that we are alive.
const BEAT: Duration = Duration::from_secs(5);

/// How long we trust our claims after a beat, in milliseconds by our own clock: well before they end by the
/// database's.
const TRUST: u64 = CLAIM * 3 / 5;

/// Most leases in one transaction.
const GROUP: usize = 256;

/// How long after a group the next one may gather, unless it is large already: the first lease after a pause is stored
/// at once, under load each transaction carries many. No client minds.
const GATHER: Duration = Duration::from_millis(40);

/// Pause after the store failed, so that a full disk is not hammered.
const PAUSE: Duration = Duration::from_millis(250);

/// Works behind [`Leases`]; has to be run.
pub struct Keeper {
    shared: Arc<Shared>,
    store: Arc<dyn LeaseStore>,
    /// The version of the reservations that the tables have.
    reservations: Option<u64>,
    /// The store fails: said once.
    outage: bool,
    /// A write met a block that is not ours any more: look around at once.
    fenced: bool,
    counters: Option<Arc<Counters>>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, store: Arc<dyn LeaseStore>) -> Self {
        Keeper { shared, store, reservations: None, outage: false, fenced: false, counters: None }
    }

    /// The leases that it works for.
    #[must_use]
    pub fn leases(&self) -> Leases {
        Leases(Arc::clone(&self.shared))
    }

    /// Counts what it does.
    #[must_use]
    pub fn counting(mut self, counters: Arc<Counters>) -> Self {
        self.counters = Some(counters);
        self
    }

    /// Works until cancelled, then stores what still waits and lets the blocks go.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut beats = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut gathered = Instant::now();
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                _ = beats.tick() => self.beat_and_tell().await,
                // The block of a reserved address may be nobody's yet: claimed now, not at the next beat.
                () = shared.reserved.notified() => self.beat_and_tell().await,
                () = shared.queue.arrival() => {
                    // Either end is as good.
                    let _ = tokio::time::timeout_at(gathered, shared.queue.fill()).await;
                    self.commit().await;
                    gathered = Instant::now() + GATHER;
                    if self.fenced {
                        beats.reset_immediately();
                    }
                    if self.outage {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
        while shared.queue.len() > 0 && !self.outage {
            self.commit().await;
        }
        shared.time.unclaim();
        if let Err(failure) = self.store.leave().await {
            warn!(
                error = cause(&failure),
                "could not let our blocks of addresses go; they end by themselves"
            );
        }
    }

    /// Stores one group of what waits, and tells whoever waits for it. How many it was.
    pub async fn commit(&mut self) -> usize {
        let pending = self.shared.queue.take(GROUP);
        if pending.is_empty() {
            return 0;
        }
        let writes = latest(&pending);
        let before = Instant::now();
        let outcome = self.store.commit(&writes).await;
        let (word, stored) = match outcome {
            Ok(true) => ("stored", true),
            Ok(false) => {
                warn!("a block of addresses is another replica's by now: its clients are left to that one");
                self.fenced = true;
                ("fenced", false)
            }
            Err(failure) => {
                self.failed(&failure);
                ("failed", false)
            }
        };
        if word != "failed" {
            self.recovered();
        }
        if let Some(counters) = &self.counters {
            counters.lease_commit(word, writes.len(), before.elapsed().as_secs_f64());
        }
        let number = pending.len();
        self.settle(pending, stored);
        number
    }

    /// Says that we are alive, takes up what changed, and claims our share of the blocks.
    ///
    /// # Errors
    /// The store failed. Our claims run out if that goes on.
    pub async fn beat(&mut self) -> Result<(), StoreFailure> {
        let before = self.shared.time.moment();
        let beat = self.store.beat(self.reservations).await?;
        self.fenced = false;
        if let Some(step) = self.shared.time.anchor(before, beat.now) {
            warn!(milliseconds = step, "the clock was set: leases last as long as their clients were told");
            self.shared.networks.values().for_each(|network| network.table().shift(step));
        }
        let shared = Arc::clone(&self.shared);
        for (name, network) in &shared.networks {
            let mine = of_network(&beat.mine, name);
            let lost: Vec<Block> =
                network.table().held().into_iter().filter(|block| !mine.contains(block)).collect();
            self.lose(network, &lost);
        }
        self.shared.time.claim(before, TRUST);
        if let Some((version, reservations)) = beat.reservations {
            for (name, network) in &shared.networks {
                let ours: Vec<Reservation> = reservations
                    .iter()
                    .filter(|(of, _)| of == name)
                    .map(|(_, reservation)| *reservation)
                    .collect();
                network.table().set_reservations(&ours);
            }
            self.reservations = Some(version);
        }
        for (name, network) in &shared.networks {
            let (mine, taken) = (of_network(&beat.mine, name), of_network(&beat.taken, name));
            self.share(network, &mine, &taken, beat.replicas.max(1)).await?;
            let elsewhere = if taken.is_empty() { Vec::new() } else { self.store.elsewhere(name).await? };
            let clients = elsewhere.into_iter().map(|client| (client.mac, client.address, client.expires));
            network.table().set_elsewhere(clients, self.shared.time.now());
        }
        Ok(())
    }

    /// Brings the blocks that we hold to our share of a network's: all of them when we are alone.
    async fn share(
        &self,
        network: &Network,
        mine: &HashSet<Block>,
        taken: &HashSet<Block>,
        replicas: usize,
    ) -> Result<(), StoreFailure> {
        let (held, wanted) = {
            let table = network.table();
            (table.held().into_iter().collect::<HashSet<_>>(), table.wanted_blocks())
        };
        let share = wanted.len().div_ceil(replicas);
        // What was ours before a restart is ours at once, whatever our share.
        let (again, vacant): (Vec<Block>, Vec<Block>) =
            wanted.into_iter().filter(|block| !held.contains(block)).partition(|block| mine.contains(block));
        let vacant = vacant.into_iter().filter(|block| !taken.iter().any(|other| other.overlaps(*block)));
        let more = again.len().max(share.saturating_sub(held.len()));
        let candidates: Vec<Block> = again.into_iter().chain(vacant).collect();
        if more > 0 && !candidates.is_empty() {
            for claimed in self.store.claim(&network.name, &candidates, more).await? {
                network.table().hold(claimed.block, claimed.leases);
            }
        }
        let surplus = held.len().saturating_sub(share);
        if replicas > 1 && surplus > 0 {
            self.give_back(network, surplus).await?;
        }
        Ok(())
    }

    /// Lets blocks go that nobody has an address of.
    async fn give_back(&self, network: &Network, most: usize) -> Result<(), StoreFailure> {
        let now = self.shared.time.now();
        let idle: Vec<Block> = {
            let mut table = network.table();
            let held = table.held().into_iter().rev();
            let idle: Vec<Block> = held.filter(|block| table.is_idle(*block, now)).take(most).collect();
            // Before others can claim them: from here on we answer for none of their addresses.
            idle.iter().for_each(|block| table.drop_block(*block));
            idle
        };
        idle.iter().for_each(|block| self.forget(&network.name, *block));
        if idle.is_empty() { Ok(()) } else { self.store.give_back(&network.name, &idle).await }
    }

    fn lose(&self, network: &Network, lost: &[Block]) {
        for block in lost {
            network.table().drop_block(*block);
            self.forget(&network.name, *block);
        }
        if !lost.is_empty() {
            warn!(
                network = &*network.name,
                blocks = lost.len(),
                "another replica took over blocks of addresses"
            );
        }
    }

    /// What waits for a block that is not ours any more is never stored.
    fn forget(&self, network: &str, block: Block) {
        for pending in self.shared.queue.take_block(network, block) {
            if let Some(done) = pending.done {
                done(false);
            }
        }
    }

    /// Takes the outcome of a group into the tables, then tells whoever waits.
    fn settle(&self, pending: Vec<Pending>, stored: bool) {
        let now = self.shared.time.now();
        let mut told = Vec::with_capacity(pending.len());
        for Pending { network, write, done } in pending {
            let network = self.shared.networks.get(&*network);
            let ok = network.is_some_and(|network| {
                let mut table = network.table();
                if stored {
                    table.stored(&write)
                } else {
                    table.not_stored(&write, now);
                    false
                }
            });
            told.extend(done.map(|done| (done, ok)));
        }
        for (done, ok) in told {
            done(ok);
        }
    }

    async fn beat_and_tell(&mut self) {
        match self.beat().await {
            Ok(()) => self.recovered(),
            Err(failure) => self.failed(&failure),
        }
        self.shared.beats.send_replace(());
    }

    fn failed(&mut self, failure: &StoreFailure) {
        if std::mem::replace(&mut self.outage, true) {
            debug!(error = cause(failure), "the lease store still fails");
        } else {
            error!(
                error = cause(failure),
                "leases can't be stored: clients get no addresses until that works again; is the disk full?"
            );
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.outage, false) {
            info!("leases are stored again");
        }
    }
}

/// Of several writes of one address only the last one counts.
fn latest(pending: &[Pending]) -> Vec<NetworkWrite> {
    let mut index: HashMap<(&str, u32), usize> = HashMap::with_capacity(pending.len());
    let mut writes: Vec<NetworkWrite> = Vec::with_capacity(pending.len());
    for Pending { network, write, .. } in pending {
        let new = NetworkWrite { network: Arc::clone(network), write: write.clone() };
        match index.get(&(&**network, u32::from(write.lease.address))) {
            Some(&known) => writes[known] = new,
            None => {
                index.insert((network, write.lease.address.into()), writes.len());
                writes.push(new);
            }
        }
    }
    writes
}

fn of_network(blocks: &[(String, Block)], name: &str) -> HashSet<Block> {
    blocks.iter().filter(|(network, _)| network == name).map(|(_, block)| *block).collect()
}

/// The whole chain of causes, in one line.
fn cause(failure: &StoreFailure) -> String {
    let mut text = failure.to_string();
    let mut next = failure.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
