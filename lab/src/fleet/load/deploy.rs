//! Asking for instances until they run, and giving them back until they are gone.

use super::ledger::{Slot, Wish};
use super::view::TICK;
use super::{Counts, Hint, Load, Outcome, Outcomes, View};
use crate::fleet::entry::SeenKind;
use crate::fleet::scenario::Phase;
use anyhow::Result;
use provisioner_api::{
    DeleteInstance, DiskHints, Instance, InstanceCreate, InstanceSpec, InstanceState, MachineId, MachineState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Load {
    /// Asks for an instance in this slot, on this machine or on any.
    pub(super) async fn ask(self: &Arc<Self>, slot: u32, machine: Option<String>) -> Outcome {
        let name = self.ledger().ask(slot);
        let create = InstanceCreate { name, spec: spec(&self.image, machine) };
        let outcome = self.caller.create(&create).await;
        if let Outcome::Refused(why) = &outcome {
            self.problem("no-refusal", &create.name, format!("asking for it was refused: {why}"));
            self.ledger().gone(slot);
        }
        outcome
    }

    /// Gives the instance in this slot back.
    pub(super) async fn give_back(self: &Arc<Self>, slot: u32) -> Outcome {
        let name = self.ledger().give_back(slot);
        let outcome = self.caller.delete(&name, &DeleteInstance::default()).await;
        if let Outcome::Refused(why) = &outcome {
            self.problem("no-refusal", &name, format!("giving it back was refused: {why}"));
        }
        outcome
    }

    /// The machine that a pinned instance in this slot names: the one with the slot's number.
    pub(super) fn pin(&self, slot: u32, share: Option<f64>) -> Option<String> {
        let pinned = self.hits(share.unwrap_or(0.0));
        self.fleet.machines().get(slot as usize).filter(|_| pinned).map(|sim| sim.name().to_owned())
    }
}

pub(super) async fn deploy(load: &Arc<Load>, phase: &Phase) -> Result<Outcomes> {
    let slots: Vec<Slot> = load.ledger().with(Wish::Nothing, phase.count);
    let count = slots.len() as u64;
    let (claimed, pinned) = (load.eyes.count(SeenKind::Claimed), phase.pinned);
    let last_home = load.eyes.count(SeenKind::PhonedHome) + count;
    let home = tokio::spawn({
        let eyes = Arc::clone(&load.eyes);
        async move {
            eyes.reached(SeenKind::PhonedHome, last_home).await;
            Instant::now()
        }
    });
    let interrupted = phase.interrupt.unwrap_or(false).then(|| {
        let load = Arc::clone(load);
        tokio::spawn(async move {
            load.eyes.reached(SeenKind::Claimed, claimed + count.div_ceil(2)).await;
            load.service
                .kill_and_restart(Some((SeenKind::Claimed, claimed + count.div_ceil(2))), 0, Duration::ZERO)
                .await
        })
    });
    load.each(phase, slots, move |load, slot| async move {
        let machine = load.pin(slot.number, pinned);
        load.ask(slot.number, machine).await;
    })
    .await;
    let wanted: BTreeSet<String> = load.ledger().with(Wish::Wanted, None).iter().map(Slot::name).collect();
    let running = wanted.len() as u64;
    let hint = move |counts: &Counts| {
        let all: u64 = counts.instances.values().sum();
        let there = counts.instances_in(&["running"]);
        if counts.held == 0 && all == running && there == running {
            return Hint::Done(running);
        }
        let over = there >= running || counts.held > 0 || counts.machines_in(&["deploying"]) == 0;
        if over { Hint::Likely } else { Hint::Works }
    };
    let mut outcomes = load.until_settled(hint, |view| judge(view, &wanted)).await;
    if !home.is_finished() {
        home.abort();
    } else if let (Some(ended), Ok(heard)) = (&mut outcomes.ended, home.await) {
        // Counters are read each second; the last system that phoned home says when between two readings it was.
        let before = ended.checked_sub(TICK).unwrap_or(*ended);
        *ended = heard.clamp(before, *ended);
    }
    if let Some(interrupted) = interrupted {
        // Too few machines came so far that it would have been the middle.
        if interrupted.is_finished() {
            outcomes.ready = Some(interrupted.await??);
        } else {
            interrupted.abort();
        }
    }
    Ok(outcomes)
}

/// How far these instances are. One that waits for a machine counts as held when no machine is or will be free.
pub(super) fn judge(view: &View, wanted: &BTreeSet<String>) -> Outcomes {
    let there: BTreeMap<&str, &Instance> =
        view.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
    let held: BTreeSet<_> = view.held().map(|machine| machine.id).collect();
    let still = !view.moves();
    let mut outcomes = Outcomes::default();
    for name in wanted {
        let Some(instance) = there.get(name.as_str()) else {
            outcomes.missing += 1;
            continue;
        };
        let state = instance.status.state;
        let is_held = waits_for_a_person(instance, &held);
        let hopeless =
            still && state == InstanceState::Pending && (instance.spec.machine.is_some() || !view.has_free());
        if state == InstanceState::Running && !is_held {
            outcomes.done += 1;
        } else if is_held || hopeless {
            outcomes.held += 1;
        } else {
            outcomes.missing += 1;
        }
    }
    outcomes
}

pub(super) async fn release(load: &Arc<Load>, phase: &Phase) -> Result<Outcomes> {
    let slots = load.ledger().with(Wish::Wanted, phase.count);
    let count = slots.len() as u64;
    let left = load.ledger().with(Wish::Wanted, None).len() as u64 - count;
    load.each(phase, slots, |load, slot| async move {
        load.give_back(slot.number).await;
    })
    .await;
    let given: BTreeSet<String> = load.ledger().with(Wish::GivenBack, None).iter().map(Slot::name).collect();
    let all_given = given.len() as u64;
    let hint = move |counts: &Counts| {
        let (all, wiping) = (counts.instances.values().sum::<u64>(), counts.machines_in(&["releasing"]));
        match counts.held {
            0 if all == left && wiping == 0 => Hint::Done(all_given),
            held if all <= left + held && wiping <= held => Hint::Likely,
            _ => Hint::Works,
        }
    };
    let outcomes = load.until_settled(hint, |view| released(view, &given)).await;
    let there: BTreeSet<_> = if outcomes.held + outcomes.missing == 0 && outcomes.done == all_given {
        BTreeSet::new()
    } else {
        let Some(view) = load.view().await else { return Ok(outcomes) };
        view.instances.into_iter().map(|instance| instance.name).collect()
    };
    let mut ledger = load.ledger();
    let given_back = ledger.with(Wish::GivenBack, None);
    for slot in given_back {
        if !there.contains(&slot.name()) {
            ledger.gone(slot.number);
        }
    }
    drop(ledger);
    Ok(outcomes)
}

/// Gone is gone only when the machine is wiped, too: one that still releases is missing.
fn released(view: &View, given: &BTreeSet<String>) -> Outcomes {
    let held: BTreeSet<_> = view.held().map(|machine| machine.id).collect();
    let there = view.instances.iter().filter(|instance| given.contains(&instance.name));
    let (mut waits, mut missing) = (0, 0);
    for instance in there {
        if waits_for_a_person(instance, &held) { waits += 1 } else { missing += 1 }
    }
    let wiping = view.machines.iter().filter(|machine| {
        machine.status.state == MachineState::Releasing
            && machine.status.held.is_none()
            && machine.status.instance.is_none()
    });
    let missing = missing + wiping.count() as u64;
    let done = (given.len() as u64).saturating_sub(waits + missing);
    Outcomes { done, held: waits, missing, ..Outcomes::default() }
}

/// Whether it is held itself, or its machine is among those that are.
fn waits_for_a_person(instance: &Instance, held: &BTreeSet<MachineId>) -> bool {
    let Instance { status, .. } = instance;
    status.held.is_some() || status.machine.is_some_and(|machine| held.contains(&machine))
}

/// An instance of this image, on the smallest disk: some machines have several.
fn spec(image: &str, machine: Option<String>) -> InstanceSpec {
    InstanceSpec { machine, root_disk: Some(DiskHints::smallest()), ..InstanceSpec::new(image) }
}
