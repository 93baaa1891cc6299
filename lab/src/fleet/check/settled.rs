//! Promised: each instance comes to rest. It runs, or it is held and says why, or it waits and says for what and until
//! when; and what is said to run does run: the system that was asked for, on the disk of that machine, byte for byte.
//!
//! Seen: at rest, the records beside what the machines really are. A hold must be one that a fault of this run explains:
//! faults tell which reasons they may lead to. All racks have power then, and give back what was on. A machine that
//! got it back just now still boots and is no liar for that; one that booted while its disk was broken hangs until
//! somebody switches it. An instance without a machine waits for as long as none is free, and not longer.

use super::excuses::Excuses;
use super::{Broken, Check};
use crate::fleet::entry::{Entry, MachineTruth, Seen, Snapshot, What};
use crate::fleet::scenario::Limits;
use provisioner_api::{BmcHealth, Instance, InstanceState, Machine, MachineState, Waiting};
use std::collections::HashMap;

/// Beyond the time that a BMC may take, in seconds.
const SLACK: i64 = 60;
/// How long a machine boots that got its power back, in microseconds.
const BOOTS_US: u64 = 60_000_000;

pub(super) struct Settled {
    excuses: Excuses,
    /// When each machine was switched on last, and when anything happened last, in microseconds of the run.
    on_since: HashMap<u32, u64>,
    last_us: u64,
    /// How long something may be in hand that names no time of its own, in seconds.
    in_hand: i64,
}

impl Settled {
    pub(super) fn new(limits: &Limits) -> Self {
        let bmc = i64::try_from(limits.bmc.0.as_secs()).unwrap_or(i64::MAX);
        Self {
            excuses: Excuses::default(),
            on_since: HashMap::new(),
            last_us: 0,
            in_hand: bmc.saturating_add(SLACK),
        }
    }

    fn instance(&self, instance: &Instance, snapshot: &Snapshot, broken: &mut Broken) {
        let machine = snapshot.machines.iter().find(|machine| Some(machine.id) == instance.status.machine);
        let truth = machine.and_then(|machine| truth_of(machine, snapshot));
        let status = &instance.status;
        if let Some(held) = &status.held {
            if !self.excuses.hold(truth, &held.why) {
                broken.add(&instance.name, format!("it is held, which no fault explains: {}", held.why));
            }
            return;
        }
        match (status.state, &status.waiting) {
            (InstanceState::Running, _) => self.runs(instance, truth, broken),
            (state, None) => {
                broken.add(&instance.name, format!("it is {state:?}, and neither waits nor is held"))
            }
            (_, Some(waiting)) if waiting.why.is_empty() => {
                broken.add(&instance.name, "it waits and doesn't say for what")
            }
            (InstanceState::Pending, Some(waiting)) => {
                if let Some(free) = free(instance, snapshot) {
                    let why = format!("it waits ({}), although {} is free", waiting.why, free.name);
                    broken.add(&instance.name, why);
                }
            }
            (_, Some(waiting)) => {
                if self.for_ever(waiting, snapshot.at) {
                    let why = format!("it waits for {} and doesn't say until when", waiting.why);
                    broken.add(&instance.name, why);
                }
            }
        }
    }

    /// Whether something waits without an end that was in hand for too long.
    fn for_ever(&self, waiting: &Waiting, now: i64) -> bool {
        waiting.until.is_none() && now - waiting.since.as_second() > self.in_hand
    }

    /// Whether a machine was switched on just now.
    fn boots(&self, number: u32) -> bool {
        self.on_since.get(&number).is_some_and(|since| self.last_us - since < BOOTS_US)
    }

    fn runs(&self, instance: &Instance, truth: Option<&MachineTruth>, broken: &mut Broken) {
        let id = instance.id.to_string();
        let Some(truth) = truth else {
            return broken.add(&instance.name, "it is said to run, on a machine that does not exist");
        };
        let disk = truth.disks.iter().find(|disk| disk.instance.as_ref() == Some(&id));
        match disk {
            None => broken
                .add(&instance.name, format!("it is said to run, and no disk of {} holds it", truth.name)),
            Some(disk) if !disk.image_whole => {
                let why = format!(
                    "it is said to run, and disk {} of {} does not hold its image",
                    disk.serial, truth.name
                );
                broken.add(&instance.name, why);
            }
            Some(_) => {}
        }
        let excused = truth.runs.is_none() && (self.excuses.disk(truth.number) || self.boots(truth.number));
        if !truth.on {
            broken.add(&instance.name, format!("it is said to run, and {} is off", truth.name));
        } else if truth.runs.as_ref() != Some(&id) && !excused {
            let what = truth.runs.as_deref().unwrap_or("nothing");
            broken.add(&instance.name, format!("it is said to run, and {what} runs on {}", truth.name));
        }
    }
}

fn truth_of<'a>(machine: &Machine, snapshot: &'a Snapshot) -> Option<&'a MachineTruth> {
    snapshot.truth.iter().find(|truth| truth.name == machine.name)
}

/// A machine that a pending instance could have. One that asks for more than a pool is not judged.
fn free<'a>(instance: &Instance, snapshot: &'a Snapshot) -> Option<&'a Machine> {
    let spec = &instance.spec;
    if !spec.selector.is_empty() || spec.root_disk_serial.is_some() {
        return None;
    }
    let pool = spec.pool.as_deref().unwrap_or("default");
    snapshot.machines.iter().find(|machine| {
        let (said, status) = (&machine.spec, &machine.status);
        let named =
            spec.machine.as_ref().map(|wanted| *wanted == machine.name || *wanted == machine.id.to_string());
        let has_disk = status.inventory.as_ref().is_some_and(|inventory| {
            inventory.disks.iter().any(|disk| !disk.removable && !disk.read_only && disk.serial.is_some())
        });
        named.unwrap_or(said.pool == pool)
            && status.state == MachineState::Available
            && status.instance.is_none()
            && status.held.is_none()
            && status.waiting.is_none()
            && said.accepted
            && !said.maintenance
            && said.bmc.is_some()
            && status.bmc.health == BmcHealth::Ok
            && has_disk
    })
}

impl Check for Settled {
    fn name(&self) -> &'static str {
        "comes-to-rest"
    }

    fn see(&mut self, entry: &Entry, _: &mut Broken) {
        self.excuses.see(entry);
        self.last_us = self.last_us.max(entry.at_us);
        if let (Some(number), What::Seen(Seen::Power { on: true })) = (entry.machine, &entry.what) {
            self.on_since.insert(number, entry.at_us);
        }
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for instance in &snapshot.instances {
            self.instance(instance, snapshot, broken);
        }
        for machine in &snapshot.machines {
            let Some(held) = machine.status.held.as_ref().filter(|_| machine.status.instance.is_none())
            else {
                continue;
            };
            if !self.excuses.hold(truth_of(machine, snapshot), &held.why) {
                broken.add(&machine.name, format!("it is held, which no fault explains: {}", held.why));
            }
        }
    }
}

#[cfg(test)]
mod tests;
