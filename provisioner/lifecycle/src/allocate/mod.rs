//! Which instance gets which machine: one decision for all instances that wait, in the order in which they were asked
//! for.
//!
//! First whoever names a machine gets that one, the oldest if several do: no other will do for them, and one that takes
//! any may find another. Then each takes the first machine, in the order in which machines are offered, that fits it and
//! that nobody took before; one that is spread over places, or that prefers a machine, takes the best of all that fit it
//! (`survey`). So no machine is given twice, and who stays without one stays so because every machine that fits it went
//! to an older instance or to one that names it. Machines may be offered page by page: the outcome is the same, and
//! nobody has to load ten thousand machines to place one instance.
//!
//! Deliberately not here: the order of machines, and that both rows still are what this was decided on; the store
//! compares and sets.

mod demand;
mod fit;
mod labels;
mod minimum;
mod shortage;
mod survey;

pub use demand::{Candidate, Grant, Member, Pending, Place};
pub use labels::satisfy as labels_satisfy;
pub use shortage::{Shortage, Shortages};

use crate::pool::Quota;
use demand::Demands;
use fit::{obstacle, unfit};
use provisioner_api::MachineId;
use std::collections::{BTreeMap, BTreeSet};
use survey::Survey;

/// One decision for all that wait.
#[derive(Debug)]
pub struct Allocation<'a> {
    pending: &'a [Pending],
    demands: Demands<'a>,
    /// Those that have none yet, in the order in which they were asked for.
    open: Vec<usize>,
    /// Of these, who names which machine.
    named: BTreeMap<MachineId, Vec<usize>>,
    taken: BTreeSet<MachineId>,
    /// The pools of which every free machine is looked at before any is given, because somebody is choosy; and by which
    /// demands.
    surveyed: BTreeMap<&'a str, BTreeSet<usize>>,
    survey: Survey,
    /// How many machines of a pool may still be given; of a pool that is not there, all.
    room: BTreeMap<String, u64>,
}

impl<'a> Allocation<'a> {
    /// `pending` in the order in which they were asked for.
    pub fn new(pending: &'a [Pending]) -> Self {
        let open = (0..pending.len()).collect();
        let demands = Demands::new(pending);
        let mut named: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (place, one) in pending.iter().enumerate() {
            if let Some(wanted) = one.wanted {
                named.entry(wanted).or_default().push(place);
            }
        }
        let choosy = pending.iter().filter(|one| one.is_choosy());
        let mut surveyed: BTreeMap<_, BTreeSet<_>> =
            choosy.map(|one| (one.pool(), BTreeSet::new())).collect();
        for (place, one) in pending.iter().enumerate().filter(|(_, one)| one.wanted.is_none()) {
            if let Some(numbers) = surveyed.get_mut(one.pool()) {
                numbers.insert(demands.of[place]);
            }
        }
        let (taken, room) = (BTreeSet::new(), BTreeMap::new());
        Self { pending, demands, open, named, taken, surveyed, survey: Survey::default(), room }
    }

    /// Gives no more machines of these pools than they have room for.
    #[must_use]
    pub fn within(self, quotas: &BTreeMap<String, Quota>) -> Self {
        let room = quotas.iter().map(|(pool, quota)| (pool.clone(), quota.room())).collect();
        Self { room, ..self }
    }

    /// Whether somebody is spread: then each machine that anybody of a group has must be told of ([`Self::joins`]) before
    /// machines are offered.
    pub fn is_spread(&self) -> bool {
        self.pending.iter().any(|one| one.wanted.is_none() && one.spread.is_some())
    }

    /// Somebody of a group has a machine.
    pub fn joins(&mut self, member: &Member<'_>) {
        self.survey.joins(member);
    }

