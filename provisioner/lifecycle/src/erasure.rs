//! How many machines may be wiped at once, who is, and who waits for that: the limit of what one mistake can destroy.
//!
//! It follows from the stored jobs alone, so that it is the same after a crash. Who gives leave, one after the other, is
//! the service's reconciler; nothing else begins a wiping ([`crate::settle_on`] stops before it).

mod line;

pub use line::{EraseLine, ErasePlace};

use crate::{
    machine::{Machine, Step},
    plan::StepName,
};
use jiff::Timestamp;
use provisioner_api::{JobId, MachineId, StepPhase};
use std::collections::HashMap;

/// How many machines may be wiped at once: a share of all, or a number if that is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EraseLimit {
    percent: u8,
    least: u32,
}

impl Default for EraseLimit {
    /// 5 % of the machines or 10, whichever is larger.
    fn default() -> Self {
        Self { percent: 5, least: 10 }
    }
}

impl EraseLimit {
    /// So many, however many machines there are; one at least.
    pub fn number(number: u32) -> Self {
        Self { percent: 0, least: number.max(1) }
    }

    /// So many of a hundred, one at least.
    pub fn percent(percent: u8) -> Self {
        Self { percent, least: 1 }
    }

    /// How many of so many machines.
    pub fn of(self, machines: u64) -> u64 {
        self.share(machines).max(u64::from(self.least))
    }

    fn share(self, machines: u64) -> u64 {
        machines.saturating_mul(u64::from(self.percent)) / 100
    }

    /// Where the number comes from.
    fn words(self, machines: u64) -> String {
        if self.percent > 0 && self.share(machines) >= u64::from(self.least) {
            format!("{} % of {machines}", self.percent)
        } else {
            "`limits.erase_limit`".into()
        }
    }
}

/// Where a job is with its wiping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasing {
    /// It has leave and is not done.
    Runs,
    /// All before it is done.
    Waits,
}

impl Erasing {
    /// Where a running job is with its wiping, by its steps; one that is held neither wipes nor waits for leave.
    pub fn of(steps: &[Step], held: bool) -> Option<Self> {
        let step = steps.iter().find(|step| step.phase != StepPhase::Done)?;
        let (wipes, begun) = (step.name == StepName::Erase && !held, step.phase != StepPhase::Todo);
        wipes.then_some(if begun { Self::Runs } else { Self::Waits })
    }

    /// The same of a machine's running job.
    pub fn of_machine(machine: &Machine) -> Option<Self> {
        Self::of(&machine.running_job()?.steps, machine.state.hold.is_some())
    }
}

/// A job that is at its wiping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtErase {
    /// The machine.
    pub machine: MachineId,
    /// The job.
    pub job: JobId,
    /// When the job began.
    pub started: Timestamp,
    /// Where it is.
    pub erasing: Erasing,
}

/// All that is wiped at a moment, and who waits for that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasures {
    limit: EraseLimit,
    machines: u64,
    running: u64,
    /// The oldest job first.
    queue: Vec<MachineId>,
    places: HashMap<MachineId, usize>,
}

impl Erasures {
    /// Of so many machines in all, these are at their wiping.
    pub fn new(limit: EraseLimit, machines: u64, at: impl IntoIterator<Item = AtErase>) -> Self {
        let (runs, mut waits): (Vec<_>, Vec<_>) =
            at.into_iter().partition(|one| one.erasing == Erasing::Runs);
        waits.sort_by_key(|one| (one.started, one.job));
        let queue: Vec<_> = waits.iter().map(|one| one.machine).collect();
        let places = queue.iter().enumerate().map(|(place, machine)| (*machine, place)).collect();
        Self { limit, machines, running: runs.len() as u64, queue, places }
    }

    /// How many may be wiped at once.
    pub fn most(&self) -> u64 {
        self.limit.of(self.machines)
    }

    /// How many are.
    pub fn running(&self) -> u64 {
        self.running
    }

    /// How many more may begin.
    pub fn room(&self) -> u64 {
        self.most().saturating_sub(self.running)
    }

    /// Who waits, in the order in which they may begin.
    pub fn queue(&self) -> &[MachineId] {
        &self.queue
    }

    /// What a machine that waits for leave waits for.
    pub fn waits(&self, machine: MachineId) -> String {
        let Some(place) = self.places.get(&machine) else { return "waits for leave to wipe".into() };
        let Self { running, machines, .. } = *self;
        let (are, most) = (if running == 1 { "machine is" } else { "machines are" }, self.most());
        let words = self.limit.words(machines);
        let limit = if running >= most {
            format!("the most at once ({words})")
        } else {
            format!("at most {most} at once ({words})")
        };
        let place = ordinal(place + 1);
        format!(
            "waits for leave to wipe: {running} {are} being wiped, {limit}; {place} of {} that wait",
            self.queue.len()
        )
    }
}

/// `1st`, `2nd`, `11th`.
fn ordinal(number: usize) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_limit_is_a_share_or_a_number_whichever_is_larger() {
        for (limit, machines, most) in [
            (EraseLimit::default(), 0, 10),
            (EraseLimit::default(), 200, 10),
            (EraseLimit::default(), 219, 10),
            (EraseLimit::default(), 220, 11),
            (EraseLimit::default(), 10_000, 500),
            (EraseLimit::number(3), 10_000, 3),
            (EraseLimit::number(0), 10_000, 1),
            (EraseLimit::percent(50), 3, 1),
            (EraseLimit::percent(1), 0, 1),
            (EraseLimit::percent(100), 7, 7),
            (EraseLimit::percent(100), u64::MAX, u64::MAX / 100),
        ] {
            assert_eq!(limit.of(machines), most, "{limit:?} of {machines}");
        }
    }

    fn at(number: u128, started: i64, erasing: Erasing) -> AtErase {
        AtErase {
            machine: MachineId(Uuid::from_u128(number)),
            job: JobId(Uuid::from_u128(number)),
            started: Timestamp::from_second(started).unwrap(),
            erasing,
        }
    }

    #[test]
    fn who_waits_is_told_its_place_the_oldest_job_first() {
        let id = |number| MachineId(Uuid::from_u128(number));
        let runs = (1..=10).map(|number| at(number, 0, Erasing::Runs));
        let waits = [(21, 30), (22, 10), (23, 20)].map(|(number, at_)| at(number, at_, Erasing::Waits));
        let all = Erasures::new(EraseLimit::default(), 200, runs.chain(waits));
        assert_eq!((all.running(), all.most(), all.room()), (10, 10, 0));
        assert_eq!(all.queue(), [id(22), id(23), id(21)]);
        assert_eq!(
            all.waits(id(21)),
            "waits for leave to wipe: 10 machines are being wiped, the most at once (5 % of 200); 3rd of 3 that wait"
        );
        let few =
            Erasures::new(EraseLimit::number(2), 200, [at(1, 0, Erasing::Runs), at(2, 0, Erasing::Waits)]);
        assert_eq!(few.room(), 1);
        assert_eq!(
            few.waits(id(2)),
            "waits for leave to wipe: 1 machine is being wiped, at most 2 at once (`limits.erase_limit`); 1st of 1 that wait"
        );
        assert_eq!(few.waits(id(9)), "waits for leave to wipe");
    }

    #[test]
    fn places_are_told_as_people_say_them() {
        let told: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 112].into_iter().map(ordinal).collect();
        let said = "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th 112th";
        assert_eq!(told.join(" "), said);
    }
}
