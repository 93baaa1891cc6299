//! What is promised of the service whatever happens to it, and how a run shows whether it was kept.
//!
//! Eleven checks, each in its own file with its promise, how it is seen and what excuses it. They read the journal and
//! the snapshot at the end, and nothing else, so that a faked journal can show of each that it bites (`tests` beside
//! each). A check that cries wolf is as bad as a blind one: where a request, a report or an answer may have been lost,
//! either outcome is right.
//!
//! Deliberately not here: asking the service, looking into disks, waiting for rest.

mod database;
mod epochs;
mod erased;
mod excuses;
mod history;
mod leases;
mod leftovers;
mod owners;
mod requests;
mod sessions;
mod settled;
mod silence;
#[cfg(test)]
mod story;
mod twice;
mod writes;

pub use history::{Claimed, Deed, History, NEVER};
pub(crate) use leftovers::steady_memory;
pub use owners::{Wrong, judge};

use super::entry::{Entry, Snapshot, Violation};
use super::scenario::Limits;

/// One promise.
trait Check: Send {
    /// Its name, as violations carry it.
    fn name(&self) -> &'static str;

    /// Looks at a line of the journal.
    fn see(&mut self, _entry: &Entry, _broken: &mut Broken) {}

    /// Looks at what there is when all has come to rest.
    fn at_rest(&mut self, _snapshot: &Snapshot, _broken: &mut Broken) {}
}

/// Collects what one check finds.
struct Broken {
    invariant: &'static str,
    found: Vec<Violation>,
}

impl Broken {
    /// Something is wrong with this machine or instance.
    fn add(&mut self, about: impl Into<String>, why: impl Into<String>) {
        let invariant = self.invariant.to_owned();
        self.found.push(Violation { invariant, about: about.into(), why: why.into() });
    }
}

/// All promises of a run. It sees the journal's entries in order, and at the end the snapshot.
pub(crate) struct Checker {
    checks: Vec<Box<dyn Check>>,
}

impl Checker {
    /// For a run under these time limits.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            checks: vec![
                Box::new(settled::Settled::new(limits)),
                Box::<twice::Twice>::default(),
                Box::<requests::Requests>::default(),
                Box::<leases::Leases>::default(),
                Box::new(sessions::Sessions),
                Box::new(leftovers::Leftovers),
                Box::<writes::Writes>::default(),
                Box::<epochs::Epochs>::default(),
                Box::<erased::Erased>::default(),
                Box::new(silence::Silence::new(limits)),
                Box::new(database::Database),
            ],
        }
    }

    /// Looks at the next line of the journal.
    pub(crate) fn see(&mut self, entry: &Entry) -> Vec<Violation> {
        self.each(|check, broken| check.see(entry, broken))
    }

    /// Looks at what there is when all has come to rest.
    pub(crate) fn at_rest(&mut self, snapshot: &Snapshot) -> Vec<Violation> {
        self.each(|check, broken| check.at_rest(snapshot, broken))
    }

    fn each(&mut self, look: impl Fn(&mut dyn Check, &mut Broken)) -> Vec<Violation> {
        let mut all = Vec::new();
        for check in &mut self.checks {
            let mut broken = Broken { invariant: check.name(), found: Vec::new() };
            look(&mut **check, &mut broken);
            all.append(&mut broken.found);
        }
        all
    }
}

/// How a machine is called in a violation that the journal showed.
fn machine(number: u32) -> String {
    format!("machine {number}")
}

#[cfg(test)]
mod tests;
