//! What was done is taken down. Changes `state` and `job` only.

use crate::{
    adopt::adopted,
    deadline::{Limits, back_off},
    decide::{Decision, Move, decide},
    disk::{DiskWish, choose_root_disk},
    foreign::owed,
    machine::{Hold, Job, Machine, Step},
    plan::{StepName, ram_steps, steps_of},
    service,
    wipe::{asked, serials, skipped, wiping},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{ErasePolicy, JobId, JobKind, MachineState, StepPhase};

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A change in the books. `fresh` is the id that a new job gets.
    Moved {
        /// Which.
        change: Move,
        /// An id that was never used; taken if the change starts a job.
        fresh: JobId,
    },
    /// The effect of the step in hand was performed.
    Performed(Result<String, Failure>),
    /// The effect of the step in hand is a person's to bring about: somebody has to switch the machine.
    Asked,
    /// The operator's wish to switch the machine was dealt with.
    WishDone {
        /// Its number.
        number: u64,
    },
    /// Stop and ask a person.
    Held {
        /// What happened.
        why: String,
        /// What would mend just this.
        advice: Vec<String>,
    },
}

/// Why an effect failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// As a sentence.
    pub why: String,
    /// Trying again can't help: wrong credentials, a BMC that can't do it.
    pub permanent: bool,
    /// Trying again before that time can't help: the BMC is let alone until then.
    pub rest: Option<SignedDuration>,
}

/// Takes an outcome down.
pub fn settle(machine: &Machine, outcome: &Outcome, now: Timestamp) -> Machine {
    let mut next = machine.clone();
    // Before: what was seen until now. After: what a step that begins, or a release that starts, is answerable for.
    owe(&mut next);
    match outcome {
        Outcome::Moved { change, fresh } => apply(&mut next, change, *fresh, now),
        Outcome::Performed(Ok(result)) => finish_step(&mut next, result, now),
        Outcome::Performed(Err(failure)) => fail_step(&mut next, failure, now),
        Outcome::Asked => {
            if let Some(step) = current(&mut next) {
                step.asked = step.asked_with(&machine.facts).or(Some(now));
            }
        }
        Outcome::WishDone { number } => next.state.power_wish = next.state.power_wish.max(*number),
        Outcome::Held { why, advice } => hold(&mut next, why, advice.clone(), now),
    }
    owe(&mut next);
    next
}

/// What is seen while an image may be on the disks, or they are being wiped, has to be proven wiped, even if a later boot
/// doesn't see it.
fn owe(machine: &mut Machine) {
    let (dirty, unwiped) = (machine.state.dirty, &machine.state.unwiped);
    let owes = |disk: &String| match machine.running_job() {
        // Nothing is written while one that was left unwiped is there: it is on record as that.
        // Whoever is in the rescue system may write to whatever is there.
        Some(job)
            if matches!(
                job.kind,
                JobKind::Deploy | JobKind::Reinstall | JobKind::Service | JobKind::Rescue
            ) =>
        {
            dirty && !unwiped.contains(disk)
        }
        Some(job) if job.kind == JobKind::Release => job.has_to_wipe(),
        _ => false,
    };
    let mut seen = serials(machine);
    seen.retain(|disk| owes(disk) && !machine.state.owed.contains(disk));
    machine.state.owed.append(&mut seen);
}

/// One of several changes in the books that are taken down together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What is taken down.
    pub outcome: Outcome,
    /// The machine after it.
    pub machine: Machine,
}

