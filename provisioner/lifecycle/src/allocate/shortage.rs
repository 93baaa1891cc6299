//! Why an instance gets no machine, counted over all machines there are.

use super::{
    demand::{Candidate, Demand, Demands, Pending},
    fit::{Unfit, unfit},
};
use crate::{disk::choose_root_disk, nics::choose_nics, pool::Quota};
use provisioner_api::MachineId;
use std::collections::BTreeMap;

/// Why an instance gets no machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    /// It has to wait.
    Wait {
        /// The reasons.
        why: String,
        /// What a person may do about the commonest of those that don't pass by themselves.
        mend: Option<String>,
    },
    /// Nothing will ever fit without a change; a person must decide.
    Hold(String),
}

impl Shortage {
    /// Waiting about which nothing is to be done.
    pub fn wait(why: impl Into<String>) -> Self {
        Self::Wait { why: why.into(), mend: None }
    }
}

/// What stands in the way of how many machines.
#[derive(Debug, Clone, Default)]
struct Reasons {
    unfit: BTreeMap<Unfit, usize>,
    freed: usize,
    damaged: usize,
}

/// Says why, from a look at every machine of the pools that are asked for, and the number of all others.
#[derive(Debug)]
pub struct Shortages<'a> {
    demands: Demands<'a>,
    /// By demand.
    reasons: Vec<Reasons>,
    /// By demand: what became of the machine that exactly is wanted.
    named: Vec<Option<Shortage>>,
    machines: usize,
    quotas: BTreeMap<String, Quota>,
}

impl<'a> Shortages<'a> {
    /// For these.
    pub fn new(pending: &'a [Pending]) -> Self {
        let demands = Demands::new(pending);
        let number = demands.list.len();
        let (reasons, named) = (vec![Reasons::default(); number], vec![None; number]);
        Self { demands, reasons, named, machines: 0, quotas: BTreeMap::new() }
    }

    /// Where these pools have as many machines in use as they may, that is a reason.
    #[must_use]
    pub fn within(self, quotas: BTreeMap<String, Quota>) -> Self {
        Self { quotas, ..self }
    }

    /// Sees one machine; each must be seen once.
    pub fn see(&mut self, one: &Candidate<'_>) {
        self.machines += 1;
        for (number, demand) in self.demands.list.iter().enumerate() {
            match demand.wanted {
                Some(wanted) if wanted == one.machine.id => {
                    let full = limit(&self.quotas, one.pool).filter(|_| unfit(demand, one).is_none());
                    self.named[number] = Some(match full {
                        Some((why, mend)) => Shortage::Wait { why, mend: Some(mend) },
                        None => named(demand, one),
                    });
                }
                Some(_) => {}
                None => match unfit(demand, one) {
                    Some(why) => *self.reasons[number].unfit.entry(why).or_default() += 1,
                    None => self.reasons[number].freed += 1,
                },
            }
        }
    }

    /// Sees so many that are in none of the pools that are asked for, and that nobody names.
    pub fn see_elsewhere(&mut self, count: usize) {
        self.machines += count;
        let any = self.demands.list.iter().enumerate().filter(|(_, demand)| demand.wanted.is_none());
        for (number, _) in any.filter(|_| count > 0) {
            *self.reasons[number].unfit.entry(Unfit::OtherPool).or_default() += count;
        }
    }

    /// Sees one whose records can't be read: it is there, and given to nobody.
    pub fn see_damaged(&mut self, id: MachineId) {
        self.machines += 1;
        for (number, demand) in self.demands.list.iter().enumerate() {
            match demand.wanted {
                Some(wanted) if wanted == id => {
                    let why = "the machine that it wants has to be readable again: its records are damaged";
                    self.named[number] = Some(Shortage::wait(why));
                }
                Some(_) => {}
                None => self.reasons[number].damaged += 1,
            }
        }
    }

