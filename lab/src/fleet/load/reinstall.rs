//! A rolling reinstallation: every instance is installed anew on its machine, so many at a time, by one call each.
//!
//! What is promised of each is judged at once, by the service's record beside the machine's real disks: same machine,
//! same id, one installation more, and not a byte of the tenant's disks changed.

use super::ledger::{Slot, Wish};
use super::{Load, Outcome, Outcomes, View};
use crate::fleet::Sim;
use crate::fleet::scenario::Phase;
use anyhow::Result;
use provisioner_api::{Instance, InstanceId, InstanceState, MachineId};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);

/// How long nothing may move.
const PATIENCE: Duration = Duration::from_secs(300);

/// The promise.
const KEPT: &str = "reinstalled-in-place";

/// What has to be as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Before {
    id: InstanceId,
    machine: Option<MachineId>,
    installation: u32,
    /// Of the tenant's disks; none: it has none.
    data: Option<[u8; 32]>,
}

/// Which instance is how far.
#[derive(Default)]
struct Round {
    waiting: Vec<(Slot, Before)>,
    coming: BTreeMap<String, (Slot, Before)>,
    done: Vec<(Slot, Before)>,
    held: u64,
}

pub(super) async fn reinstall(load: &Arc<Load>, phase: &Phase) -> Result<Outcomes> {
    let Some(view) = load.view().await else { return Ok(Outcomes::default()) };
    let running: BTreeMap<&str, &Instance> = view
        .instances
        .iter()
        .filter(|one| one.status.state == InstanceState::Running && one.status.held.is_none())
        .map(|one| (one.name.as_str(), one))
        .collect();
    let mut round = Round::default();
    let slots = load.ledger().with(Wish::Wanted, phase.count);
    let asked = slots.len() as u64;
    for slot in slots {
        let Some(instance) = running.get(slot.name().as_str()) else { continue };
        let data = data_of(load, instance, Some(&slot.name())).await?;
        let status = &instance.status;
        let before =
            Before { id: instance.id, machine: status.machine, installation: status.installation, data };
        round.waiting.push((slot, before));
    }
    let unfit = asked - round.waiting.len() as u64;
    let at_once = phase.parallel.unwrap_or(16) as usize;
    let mut moved = (Instant::now(), usize::MAX);
    while round.left() > 0 && !load.stop.is_cancelled() {
        let Some(view) = load.view().await else { break };
        let calls = round.next(&view, at_once);
        load.each(phase, calls, |load, (name, installation)| async move {
            if let Outcome::Refused(why) = load.caller.reinstall(&name, installation).await {
                load.problem("no-refusal", &name, format!("installing it anew was refused: {why}"));
            }
        })
        .await;
        if moved.1 != round.left() {
            moved = (Instant::now(), round.left());
        } else if moved.0.elapsed() > PATIENCE {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = load.stop.cancelled() => {}
        }
    }
    judge(load, &round.done).await?;
    let missing = (round.waiting.len() + round.coming.len()) as u64 + unfit;
    Ok(Outcomes { done: round.done.len() as u64, held: round.held, missing, ..Outcomes::default() })
}

impl Round {
    /// Steps that are left; it falls with each.
    fn left(&self) -> usize {
        self.waiting.len() * 2 + self.coming.len()
    }

    /// Whom to call now that everything is like this, with the number of the installation that each has.
    fn next(&mut self, view: &View, at_once: usize) -> Vec<(String, u32)> {
        let there: BTreeMap<&str, &Instance> =
            view.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
        for (name, (slot, before)) in std::mem::take(&mut self.coming) {
            let status = there.get(name.as_str()).map(|instance| &instance.status);
            let anew = status.is_some_and(|status| {
                status.state == InstanceState::Running && status.installation > before.installation
            });
            if status.is_some_and(|status| status.held.is_some()) {
                self.held += 1;
            } else if anew {
                self.done.push((slot, before));
            } else {
                self.coming.insert(name, (slot, before));
            }
        }
        let room = at_once.saturating_sub(self.coming.len()).min(self.waiting.len());
        let mut calls = Vec::new();
        for (slot, before) in self.waiting.drain(..room) {
            calls.push((slot.name(), before.installation));
            self.coming.insert(slot.name(), (slot, before));
        }
        calls
    }
}

/// Whether all that had to stay has stayed.
async fn judge(load: &Arc<Load>, done: &[(Slot, Before)]) -> Result<()> {
    let Some(view) = load.view().await else { return Ok(()) };
    let there: BTreeMap<&str, &Instance> =
        view.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
    for (slot, before) in done {
        let name = slot.name();
        let Some(instance) = there.get(name.as_str()) else {
            load.problem(KEPT, &name, "it was installed anew, and is not there");
            continue;
        };
        let data = data_of(load, instance, None).await?;
        for why in broken(before, instance, data) {
            load.problem(KEPT, &name, why);
        }
    }
    Ok(())
}

