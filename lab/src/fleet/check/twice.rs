//! Promised: no machine is given to two instances, no instance gets two machines, and none loses the one that it had.
//!
//! Seen: live, whose system comes onto which disk, whether the disk was wiped since the last one, and who phones home
//! from where. At rest, that the records agree with each other, and with what runs. An instance that is deleted while
//! it is deployed is no exception: the machine is wiped before anybody else gets it, unless nothing was written.
//!
//! What was seen of an instance's system and the records at rest are also judged as a history of owners (`owners`): of
//! two instances that a machine had, one went before the other came, wiped in between or not. When it was claimed, and
//! given back if anybody asked for that, is not known by its id, so that any time is right for that.

use super::history::{Claimed, Deed, History, NEVER};
use super::owners::judge;
use super::{Broken, Check, machine};
use crate::fleet::entry::{Entry, Seen, Snapshot, What};
use std::collections::{BTreeSet, HashMap, HashSet};

#[derive(Default)]
pub(super) struct Twice {
    /// The machine onto which each instance's system was put.
    machines: HashMap<String, u32>,
    /// Whose system is on each machine; none: it was begun to be wiped.
    systems: HashMap<u32, Option<String>>,
    /// When an instance's system was seen on which machine.
    sights: Vec<(u64, u32, String)>,
    /// Names of instances that somebody gave back, or tried to.
    given_back: HashSet<String>,
    /// When anything happened last.
    last_us: u64,
}

impl Twice {
    fn seeded(&mut self, number: u32, instance: &str, broken: &mut Broken) {
        let first = *self.machines.entry(instance.to_owned()).or_insert(number);
        if first != number {
            let why = format!("the system of {instance} came onto it, which is on machine {first} already");
            broken.add(machine(number), why);
        }
        let before = self.systems.insert(number, Some(instance.to_owned())).flatten();
        if let Some(before) = before.filter(|before| before != instance) {
            let why =
                format!("the system of {instance} came onto it over that of {before}, which was not wiped");
            broken.add(machine(number), why);
        }
    }
}

impl Twice {
    /// Who had which machine, as far as it was seen, and as the records say it at rest.
    fn history(&self, snapshot: &Snapshot) -> History {
        let mut history = History::default();
        let mut read = |asked, answered, number, owner| {
            history.add(asked, answered, Deed::Read { machine: machine(number), owner });
        };
        for (at, number, instance) in &self.sights {
            read(*at, *at, *number, Some(instance.clone()));
        }
        let mut instances: BTreeSet<_> = self.sights.iter().map(|(.., instance)| instance.clone()).collect();
        for shown in &snapshot.machines {
            let Some(truth) = snapshot.truth.iter().find(|truth| truth.name == shown.name) else { continue };
            let owner = shown.status.instance.map(|instance| instance.to_string());
            instances.extend(owner.clone());
            read(self.last_us, self.last_us, truth.number, owner);
        }
        let kept = snapshot.instances.iter().filter(|instance| !self.given_back.contains(&instance.name));
        let kept: HashSet<_> = kept.map(|instance| instance.id.to_string()).collect();
        for instance in instances {
            if !kept.contains(&instance) {
                history.add(0, NEVER, Deed::Release { instance: instance.clone(), done: false });
            }
            history.add(0, NEVER, Deed::Claim { instance, answer: Claimed::Unknown });
        }
        history
    }
}