    /// Offers machines, in the order in which they are to be taken, and answers who gets which. A machine may be
    /// offered again; it is given away once. Those of a pool in which somebody is choosy are only noted, once each: who
    /// gets them is what [`Self::conclude`] says when all were offered.
    pub fn offer(&mut self, machines: &[Candidate<'_>]) -> Vec<Grant> {
        let mut free: Vec<_> = machines
            .iter()
            .filter(|one| !self.taken.contains(&one.machine.id) && obstacle(one.machine).is_none())
            .collect();
        let mut grants = self.give_named(&mut free);
        self.note(&mut free);
        let mut tried = vec![false; self.demands.list.len()];
        self.open.retain(|pending| {
            let number = self.demands.of[*pending];
            if tried[number] || free.is_empty() || self.pending[*pending].wanted.is_some() {
                return true;
            }
            let fits = |one: &&Candidate<'_>| {
                has_room(&self.room, one.pool) && unfit(&self.demands.list[number], one).is_none()
            };
            let Some(place) = free.iter().position(fits) else {
                tried[number] = true;
                return true;
            };
            let given = free.remove(place);
            let machine = given.machine.id;
            take_room(&mut self.room, given.pool);
            self.taken.insert(machine);
            grants.push(Grant { pending: *pending, machine, owner: self.pending[*pending].owner() });
            false
        });
        grants
    }

    /// Notes machines for those that are choosy, and leaves the others.
    fn note(&mut self, free: &mut Vec<&Candidate<'_>>) {
        let Self { surveyed, survey, demands, .. } = self;
        if surveyed.is_empty() {
            return;
        }
        free.retain(|one| {
            let Some(numbers) = surveyed.get(one.pool) else { return true };
            let fits = |number: &usize| unfit(&demands.list[*number], one).is_none();
            survey.note(one, numbers.iter().copied().filter(fits));
            false
        });
    }

    /// Gives the machines that were noted: each who waits takes its turn by age. To be called when every free machine of
    /// [`Self::pools`] was offered.
    pub fn conclude(&mut self) -> Vec<Grant> {
        let Self { pending, demands, open, taken, surveyed, survey, room, .. } = self;
        let mut grants = Vec::new();
        open.retain(|place| {
            let one = &pending[*place];
            let choosy = one.wanted.is_none() && surveyed.contains_key(one.pool());
            if !choosy || !has_room(room, one.pool()) {
                return true;
            }
            let Some(machine) = survey.take(one, demands.of[*place]) else { return true };
            take_room(room, one.pool());
            taken.insert(machine);
            grants.push(Grant { pending: *place, machine, owner: one.owner() });
            false
        });
        // What was noted is spent: whoever is left is helped by none of it.
        surveyed.clear();
        grants
    }

    /// Whether a machine that was granted still is what its instance asked for: it may be another when it is read again.
    pub fn fits(&self, grant: &Grant, one: &Candidate<'_>) -> bool {
        unfit(&self.demands.list[self.demands.of[grant.pending]], one).is_none()
    }

    /// Gives machines to those that name them, and leaves the others.
    fn give_named(&mut self, free: &mut Vec<&Candidate<'_>>) -> Vec<Grant> {
        let Self { pending, demands, open, named, taken, survey, room, .. } = self;
        let mut grants = Vec::new();
        free.retain(|one| {
            let machine = one.machine.id;
            let Some(those) = named.get_mut(&machine).filter(|_| has_room(room, one.pool)) else {
                return true;
            };
            let fits = |place: &usize| unfit(&demands.list[demands.of[*place]], one).is_none();
            let Some(first) = those.iter().position(fits) else { return true };
            let place = those.remove(first);
            take_room(room, one.pool);
            taken.insert(machine);
            survey.forget(machine);
            if let Some(group) = pending[place].group() {
                survey.joins(&Member { group, place: one.place });
            }
            grants.push(Grant { pending: place, machine, owner: pending[place].owner() });
            false
        });
        let given: BTreeSet<_> = grants.iter().map(|grant| grant.pending).collect();
        open.retain(|place| !given.contains(place));
        grants
    }

    /// The pools that those who have none yet choose from, and that have room.
    pub fn pools(&self) -> BTreeSet<&'a str> {
        let open = self.open.iter().map(|pending| &self.pending[*pending]);
        let pools = open.filter(|pending| pending.wanted.is_none()).map(Pending::pool);
        pools.filter(|pool| has_room(&self.room, pool)).collect()
    }

    /// Those that have none yet, by their places in the list.
    pub fn open(&self) -> &[usize] {
        &self.open
    }
}

fn has_room(room: &BTreeMap<String, u64>, pool: &str) -> bool {
    room.get(pool).is_none_or(|left| *left > 0)
}

/// A machine of the pool is given.
fn take_room(room: &mut BTreeMap<String, u64>, pool: &str) {
    if let Some(left) = room.get_mut(pool) {
        *left = left.saturating_sub(1);
    }
}
