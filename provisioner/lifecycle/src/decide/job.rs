//! Decisions while a job runs: the step in hand, by what it is made of.

use super::{Decision, Effect, Move, Patience, came_from, resting::power_wish};
use crate::{
    confirm,
    deadline::{Deadline, Limits, Then, end, words},
    disk::{DiskWish, choose_root_disk},
    erasure::Erasing,
    foreign::{left_alone, nothing_to_wipe},
    machine::{AgentReport, Hold, Job, Machine, Reported, Step},
    plan::{StepKind, StepName},
    proof::unproven,
    ram,
    wipe::{seen_but, unwiped, wiping},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{JobKind, MachineState, StepPhase, agent::DiskEvidence};

/// Decides for a machine with a running job.
pub(super) fn decide(machine: &Machine, job: &Job, limits: &Limits, now: Timestamp) -> Decision {
    match in_hand(machine, job, limits, now) {
        decision @ (Decision::Wait(_) | Decision::Act(_)) => {
            slow(machine, job, limits, now).map_or(decision, Decision::Move)
        }
        decision => decision,
    }
}

/// What is told once of a step that takes longer than usual.
fn slow(machine: &Machine, job: &Job, limits: &Limits, now: Timestamp) -> Option<Move> {
    let step = job.current().filter(|step| step.slow.is_none())?;
    let time = Time::of(machine, job, step, limits);
    (step.started.is_some() && now >= time.soft).then(|| Move::Slow {
        step: step.name,
        why: format!(
            "more than {}; after {} {}",
            words(time.deadline.soft),
            words(time.deadline.hard),
            time.deadline.then.words()
        ),
    })
}

fn in_hand(machine: &Machine, job: &Job, limits: &Limits, now: Timestamp) -> Decision {
    let Some(step) = job.current() else { return finish(machine, job) };
    if step.phase == StepPhase::Todo {
        return begin(machine, job, step, limits, now);
    }
    let time = Time::of(machine, job, step, limits);
    match step.name.kind() {
        StepKind::Level => level(machine, job, step, time, now),
        StepKind::Await => awaited(machine, job, step, time, limits, now),
        StepKind::Order => ordered(machine, job, step, time, limits, now),
    }
}

/// What ends a hold because there is nothing to mend: the operating system reported in after all, or somebody saw that it
/// runs.
pub(super) fn late(machine: &Machine, hold: &Hold) -> Option<Decision> {
    if confirm::left_its_rescue(machine, hold) {
        let because = "the database was restored, and an operator says that its own system runs".into();
        return Some(Decision::Move(Move::Finish { to: MachineState::Deployed, because }));
    }
    let job = machine.running_job()?;
    if hold.restored {
        return confirm::runs(machine, job, hold);
    }
    let step = job.current().filter(|step| step.phase == StepPhase::Intent)?;
    let awaits = matches!(step.name, StepName::Reboot | StepName::BootRam | StepName::PhoneHome);
    let vouched = step.name == StepName::PhoneHome && machine.want.vouched == Some(hold.number);
    let result = if awaits && phoned_home(machine, job) {
        "the operating system reported in, though late"
    } else if vouched {
        "the operating system did not report in; an operator says that it runs"
    } else {
        return None;
    };
    Some(Decision::Move(Move::StepDone { result: result.into() }))
}

/// The clocks of the step in hand.
#[derive(Clone, Copy)]
struct Time {
    started: Timestamp,
    /// Since when somebody has listened without a break, but not before `started`.
    heard_from: Timestamp,
    deadline: Deadline,
    soft: Timestamp,
    until: Timestamp,
}

impl Time {
    fn of(machine: &Machine, job: &Job, step: &Step, limits: &Limits) -> Self {
        let started = step.started.unwrap_or(job.started);
        // Nobody could call in, report or phone home while the service was down: that time doesn't count.
        let heard_from = machine.facts.listening.map_or(started, |listening| listening.max(started));
        // What was done by hand while the service was down can be confirmed afterwards: that time counts.
        let (from, deadline) = match step.asked_with(&machine.facts) {
            Some(asked) => (asked, limits.person_deadline()),
            None => (machine.facts.limit_from(started), limits.deadline_of(machine, step.name)),
        };
        let (soft, until) = (end(from, deadline.soft), end(from, deadline.hard));
        Self { started, heard_from, deadline, soft, until }
    }
}

fn finish(machine: &Machine, job: &Job) -> Decision {
    // Neither can come about by `settle`; nobody may get a machine on the word of such records.
    let unwiped = job.kind == JobKind::Release && machine.state.dirty;
    if job.steps.is_empty() || unwiped {
        return hold("the records of its job are damaged: it is over, but its work was not done".into());
    }
    let (to, because) = match job.kind {
        JobKind::Inspect if job.only_rests() => {
            (came_from(machine), "its inspection was cancelled, and it is switched off")
        }
        JobKind::Inspect => (MachineState::Available, "it was inspected"),
        JobKind::Reinstall if job.only_returns() => {
            (MachineState::Deployed, "its reinstallation was cancelled, and its old system boots")
        }
        JobKind::Service if job.only_returns() => {
            (came_from(machine), "its servicing was cancelled, and it is led back")
        }
        JobKind::Service => (came_from(machine), "it was serviced"),
        JobKind::Rescue if job.only_returns() => {
            (MachineState::Deployed, "its rescue is over, and its own system boots")
        }
        JobKind::Rescue => (MachineState::Rescue, "its rescue system runs"),
        JobKind::Deploy | JobKind::Reinstall => (MachineState::Deployed, "its operating system reported in"),
        JobKind::Release if job.wipes() => (MachineState::Available, "its disks are wiped"),
        JobKind::Release => (MachineState::Available, "it is switched off, and nothing was written"),
    };
    Decision::Move(Move::Finish { to, because: because.into() })
}

/// A destructive step begins only when it is clear which disks it means.
fn begin(machine: &Machine, job: &Job, step: &Step, limits: &Limits, now: Timestamp) -> Decision {
    if let Some(not_before) = step.not_before.filter(|at| *at > now) {
        return later(machine, trying_again(step, None, not_before));
    }
    let wipes = job.kind == JobKind::Release && step.name == StepName::Erase;
    if let Some(result) = wipes.then(|| nothing_to_wipe(machine)).flatten() {
        return Decision::Move(Move::StepDone { result });
    }
    if let Some(why) = obstacle(machine, step.name) {
        return hold(why);
    }
    if silent_in_line(machine, limits).is_some_and(|silent| now >= silent) {
        let seconds = limits.agent_silence.as_secs();
        let why = format!("the agent was not heard for {seconds} s while it waited for leave to wipe");
        return overdue(job, limits, Then::Restart, why);
    }
    Decision::Move(Move::Begin { step: step.name })
}

/// When the agent of a machine that waits for leave to wipe has been silent for too long; nothing while it does not. It
/// may wait for as long as others are wiped, but one that is gone keeps no place.
pub fn silent_in_line(machine: &Machine, limits: &Limits) -> Option<Timestamp> {
    let job = machine.running_job().filter(|job| Erasing::of(&job.steps, false) == Some(Erasing::Waits))?;
    let before = job.steps.iter().rfind(|step| step.phase == StepPhase::Done)?.ended?;
    let facts = [machine.facts.agent_seen, machine.facts.listening];
    let heard = facts.into_iter().flatten().fold(before, Timestamp::max);
    Some(end(heard, limits.agent_silence))
}

/// Why no permit can be given for a step that destroys, or what runs from RAM can't be started.
fn obstacle(machine: &Machine, step: StepName) -> Option<String> {
    match step {
        StepName::WriteImage | StepName::WriteSeed | StepName::BootRam if unwiped(machine).is_some() => {
            let back = "which an earlier release left unwiped: take it out";
            let how = |disk| seen_but(machine, disk).map(|how| format!(" ({how})")).unwrap_or_default();
            unwiped(machine).map(|disk| format!("disk `{disk}` is there again{}, {back}", how(disk)))
        }
        StepName::WriteImage | StepName::WriteSeed => match DiskWish::of(machine) {
            Some(wish) => {
                let chosen = choose_root_disk(machine.facts.inventory.as_deref(), &wish);
                chosen.err().map(|no| no.to_string())
            }
            None => Some("no instance owns this machine".into()),
        },
        StepName::Erase => wiping(machine).err(),
        StepName::BootRam => match &machine.want.owner {
            Some(owner) => {
                let seen = machine.facts.inventory.as_ref().map_or(0, |inventory| inventory.memory_bytes);
                owner.ram.and_then(|ram| ram.lacks(seen))
            }
            None => Some("no instance owns this machine".into()),
        },
        _ => None,
    }
}

fn level(machine: &Machine, job: &Job, step: &Step, time: Time, now: Timestamp) -> Decision {
    let effect = effect_of(step.name);
    if let (Some(asked), Effect::Power { on, .. }) = (step.asked_with(&machine.facts), effect) {
        return by_hand(machine, job, step, (asked, on), time, now);
    }
    if let Some(not_before) = step.not_before.filter(|at| *at > now) {
        return later(machine, trying_again(step, Some(time.soft), not_before));
    }
    // The last try has to be of now: one from before the service was down for long says nothing.
    let last = step.result.as_ref().filter(|_| step.not_before.is_some_and(|at| at >= time.until));
    if step.name == StepName::ShutDown && now >= time.until {
        let minutes = time.deadline.hard.as_mins();
        let result = format!("the system was not off within {minutes} minutes: its power is cut");
        return Decision::Move(Move::StepDone { result });
    }
    if let Some(why) = last {
        return hold(why.clone());
    }
    Decision::Act(effect)
}

/// The end that a level step names.
fn effect_of(step: StepName) -> Effect {
    match step {
        StepName::ShutDown => Effect::ShutDown,
        StepName::PowerOn => Effect::Power { on: true, wish: None },
        StepName::BootNetwork => Effect::BootNetwork,
        StepName::BootDisk => Effect::BootDisk,
        _ => Effect::Power { on: false, wish: None },
    }
}

/// A person was asked to switch the machine. It is so when they confirm it, or when an agent calls in.
fn by_hand(
    machine: &Machine,
    job: &Job,
    step: &Step,
    (asked, on): (Timestamp, bool),
    time: Time,
    now: Timestamp,
) -> Decision {
    if machine.facts.power.is_some_and(|(is_on, _)| is_on == on) {
        return Decision::Act(Effect::Power { on, wish: None });
    }
    let word = if on { "on" } else { "off" };
    if now >= time.until {
        let hours = time.deadline.hard.as_hours();
        return hold(format!("nobody confirmed within {hours} hours that the machine is {word}"));
    }
    let from_network = on && job.begun(StepName::BootNetwork);
    let why = format!(
        "somebody has to switch {{machine}} {word}{}",
        if from_network { ", so that it boots from the network" } else { "" }
    );
    let hint = Some(format!("then run `billet bmc confirm {{machine}} {word}`"));
    Decision::Wait(Patience { since: asked, hint, ..patience(step, &why, time) })
}

fn awaited(
    machine: &Machine,
    job: &Job,
    step: &Step,
    time: Time,
    limits: &Limits,
    now: Timestamp,
) -> Decision {
    let (came, why) = match step.name {
        StepName::Agent => {
            let claimed = machine.facts.claim.is_some_and(|claim| claim.job == Some((job.id, job.epoch)));
            (claimed.then_some("the agent called in"), "the agent has to call in after the network boot")
        }
        _ => (
            phoned_home(machine, job).then_some("the operating system reported in"),
            "the operating system has to report in",
        ),
    };
    if let Some(result) = came {
        return Decision::Move(Move::StepDone { result: result.into() });
    }
    if let Some(effect) = power_wish(machine).filter(|_| step.name == StepName::PhoneHome) {
        return Decision::Act(effect);
    }
    if let Some(why) = ram::lost_its_start(machine) {
        return overdue(job, limits, Then::Restart, why);
    }
    if now >= time.until {
        let minutes = time.deadline.hard.as_mins();
        let why = if step.name == StepName::Agent {
            format!("the agent did not call in within {minutes} minutes of power on")
        } else {
            let hint = Limits::hint(step.name);
            format!("the operating system did not report in within {minutes} minutes; {hint}")
        };
        return overdue(job, limits, time.deadline.then, why);
    }
    Decision::Wait(patience(step, why, time))
}

/// Whether the operating system that this epoch wrote, or loaded, reported in: one from before its start is another's, or of
/// an earlier epoch.
fn phoned_home(machine: &Machine, job: &Job) -> bool {
    let owner = machine.want.owner.as_ref().map(|owner| owner.instance);
    let starts = |step: &&Step| matches!(step.name, StepName::Reboot | StepName::BootRam);
    let start = job.steps.iter().find(starts).and_then(|step| step.started);
    let (Some((instance, at)), Some(start)) = (machine.facts.phoned_home, start) else { return false };
    Some(instance) == owner && at >= start
}

fn ordered(
    machine: &Machine,
    job: &Job,
    step: &Step,
    time: Time,
    limits: &Limits,
    now: Timestamp,
) -> Decision {
    if matches!(step.name, StepName::Reboot | StepName::BootRam) && phoned_home(machine, job) {
        return Decision::Move(Move::StepDone { result: "the operating system already reported in".into() });
    }
    let report = machine.report_on(job, step);
    match report.map(|report| &report.said) {
        Some(Reported::Done { evidence, disks }) => return order_done(machine, step, evidence, disks),
        Some(Reported::Refused(why)) => return hold(format!("the agent refuses: {why}")),
        Some(Reported::Outdated(why)) => return overdue(job, limits, Then::Restart, why.clone()),
        Some(Reported::Failed(why)) if step.attempt >= limits.order_attempts => {
            return hold(format!("{} failed {} times: {why}", step.name, step.attempt));
        }
        Some(Reported::Failed(why)) => return Decision::Move(Move::Again { why: why.clone() }),
        Some(Reported::Progress(_)) | None => {}
    }
    if let Some(why) = obstacle(machine, step.name) {
        return hold(why);
    }
    supervised(machine, job, step, time, limits, now)
}

/// An order that stands: its agent has to be heard, to get further, and to come to an end.
fn supervised(
    machine: &Machine,
    job: &Job,
    step: &Step,
    time: Time,
    limits: &Limits,
    now: Timestamp,
) -> Decision {
    let Deadline { hard, then, silence: may_be_silent, stall: may_stall, .. } = time.deadline;
    let report = machine.report_on(job, step);
    let heard = machine.facts.agent_seen.map_or(time.heard_from, |seen| seen.max(time.heard_from));
    let may_be_silent = may_be_silent.unwrap_or(SignedDuration::MAX);
    let silence = end(heard, may_be_silent);
    if now >= silence {
        let seconds = may_be_silent.as_secs();
        let why = format!("the agent was not heard for {seconds} s during {}", step.name);
        return overdue(job, limits, at_most_held(then), why);
    }
    if now >= time.until {
        let why = format!("{} took longer than {} minutes", step.name, hard.as_mins());
        return overdue(job, limits, then, why);
    }
    let advanced = machine.facts.advanced.map_or(time.started, |at| at.max(time.started));
    let may_stall = may_stall.unwrap_or(SignedDuration::MAX);
    let stall = end(advanced, may_stall);
    if now >= stall {
        let at = percent(report).map(|percent| format!(", at {percent} %")).unwrap_or_default();
        let why = format!("{} made no progress for {} minutes{at}", step.name, may_stall.as_mins());
        return overdue(job, limits, at_most_held(then), why);
    }
    let why = order_waits(step.name, report);
    let first = silence.min(time.until).min(stall);
    let then = if first == time.until { then } else { at_most_held(then) };
    Decision::Wait(Patience { until: Some(first), then, ..patience(step, &why, time) })
}

/// What is done when an agent is silent or gets no further: its machine is started anew, but where that must not be.
fn at_most_held(then: Then) -> Then {
    if then == Then::Hold { then } else { Then::Restart }
}

/// How far the agent says that it is.
fn percent(report: Option<&AgentReport>) -> Option<u128> {
    match report.map(|report| &report.said) {
        Some(Reported::Progress(progress)) if progress.total > 0 => {
            Some(u128::from(progress.done) * 100 / u128::from(progress.total))
        }
        _ => None,
    }
}

fn order_waits(step: StepName, report: Option<&AgentReport>) -> String {
    let doing = match step {
        StepName::Inspect => "the agent takes the inventory",
        StepName::WriteImage => "the agent writes the image",
        StepName::WriteSeed => "the agent writes the seed",
        StepName::BootRam => "the agent loads the system that runs from RAM",
        StepName::Erase => "the agent wipes the disks",
        StepName::Rescue => "the agent starts the rescue system",
        _ => "the agent lets the machine reboot",
    };
    percent(report).map_or_else(|| doing.to_owned(), |percent| format!("{doing}: {percent} %"))
}

/// "Wiped" needs positive evidence for every disk that was to be wiped.
fn order_done(machine: &Machine, step: &Step, evidence: &str, proof: &[DiskEvidence]) -> Decision {
    if step.name == StepName::Erase {
        let (disks, policy) = match wiping(machine) {
            Ok(wiping) => wiping,
            Err(why) => return hold(why),
        };
        if let Some(lacks) = disks.iter().find_map(|serial| unproven(machine, serial, policy, proof)) {
            return hold(format!("the agent says that it wiped the disks, but {lacks}"));
        }
    }
    let releases = machine.running_job().is_some_and(|job| job.kind == JobKind::Release);
    if releases
        && step.name == StepName::Erase
        && let Some(alone) = left_alone(machine)
    {
        return Decision::Move(Move::StepDone { result: format!("{evidence}; {alone}") });
    }
    Decision::Move(Move::StepDone { result: evidence.to_owned() })
}

/// What the table of deadlines says is done when a time is over.
fn overdue(job: &Job, limits: &Limits, then: Then, why: String) -> Decision {
    match then {
        Then::Restart | Then::OtherBoot if job.restarts < limits.restarts => {
            Decision::Move(Move::Restart { why })
        }
        Then::Restart | Then::OtherBoot => hold(format!("{why}; it was tried {} times", job.restarts + 1)),
        Then::Again => Decision::Move(Move::Again { why }),
        // The step before power-off awaits nobody's report, so it does not come here.
        Then::Hold | Then::Person | Then::PowerOff => hold(why),
    }
}

fn hold(why: String) -> Decision {
    Decision::Hold { why, advice: Vec::new() }
}

/// What waits to be tried again waits no longer when somebody says so.
fn later(machine: &Machine, patience: Patience) -> Decision {
    let now = machine.want.retry > machine.state.retry;
    if now { Decision::Move(Move::Now) } else { Decision::Wait(patience) }
}

fn patience(step: &Step, why: &str, time: Time) -> Patience {
    Patience {
        why: why.into(),
        since: time.started,
        until: Some(time.until),
        then: time.deadline.then,
        soft: Some(time.soft),
        slow: step.slow.is_some(),
        hint: Some(Limits::hint(step.name).into()),
    }
}

fn trying_again(step: &Step, soft: Option<Timestamp>, not_before: Timestamp) -> Patience {
    let last = step.result.as_deref().unwrap_or("the last try failed");
    Patience {
        why: format!("{} is tried again (try {}): {last}", step.name, step.attempt),
        since: step.started.unwrap_or(not_before),
        until: Some(not_before),
        then: Then::Again,
        soft,
        slow: step.slow.is_some(),
        hint: Some(Limits::hint(step.name).into()),
    }
}
