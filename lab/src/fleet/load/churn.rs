//! Instances come and go, at random, for a time.

use super::ledger::Wish;
use super::{Load, Outcome, Outcomes, View};
use crate::fleet::scenario::Phase;
use anyhow::Result;
use provisioner_api::{Instance, InstanceState, MachineAction};
use std::collections::BTreeMap;
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