impl Check for Twice {
    fn name(&self) -> &'static str {
        "no-machine-twice"
    }

    fn see(&mut self, entry: &Entry, broken: &mut Broken) {
        self.last_us = self.last_us.max(entry.at_us);
        if let What::Call { method, path, about, .. } = &entry.what
            && method == "DELETE"
            && path.starts_with("/v1/instances/")
        {
            self.given_back.insert(about.clone());
        }
        let (Some(number), What::Seen(seen)) = (entry.machine, &entry.what) else { return };
        if let Seen::Seeded { instance } | Seen::PhonedHome { instance } = seen {
            self.sights.push((entry.at_us, number, instance.clone()));
        }
        match seen {
            Seen::Seeded { instance } => self.seeded(number, instance, broken),
            Seen::Wrote { step: Some(step), canary: false, .. } if step == "erase" => {
                self.systems.insert(number, None);
            }
            Seen::PhonedHome { instance }
                if self.machines.get(instance).is_some_and(|first| *first != number) =>
            {
                let why = format!("{instance} phones home from it, whose system is on another machine");
                broken.add(machine(number), why);
            }
            _ => {}
        }
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for wrong in judge(&self.history(snapshot)) {
            broken.add(wrong.about, wrong.why);
        }
        let mut owners = HashMap::new();
        for instance in &snapshot.instances {
            let Some(id) = instance.status.machine else { continue };
            if let Some(other) = owners.insert(id, instance) {
                let why = format!("its machine is the machine of {} too", other.name);
                broken.add(&instance.name, why);
            }
            let owner = snapshot.machines.iter().find(|machine| machine.id == id);
            if owner.is_none_or(|machine| machine.status.instance != Some(instance.id)) {
                broken.add(&instance.name, "its machine does not know it");
            }
        }
        for machine in &snapshot.machines {
            let Some(instance) = machine.status.instance else { continue };
            if owners.get(&machine.id).is_none_or(|owner| owner.id != instance) {
                broken.add(&machine.name, format!("it belongs to {instance}, which does not know it"));
            }
        }
        let mut running = HashMap::new();
        for truth in &snapshot.truth {
            let Some(instance) = &truth.runs else { continue };
            if let Some(other) = running.insert(instance, truth) {
                broken.add(&truth.name, format!("{instance} runs on it and on {}", other.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{INSTANCE, OTHER_INSTANCE, Story, only, silent};
    use super::*;

    fn seeded(instance: &str) -> Seen {
        Seen::Seeded { instance: instance.to_owned() }
    }

    #[test]
    fn a_system_over_another_one() {
        let mut story = Story::good();
        story.seen(0, seeded(OTHER_INSTANCE));
        only(&story, "no-machine-twice");
    }

    const NEXT: &str = "0190a5c0-7d3e-7000-8000-0000000000a3";

    #[test]
    fn a_system_that_was_wiped_makes_room_and_the_same_may_be_written_again() {
        let mut story = Story::good();
        story.seen(0, seeded(INSTANCE));
        story.seen(1, seeded(NEXT));
        story.seen(1, Seen::Order { job: "J9".to_owned(), epoch: 90, step: "erase".to_owned(), attempt: 1 });
        story.seen(1, Seen::Wrote { disk: "D1".to_owned(), step: Some("erase".to_owned()), canary: false });
        silent(&story);
    }

    #[test]
    fn an_instance_whose_machine_another_one_had_meanwhile() {
        let erase = |story: &mut Story, epoch| {
            story.seen(0, Seen::Order { job: "J9".to_owned(), epoch, step: "erase".to_owned(), attempt: 1 });
            story.seen(
                0,
                Seen::Wrote { disk: "D0".to_owned(), step: Some("erase".to_owned()), canary: false },
            );
        };
        let mut story = Story::good();
        erase(&mut story, 90);
        story.seen(0, seeded(NEXT));
        erase(&mut story, 91);
        only(&story, "no-machine-twice");
        // It comes back once more, although nobody gave the other one back.
        story.seen(0, seeded(INSTANCE));
        only(&story, "no-machine-twice");
    }

    #[test]
    fn an_instance_on_two_machines() {
        let mut story = Story::good();
        story.seen(1, seeded(INSTANCE));
        only(&story, "no-machine-twice");
        let mut story = Story::good();
        story.seen(1, Seen::PhonedHome { instance: INSTANCE.to_owned() });
        only(&story, "no-machine-twice");
        let mut story = Story::good();
        story.snapshot.truth[1].runs = Some(INSTANCE.to_owned());
        only(&story, "no-machine-twice");
    }

    #[test]
    fn records_that_disagree() {
        let mut story = Story::good();
        story.snapshot.machines[0].status.instance = None;
        only(&story, "no-machine-twice");
        let mut story = Story::good();
        story.snapshot.machines[1].status.instance = OTHER_INSTANCE.parse().ok();
        only(&story, "no-machine-twice");
        let mut story = Story::good();
        story.snapshot.instances[1].status.machine = story.snapshot.instances[0].status.machine;
        only(&story, "no-machine-twice");
    }
}
