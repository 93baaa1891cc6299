//! One pass for all instances that wait for a machine: who waits, what is free, who gets which, and why the others wait.
//!
//! Free machines are loaded pool by pool and page by page, until nobody is left whom another page could help. Each pair
//! is a transaction of its own, a compare-and-set of both rows, with the unique column as the last word: a crash or a
//! race between any two of them leaves each instance with one machine or none, and what did not come about is decided
//! anew in the next pass. `lifecycle` decides; here is no rule of who gets what.
//!
//! To say why somebody waits, every machine of the pools that are asked for is gone through; the others are only counted. So that one instance that nothing fits does
//! not keep the database busy, the next pass comes the later the longer this one read.

use super::Next;
use crate::{
    clock,
    hub::{Hub, Poke},
    netconfig::nics_of,
    service::ServiceError,
    store::{InstanceRecord, LeastWiping, MachineRecord, NewEvent, Store, StoreError, Swap},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{Held, Image, ImageId, InstanceState, MachineId};
use provisioner_lifecycle::{
    Allocation, Candidate, Grant, Member, Pending, Place, Quota, Ram, Request, Shortage, Shortages,
    admit_in_pool, choose_nics, is_overdue,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    time::Duration,
};
use tokio::time::Instant;

/// How often those that wait are looked at even if nothing happens, and the numbers in their reasons are brought up to
/// date.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// How often it is looked whether somebody waits of whom nobody told.
const IDLE: SignedDuration = SignedDuration::from_mins(10);

/// How many free machines are loaded at once.
const PAGE: u32 = 256;

/// How many instances are told in one transaction why they wait: others want to write, too.
const TOLD_AT_ONCE: usize = 200;

/// How many times as long as a pass read nothing is read afterwards.
const REST: u32 = 4;

/// What one pass leaves for the next.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Memory {
    /// No pass before that.
    earliest: Option<Instant>,
    /// When the numbers in the reasons were last brought up to date.
    renewed: Option<Timestamp>,
}

impl Memory {
    /// When the next pass may be at the earliest, as a time since the driver began.
    pub(super) fn earliest(&self, began: Instant) -> Duration {
        self.earliest.map_or(Duration::ZERO, |earliest| earliest.duration_since(began))
    }
}

/// Gives machines to those that wait.
pub(super) async fn pass(store: &Store, hub: &Hub, memory: &mut Memory) -> Result<Next, ServiceError> {
    let now = clock::now();
    let done = give(store, hub, memory, now).await?;
    let pause = if done.left == 0 { IDLE } else { AGAIN };
    if done.given + done.left > 0 {
        tracing::debug!(?done, "allocation");
    }
    Ok(Next::At(now.saturating_add(pause).unwrap_or(now)))
}

/// What a pass did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Done {
    /// How many instances got a machine.
    given: usize,
    /// How many got none.
    left: usize,
    /// How many pages of free machines were read.
    pages: usize,
    /// How many machines were read to say why somebody waits.
    looked: usize,
    /// How many pairs did not come about because somebody else was faster.
    lost: usize,
    /// How many instances' reasons were written.
    told: usize,
}

async fn give(store: &Store, hub: &Hub, memory: &mut Memory, now: Timestamp) -> Result<Done, ServiceError> {
    let mut pass = Pass {
        store,
        hub,
        now,
        read: Duration::ZERO,
        done: Done::default(),
        least: store.pool_least_wiping().await?,
        quotas: store.pool_quotas().await?,
    };
    let (records, pending): (Vec<_>, Vec<_>) = pass.waiting().await?.into_iter().unzip();
    let mut allocation = Allocation::new(&pending).within(&pass.quotas);
    pass.gather_groups(&mut allocation).await?;
    if !pass.quotas.is_empty() {
        // Else those that take any would use up what room a limit leaves, though they are younger.
        pass.give_named(&records, &pending, &mut allocation).await?;
    }
    pass.give_free(&records, &mut allocation).await?;
    pass.give_noted(&records, &mut allocation).await?;
    pass.give_named(&records, &pending, &mut allocation).await?;
    let open = allocation.open();
    let left: Vec<_> = open.iter().map(|place| (&records[*place], pending[*place].clone())).collect();
    pass.done.left += left.len() + pass.done.lost;
    if !left.is_empty() {
        let renew = memory.renewed.is_none_or(|at| now.duration_since(at) >= AGAIN);
        pass.tell(left, renew).await?;
        if renew {
            memory.renewed = Some(now);
        }
    }
    memory.earliest = Some(Instant::now() + pass.read * REST);
    Ok(pass.done)
}

