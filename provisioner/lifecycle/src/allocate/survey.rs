//! Choosing among all that fit: for instances that are spread over zones and racks, or that prefer a machine.
//!
//! That needs a look at every free machine of their pool. Of each only what choosing goes by is kept: its id, its place,
//! who had it last, and whom it fits; so ten thousand may go by page by page. Then whoever waits takes its turn by age,
//! those that any will do for among them, as they would without the choosy.

use super::demand::{Candidate, Member, Pending, Place};
use crate::machine::OwnerName;
use provisioner_api::{MachineId, SpreadBy};
use std::collections::{BTreeMap, BTreeSet};

/// What is kept of a free machine.
#[derive(Debug)]
struct Seen {
    id: MachineId,
    zone: usize,
    rack: usize,
    last: Option<OwnerName>,
    taken: bool,
}

/// Which machines fit a demand: all, and those of each rack.
#[derive(Debug, Default)]
struct Fitting {
    all: Queue,
    racks: BTreeMap<usize, Queue>,
}

/// Places in the list of what was seen, rising; of these, how many at the front are known to be taken.
#[derive(Debug, Default)]
struct Queue {
    places: Vec<usize>,
    gone: usize,
}

impl Queue {
    /// Those that nobody took.
    fn left<'a>(&'a mut self, seen: &'a [Seen]) -> impl Iterator<Item = usize> + 'a {
        while self.places.get(self.gone).is_some_and(|place| seen[*place].taken) {
            self.gone += 1;
        }
        self.places[self.gone..].iter().copied().filter(|place| !seen[*place].taken)
    }
}

/// The free machines that fit somebody who waits, in the order in which they were offered.
#[derive(Debug, Default)]
pub(super) struct Survey {
    seen: Vec<Seen>,
    /// By demand: which of those fit.
    fitting: BTreeMap<usize, Fitting>,
    crowd: Crowd,
    noted: BTreeSet<MachineId>,
}

impl Survey {
    /// Somebody of a group has a machine there.
    pub(super) fn joins(&mut self, member: &Member<'_>) {
        let (zone, rack) = self.crowd.numbers(member.place);
        self.crowd.add(member.group, zone, rack);
    }

    /// Notes a free machine that fits these demands, once.
    pub(super) fn note(&mut self, one: &Candidate<'_>, demands: impl Iterator<Item = usize>) {
        if self.noted.contains(&one.machine.id) {
            return;
        }
        let place = self.seen.len();
        let (zone, rack) = self.crowd.numbers(one.place);
        let mut fits = false;
        for demand in demands {
            let fitting = self.fitting.entry(demand).or_default();
            fitting.all.places.push(place);
            fitting.racks.entry(rack).or_default().places.push(place);
            fits = true;
        }
        if fits {
            self.noted.insert(one.machine.id);
            let last = one.machine.want.last.clone();
            self.seen.push(Seen { id: one.machine.id, zone, rack, last, taken: false });
        }
    }

    /// Somebody who names it has it.
    pub(super) fn forget(&mut self, machine: MachineId) {
        if self.noted.contains(&machine)
            && let Some(seen) = self.seen.iter_mut().find(|seen| seen.id == machine)
        {
            seen.taken = true;
        }
    }

    /// Gives one to somebody who asks for this, if one is left.
    pub(super) fn take(&mut self, pending: &Pending, demand: usize) -> Option<MachineId> {
        let fitting = self.fitting.get_mut(&demand)?;
        let place = if pending.is_choosy() {
            best(pending, fitting, &self.seen, &self.crowd)
        } else {
            fitting.all.left(&self.seen).next()
        }?;
        let chosen = &mut self.seen[place];
        chosen.taken = true;
        if let Some(group) = pending.group() {
            self.crowd.add(group, chosen.zone, chosen.rack);
        }
        Some(chosen.id)
    }
}

/// The best that is left: in the emptiest zone, there in the emptiest rack, of those the one that is preferred, of equals
/// the first that was offered. All machines of a rack are equally good but for preference, so without one only the first
/// of each is looked at.
fn best(pending: &Pending, fitting: &mut Fitting, seen: &[Seen], crowd: &Crowd) -> Option<usize> {
    let mut best = None;
    for queue in fitting.racks.values_mut() {
        let Some(first) = queue.left(seen).next() else { continue };
        let load = crowd.load(pending, &seen[first]);
        if best.is_some_and(|(least, _)| least < load) {
            continue;
        }
        let liked = if pending.prefer.is_some() || pending.sticky {
            queue.left(seen).map(|place| (preference(pending, &seen[place]), place)).min()
        } else {
            Some((0, first))
        };
        let found = liked.map(|liked| (load, liked));
        best = best.into_iter().chain(found).min();
    }
    best.map(|(_, (_, place))| place)
}

/// Where the machines of each group are. Zones and racks are numbers here, so that ten thousand machines are compared
/// without comparing words.
#[derive(Debug, Default)]
struct Crowd {
    zones: BTreeMap<Option<String>, usize>,
    racks: BTreeMap<(usize, Option<String>), usize>,
    groups: BTreeMap<String, Load>,
}

/// How many machines a group has, by number of zone and of rack.
#[derive(Debug, Default)]
struct Load {
    zones: Vec<usize>,
    racks: Vec<usize>,
}

impl Crowd {
    fn numbers(&mut self, place: Place<'_>) -> (usize, usize) {
        let next = self.zones.len();
        let zone = *self.zones.entry(place.zone.map(Into::into)).or_insert(next);
        let next = self.racks.len();
        (zone, *self.racks.entry((zone, place.rack.map(Into::into))).or_insert(next))
    }

    fn add(&mut self, group: &str, zone: usize, rack: usize) {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.to_owned(), Load::default());
        }
        let Some(load) = self.groups.get_mut(group) else { return };
        for (list, number) in [(&mut load.zones, zone), (&mut load.racks, rack)] {
            if list.len() <= number {
                list.resize(number + 1, 0);
            }
            list[number] += 1;
        }
    }

    /// How many of its group are in the zone and in the rack of a machine; 0 where that doesn't matter to it.
    fn load(&self, pending: &Pending, one: &Seen) -> (usize, usize) {
        let at = |list: &[usize], number: usize| list.get(number).copied().unwrap_or(0);
        let load = pending.group().and_then(|group| self.groups.get(group));
        let zone = load.map_or(0, |load| at(&load.zones, one.zone));
        let by_rack = pending.spread.as_ref().is_some_and(|spread| spread.by == SpreadBy::Rack);
        (zone, load.filter(|_| by_rack).map_or(0, |load| at(&load.racks, one.rack)))
    }
}

/// How well a machine is liked, 0 the best.
fn preference(pending: &Pending, one: &Seen) -> usize {
    if pending.prefer == Some(one.id) {
        return 0;
    }
    let Some(last) = one.last.as_ref().filter(|_| pending.sticky) else { return 3 };
    if last.name == pending.name {
        return 1;
    }
    if last.group.is_some() && last.group.as_deref() == pending.group() { 2 } else { 3 }
}
