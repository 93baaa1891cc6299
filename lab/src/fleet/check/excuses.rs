//! What the faults of a run excuse: the holds that they may lead to, and machines that can't run what is on their disk.

use crate::fleet::entry::{Entry, MachineTruth, What};
use std::collections::{HashMap, HashSet};

/// What the faults so far excuse.
#[derive(Debug, Default)]
pub(super) struct Excuses {
    /// Parts of reasons for which anybody may be held.
    all: HashSet<String>,
    /// The same for one machine.
    of: HashMap<u32, HashSet<String>>,
    /// Machines whose disk failed at some time.
    disks: HashSet<u32>,
}

impl Excuses {
    /// Takes a line of the journal in.
    pub(super) fn see(&mut self, entry: &Entry) {
        let What::Fault { words, may_hold } = &entry.what else { return };
        let parts = match entry.machine {
            None => &mut self.all,
            Some(number) => self.of.entry(number).or_default(),
        };
        parts.extend(may_hold.iter().filter(|part| !part.is_empty()).cloned());
        if words.starts_with("disk") {
            self.disks.extend(entry.machine);
        }
    }

    /// Whether the faults explain that a machine is held for this reason.
    pub(super) fn hold(&self, truth: Option<&MachineTruth>, why: &str) -> bool {
        let own = truth.and_then(|truth| self.of.get(&truth.number)).into_iter().flatten();
        let told = truth.into_iter().flat_map(|truth| &truth.may_hold);
        self.all.iter().chain(own).chain(told).any(|part| !part.is_empty() && why.contains(part.as_str()))
    }

    /// Whether a machine's disk failed at some time: it may have tried to boot just then, and hangs since.
    pub(super) fn disk(&self, number: u32) -> bool {
        self.disks.contains(&number)
    }
}