/// Takes an outcome down, and with it what follows from it in the books alone and at once: the next step begins, is over
/// already by what was observed, or the job ends. Never empty; the last stage is what is to be stored.
///
/// Nothing of this happens in the world, so one write does what two did, and a step's intent still is stored before its
/// effect. What follows is decided as ever: a hold, or a person's word that came in, goes before. A wiping is never begun
/// so: how many are at once is limited (`erasure`), and one place gives leave.
pub fn settle_on(machine: &Machine, outcome: &Outcome, limits: &Limits, now: Timestamp) -> Vec<Stage> {
    let first = Stage { outcome: outcome.clone(), machine: settle(machine, outcome, now) };
    let mut stages = vec![first];
    // Each step begins and ends once at most, and after the end of the job something else is decided.
    while let Some(after) = stages.last().map(|stage| &stage.machine)
        && let Some(fresh) = after.running_job().map(|job| job.id)
        && let Decision::Move(change @ (Move::Begin { .. } | Move::StepDone { .. } | Move::Finish { .. })) =
            decide(after, limits, now)
        && change != (Move::Begin { step: StepName::Erase })
    {
        // None of them starts a job, so the id is not taken.
        let outcome = Outcome::Moved { change, fresh };
        let machine = settle(after, &outcome, now);
        stages.push(Stage { outcome, machine });
    }
    stages
}

fn apply(machine: &mut Machine, change: &Move, fresh: JobId, now: Timestamp) {
    match change {
        Move::Start { kind, .. } => start(machine, *kind, fresh, now),
        Move::Begin { step } => begin(machine, *step, now),
        Move::StepDone { result } => finish_step(machine, result, now),
        Move::Again { why } => {
            if let Some(step) = current(machine) {
                step.result = Some(why.clone());
                step.phase = StepPhase::Todo;
                step.not_before = now.saturating_add(back_off(step.attempt)).ok();
                step.attempt += 1;
            }
        }
        Move::Slow { step, .. } => {
            if let Some(step) = current(machine).filter(|current| current.name == *step) {
                step.slow.get_or_insert(now);
            }
        }
        Move::Restart { why } => restart(machine, Some(why)),
        Move::Finish { to, .. } => finish(machine, *to, now),
        Move::Lift => {
            machine.state.hold = None;
            machine.state.retry = machine.want.retry;
            restart(machine, None);
        }
        Move::Now => {
            machine.state.retry = machine.want.retry;
            if let Some(step) = current(machine) {
                step.not_before = None;
            }
        }
        Move::Adopt { .. } => adopted(machine, now),
        Move::CutShort { .. } => {
            machine.state.hold = None;
            machine.state.cancel = machine.want.cancel;
            renew(machine, true);
        }
    }
}

fn start(machine: &mut Machine, kind: JobKind, id: JobId, now: Timestamp) {
    machine.state.epoch += 1;
    machine.state.hold = None;
    // What was asked of an earlier job doesn't concern this one.
    machine.state.cancel = machine.want.cancel;
    machine.state.retry = machine.want.retry;
    if kind == JobKind::Inspect {
        machine.state.inspect = machine.want.inspect;
        machine.state.came_from = Some(machine.state.name);
    }
    match kind {
        JobKind::Service => service::begun(machine),
        // It stays to be done.
        JobKind::Inspect => {}
        JobKind::Deploy | JobKind::Reinstall | JobKind::Release | JobKind::Rescue => service::over(machine),
    }
    if matches!(kind, JobKind::Deploy | JobKind::Reinstall) {
        machine.state.installation = machine.want.owner.as_ref().map_or(0, |owner| owner.installation);
    }
    // Only a deployment knows that it wrote nothing: what was deployed is wiped, whatever else is on record.
    let unwritten = machine.state.name == MachineState::Deploying && !machine.state.dirty;
    let short = unwritten || kind == JobKind::Rescue && !machine.wants_rescue();
    let name = match kind {
        JobKind::Inspect => MachineState::Inspecting,
        JobKind::Deploy | JobKind::Reinstall => MachineState::Deploying,
        JobKind::Release => MachineState::Releasing,
        JobKind::Service => MachineState::Servicing,
        JobKind::Rescue => MachineState::Rescue,
    };
    // What ran from RAM is booted again, by a machine that starts by itself.
    let again = kind == JobKind::Deploy && machine.state.name == MachineState::Deployed;
    // A release takes over what its deployments saw; `owe` adds what is there now.
    if matches!(kind, JobKind::Inspect | JobKind::Deploy) && !again || unwritten {
        machine.state.owed.clear();
        machine.state.written.clear();
    }
    enter(machine, name, now);
    let epoch = machine.state.epoch;
    let steps = match kind {
        JobKind::Deploy if again => to_do(ram_steps(true)),
        _ => fresh_steps(machine, kind, short),
    };
    machine.job = Some(Job { id, kind, epoch, started: now, ended: None, restarts: 0, steps });
}