struct Pass<'a> {
    store: &'a Store,
    hub: &'a Hub,
    now: Timestamp,
    /// How long reading took.
    read: Duration,
    done: Done,
    /// What pools ask of a wiping, which goes to each owner.
    least: LeastWiping,
    /// The pools with a limit, as they were a moment ago.
    quotas: BTreeMap<String, Quota>,
}

impl Pass<'_> {
    /// Who waits, the oldest first, with what it asks for.
    async fn waiting(&mut self) -> Result<Vec<(InstanceRecord, Pending)>, ServiceError> {
        let began = Instant::now();
        let mut images: HashMap<ImageId, Option<Image>> = HashMap::new();
        let (mut waiting, mut unreadable) = (Vec::new(), Vec::new());
        for record in self.store.instance_pending().await? {
            // It is to be forgotten, or held, which its own look does.
            if record.standing.release.is_some() || is_overdue(record.spec.deadline, self.now) {
                continue;
            }
            // An adopted one never waits.
            let Some(id) = record.image else { continue };
            let image = match images.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let image = self.store.image_get(id).await;
                    new.insert(legible(image, "an image")?.flatten())
                }
            };
            match image {
                Some(image) => {
                    let asks = asks(&record, image);
                    waiting.push((record, asks));
                }
                None => {
                    tracing::error!(instance = record.name, "its image is not in the records, or damaged");
                    unreadable.push(record);
                }
            }
        }
        self.read += began.elapsed();
        let why = "the records of its image have to be readable again: they are damaged";
        let told: Vec<_> = unreadable
            .iter()
            .filter_map(|record| told(record, Shortage::wait(why), false, self.now))
            .collect();
        self.done.left += unreadable.len();
        self.done.told += told.len();
        for some in told.chunks(TOLD_AT_ONCE) {
            self.store.instances_wait(some, self.now).await?;
        }
        Ok(waiting)
    }

    /// Tells where the machines are of those that are spread.
    async fn gather_groups(&mut self, allocation: &mut Allocation<'_>) -> Result<(), ServiceError> {
        if !allocation.is_spread() {
            return Ok(());
        }
        let began = Instant::now();
        for member in self.store.group_members().await? {
            let place = Place { zone: member.zone.as_deref(), rack: member.rack.as_deref() };
            allocation.joins(&Member { group: &member.group, place });
        }
        self.read += began.elapsed();
        Ok(())
    }

    /// Gives the machines that were chosen after a look at all. Of those that were looked at only little was kept, so
    /// they are read again; what does not fit any more, or is gone, is given to nobody.
    async fn give_noted(
        &mut self,
        records: &[InstanceRecord],
        allocation: &mut Allocation<'_>,
    ) -> Result<(), ServiceError> {
        for grant in allocation.conclude() {
            let began = Instant::now();
            let machine = legible(self.store.machine_get(grant.machine).await, "a machine")?.flatten();
            self.read += began.elapsed();
            match machine.filter(|machine| allocation.fits(&grant, &candidate(machine))) {
                Some(machine) => self.give_all(records, &[machine], vec![grant]).await?,
                None => {
                    self.done.lost += 1;
                    self.hub.poke(Poke::Pending);
                }
            }
        }
        Ok(())
    }

    /// Gives free machines to those that any will do for.
    async fn give_free(
        &mut self,
        records: &[InstanceRecord],
        allocation: &mut Allocation<'_>,
    ) -> Result<(), ServiceError> {
        let pools: BTreeSet<String> = allocation.pools().into_iter().map(ToOwned::to_owned).collect();
        for pool in pools {
            let mut after = String::new();
            while allocation.pools().contains(&*pool) {
                let began = Instant::now();
                let page = self.store.machine_free(&pool, &after, PAGE).await?;
                self.read += began.elapsed();
                self.done.pages += 1;
                let free: Vec<_> = page.records.iter().map(candidate).collect();
                let grants = allocation.offer(&free);
                self.give_all(records, &page.records, grants).await?;
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Gives exactly the machines that are wanted.
    async fn give_named(
        &mut self,
        records: &[InstanceRecord],
        pending: &[Pending],
        allocation: &mut Allocation<'_>,
    ) -> Result<(), ServiceError> {
        let wanted: Vec<_> = allocation.open().iter().filter_map(|place| pending[*place].wanted).collect();
        let mut seen = BTreeSet::new();
        for id in wanted.into_iter().filter(|id| seen.insert(*id)) {
            let began = Instant::now();
            let machine = legible(self.store.machine_get(id).await, "a machine")?.flatten();
            self.read += began.elapsed();
            let Some(machine) = machine else { continue };
            let grants = allocation.offer(&[candidate(&machine)]);
            self.give_all(records, std::slice::from_ref(&machine), grants).await?;
        }
        Ok(())
    }

    async fn give_all(
        &mut self,
        records: &[InstanceRecord],
        machines: &[MachineRecord],
        grants: Vec<Grant>,
    ) -> Result<(), ServiceError> {
        let machines: HashMap<MachineId, &MachineRecord> =
            machines.iter().map(|machine| (machine.id(), machine)).collect();
        if !grants.is_empty() {
            // A policy may have been made since the pass began: what it asks for counts from now on.
            self.least = self.store.pool_least_wiping().await?;
            self.quotas = self.store.pool_quotas().await?;
        }
        for grant in grants {
            let Some(chosen) = machines.get(&grant.machine) else { continue };
            if self.give(&records[grant.pending], chosen, &Request::Assign(grant.owner)).await? {
                self.done.given += 1;
                // The instance has nothing to do but to follow the machine: that one pokes it.
                self.hub.poke(Poke::Machine(grant.machine));
            } else {
                self.done.lost += 1;
                self.hub.poke(Poke::Pending);
            }
        }
        Ok(())
    }

    /// Instance and machine change in one transaction. Whether they did: else somebody changed one of them, and it is
    /// decided anew.
    async fn give(
        &self,
        instance: &InstanceRecord,
        chosen: &MachineRecord,
        request: &Request,
    ) -> Result<bool, ServiceError> {
        let pool = &chosen.spec.pool;
        let Ok(machine) = admit_in_pool(&chosen.machine, request, self.least.of(pool)) else {
            return Ok(false);
        };
        let machine = MachineRecord { machine, ..chosen.clone() };
        let mut owner = InstanceRecord { machine: Some(chosen.id()), ..instance.clone() };
        if owner.state != InstanceState::Deploying {
            owner.state = InstanceState::Deploying;
            owner.since = self.now;
        }
        owner.standing.waiting = None;
        owner.standing.mend = None;
        owner.standing.held = None;
        owner.standing.got = Some(self.now);
        if let Some(network) = &owner.standing.network {
            let inventory = chosen.machine.facts.inventory.as_deref();
            // It was chosen because it has them.
            let Ok(nics) = choose_nics(&nics_of(network), inventory, &chosen.spec.macs) else {
                return Ok(false);
            };
            owner.standing.nics = nics;
        }
        let events = [
            NewEvent::instance(owner.id, "state", format!("gets machine {}", chosen.name)),
            NewEvent::machine(chosen.id(), "request", format!("is given to instance {}", owner.name)),
        ];
        let pair = (chosen, &machine);
        let given = if self.quotas.contains_key(pool) {
            self.store.instance_and_machine_within(&owner, pair, &events, self.now).await
        } else {
            self.store.instance_and_machine_unless_full(&owner, pair, &events, self.now).await
        };
        match given {
            Ok(swap) => Ok(swap == Swap::Updated),
            Err(StoreError::Taken { .. }) => Ok(false),
            Err(error) => {
                if error.is_unknown() {
                    // If it was given, nobody else would tell the machine.
                    self.hub.poke(Poke::Machine(chosen.id()));
                }
                Err(error.into())
            }
        }
    }

    /// Looks at every machine that may do for one of these. Of the others no more is to be known than how many they are.
    async fn look(&mut self, pending: &[Pending], shortages: &mut Shortages<'_>) -> Result<(), ServiceError> {
        let mut named: BTreeSet<_> = pending.iter().filter_map(|pending| pending.wanted).collect();
        let any = pending.iter().filter(|pending| pending.wanted.is_none());
        let pools: BTreeSet<String> = any.map(|pending| pending.pool().to_owned()).collect();
        for pool in &pools {
            let see = |machine: &MachineRecord| {
                named.remove(&machine.id());
                self.done.looked += 1;
                shortages.see(&candidate(machine));
            };
            for id in self.store.machine_each(Some(pool.as_str()), see).await? {
                named.remove(&id);
                shortages.see_damaged(id);
            }
        }
        let mut elsewhere = 0;
        for id in named {
            self.done.looked += 1;
            elsewhere += 1;
            match legible(self.store.machine_get(id).await, "a machine")? {
                Some(Some(machine)) => shortages.see(&candidate(&machine)),
                Some(None) => elsewhere -= 1,
                None => shortages.see_damaged(id),
            }
        }
        if !pools.is_empty() {
            let pools: Vec<_> = pools.into_iter().collect();
            let outside = self.store.machine_count_outside(&pools).await?;
            shortages.see_elsewhere(outside.saturating_sub(elsewhere));
        }
        Ok(())
    }

    /// Says why they wait. `renew`: also where only the numbers are others.
    async fn tell(&mut self, left: Vec<(&InstanceRecord, Pending)>, renew: bool) -> Result<(), ServiceError> {
        let (left, pending): (Vec<_>, Vec<_>) = left.into_iter().unzip();
        // With what this pass gave away.
        let quotas = if self.quotas.is_empty() { BTreeMap::new() } else { self.store.pool_quotas().await? };
        let mut shortages = Shortages::new(&pending).within(quotas);
        let began = Instant::now();
        self.look(&pending, &mut shortages).await?;
        self.read += began.elapsed();
        let told: Vec<_> = left
            .iter()
            .enumerate()
            .filter_map(|(place, record)| told(record, shortages.of(place), renew, self.now))
            .collect();
        self.done.told += told.len();
        for some in told.chunks(TOLD_AT_ONCE) {
            self.store.instances_wait(some, self.now).await?;
        }
        Ok(())
    }
}

/// What was read; nothing, if it is damaged: that must not keep the others from getting machines.
fn legible<T>(read: Result<T, StoreError>, what: &str) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_damage() => {
            tracing::warn!(error = crate::text::logged(&error), "allocation goes on without {what}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn asks(record: &InstanceRecord, image: &Image) -> Pending {
    Pending {
        id: record.id,
        name: record.name.clone(),
        // The name was resolved when the instance was made; an id stays good when the machine is renamed.
        wanted: record.spec.machine.as_ref().and_then(|id| id.parse().ok()),
        pool: record.spec.pool.clone(),
        selector: record.spec.selector.clone(),
        expressions: record.spec.expressions.clone(),
        minimum: record.spec.minimum.clone(),
        nics: record.spec.network.as_ref().map(nics_of).unwrap_or_default(),
        zone: record.spec.zone.clone(),
        spread: record.spec.spread.clone(),
        prefer: record.spec.prefer_machine.as_ref().and_then(|id| id.parse().ok()),
        sticky: record.spec.sticky,
        manifest: image.status.manifest_sha256.clone(),
        disk_bytes: image.status.disk_bytes,
        ram: image.status.memory_bytes.map(|memory_bytes| Ram { memory_bytes }),
        architecture: record.spec.architecture.clone().or_else(|| image.spec.architecture.clone()),
        root_disk_serial: record.spec.root_disk_serial.clone(),
        root_disk: record.spec.root_disk.clone(),
    }
}

fn candidate(record: &MachineRecord) -> Candidate<'_> {
    Candidate {
        machine: &record.machine,
        name: &record.name,
        pool: &record.spec.pool,
        macs: &record.spec.macs,
        labels: &record.spec.labels,
        place: Place { zone: record.spec.zone.as_deref(), rack: record.spec.rack.as_deref() },
    }
}

/// The instance with the reason why it gets no machine, if that is to be written. The timeline is told when the reason
/// becomes another, not when only its numbers do: a thousand may wait while a thousand machines change.
fn told(
    record: &InstanceRecord,
    why: Shortage,
    renew: bool,
    now: Timestamp,
) -> Option<(InstanceRecord, Option<NewEvent>)> {
    let mut after = record.clone();
    match why {
        Shortage::Wait { why, mend } => {
            let known = record.standing.waiting.as_ref();
            let news = record.standing.held.is_some()
                || known.is_none_or(|(known, _)| without_numbers(known) != without_numbers(&why));
            let same = known.is_some_and(|(known, _)| *known == why);
            if !news && (same || !renew) {
                return None;
            }
            let since = known.map_or(now, |(_, since)| *since);
            after.standing.waiting = Some((why.clone(), since));
            after.standing.mend = mend;
            after.standing.held = None;
            Some((after, news.then(|| NewEvent::instance(record.id, "waiting", why))))
        }
        Shortage::Hold(why) => {
            if record.standing.held.as_ref().is_some_and(|held| held.why == why) {
                return None;
            }
            hold(&mut after, why.clone(), now);
            Some((after, Some(NewEvent::instance(record.id, "held", why))))
        }
    }
}

/// Holds an instance until a person decides.
pub(super) fn hold(record: &mut InstanceRecord, why: String, since: Timestamp) {
    let choices =
        vec![format!("`billet instance delete {}` and ask for another image, machine or disk", record.name)];
    record.standing.waiting = None;
    record.standing.mend = None;
    record.standing.held = Some(Held { why, since, choices, ..Held::default() });
}

fn without_numbers(why: &str) -> String {
    why.chars().filter(|char| !char.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests;
