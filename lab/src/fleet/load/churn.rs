//! Instances come and go: at random for a time, or each once more on the machine that it had.

use super::ledger::{Slot, Wish};
use super::{Load, Outcome, Outcomes, View};
use crate::fleet::scenario::Phase;
use anyhow::Result;
use provisioner_api::{Instance, InstanceState, MachineAction, MachineState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);

/// How much rarer than a running instance one is given back that does not run yet.
const UNFINISHED: f64 = 0.25;

/// What is done next with a slot or a machine.
enum Deed {
    Ask(u32, Option<String>),
    GiveBack(u32),
    Retry(String),
}

pub(super) async fn churn(load: &Arc<Load>, phase: &Phase) -> Result<Outcomes> {
    let end = Instant::now() + phase.lasts.unwrap_or_default().0;
    let done = Arc::new(AtomicU64::new(0));
    let mut held = 0;
    while Instant::now() < end && !load.stop.is_cancelled() {
        let Some(view) = load.view().await else { break };
        held = view.held().count() as u64;
        let deeds = choose(load, phase, &view);
        let counted = Arc::clone(&done);
        // Calls wait for a service that was killed; the end of the time must not wait for them.
        let calls = load.each(phase, deeds, move |load, deed| {
            let counted = Arc::clone(&counted);
            async move {
                let outcome = match deed {
                    Deed::Ask(slot, machine) => load.ask(slot, machine).await,
                    Deed::GiveBack(slot) => load.give_back(slot).await,
                    // Somebody may have been quicker, or the trouble is over: then there is nothing to try again.
                    Deed::Retry(name) => load.caller.act(&name, MachineAction::Retry).await,
                };
                counted.fetch_add(u64::from(outcome == Outcome::Done), Ordering::Relaxed);
            }
        });
        calls.await;
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = load.stop.cancelled() => {}
        }
    }
    Ok(Outcomes { done: done.load(Ordering::Relaxed), held, ..Outcomes::default() })
}

/// Throws the dice for every slot and every held machine.
fn choose(load: &Load, phase: &Phase, view: &View) -> Vec<Deed> {
    let there: BTreeMap<&str, &Instance> =
        view.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
    let (release, redeploy) = (phase.release.unwrap_or(0.0), phase.redeploy.unwrap_or(0.0));
    let mut deeds = Vec::new();
    let slots = load.ledger().all();
    for slot in slots {
        let found = there.get(slot.name().as_str());
        match (slot.wish, found) {
            (Wish::Wanted, Some(instance)) => {
                let rarer = if instance.status.state == InstanceState::Running { 1.0 } else { UNFINISHED };
                if load.hits(release * rarer) {
                    deeds.push(Deed::GiveBack(slot.number));
                }
            }
            (Wish::GivenBack, None) => load.ledger().gone(slot.number),
            (Wish::Nothing, _) if load.hits(redeploy) => {
                deeds.push(Deed::Ask(slot.number, load.pin(slot.number, phase.pinned)));
            }
            _ => {}
        }
    }
    let retry = phase.retry.unwrap_or(0.0);
    let retried = view.held().filter(|_| load.hits(retry));
    deeds.extend(retried.map(|machine| Deed::Retry(machine.name.clone())));
    deeds
}

/// Gives each instance back and asks for another one on the same machine, `parallel` at a time.
pub(super) async fn reinstall(load: &Arc<Load>, phase: &Phase) -> Result<Outcomes> {
    let Some(view) = load.view().await else { return Ok(Outcomes::default()) };
    let mut homes: BTreeMap<String, String> = BTreeMap::new();
    for instance in view.instances {
        if let Some(machine) = instance.status.machine_name {
            homes.insert(instance.name, machine);
        }
    }
    let mut waiting: Vec<(Slot, String)> = Vec::new();
    let slots = load.ledger().with(Wish::Wanted, phase.count);
    for slot in slots {
        if let Some(machine) = homes.get(&slot.name()) {
            waiting.push((slot, machine.clone()));
        }
    }
    let mut round = Round { waiting, ..Round::default() };
    let at_once = phase.parallel.unwrap_or(16) as usize;
    let mut moved = (Instant::now(), usize::MAX);
    while !round.is_over() && !load.stop.is_cancelled() {
        let Some(view) = load.view().await else { break };
        let deeds = round.next(load, &view, at_once);
        load.each(phase, deeds, |load, deed| async move {
            match deed {
                Deed::Ask(slot, machine) => load.ask(slot, machine).await,
                Deed::GiveBack(slot) => load.give_back(slot).await,
                Deed::Retry(name) => load.caller.act(&name, MachineAction::Retry).await,
            };
        })
        .await;
        if moved.1 != round.left() {
            moved = (Instant::now(), round.left());
        } else if moved.0.elapsed() > Duration::from_secs(300) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = load.stop.cancelled() => {}
        }
    }
    let missing = (round.waiting.len() + round.leaving.len() + round.coming.len()) as u64;
    Ok(Outcomes { done: round.done, held: round.held, missing, ..Outcomes::default() })
}

/// Which slot is how far.
#[derive(Default)]
struct Round {
    waiting: Vec<(Slot, String)>,
    leaving: Vec<(Slot, String)>,
    coming: BTreeSet<u32>,
    done: u64,
    held: u64,
}

impl Round {
    fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.leaving.is_empty() && self.coming.is_empty()
    }

    /// Steps that are left; it falls with each.
    fn left(&self) -> usize {
        self.waiting.len() * 3 + self.leaving.len() * 2 + self.coming.len()
    }

    /// What is to be called, now that everything is like this.
    fn next(&mut self, load: &Load, view: &View, at_once: usize) -> Vec<Deed> {
        let there: BTreeMap<&str, &Instance> =
            view.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
        let free: BTreeSet<&str> = view
            .machines
            .iter()
            .filter(|machine| machine.status.state == MachineState::Available)
            .map(|machine| machine.name.as_str())
            .collect();
        let held: BTreeSet<&str> = view.held().map(|machine| machine.name.as_str()).collect();
        let mut deeds = Vec::new();
        let names: BTreeMap<u32, String> =
            load.ledger().all().into_iter().map(|slot| (slot.number, slot.name())).collect();
        let (mut done, mut waits) = (0, 0);
        self.coming.retain(|slot| {
            let instance = names.get(slot).and_then(|name| there.get(name.as_str()));
            let running = instance.is_some_and(|one| one.status.state == InstanceState::Running);
            let stuck = instance.is_some_and(|one| one.status.held.is_some());
            (done, waits) = (done + u64::from(running), waits + u64::from(stuck && !running));
            !running && !stuck
        });
        // Whose disk can't be wiped, say, is not asked for anew.
        self.leaving.retain(|(slot, _)| {
            let stuck = there.get(slot.name().as_str()).is_some_and(|one| one.status.held.is_some());
            waits += u64::from(stuck);
            !stuck
        });
        (self.done, self.held) = (self.done + done, self.held + waits);
        let (gone, leaving): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.leaving).into_iter().partition(|(slot, machine)| {
                !there.contains_key(slot.name().as_str())
                    && (free.contains(machine.as_str()) || held.contains(machine.as_str()))
            });
        self.leaving = leaving;
        for (slot, machine) in gone {
            self.coming.insert(slot.number);
            deeds.push(Deed::Ask(slot.number, Some(machine)));
        }
        let room = at_once.saturating_sub(self.leaving.len() + self.coming.len()).min(self.waiting.len());
        for (slot, machine) in self.waiting.drain(..room) {
            deeds.push(Deed::GiveBack(slot.number));
            self.leaving.push((slot, machine));
        }
        deeds
    }
}