fn fresh_steps(machine: &Machine, kind: JobKind, short: bool) -> Vec<Step> {
    // Also of one that is given back just now: what runs from RAM never gets the steps that write.
    let from_ram = machine.want.owner.as_ref().is_some_and(|owner| owner.ram.is_some());
    match kind {
        JobKind::Deploy if from_ram => to_do(ram_steps(false)),
        JobKind::Service => to_do(&service::steps(machine, short)),
        _ => to_do(steps_of(kind, short)),
    }
}

fn to_do(steps: &[StepName]) -> Vec<Step> {
    let todo = |name: &StepName| Step {
        name: *name,
        attempt: 1,
        phase: StepPhase::Todo,
        started: None,
        ended: None,
        not_before: None,
        result: None,
        asked: None,
        slow: None,
    };
    steps.iter().map(todo).collect()
}

fn begin(machine: &mut Machine, name: StepName, now: Timestamp) {
    // What runs from RAM has every disk in reach.
    if matches!(name, StepName::WriteImage | StepName::WriteSeed | StepName::BootRam) {
        machine.state.dirty = true;
    }
    if name == StepName::BootRam {
        machine.state.installed = machine.state.installation;
    }
    if name == StepName::WriteImage {
        write(machine);
    }
    if name == StepName::PowerOn {
        machine.state.switched_on = true;
    }
    if let Some(step) = current(machine).filter(|step| step.name == name) {
        step.phase = StepPhase::Intent;
        step.not_before = None;
        step.started.get_or_insert(now);
    }
}

/// From here on the root disk holds the installation that is wanted, at least in part.
fn write(machine: &mut Machine) {
    let (Some(owner), Some(wish)) = (&machine.want.owner, DiskWish::of(machine)) else { return };
    let (installation, inventory) = (owner.installation, machine.facts.inventory.as_deref());
    // `decide` held it if there is none.
    let disk = choose_root_disk(inventory, &wish).ok();
    machine.state.installed = installation;
    took(machine, disk);
}

/// Another disk is written. What was written before may hold parts of the image still.
fn took(machine: &mut Machine, disk: Option<String>) {
    let before = std::mem::replace(&mut machine.state.root_disk, disk.clone());
    for disk in before.into_iter().chain(disk) {
        if !machine.state.written.contains(&disk) {
            machine.state.written.push(disk);
        }
    }
}

/// What was there is wiped, but for what an operator left out.
fn wiped(machine: &mut Machine) {
    // All of them, seen or not: one that nobody remembers would count as wiped when it is back.
    let out = skipped(machine);
    let (method, asked) = (wiping(machine).ok().map(|(_, method)| method), asked(machine));
    // What its pool asks for it is owed in full. What its owner asked for beyond that any disk must be able to make up for.
    let pool = machine.want.owner.as_ref().and_then(|owner| owner.least).unwrap_or_default();
    let asked = asked.map(|asked| asked.min(ErasePolicy::Overwrite).max(pool));
    let mut wiped = serials(machine);
    // Not what was left alone: nobody wiped that.
    wiped.append(&mut owed(machine));
    machine.state.owed.clear();
    // Its release may have to do all steps anew, and then wipes the same disks.
    took(machine, None);
    let state = &mut machine.state;
    // One that was left out now has what it is owed from before, too.
    wiped.retain(|disk| !out.contains(disk));
    state.made_up_for(&wiped, method);
    for disk in &out {
        let least = state.unwiped_least.entry(disk.clone()).or_default();
        *least = (*least).max(asked.unwrap_or(ErasePolicy::Overwrite));
    }
    state.unwiped.extend(out);
    state.unwiped.sort();
    state.unwiped.dedup();
    state.dirty = false;
}

