//! One look at a machine: load, decide, perform, settle, write.

use super::{Next, effects};
use crate::{
    clock,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{JobId, MachineId};
use provisioner_lifecycle::{Decision, Effect, Machine, Move, Outcome, StepName, decide, settle};
use uuid::Uuid;

/// How often the power of a machine is looked at when nothing else asks.
const POLL: SignedDuration = SignedDuration::from_secs(60);

/// Looks at a machine once.
pub(super) async fn reconcile(service: &Service, id: MachineId) -> Result<Next, ServiceError> {
    let Some(record) = service.store.machine_get(id).await? else { return Ok(Next::Gone) };
    let now = clock::now();
    match decide(&record.machine, &service.config.limits, now) {
        Decision::Move(change) => {
            let outcome = Outcome::Moved { change, fresh: JobId(Uuid::now_v7()) };
            settle_if_same(service, &record, &outcome).await?;
            Ok(Next::Now)
        }
        Decision::Hold { why, choices } => {
            settle_if_same(service, &record, &Outcome::Held { why, choices }).await?;
            Ok(Next::Now)
        }
        Decision::Act(effect) => {
            let result = effects::perform(service, &record, effect).await?;
            let outcome = match effect {
                Effect::Power { wish: Some(number), .. } => Outcome::WishDone { number },
                _ => Outcome::Performed(result),
            };
            settle_step(service, &record, &outcome).await?;
            Ok(Next::Now)
        }
        Decision::Wait(patience) => {
            let poll = poll(service, &record, now).await?;
            Ok(Next::At(patience.until.map_or(poll, |until| until.min(poll))))
        }
        Decision::Done => Ok(Next::At(poll(service, &record, now).await?)),
    }
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

/// Settles a deed that took time: facts may have come in meanwhile, but step, try and epoch must be the same.
async fn settle_step(
    service: &Service,
    decided: &MachineRecord,
    outcome: &Outcome,
) -> Result<(), ServiceError> {
    let before = position(&decided.machine);
    service
        .machine_change(decided.id(), |record, now| {
            let same = position(&record.machine) == before || matches!(outcome, Outcome::WishDone { .. });
            Ok::<_, ServiceError>(same.then(|| settled(record, outcome, now)))
        })
        .await?;
    Ok(())
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
    Change { record: MachineRecord { machine, ..record.clone() }, events }
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
        Outcome::WishDone { .. } => Vec::new(),
        Outcome::Held { why, .. } => event("held", why.clone()),
    }
}

/// Looks at the machine's power if that is due; answers when it is due next.
async fn poll(service: &Service, record: &MachineRecord, now: Timestamp) -> Result<Timestamp, ServiceError> {
    let facts = &record.machine.facts;
    let next = now.saturating_add(POLL).unwrap_or(now);
    if record.spec.bmc.is_none() || !record.machine.want.accepted {
        return Ok(next);
    }
    let seen = facts.power.map(|(_, at)| at);
    let due = seen
        .and_then(|at| at.saturating_add(POLL).ok())
        .filter(|due| *due > now && facts.bmc_trouble.is_none());
    if let Some(due) = due {
        return Ok(due);
    }
    effects::look_at_power(service, record).await?;
    Ok(next)
}

fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}