    /// Why this one gets none, by its place in the list.
    pub fn of(&self, pending: usize) -> Shortage {
        let number = self.demands.of[pending];
        let demand = &self.demands.list[number];
        if demand.wanted.is_some() {
            let gone = || Shortage::wait("the machine that it wants is gone");
            return self.named[number].clone().unwrap_or_else(gone);
        }
        if self.machines == 0 {
            return Shortage::wait("there are no machines yet; `billet machine add` adds one");
        }
        let Reasons { unfit, freed, damaged } = &self.reasons[number];
        let counted = unfit.iter().map(|(why, count)| (why.words(demand), *count));
        let others = [("just freed".to_owned(), *freed), ("with damaged records".to_owned(), *damaged)];
        let words: BTreeMap<_, _> = counted.chain(others).filter(|(_, count)| *count > 0).collect();
        let list: Vec<_> = words.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let why = format!("no machine fits: {} machines: {}", self.machines, list.join(", "));
        match limit(&self.quotas, demand.pool) {
            None => Shortage::Wait { why, mend: mend(unfit, demand) },
            Some((full, mend)) if *freed > 0 => Shortage::Wait { why: full, mend: Some(mend) },
            Some((full, _)) => {
                Shortage::Wait { why: format!("{full}; and {why}"), mend: mend(unfit, demand) }
            }
        }
    }
}

/// Why nothing of a pool is given that has no room, and what a person may do about it; none: it has room.
fn limit(quotas: &BTreeMap<String, Quota>, pool: &str) -> Option<(String, String)> {
    let Quota { used, most } = quotas.get(pool).filter(|quota| quota.room() == 0)?;
    let why = format!("pool {pool} is at its limit: {used} of its machines have an instance, {most} may");
    let mend = format!(
        "`billet instance delete NAME` gives one of them back; `billet pool set {pool} --max-machines NUMBER` raises the limit"
    );
    Some((why, mend))
}

/// What a person may do about the commonest reason, of equals about the first. That machines are in other pools is
/// commonly meant, so it comes last.
fn mend(unfit: &BTreeMap<Unfit, usize>, demand: &Demand<'_>) -> Option<String> {
    let mends = unfit.iter().filter_map(|(why, count)| why.mend(demand).map(|mend| (why, count, mend)));
    let common = |(why, count, _): &(&Unfit, &usize, String)| {
        (**why != Unfit::OtherPool, **count, std::cmp::Reverse(**why))
    };
    mends.max_by_key(common).map(|(_, _, mend)| mend)
}

/// Why exactly this machine is not given.
fn named(demand: &Demand<'_>, one: &Candidate<'_>) -> Shortage {
    let why = unfit(demand, one);
    if why == Some(Unfit::OtherPool) {
        let told =
            format!("machine {} is not in pool {} any more, where it has to be", one.name, demand.pool);
        let mend = Unfit::OtherPool.mend(demand).map(|mend| mend.replace("NAME", one.name));
        return Shortage::Wait { why: told, mend };
    }
    if why == Some(Unfit::Disk) {
        let inventory = one.machine.facts.inventory.as_deref();
        if let Err(why) = choose_root_disk(inventory, &demand.disk_wish()) {
            // Exactly this machine is wanted and its disks can't hold the image: waiting won't mend it.
            return Shortage::Hold(why.to_string());
        }
    }
    if why == Some(Unfit::Nics)
        && let Some(inventory) = one.machine.facts.inventory.as_deref()
        && let Err(why) = choose_nics(demand.nics, Some(inventory), one.macs)
    {
        return Shortage::Hold(format!("machine {} does not fit: {why}", one.name));
    }
    let words = why.map_or_else(|| "just freed".to_owned(), |why| why.words(demand));
    let mend = why.and_then(|why| why.mend(demand)).map(|mend| mend.replace("NAME", one.name));
    Shortage::Wait { why: format!("machine {} has to become free: it is {words}", one.name), mend }
}