fn finish_step(machine: &mut Machine, result: &str, now: Timestamp) {
    let Some(step) = current(machine) else { return };
    step.phase = StepPhase::Done;
    step.ended = Some(now);
    step.result = Some(result.to_owned());
    let name = step.name;
    let services = machine.running_job().is_some_and(|job| job.kind == JobKind::Service);
    match name {
        StepName::Erase if services => service::erased(machine),
        StepName::Erase => wiped(machine),
        StepName::PowerOff | StepName::Rest => machine.state.switched_on = false,
        _ => {}
    }
    machine.state.hold = None;
}

fn fail_step(machine: &mut Machine, failure: &Failure, now: Timestamp) {
    let Some(step) = current(machine) else { return };
    step.result = Some(failure.why.clone());
    let pause = back_off(step.attempt).max(failure.rest.unwrap_or_default());
    step.not_before = now.saturating_add(pause).ok();
    step.attempt += 1;
    if failure.permanent {
        let advice = "correct the BMC with `billet machine set {machine} --bmc …`, then retry";
        hold(machine, &failure.why, vec![advice.to_owned()], now);
    }
}

/// All steps anew under a new epoch, so that whatever an old agent still says is refused.
fn restart(machine: &mut Machine, why: Option<&String>) {
    let Some(job) = machine.running_job() else { return };
    let short = match job.kind {
        JobKind::Release => !job.wipes() && !machine.state.dirty,
        JobKind::Inspect | JobKind::Deploy => job.only_rests(),
        JobKind::Reinstall | JobKind::Service | JobKind::Rescue => job.only_returns(),
    };
    renew(machine, short);
    let Some(job) = machine.job.as_mut() else { return };
    job.restarts = if why.is_some() { job.restarts + 1 } else { 0 };
    if let (Some(why), Some(first)) = (why, job.steps.first_mut()) {
        first.result = Some(format!("started anew: {why}"));
    }
}

/// The job's steps anew, under a new epoch.
fn renew(machine: &mut Machine, short: bool) {
    let Some(kind) = machine.running_job().map(|job| job.kind) else { return };
    let steps = fresh_steps(machine, kind, short);
    machine.state.epoch += 1;
    if let Some(job) = machine.job.as_mut() {
        (job.epoch, job.steps) = (machine.state.epoch, steps);
    }
}

fn finish(machine: &mut Machine, to: MachineState, now: Timestamp) {
    if let Some(job) = machine.job.as_mut() {
        job.ended.get_or_insert(now);
    }
    machine.state.cancel = machine.want.cancel;
    if to == MachineState::Rescue {
        // What was to be tried again came about: it asks for no other rescue.
        machine.state.retry = machine.want.retry;
    }
    // What is taken for deployed though nobody saw it written is the installation that was wanted.
    let vouched =
        machine.state.hold.as_ref().is_some_and(|hold| hold.restored) && to == MachineState::Deployed;
    let returns = machine.job.as_ref().is_some_and(Job::only_returns);
    if let Some(owner) = machine.want.owner.as_ref().filter(|_| vouched && !returns) {
        machine.state.installed = owner.installation;
    }
    machine.state.hold = None;
    if to == MachineState::Available {
        machine.state.written.clear();
    }
    enter(machine, to, now);
}

fn enter(machine: &mut Machine, name: MachineState, now: Timestamp) {
    if machine.state.name != name {
        machine.state.name = name;
        machine.state.since = now;
    }
}

fn hold(machine: &mut Machine, why: &str, advice: Vec<String>, now: Timestamp) {
    let retry = machine.want.retry;
    machine.state.retry = retry;
    // A wiping or a writing that is held does pause.
    let written = machine.is_written();
    // One that wrote nothing yet still goes back.
    let pauses = |job: &Job| {
        job.kind == JobKind::Release || job.kind == JobKind::Reinstall && written || service::is_erasing(job)
    };
    if machine.running_job().is_some_and(pauses) {
        machine.state.cancel = machine.want.cancel;
    }
    machine.state.holds += 1;
    let number = machine.state.holds;
    machine.state.hold = Some(Hold { number, advice, retry, ..Hold::new(why, now) });
}

fn current(machine: &mut Machine) -> Option<&mut Step> {
    let job = machine.job.as_mut().filter(|job| job.ended.is_none())?;
    job.steps.iter_mut().find(|step| step.phase != StepPhase::Done)
}
