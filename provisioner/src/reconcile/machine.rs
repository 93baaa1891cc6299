//! One look at a machine: load, decide, perform, settle, write.

use super::{Next, Slots, effects, effects::Done, firmware};
use crate::{
    clock,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{BmcSpec, JobId, MachineId};
use provisioner_lifecycle::{Decision, Effect, Machine, Move, Outcome, StepName, decide, settle};
use uuid::Uuid;

/// How often the power of a machine is looked at when nothing else asks.
const POLL: SignedDuration = SignedDuration::from_secs(60);

/// How often a BMC that refuses our credentials is asked again: many lock the account after a few wrong passwords.
const POLL_REFUSED: SignedDuration = SignedDuration::from_mins(30);

/// How soon a machine is looked at again whose turn it was while too many others were asked.
const CROWDED: SignedDuration = SignedDuration::from_secs(5);

/// How soon a deed is tried again that another one at the same machine stands in the way of.
const BUSY: SignedDuration = SignedDuration::from_secs(1);

/// When a machine's BMC was last asked for its power, and the machine's generation then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    at: Timestamp,
    generation: u64,
}

/// Looks at a machine once.
pub(super) async fn reconcile(
    service: &Service,
    id: MachineId,
    slots: &Slots,
    glance: &mut Option<Glance>,
) -> Result<Next, ServiceError> {
    let Some((mut record, mut decision)) = look(service, id).await? else {
        service.consoles.forget(id).await;
        service.bmcs.forget(id).await;
        return Ok(Next::Gone);
    };
    let (_slot, _alone);
    if let Decision::Act(_) = decision {
        _slot = slots.deeds.acquire().await;
        // An operator switches it just now, or has its firmware updated.
        let Ok(alone) = service.bmcs.deed(id).try_lock_owned() else {
            return Ok(Next::At(clock::now().saturating_add(BUSY).unwrap_or(Timestamp::MAX)));
        };
        _alone = alone;
        // Waiting for leave may have taken minutes: what was decided then may be wrong now.
        match look(service, id).await? {
            Some(again @ (_, Decision::Act(_))) => (record, decision) = again,
            _ => return Ok(Next::Now),
        }
    }
    let now = clock::now();
    // What has to be done at once goes before.
    let followed = match decision {
        Decision::Wait(_) | Decision::Done => firmware::follow(service, &record, now).await?,
        _ => None,
    };
    let or_followed = |at: Timestamp| Ok(Next::At(followed.map_or(at, |followed| at.min(followed))));
    match decision {
        Decision::Move(change) => {
            if matches!(change, Move::Start { .. } | Move::Lift) {
                // A person waits for it: a BMC that is let alone is asked once more.
                service.bmcs.ask_again(id).await;
            }
            let outcome = Outcome::Moved { change, fresh: JobId(Uuid::now_v7()) };
            settle_if_same(service, &record, &outcome).await?;
            Ok(Next::Now)
        }
        Decision::Hold { why, choices } => {
            settle_if_same(service, &record, &Outcome::Held { why, choices }).await?;
            Ok(Next::Now)
        }
        Decision::Act(effect) => {
            act(service, &record, effect).await?;
            Ok(Next::Now)
        }
        Decision::Wait(patience) => {
            let poll = poll(service, &record, slots, glance, now).await?;
            or_followed(patience.until.map_or(poll, |until| until.min(poll)))
        }
        Decision::Done => or_followed(poll(service, &record, slots, glance, now).await?),
    }
}

/// Performs an effect, and settles what came of it.
async fn act(service: &Service, record: &MachineRecord, effect: Effect) -> Result<(), ServiceError> {
    let done = effects::perform(service, record, effect).await?;
    let outcome = match (effect, done) {
        (Effect::Power { wish: Some(number), on }, done) => {
            if let Some(message) = unfulfilled(&record.name, on, &done) {
                let event = NewEvent::machine(record.id(), "bmc", message);
                service.store.event_insert(&[event], clock::now()).await?;
            }
            Outcome::WishDone { number }
        }
        (_, Done::So(result)) => Outcome::Performed(Ok(result)),
        (_, Done::Failed(failure)) => Outcome::Performed(Err(failure)),
        (_, Done::Asked) => Outcome::Asked,
    };
    settle_step(service, record, &outcome).await
}