/// What is not as it was, or not anew.
fn broken(before: &Before, after: &Instance, data: Option<[u8; 32]>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut say = |wrong: bool, why: String| {
        if wrong {
            broken.push(why);
        }
    };
    let status = &after.status;
    say(after.id != before.id, format!("its id was {} and is {}", before.id, after.id));
    say(status.machine != before.machine, "it is on another machine than before".into());
    let wanted = before.installation + 1;
    say(
        status.installation != wanted,
        format!("it was installed anew once, and its installation is {}, not {wanted}", status.installation),
    );
    say(data != before.data, "the tenant's disks are not as they were".into());
    broken
}

/// What is on the tenant's disks of an instance's machine. `put`: the tenant's words are put there before.
async fn data_of(load: &Arc<Load>, instance: &Instance, put: Option<&str>) -> Result<Option<[u8; 32]>> {
    let named = |sim: &&Arc<Sim>| Some(sim.name()) == instance.status.machine_name.as_deref();
    let Some(sim) = load.fleet.machines().iter().find(named).cloned() else { return Ok(None) };
    let words = put.map(|name| format!("the data of {name}, which no reinstallation may touch"));
    // Every byte of a disk: not on a thread that others wait for.
    let reading = tokio::task::spawn_blocking(move || {
        if let Some(words) = words {
            sim.host().put_on_data(words.as_bytes());
        }
        sim.host().data_content().map(|bytes| Sha256::digest(bytes).into())
    });
    Ok(reading.await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::load::ledger::Ledger;

    fn instance(name: &str, state: &str, installation: u32) -> Instance {
        let id = "0190a5c0-7d3e-7000-8000-0000000000a0";
        serde_json::from_value(serde_json::json!({
            "id": id, "name": name, "version": 1, "spec": { "image": "fleet" },
            "status": { "state": state, "since": "2026-11-22T00:00:00Z", "machine": id, "machine_name": "m-0",
                "installation": installation },
        }))
        .expect("it is what the API shows")
    }

    fn before(instance: &Instance) -> Before {
        let status = &instance.status;
        Before {
            id: instance.id,
            machine: status.machine,
            installation: status.installation,
            data: Some([7; 32]),
        }
    }

    #[test]
    fn what_did_not_stay_is_told() {
        let (old, new) = (instance("i-0-1", "running", 3), instance("i-0-1", "running", 4));
        let was = before(&old);
        assert_eq!(broken(&was, &new, Some([7; 32])), [""; 0]);
        assert!(broken(&was, &old, Some([7; 32]))[0].contains("its installation is 3, not 4"));
        assert!(broken(&was, &new, Some([8; 32]))[0].contains("disks are not as they were"));
        let mut moved = new.clone();
        moved.status.machine = None;
        assert!(broken(&was, &moved, Some([7; 32]))[0].contains("another machine"));
        let mut other = new;
        other.id = "0190a5c0-7d3e-7000-8000-0000000000a1".parse().unwrap();
        assert!(broken(&was, &other, Some([7; 32]))[0].contains("its id was"));
    }

    #[test]
    fn a_wave_has_so_many_and_the_next_one_comes_when_it_is_through() {
        let mut ledger = Ledger::new(3);
        let names: Vec<_> = (0..3).map(|slot| ledger.ask(slot)).collect();
        let view = |states: [(&str, u32); 3]| View {
            instances: names
                .iter()
                .zip(states)
                .map(|(name, (state, number))| instance(name, state, number))
                .collect(),
            ..View::default()
        };
        let first = view([("running", 0); 3]);
        let slots = ledger.with(Wish::Wanted, None);
        let waiting =
            slots.into_iter().zip(&first.instances).map(|(slot, one)| (slot, before(one))).collect();
        let mut round = Round { waiting, ..Round::default() };
        assert_eq!(round.next(&first, 2), [(names[0].clone(), 0), (names[1].clone(), 0)]);
        // The old system of one still runs: that is not its end.
        let half = view([("running", 0), ("reinstalling", 0), ("running", 0)]);
        assert_eq!(round.next(&half, 2), []);
        let one = view([("running", 1), ("reinstalling", 1), ("running", 0)]);
        assert_eq!(round.next(&one, 2), [(names[2].clone(), 0)]);
        let all = view([("running", 1); 3]);
        assert_eq!((round.next(&all, 2), round.left(), round.done.len()), (vec![], 0, 3));
    }
}
