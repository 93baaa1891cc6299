//! The same as [`Erasures`], kept up to date one machine at a time: each change costs a look-up, however many wait.
//!
//! Not here: where changes come from, and what is told of it.

use super::{AtErase, EraseLimit, Erasing, Erasures};
use jiff::Timestamp;
use provisioner_api::{JobId, MachineId};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

/// A place in the line: the oldest job has the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasePlace(Timestamp, JobId);

/// Who is being wiped, and the line of those that wait for that.
#[derive(Debug, Clone, Default)]
pub struct EraseLine {
    limit: EraseLimit,
    machines: u64,
    at: HashMap<MachineId, AtErase>,
    waits: BTreeMap<ErasePlace, MachineId>,
}

impl EraseLine {
    /// Of so many machines in all, these are at their wiping.
    pub fn new(limit: EraseLimit, machines: u64, at: impl IntoIterator<Item = AtErase>) -> Self {
        let mut line = Self { limit, machines, ..Self::default() };
        for one in at {
            line.set(one.machine, Some(one));
        }
        line
    }

    /// So many machines there are in all now.
    pub fn set_machines(&mut self, machines: u64) {
        self.machines = machines;
    }

    /// A machine is there now; none: it is not at its wiping.
    pub fn set(&mut self, machine: MachineId, at: Option<AtErase>) {
        let before = match at {
            Some(at) => self.at.insert(machine, at),
            None => self.at.remove(&machine),
        };
        if let Some(before) = before {
            self.waits.remove(&ErasePlace(before.started, before.job));
        }
        if let Some(at) = at.filter(|at| at.erasing == Erasing::Waits) {
            self.waits.insert(ErasePlace(at.started, at.job), machine);
        }
    }

    /// The wiping of a machine has begun.
    pub fn begun(&mut self, machine: MachineId) {
        if let Some(at) = self.at.get(&machine).copied() {
            self.set(machine, Some(AtErase { erasing: Erasing::Runs, ..at }));
        }
    }

    /// How many more may begin.
    pub fn room(&self) -> u64 {
        self.limit.of(self.machines).saturating_sub((self.at.len() - self.waits.len()) as u64)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waits.len()
    }

    /// Who comes after this place; none: after nobody.
    pub fn after(&self, place: Option<ErasePlace>) -> Option<(ErasePlace, MachineId)> {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.waits.range((from, Bound::Unbounded)).next().map(|(place, machine)| (*place, *machine))
    }

    /// All of it, for what is told.
    pub fn shown(&self) -> Erasures {
        Erasures::new(self.limit, self.machines, self.at.values().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn at(number: u128, started: i64, erasing: Erasing) -> AtErase {
        AtErase {
            machine: MachineId(Uuid::from_u128(number)),
            job: JobId(Uuid::from_u128(number)),
            started: Timestamp::from_second(started).unwrap(),
            erasing,
        }
    }

    fn queue(line: &EraseLine) -> Vec<MachineId> {
        let (mut queue, mut place) = (Vec::new(), None);
        while let Some((next, machine)) = line.after(place) {
            place = Some(next);
            queue.push(machine);
        }
        queue
    }

    proptest! {
        /// However it came to be so, it is the same as counted anew.
        #[test]
        fn a_line_that_was_changed_is_one_that_is_counted_anew(
            changes in prop::collection::vec((0_u128..8, 0_i64..4, 0_u8..3, 0_u64..12), 0..40)
        ) {
            let limit = EraseLimit::percent(50);
            let mut line = EraseLine::new(limit, 100, []);
            let mut now: BTreeMap<u128, AtErase> = BTreeMap::new();
            for (number, started, what, machines) in changes {
                let erasing = [Erasing::Waits, Erasing::Runs].get(usize::from(what));
                let here = erasing.map(|erasing| at(number, started, *erasing));
                line.set(MachineId(Uuid::from_u128(number)), here);
                line.set_machines(machines);
                match here {
                    Some(here) => now.insert(number, here),
                    None => now.remove(&number),
                };
                let anew = Erasures::new(limit, machines, now.values().copied());
                prop_assert_eq!((line.room(), line.waiting()), (anew.room(), anew.queue().len()));
                prop_assert_eq!(&queue(&line)[..], anew.queue());
                prop_assert_eq!(line.shown(), anew);
            }
        }
    }

    #[test]
    fn who_begins_leaves_the_line_and_takes_room() {
        let waits = (1..=3).map(|number| at(number, 10 - number as i64, Erasing::Waits));
        let mut line = EraseLine::new(EraseLimit::number(2), 100, waits);
        let (place, first) = line.after(None).unwrap();
        assert_eq!(first, MachineId(Uuid::from_u128(3)), "the oldest job");
        line.begun(first);
        assert_eq!((line.room(), line.waiting()), (1, 2));
        assert_eq!(line.after(Some(place)), line.after(None));
        line.begun(MachineId(Uuid::from_u128(9)));
        assert_eq!(line.room(), 1, "of whom nothing is known nothing is counted");
    }
}