/// What an operator is told whose wish to switch a machine did not come true.
fn unfulfilled(name: &str, on: bool, done: &Done) -> Option<String> {
    let word = if on { "on" } else { "off" };
    match done {
        Done::So(_) => None,
        Done::Failed(failure) => {
            Some(format!("power was asked to be {word}, but that failed: {}", failure.why))
        }
        Done::Asked => Some(format!(
            "power was asked to be {word}: somebody has to switch {name} {word}, and then run `billet bmc confirm {name} {word}`"
        )),
    }
}

async fn look(service: &Service, id: MachineId) -> Result<Option<(MachineRecord, Decision)>, ServiceError> {
    let record = service.store.machine_get(id).await?;
    Ok(record.map(|record| {
        let may = record.machine.want.accepted && record.spec.bmc.is_some();
        let works = record.machine.running_job().is_some() && record.machine.state.hold.is_none();
        service.consoles.look(id, may, works, record.generation);
        let decision = decide(&record.machine, &service.config.limits, clock::now());
        (record, decision)
    }))
}

/// Settles what was decided on exactly this version. If somebody was faster, it is decided anew.
async fn settle_if_same(
    service: &Service,
    decided: &MachineRecord,
    outcome: &Outcome,
) -> Result<(), ServiceError> {
    let version = decided.version;
    service
        .machine_change(decided.id(), |record, now| {
            Ok::<_, ServiceError>((record.version == version).then(|| settled(record, outcome, now)))
        })
        .await?;
    Ok(())
}

/// Settles a deed that took time: facts may have come in meanwhile, but step, try and epoch must be the same, and the
/// BMC too: what another one did says nothing of this machine.
async fn settle_step(
    service: &Service,
    decided: &MachineRecord,
    outcome: &Outcome,
) -> Result<(), ServiceError> {
    let before = position(&decided.machine);
    service
        .machine_change(decided.id(), |record, now| {
            let same = position(&record.machine) == before && same_bmc(decided, record)
                || matches!(outcome, Outcome::WishDone { .. });
            Ok::<_, ServiceError>(same.then(|| settled(record, outcome, now)))
        })
        .await?;
    Ok(())
}

/// Whether a BMC was not changed; that its certificate was pinned meanwhile is no change.
fn same_bmc(before: &MachineRecord, after: &MachineRecord) -> bool {
    let bmc = |record: &MachineRecord| record.spec.bmc.clone().map(|bmc| BmcSpec { tls_sha256: None, ..bmc });
    bmc(before) == bmc(after)
}

/// Where in its work a machine is.
fn position(machine: &Machine) -> Option<(JobId, u64, StepName, u32)> {
    let job = machine.running_job()?;
    let step = job.current()?;
    Some((job.id, job.epoch, step.name, step.attempt))
}

fn settled(record: &MachineRecord, outcome: &Outcome, now: Timestamp) -> Change {
    let machine = settle(&record.machine, outcome, now);
    let events = tell(&record.machine, &machine, outcome);
    Change::new(MachineRecord { machine, ..record.clone() }, events)
}

/// What the timeline says of an outcome.
fn tell(before: &Machine, after: &Machine, outcome: &Outcome) -> Vec<NewEvent> {
    let id = after.id;
    let event = |kind, message: String| vec![NewEvent::machine(id, kind, message)];
    let step = position(before).map_or("", |(_, _, step, _)| step.word());
    match outcome {
        Outcome::Moved { change: Move::Start { because, .. } | Move::Finish { because, .. }, .. } => {
            let (from, to) = (word(&before.state.name), word(&after.state.name));
            event("state", format!("{from} → {to}: {because}"))
        }
        Outcome::Moved { change: Move::Begin { step }, .. } => event("step", format!("{step} begins")),
        Outcome::Moved { change: Move::StepDone { result }, .. } | Outcome::Performed(Ok(result)) => {
            event("step", format!("{step} done: {result}"))
        }
        Outcome::Moved { change: Move::Again { why }, .. } => {
            event("step", format!("{step} is tried again: {why}"))
        }
        Outcome::Moved { change: Move::Restart { why }, .. } => {
            event("step", format!("the job starts anew: {why}"))
        }
        Outcome::Moved { change: Move::Lift, .. } => {
            event("held", "the hold is lifted; the job starts anew".into())
        }
        Outcome::Performed(Err(failure)) => {
            let mut events = event("step", format!("{step} failed: {}", failure.why));
            if after.state.hold.is_some() && before.state.hold.is_none() {
                events.extend(event("held", failure.why.clone()));
            }
            events
        }
        Outcome::Asked => event("asks", format!("{step}: a person is asked to do it")),
        Outcome::WishDone { .. } => Vec::new(),
        Outcome::Held { why, .. } => event("held", why.clone()),
    }
}

