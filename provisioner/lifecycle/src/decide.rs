//! What is to be done with a machine now. Changes nothing; the same object and time always give the same answer.

mod job;
mod resting;

pub use job::silent_in_line;

use crate::{
    choice::awaits_report,
    confirm::given_back,
    deadline::{Limits, Then},
    machine::Machine,
    plan::StepName,
    service::is_erasing,
};
use jiff::Timestamp;
use provisioner_api::{JobKind, MachineState};

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing but to wait, and this is for what.
    Wait(Patience),
    /// Something in the world: perform it, then settle its outcome.
    Act(Effect),
    /// Something in the books only: settle it.
    Move(Move),
    /// Stop and ask a person: settle it.
    Hold {
        /// What happened, as a sentence.
        why: String,
        /// What would mend just this.
        advice: Vec<String>,
    },
    /// Nothing: the machine rests where it is wanted, or is held.
    Done,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// What has to happen.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// When patience ends; `None`: only a request or a fact changes anything.
    pub until: Option<Timestamp>,
    /// What is done then.
    pub then: Then,
    /// From when on it takes longer than usual.
    pub soft: Option<Timestamp>,
    /// It was told that it takes longer than usual.
    pub slow: bool,
    /// The usual cause when it takes long.
    pub hint: Option<String>,
}

impl Patience {
    /// What only a person's deed ends, and how that is done.
    pub(crate) fn for_a_person(why: impl Into<String>, since: Timestamp, hint: impl Into<String>) -> Self {
        let (why, hint) = (why.into(), Some(hint.into()));
        Self { why, since, until: None, then: Then::Person, soft: None, slow: false, hint }
    }

    /// When to decide again at the latest; `None`: only a request or a fact changes anything.
    pub fn wakes(&self) -> Option<Timestamp> {
        let soft = self.soft.filter(|_| !self.slow);
        [self.until, soft].into_iter().flatten().min()
    }
}

/// A deed in the world. Each names an end, so that repeating it after a crash is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Power is so.
    Power {
        /// On or off.
        on: bool,
        /// The operator's wish that it fulfils; `None`: the step in hand.
        wish: Option<u64>,
    },
    /// The operating system was asked to shut down, and did.
    ShutDown,
    /// The next boot is from the network, and the boot window of the running job and epoch is open.
    BootNetwork,
    /// Boots are from the disk.
    BootDisk,
}

/// A change in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// A job begins, and with it a state.
    Start {
        /// Which.
        kind: JobKind,
        /// Why.
        because: String,
    },
    /// A step begins: its intent is stored before its effect.
    Begin {
        /// Which.
        step: StepName,
    },
    /// The step in hand is done.
    StepDone {
        /// What came of it.
        result: String,
    },
    /// The order in hand is given again.
    Again {
        /// Why.
        why: String,
    },
    /// The step in hand takes longer than usual: that is told once.
    Slow {
        /// Which.
        step: StepName,
        /// By how much, and what happens then.
        why: String,
    },
    /// The job starts anew from power off, under a new epoch.
    Restart {
        /// Why.
        why: String,
    },
    /// The job ends, and with it the state.
    Finish {
        /// The next state.
        to: MachineState,
        /// Why.
        because: String,
    },
    /// The hold is lifted, and its job starts anew.
    Lift,
    /// What waits to be tried again is tried now.
    Now,
    /// The machine is deployed with what runs on it already.
    Adopt {
        /// Why.
        because: String,
    },
    /// The job is cut short under a new epoch: it only ends in good order.
    CutShort {
        /// Why.
        because: String,
    },
}

/// Decides.
pub fn decide(machine: &Machine, limits: &Limits, now: Timestamp) -> Decision {
    if let Some(hold) = &machine.state.hold {
        // Before the retry: what runs after all must not be written again.
        if let Some(decision) = job::late(machine, hold) {
            return decision;
        }
        let leaves = machine.want.retry > hold.retry;
        if leaves {
            return Decision::Move(Move::Lift);
        }
        if hold.restored {
            return Decision::Done;
        }
    }
    if let Some(decision) = interrupt(machine) {
        return decision;
    }
    if machine.state.hold.is_some() {
        return Decision::Done;
    }
    if let Some(patience) = updating(machine) {
        return Decision::Wait(patience);
    }
    match machine.running_job() {
        Some(job) => job::decide(machine, job, limits, now),
        None => resting::decide(machine, limits, now),
    }
}

