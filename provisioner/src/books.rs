//! What is taken down of a machine: facts and outcomes, and with them what follows in the books alone.
//!
//! That is one write, because nothing of it happens in the world: whoever is killed after it finds all of it or nothing,
//! and a step's intent still is stored before its effect. `lifecycle` decides; here is only what the timeline says of it.
//! While everything is frozen nothing follows: that is made good by the reconciler after it.
//! Deliberately not here: writing (`service`), and whatever has to be done (`reconcile`).

use crate::{store::NewEvent, text::word};
use jiff::Timestamp;
use provisioner_api::JobId;
use provisioner_lifecycle::{
    Decision, Fact, Limits, Machine, Move, Outcome, StepName, decide, observe, settle, settle_on,
};

/// The machine with facts, in their order, and with what follows if they end the step in hand; what is to be told of the
/// latter.
pub(crate) fn observed(
    before: &Machine,
    facts: &[Fact],
    limits: &Limits,
    now: Timestamp,
) -> (Machine, Vec<NewEvent>) {
    let seen = seen(before, facts, now);
    match (decide(&seen, limits, now), seen.running_job()) {
        (Decision::Move(change @ Move::StepDone { .. }), Some(job)) => {
            // It starts no job, so the id is not taken.
            let outcome = Outcome::Moved { change, fresh: job.id };
            settled(&seen, &outcome, limits, now)
        }
        // Whatever else follows is the reconciler's.
        _ => (seen, Vec::new()),
    }
}

/// The machine with facts, in their order, and nothing else.
pub(crate) fn seen(before: &Machine, facts: &[Fact], now: Timestamp) -> Machine {
    let mut seen = None;
    for fact in facts {
        seen = Some(observe(seen.as_ref().unwrap_or(before), fact, now));
    }
    seen.unwrap_or_else(|| before.clone())
}

/// The machine with an outcome, and nothing else; what is to be told.
pub(crate) fn settled_alone(before: &Machine, outcome: &Outcome, now: Timestamp) -> (Machine, Vec<NewEvent>) {
    let after = settle(before, outcome, now);
    let told = tell(before, &after, outcome);
    (after, told)
}

/// The machine with an outcome, and with what follows from it; what is to be told.
pub(crate) fn settled(
    before: &Machine,
    outcome: &Outcome,
    limits: &Limits,
    now: Timestamp,
) -> (Machine, Vec<NewEvent>) {
    let mut stages = settle_on(before, outcome, limits, now);
    let (mut last, mut events) = (before, Vec::new());
    for stage in &stages {
        events.extend(tell(last, &stage.machine, &stage.outcome));
        last = &stage.machine;
    }
    let machine = stages.pop().map_or_else(|| before.clone(), |stage| stage.machine);
    (machine, events)
}

/// Where in its work a machine is.
pub(crate) fn position(machine: &Machine) -> Option<(JobId, u64, StepName, u32)> {
    let job = machine.running_job()?;
    let step = job.current()?;
    Some((job.id, job.epoch, step.name, step.attempt))
}

/// What the timeline says of an outcome.
fn tell(before: &Machine, after: &Machine, outcome: &Outcome) -> Vec<NewEvent> {
    let id = after.id;
    let event = |kind, message: String| vec![NewEvent::machine(id, kind, message)];
    let step = position(before).map_or("", |(_, _, step, _)| step.word());
    match outcome {
        Outcome::Moved {
            change: Move::Start { because, .. } | Move::Finish { because, .. } | Move::Adopt { because },
            ..
        } => {
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
        Outcome::Moved { change: Move::Slow { step, why }, .. } => {
            event("slow", format!("{step} takes longer than usual: {why}"))
        }
        Outcome::Moved { change: Move::Restart { why }, .. } => {
            event("step", format!("the job starts anew: {why}"))
        }
        Outcome::Moved { change: Move::Lift, .. } => {
            event("held", "the hold is lifted; the job starts anew".into())
        }
        Outcome::Moved { change: Move::Now, .. } => {
            event("step", format!("{step} is tried again now, as an operator asks"))
        }
        Outcome::Moved { change: Move::CutShort { because }, .. } => event("step", because.clone()),
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
