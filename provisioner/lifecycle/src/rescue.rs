//! Rescue: the machine of an instance runs our small system in RAM, so that somebody can log in and mend what is on its
//! disks. Nothing is written by us, no permit is given, and a protected machine may be rescued, too.
//!
//! A wish that stands (`owner.rescue`) leads there, its end leads back. How the job's steps go is the plan's; who may log in
//! is taken down here as it was given and checked by the service.

use crate::{
    admit::{Refusal, Word, check_confirmed, check_owner},
    deadline::{Limits, Then, end},
    decide::{Decision, Move, Patience},
    machine::Machine,
    service::is_asked,
};
use jiff::Timestamp;
use provisioner_api::{InstanceId, JobId, JobKind, MachineState, RescueAccess};
use serde::{Deserialize, Serialize};

/// That an instance's machine is to run the rescue system, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueWish {
    /// SSH public keys, a line each, that log in as root.
    pub authorized_keys: Vec<String>,
}

/// A rescue system that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescued {
    /// The job that started it.
    pub job: JobId,
    /// Its epoch.
    pub epoch: u64,
    /// How it is reached.
    pub access: RescueAccess,
}

/// Takes down that an instance's machine is to be rescued.
pub(crate) fn rescue(machine: &mut Machine, instance: InstanceId, keys: &[String]) -> Result<(), Refusal> {
    let (want, state) = (&machine.want, &machine.state);
    check_owner(machine, instance)?;
    check_confirmed(machine)?;
    if !want.bmc {
        return Err(Refusal::NoBmc);
    }
    if machine.is_rescued() {
        return Err(Refusal::Rescued);
    }
    if machine.reinstalls() {
        return Err(Refusal::Reinstalling);
    }
    if is_asked(machine) {
        return Err(Refusal::Busy);
    }
    if machine.runs_from_ram() {
        return Err(Refusal::EndsWithRam);
    }
    if state.name != MachineState::Deployed {
        return Err(Refusal::State { state: Word(state.name) });
    }
    // Checked above: there is one.
    let Some(owner) = &mut machine.want.owner else { return Err(Refusal::NotYours) };
    owner.rescue = Some(RescueWish { authorized_keys: keys.to_vec() });
    Ok(())
}

/// Takes down that it is to run its own system again. Already so on the way back.
pub(crate) fn unrescue(machine: &mut Machine, instance: InstanceId) -> Result<(), Refusal> {
    let in_rescue = machine.is_rescued();
    check_owner(machine, instance)?;
    check_confirmed(machine)?;
    if !in_rescue {
        return Err(Refusal::NotRescued);
    }
    if let Some(owner) = &mut machine.want.owner {
        owner.rescue = None;
    }
    Ok(())
}

/// Decides for a machine that rests in its rescue system.
pub(crate) fn decide(machine: &Machine, limits: &Limits, now: Timestamp) -> Decision {
    let start =
        |because: &str| Decision::Move(Move::Start { kind: JobKind::Rescue, because: because.into() });
    if !machine.wants_rescue() {
        return start("its rescue is ended: its own system boots from the disk");
    }
    if machine.want.retry > machine.state.retry {
        return start("an operator asks for it to be rescued anew");
    }
    let facts = &machine.facts;
    let heard = facts.agent_seen.into_iter().chain(facts.listening).fold(machine.state.since, Timestamp::max);
    let silent = end(heard, limits.agent_silence);
    if now < silent {
        let hint = "`billet instance show` says how to log in; `billet instance unrescue` boots its own system again";
        let why = "it runs the rescue system until somebody ends that";
        let patience = Patience::for_a_person(why, machine.state.since, hint);
        return Decision::Wait(Patience { soft: Some(silent), ..patience });
    }
    // Its rescue system is gone for certain, so nothing that somebody does in it is cut off.
    if facts.netboot.is_some_and(|at| at > heard) {
        return start("it booted anew by itself: it is rescued again");
    }
    let why = format!(
        "the agent of its rescue system was not heard for {} s: the machine is off or boots something else, or its network is gone; somebody may be mending a disk, so it is not switched unasked",
        limits.agent_silence.as_secs()
    );
    let hint = "it goes on by itself when the agent is heard; `billet machine retry {machine}` switches it off and rescues it anew, `billet machine cancel {machine}` boots its own system again";
    let then = Then::Person;
    Decision::Wait(Patience { then, ..Patience::for_a_person(why, heard, hint) })
}

impl Machine {
    /// Whether its instance is to be in rescue, and was not given back.
    pub(crate) fn wants_rescue(&self) -> bool {
        self.want.owner.as_ref().is_some_and(|owner| owner.rescue.is_some() && owner.release.is_none())
    }

    /// Whether it is in rescue, or on its way there or back.
    pub fn is_rescued(&self) -> bool {
        self.state.name == MachineState::Rescue
            || self.state.name == MachineState::Deployed && self.wants_rescue()
    }

    /// Whether it rests in its rescue system.
    pub fn rests_in_rescue(&self) -> bool {
        self.state.name == MachineState::Rescue && self.running_job().is_none()
    }

    /// The job and epoch whose agent has to be heard: that of the running job, or that which started the rescue system.
    pub fn attended(&self) -> Option<(JobId, u64)> {
        let job = self.job.as_ref().filter(|job| job.ended.is_none() || self.rests_in_rescue());
        job.map(|job| (job.id, job.epoch))
    }

    /// How its rescue system is reached, while it runs.
    pub fn rescue_access(&self) -> Option<&RescueAccess> {
        let attended = self.attended().filter(|_| self.rests_in_rescue())?;
        let rescued = self.facts.rescued.as_ref()?;
        (attended == (rescued.job, rescued.epoch)).then_some(&rescued.access)
    }
}
