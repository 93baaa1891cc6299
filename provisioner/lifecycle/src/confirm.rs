//! A machine out of a database that was restored: what is known of it is as old as the backup, and by now it may run its
//! owner's system, or be another's. Nothing is switched, written or wiped on it before a person confirmed it.
//!
//! Every machine is held, not only those at work: one that was free may be somebody's, and one whose instance ran may have
//! been given back and on since, while its old owner asks again for its end. Deliberately not here: turns (`turn`), and
//! what the service as a whole may do while it is frozen.

use crate::{
    adopt::is_to_be_adopted,
    decide::{Decision, Move},
    machine::{Hold, Job, Machine},
    service,
    turn::lifted,
};
use jiff::Timestamp;
use provisioner_api::{Choice, JobKind, MachineState};

/// The machine as it is to stand in a database that was restored at `clock` from a backup of that time: under an epoch
/// above every one that was given since, held, and without the wishes to switch it that nobody remembers.
#[must_use]
pub fn confirm_first(machine: &Machine, backup: Timestamp, clock: Timestamp) -> Machine {
    let mut next = machine.clone();
    next.state.epoch = lifted(machine.state.epoch, clock);
    if let Some(job) = next.job.as_mut().filter(|job| job.ended.is_none()) {
        job.epoch = next.state.epoch;
    }
    next.state.power_wish = next.want.power.map_or(next.state.power_wish, |wish| wish.number);
    next.state.cancel = next.want.cancel;
    if machine.state.name == MachineState::Available {
        next.state.inspect = next.want.inspect;
    }
    // Whoever has it by now did not ask for that.
    service::over(&mut next);
    // What ended a system in RAM then was dealt with since, or nobody knows.
    (next.facts.off, next.facts.boots_again) = (None, None);
    next.state.retry = next.want.retry;
    // An image may have been written since; a release that follows has to wipe.
    next.state.dirty |= may_be_written(machine);
    next.state.holds += 1;
    let earlier = machine.state.hold.as_ref().map(|hold| format!("; it was held before: {}", hold.why));
    let why = format!(
        "the database was restored from a backup of {backup:.0}, when {}{}",
        then(machine),
        earlier.unwrap_or_default()
    );
    let look = "look what is on it: `billet machine console {machine}`, or ask its owner".to_owned();
    next.state.hold = Some(Hold {
        number: next.state.holds,
        advice: vec![look],
        retry: next.want.retry,
        restored: true,
        ..Hold::new(why, clock)
    });
    next
}

/// Whether it could be given to somebody since.
fn may_be_written(machine: &Machine) -> bool {
    match machine.state.name {
        MachineState::Discovered => false,
        MachineState::Inspecting => machine.state.came_from == Some(MachineState::Available),
        _ => true,
    }
}

/// What was so then, and what may be so now.
fn then(machine: &Machine) -> &'static str {
    match (machine.state.name, &machine.want.owner) {
        (MachineState::Discovered, _) => "it was only discovered; by now it may be somebody's",
        (MachineState::Inspecting, _) => "it was inspected; by now it may be somebody's",
        (MachineState::Available, None) => "nobody had it; by now somebody may",
        (MachineState::Available, Some(_)) => {
            "it was about to be deployed; by now its system may run, or it may be another's"
        }
        (MachineState::Deploying, _) => "it was deployed; by now its system may run, or it may be another's",
        (MachineState::Deployed, _) => "instance {instance} ran on it; by now it may be another's",
        (MachineState::Servicing, Some(_)) => {
            "it was serviced for instance {instance}; by now that may run on it again, or it may be another's"
        }
        (MachineState::Servicing, None) => "it was serviced, and nobody had it; by now somebody may",
        (MachineState::Releasing, _) => "its disks were to be wiped; by now it may be another's",
        (MachineState::Rescue, _) => "instance {instance} was in rescue on it; by now it may be another's",
    }
}

/// What ends such a hold of a deployment without anything being written: its system reported in since, or an operator
/// says that it runs.
pub(crate) fn runs(machine: &Machine, job: &Job, hold: &Hold) -> Option<Decision> {
    // One that is to be given back would be wiped next: that is another choice.
    let installs = matches!(job.kind, JobKind::Deploy | JobKind::Reinstall);
    let serviced = job.kind == JobKind::Service && machine.want.owner.is_some();
    if !(installs || serviced) || given_back(machine) {
        return None;
    }
    let owner = machine.want.owner.as_ref().map(|owner| owner.instance);
    let since = |(instance, at): (_, Timestamp)| Some(instance) == owner && at > hold.since;
    let because = if machine.facts.phoned_home.is_some_and(since) {
        "the operating system reported in since the database was restored"
    } else if machine.want.vouched == Some(hold.number) {
        "the database was restored, and an operator says that the operating system runs"
    } else {
        return None;
    };
    Some(Decision::Move(Move::Finish { to: MachineState::Deployed, because: because.into() }))
}

/// Whether its instance was given back.
pub(crate) fn given_back(machine: &Machine) -> bool {
    machine.want.owner.as_ref().is_some_and(|owner| owner.release.is_some())
}