/// Looks at the machine's power if that is due; answers when it is due next.
async fn poll(
    service: &Service,
    record: &MachineRecord,
    slots: &Slots,
    glance: &mut Option<Glance>,
    now: Timestamp,
) -> Result<Timestamp, ServiceError> {
    let next = now.saturating_add(POLL).unwrap_or(now);
    // Nobody but a person could say.
    let silent = record.spec.bmc.as_ref().is_none_or(|bmc| bmc.protocol.asks_person());
    if silent || !record.machine.want.accepted {
        return Ok(next);
    }
    if let Some(due) = due(record, *glance).filter(|due| *due > now) {
        return Ok(due);
    }
    let Ok(_slot) = slots.polls.try_acquire() else { return Ok(now.saturating_add(CROWDED).unwrap_or(now)) };
    *glance = Some(Glance { at: now, generation: record.generation });
    effects::look_at_power(service, record).await?;
    Ok(next)
}

/// When to ask for the power again; `None`: now. Trouble is asked after as seldom as health, however often others poke;
/// but at once when a person changed the machine.
fn due(record: &MachineRecord, glance: Option<Glance>) -> Option<Timestamp> {
    let facts = &record.machine.facts;
    let refused = facts.bmc_trouble.as_ref().is_some_and(|trouble| trouble.authentication);
    let seen = facts.power.map(|(_, at)| at).filter(|_| facts.bmc_trouble.is_none());
    let asked = glance.filter(|glance| glance.generation == record.generation).map(|glance| glance.at);
    seen.max(asked)?.saturating_add(if refused { POLL_REFUSED } else { POLL }).ok()
}

fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::MachineSpec;
    use provisioner_lifecycle::{Fact, observe};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(facts: &[(Fact, i64)]) -> MachineRecord {
        let mut machine = Machine::new(MachineId(Uuid::from_u128(1)), at(0));
        for (fact, second) in facts {
            machine = observe(&machine, fact, at(*second));
        }
        let spec = MachineSpec {
            pool: "default".into(),
            macs: Vec::new(),
            bmc: None,
            boot_mode: None,
            boot_chain: None,
            accepted: true,
            maintenance: false,
            labels: Default::default(),
        };
        MachineRecord { version: 1, generation: 7, name: "m".into(), spec, machine, created: at(0) }
    }

    #[test]
    fn a_bmc_in_trouble_is_not_asked_at_each_poke_and_one_that_refuses_us_seldom() {
        let trouble = |authentication| Fact::BmcTrouble { why: "x".into(), authentication };
        let seen = (Fact::Power { on: true }, 100);
        let glance = |second, generation| Some(Glance { at: at(second), generation });
        let (minute, long) = (60, 30 * 60);
        for (facts, glance, expected, why) in [
            (vec![], None, None, "never asked: at once"),
            (vec![seen.clone()], None, Some(100 + minute), "a deed showed it"),
            (vec![seen.clone()], glance(130, 7), Some(130 + minute), "asked since"),
            (vec![seen.clone(), (trouble(false), 110)], None, None, "in trouble since the service began"),
            (vec![seen.clone(), (trouble(false), 110)], glance(120, 7), Some(120 + minute), "in trouble"),
            (vec![seen, (trouble(true), 110)], glance(120, 7), Some(120 + long), "refused"),
            (vec![(trouble(true), 110)], glance(120, 6), None, "a person changed it"),
        ] {
            assert_eq!(due(&record(&facts), glance), expected.map(at), "{why}");
        }
    }
}