/// What a person's later word stops, even when it is held: an inspection, a reinstallation or a servicing that was
/// cancelled, a wiping that is to pause, a deployment whose instance is given back.
fn interrupt(machine: &Machine) -> Option<Decision> {
    let job = machine.running_job()?;
    // Earlier versions did not write it down: of a job that one of them began, its steps tell.
    let switched_on = machine.state.switched_on || job.begun(StepName::PowerOn);
    if job.kind == JobKind::Rescue && !job.only_returns() && !given_back(machine) && !machine.wants_rescue() {
        return Some(cut_short("its rescue is ended: its own system boots from the disk".into()));
    }
    if machine.want.cancel > machine.state.cancel {
        let because = "the inspection was cancelled";
        let to = came_from(machine);
        match job.kind {
            JobKind::Reinstall if machine.is_written() => {
                let why = if awaits_report(machine) {
                    "an operator stopped the reinstallation: the new system is written, and did not report in yet"
                } else {
                    "an operator stopped the reinstallation: its root disk holds neither the old system nor all of the new one"
                };
                return Some(Decision::Hold { why: why.into(), advice: Vec::new() });
            }
            JobKind::Reinstall => {
                let why = "the reinstallation was cancelled before anything was written";
                return Some(cut_short(format!("{why}: its old system boots from the disk again")));
            }
            // Who gets it next has to find it off.
            JobKind::Inspect if to == MachineState::Available && switched_on => {
                return Some(cut_short(format!("{because}: the machine is switched off")));
            }
            JobKind::Inspect => {
                return Some(Decision::Move(Move::Finish { to, because: because.into() }));
            }
            JobKind::Release if machine.state.dirty => {
                let why =
                    "an operator paused the wiping: what is on the disks may be there, whole or in part"
                        .into();
                return Some(Decision::Hold { why, advice: Vec::new() });
            }
            // What leads back may have been chosen of that.
            JobKind::Service if is_erasing(job) && machine.state.hold.is_none() => {
                let why = "an operator paused the servicing: data disks are wiped in part".into();
                return Some(Decision::Hold { why, advice: Vec::new() });
            }
            JobKind::Service if to == MachineState::Available && !switched_on => {
                let because = "the servicing was cancelled".into();
                return Some(Decision::Move(Move::Finish { to, because }));
            }
            JobKind::Service => {
                return Some(cut_short("the servicing was cancelled: the machine is led back".into()));
            }
            JobKind::Release | JobKind::Deploy | JobKind::Rescue => {}
        }
    }
    let ends = job.kind != JobKind::Inspect && job.kind != JobKind::Release;
    if !ends || !given_back(machine) {
        return None;
    }
    let before = "the instance was given back before anything was written";
    let release = |because: String| Move::Start { kind: JobKind::Release, because };
    if job.kind == JobKind::Service {
        return Some(Decision::Move(release(
            "the instance is given back while its machine is serviced".into(),
        )));
    }
    if job.kind == JobKind::Rescue {
        return Some(Decision::Move(release("the instance is given back".into())));
    }
    Some(Decision::Move(match (machine.state.dirty, switched_on) {
        (true, _) => release("the instance is given back while it was deployed".into()),
        // An agent runs in it, or it boots: a machine that waits for its next owner is off.
        (false, true) => release(format!("{before}: the machine is switched off again")),
        (false, false) => Move::Finish { to: MachineState::Available, because: before.into() },
    }))
}

fn cut_short(because: String) -> Decision {
    Decision::Move(Move::CutShort { because })
}

/// What a machine is again whose inspection is cancelled, or whose servicing ends.
pub(crate) fn came_from(machine: &Machine) -> MachineState {
    machine.state.came_from.unwrap_or(MachineState::Discovered)
}

/// While the BMC writes firmware nobody switches the machine. A system that boots meanwhile is not waited with: nothing
/// is done to it.
fn updating(machine: &Machine) -> Option<Patience> {
    let task = machine.facts.firmware.as_ref().filter(|task| task.locks())?;
    let step = machine.running_job().and_then(|job| job.current()).map(|step| step.name);
    if step == Some(StepName::PhoneHome) {
        return None;
    }
    let done = task.percent.map(|percent| format!(", {percent} % done")).unwrap_or_default();
    Some(Patience::for_a_person(
        format!("its BMC is at a firmware update ({}{done})", task.what),
        task.started,
        "`billet bmc task list {machine}` shows how far it is; if it never ends, look at the BMC's own page, then have Billet let it go: `billet bmc task forget ID {machine}`",
    ))
}

/// A state's word.
pub(crate) fn word(state: MachineState) -> &'static str {
    match state {
        MachineState::Discovered => "discovered",
        MachineState::Inspecting => "inspecting",
        MachineState::Available => "available",
        MachineState::Deploying => "deploying",
        MachineState::Deployed => "deployed",
        MachineState::Releasing => "releasing",
        MachineState::Servicing => "servicing",
        MachineState::Rescue => "rescue",
    }
}