/// Whether somebody has to confirm first what is known of it.
pub(crate) fn is_unconfirmed(machine: &Machine) -> bool {
    machine.state.hold.as_ref().is_some_and(|hold| hold.restored)
}

/// Whether an operator says that what was in rescue then, or on its way there or back, runs its own system by now.
pub(crate) fn left_its_rescue(machine: &Machine, hold: &Hold) -> bool {
    let vouched = machine.want.vouched == Some(hold.number);
    hold.restored && vouched && machine.state.name == MachineState::Rescue && !given_back(machine)
}

/// What comes of a choice about such a hold, where that is something else than of other holds.
pub(crate) fn what(machine: &Machine, choice: Choice) -> Option<&'static str> {
    Some(match (choice, machine.state.name) {
        (Choice::Retry, _) => confirmed(machine),
        (Choice::Cancel, MachineState::Servicing) => {
            "if it is nobody else's by now: `billet machine choose {machine} cancel` leads it back: the system of its instance boots from its disk, or it is switched off where nobody had it"
        }
        (Choice::ItRuns, _) => {
            "if the system of instance {instance} runs on it: `billet machine choose {machine} it-runs` takes it for deployed; nothing is written"
        }
        (Choice::Cancel, MachineState::Rescue) => {
            "if it is still that of instance {instance}: `billet machine choose {machine} cancel` ends its rescue, and boots the system on its disk"
        }
        (Choice::Cancel, _) => {
            "if nobody has used it since: `billet machine choose {machine} cancel` ends the inspection; one that was available is switched off, and instances may have it without a wiping before"
        }
        (Choice::GiveBack, MachineState::Deployed | MachineState::Rescue) => {
            "if it is still that of instance {instance}, which is to be given back: `billet machine choose {machine} give-back` wipes its disks"
        }
        (Choice::GiveBack, _) => {
            "if nothing that matters runs on it: `billet machine choose {machine} give-back` gives the machine back: the instance ends, and the disks are wiped"
        }
        (Choice::Abandon, _) => {
            "`billet machine choose {machine} abandon` sets the machine aside as it is: in maintenance, untouched, and held until somebody tries again"
        }
        _ => return None,
    })
}

/// What comes of confirming it as it is.
fn confirmed(machine: &Machine) -> &'static str {
    match machine.state.name {
        MachineState::Discovered => {
            "if it is nobody's: `billet machine retry {machine}` lets it go on as it was"
        }
        MachineState::Inspecting => {
            "if it is nobody's: `billet machine retry {machine}` inspects it anew, which switches it"
        }
        MachineState::Available if machine.want.owner.is_none() => {
            "if nobody has used it since: `billet machine retry {machine}` lets instances have it again; its disks are not wiped before"
        }
        _ if is_to_be_adopted(machine) => {
            "if it is still that of instance {instance}: `billet machine retry {machine}` lets that have it as it is; nothing is done to it"
        }
        MachineState::Available if machine.runs_from_ram() => {
            "if nobody has used it since: `billet machine retry {machine}` boots its instance, which runs from RAM"
        }
        MachineState::Available => {
            "if nobody has used it since: `billet machine retry {machine}` deploys it, which writes its disk"
        }
        MachineState::Deployed if machine.reinstalls() => {
            "if it is still that of instance {instance}, which is to be installed anew: `billet machine retry {machine}` writes its root disk"
        }
        MachineState::Deployed if machine.wants_rescue() => {
            "if it is still that of instance {instance}, which is to be rescued: `billet machine retry {machine}` switches it into its rescue system; nothing is written"
        }
        MachineState::Rescue if machine.running_job().is_none() => {
            "if it is still that of instance {instance}: `billet machine retry {machine}` confirms that it is in rescue; nothing is done to it"
        }
        MachineState::Rescue if machine.running_job().is_some_and(Job::only_returns) => {
            "if it is still that of instance {instance}: `billet machine retry {machine}` boots the system on its disk"
        }
        MachineState::Rescue => {
            "if it is still that of instance {instance}: `billet machine retry {machine}` switches it into its rescue system; nothing is written"
        }
        MachineState::Deployed => {
            "if instance {instance} still runs on it: `billet machine retry {machine}` confirms it; nothing is done to it"
        }
        MachineState::Deploying if given_back(machine) => {
            "if it is nobody else's by now: `billet machine retry {machine}` gives it back: its disks are wiped"
        }
        MachineState::Deploying if machine.running_job().is_some_and(Job::only_returns) => {
            "if it is still that of instance {instance}: `billet machine retry {machine}` boots the system on its disk"
        }
        MachineState::Deploying if machine.runs_from_ram() => {
            "if nothing that matters runs on it: `billet machine retry {machine}` does all steps anew: what may run from RAM is ended, and booted again"
        }
        MachineState::Deploying => {
            "if nothing that matters runs on it: `billet machine retry {machine}` does all steps anew: the disk is written again"
        }
        MachineState::Releasing => {
            "if it is nobody else's by now: `billet machine retry {machine}` does all steps anew: its disks are wiped"
        }
        MachineState::Servicing => {
            "if it is nobody else's by now: `billet machine retry {machine}` does all steps anew, which switches it and wipes the data disks that were named"
        }
    }
}
