//! Decisions while no job runs.

use super::{Decision, Effect, Move, Patience};
use crate::{adopt::is_to_be_adopted, deadline::Limits, machine::Machine, ram, rescue, service::is_asked};
use jiff::Timestamp;
use provisioner_api::{JobKind, MachineState};

/// Decides for a machine without a running job.
pub(super) fn decide(machine: &Machine, limits: &Limits, now: Timestamp) -> Decision {
    // Before anything is done to it.
    if is_to_be_adopted(machine) {
        let because = "it runs an instance already, which was adopted".into();
        return Decision::Move(Move::Adopt { because });
    }
    if let Some(effect) = power_wish(machine) {
        return Decision::Act(effect);
    }
    if let Some(because) = ram::starts_again(machine) {
        return start(JobKind::Deploy, because);
    }
    if machine.is_off_with_its_ram() {
        return Decision::Wait(Patience::for_a_person(
            "it is switched off, and its instance runs from RAM: somebody has to switch it on",
            machine.facts.off.unwrap_or(machine.state.since),
            "`billet machine power on {machine}` boots the instance's image again",
        ));
    }
    let inspect_wanted = machine.want.inspect > machine.state.inspect;
    let release = machine.want.owner.as_ref().map(|owner| owner.release.is_some());
    match (machine.state.name, release) {
        (MachineState::Discovered, _) => discovered(machine, inspect_wanted),
        (MachineState::Available, Some(false)) => start(JobKind::Deploy, "an instance is to be deployed"),
        (MachineState::Available, None) | (MachineState::Deployed, Some(false)) if is_asked(machine) => {
            start(JobKind::Service, "planned work on the machine was asked for")
        }
        (MachineState::Available, None) if inspect_wanted => {
            start(JobKind::Inspect, "an inspection was asked for")
        }
        (MachineState::Deployed, Some(false)) if machine.reinstalls() => {
            start(JobKind::Reinstall, "the instance is to be installed anew")
        }
        (MachineState::Deployed, Some(false)) if machine.wants_rescue() => {
            start(JobKind::Rescue, "the instance is to be rescued")
        }
        (MachineState::Deployed | MachineState::Rescue, Some(true)) => {
            start(JobKind::Release, "the instance is given back")
        }
        (MachineState::Rescue, _) => rescue::decide(machine, limits, now),
        (MachineState::Available | MachineState::Deployed, _) => Decision::Done,
        // A working state without a job can't come about by `settle`; if it does, a person must look at it.
        (
            MachineState::Inspecting
            | MachineState::Deploying
            | MachineState::Releasing
            | MachineState::Servicing,
            _,
        ) => Decision::Hold {
            why: format!(
                "the machine is {} but has no job: its records are damaged",
                super::word(machine.state.name)
            ),
            advice: vec!["restore the database from a backup".into()],
        },
    }
}

/// The operator's wish to switch the machine, while nobody else's work hangs on its power.
pub(super) fn power_wish(machine: &Machine) -> Option<Effect> {
    let wish = machine.want.power.filter(|wish| wish.number > machine.state.power_wish)?;
    Some(Effect::Power { on: wish.on, wish: Some(wish.number) })
}

fn start(kind: JobKind, because: &str) -> Decision {
    Decision::Move(Move::Start { kind, because: because.into() })
}

fn discovered(machine: &Machine, inspect_wanted: bool) -> Decision {
    let wait = |why: &str, hint: &str| Decision::Wait(Patience::for_a_person(why, machine.state.since, hint));
    if !machine.want.accepted {
        return wait(
            "somebody has to accept it",
            "`billet machine accept {machine}` takes it in and inspects it, which switches it; one that runs a system that is to stay is taken in untouched by `billet instance adopt NAME --machine {machine}`; until then nothing on it is changed",
        );
    }
    if !machine.want.bmc {
        return wait("it needs a BMC before it can be inspected", "`billet machine set {machine} --bmc …`");
    }
    if inspect_wanted {
        return start(JobKind::Inspect, "the machine was accepted");
    }
    wait(
        "it has to be inspected",
        "its inspection was cancelled: `billet machine inspect {machine}` starts another",
    )
}
