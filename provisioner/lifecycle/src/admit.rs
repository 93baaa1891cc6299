//! Requests: may this be asked of that machine now? Changes `want` only.

use crate::{
    machine::{Job, Machine, Owner, PowerWish},
    plan::StepName,
};
use provisioner_api::{ErasePolicy, InstanceId, MachineState};

/// What somebody asks of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Take it in.
    Accept,
    /// Inventory it again.
    Inspect,
    /// Try held work again.
    Retry,
    /// Stop the inspection.
    Cancel,
    /// Switch it.
    Power {
        /// On or off.
        on: bool,
    },
    /// Give it to an instance.
    Assign(Owner),
    /// The instance gives it back.
    Release {
        /// Which instance; another's request is refused.
        instance: InstanceId,
        /// How its disks are to be wiped.
        erase: ErasePolicy,
    },
    /// Forget the owner whose release is done.
    Disown {
        /// Which instance.
        instance: InstanceId,
    },
    /// Its BMC was set (`true`) or taken away.
    Bmc(bool),
    /// In or out of maintenance.
    Maintenance(bool),
}

/// Why a request is refused. Display says what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was not taken in.
    #[error("nobody accepted this machine yet; `billet machine accept` takes it in")]
    NotAccepted,
    /// It has no BMC.
    #[error("this machine has no BMC; give it one with `billet machine set --bmc`")]
    NoBmc,
    /// It belongs to an instance.
    #[error("an instance owns this machine; release it with `billet instance delete` first")]
    Owned,
    /// It is in the wrong state.
    #[error("this can't be done while the machine is {state}{}", mend(*.state))]
    State {
        /// The state.
        state: Word,
    },
    /// Nothing is held.
    #[error("nothing is held on this machine, so there is nothing to try again")]
    NotHeld,
    /// Nothing runs that could be stopped so.
    #[error("no inspection runs on this machine; a deployment is stopped with `billet instance delete`")]
    NothingToCancel,
    /// An operator works on it.
    #[error("the machine is in maintenance; end that with `billet machine set NAME --maintenance off`")]
    Maintenance,
    /// Another instance owns it.
    #[error("another instance owns this machine")]
    NotYours,
    /// A job runs.
    #[error(
        "a job runs on this machine; wait for its end (an inspection can be cancelled, a deployment be given back)"
    )]
    Busy,
    /// Its firmware is being updated.
    #[error(
        "its BMC is at a firmware update ({what}), and a machine that is switched meanwhile may never start again; `billet bmc task list` shows it, `billet bmc task forget` lets it go"
    )]
    Updating {
        /// What is updated.
        what: String,
    },
}

/// A state's word in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(pub MachineState);

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(crate::decide::word(self.0))
    }
}

fn mend(Word(state): Word) -> &'static str {
    match state {
        MachineState::Discovered => "; it has to be inspected first",
        MachineState::Available => "",
        MachineState::Inspecting | MachineState::Deploying | MachineState::Releasing => "; wait for its end",
        MachineState::Deployed => "; release its instance first",
    }
}

/// Decides about a request. Repeating one that is already so changes nothing and is no error.
pub fn admit(machine: &Machine, request: &Request) -> Result<Machine, Refusal> {
    let mut next = machine.clone();
    let want = &mut next.want;
    match request {
        Request::Accept => {
            // The first acceptance asks for the first inspection.
            want.accepted = true;
            want.inspect = want.inspect.max(1);
        }
        Request::Inspect => {
            check_free(machine)?;
            if machine.running_job().is_some() {
                return Err(Refusal::Busy);
            }
            want.inspect += 1;
        }
        Request::Retry => {
            if machine.state.hold.is_none() {
                return Err(Refusal::NotHeld);
            }
            want.retry += 1;
        }
        Request::Cancel => {
            if machine.state.name != MachineState::Inspecting {
                return Err(Refusal::NothingToCancel);
            }
            want.cancel += 1;
        }
        Request::Power { on } => {
            check_power(machine)?;
            want.power = Some(PowerWish { on: *on, number: want.power.map_or(0, |wish| wish.number) + 1 });
        }
        // The same instance again: already so, and a release that it asked for meanwhile stands.
        Request::Assign(owner) if want.owner.as_ref().is_some_and(|now| now.instance == owner.instance) => {}
        Request::Assign(owner) => {
            check_assign(machine)?;
            want.owner = Some(owner.clone());
        }
        Request::Release { instance, erase } => match &mut want.owner {
            // The first word on erasing stands, but for one that came to nothing: else it would be held for ever.
            Some(owner) if owner.instance == *instance => {
                if owner.release.is_none() || machine.state.hold.is_some() {
                    owner.release = Some(*erase);
                }
            }
            _ => return Err(Refusal::NotYours),
        },
        Request::Disown { instance } => disown(&mut next, *instance)?,
        Request::Bmc(has) => {
            if !has && machine.running_job().is_some() {
                return Err(Refusal::Busy);
            }
            want.bmc = *has;
        }
        Request::Maintenance(on) => want.maintenance = *on,
    }
    Ok(next)
}

fn check_free(machine: &Machine) -> Result<(), Refusal> {
    if !machine.want.accepted {
        return Err(Refusal::NotAccepted);
    }
    if machine.want.owner.is_some() {
        return Err(Refusal::Owned);
    }
    if !machine.want.bmc {
        return Err(Refusal::NoBmc);
    }
    Ok(())
}

fn check_power(machine: &Machine) -> Result<(), Refusal> {
    if !machine.want.accepted {
        return Err(Refusal::NotAccepted);
    }
    if !machine.want.bmc {
        return Err(Refusal::NoBmc);
    }
    if let Some(task) = machine.facts.firmware.as_ref().filter(|task| task.locks()) {
        return Err(Refusal::Updating { what: task.what.clone() });
    }
    // While the new system boots, power is the operator's: the machine may have lost it.
    let booting = |job: &Job| job.current().is_some_and(|step| step.name == StepName::PhoneHome);
    if machine.running_job().is_some_and(|job| !booting(job)) {
        return Err(Refusal::Busy);
    }
    Ok(())
}

fn check_assign(machine: &Machine) -> Result<(), Refusal> {
    check_free(machine)?;
    if machine.want.maintenance {
        return Err(Refusal::Maintenance);
    }
    if machine.state.name != MachineState::Available || machine.want.inspect > machine.state.inspect {
        return Err(Refusal::State { state: Word(machine.state.name) });
    }
    Ok(())
}

/// Ownership ends only when the machine is back among the available: never while its disks may hold something.
fn disown(machine: &mut Machine, instance: InstanceId) -> Result<(), Refusal> {
    let Some(owner) = &machine.want.owner else { return Ok(()) };
    if owner.instance != instance {
        return Err(Refusal::NotYours);
    }
    if machine.state.name != MachineState::Available || owner.release.is_none() {
        return Err(Refusal::State { state: Word(machine.state.name) });
    }
    // Documents of earlier versions don't say who it was.
    machine.want.last =
        machine.want.owner.take().map(|owner| owner.name).filter(|last| !last.name.is_empty());
    Ok(())
}
