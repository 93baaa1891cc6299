//! Instances: what is to be done with one, and when it is gone. Which machine it gets is for `allocate`.
//!
//! How a machine is deployed is the machine's job; an instance only follows it.

use crate::{
    adopt::is_to_be_adopted,
    machine::{Machine, Owner},
};
use jiff::Timestamp;
use provisioner_api::{ErasePolicy, InstanceId, InstanceState, MachineId, MachineState};

/// What deciding needs to know of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Where it is.
    pub state: InstanceState,
    /// The machine that it has.
    pub machine: Option<MachineId>,
    /// It is to be given back; how its disks are wiped.
    pub release: Option<ErasePolicy>,
    /// Which installation of it was asked for last.
    pub installation: u32,
    /// Its root disk is to be written anew, of which the end was not taken down yet.
    pub reinstalls: bool,
    /// By when it has to have a machine.
    pub deadline: Option<Timestamp>,
}

/// What is to be done with an instance now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceDecision {
    /// It has no machine: `allocate` chooses one, for all that have none at once.
    Allocate,
    /// It has no machine, and that was to be by now: a person says whether it waits on. Until then it gets none.
    Overdue,
    /// Tell its machine that it is given back.
    GiveBack {
        /// Which.
        machine: MachineId,
        /// How to wipe.
        erase: ErasePolicy,
    },
    /// Its machine's deployment was cancelled, and with that it is given back too.
    Cancelled {
        /// How its machine is wiped.
        erase: ErasePolicy,
    },
    /// Its state is another now.
    Move(InstanceState),
    /// Its reinstallation was cancelled before anything was written: it is again what it was before.
    Restore,
    /// It is gone: forget it, and its machine forgets it too.
    Gone,
    /// Nothing will ever come of it without a change; a person must decide.
    Hold(String),
    /// It follows its machine.
    Done,
}

/// Decides about an instance. `own` is the machine that it has.
pub fn decide_instance(instance: &Instance, own: Option<&Machine>, now: Timestamp) -> InstanceDecision {
    match (instance.machine, own) {
        (None, _) if instance.release.is_some() => InstanceDecision::Gone,
        (None, _) if is_overdue(instance.deadline, now) => InstanceDecision::Overdue,
        (None, _) => InstanceDecision::Allocate,
        (Some(_), None) if instance.release.is_some() => InstanceDecision::Gone,
        (Some(_), None) => InstanceDecision::Hold("its machine is gone from the records".into()),
        (Some(_), Some(machine)) => follow(instance, machine),
    }
}

/// Whether an instance that has no machine has waited as long as it was to.
pub fn is_overdue(deadline: Option<Timestamp>, now: Timestamp) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

fn follow(instance: &Instance, machine: &Machine) -> InstanceDecision {
    let owner = machine.want.owner.as_ref().filter(|owner| owner.instance == instance.id);
    let move_to =
        |state| if instance.state == state { InstanceDecision::Done } else { InstanceDecision::Move(state) };
    match (owner, instance.release) {
        // Ownership ends only through `disown`, in the transaction that forgets the instance.
        (None, _) => InstanceDecision::Hold("its machine no longer knows it".into()),
        (Some(Owner { release: Some(erase), .. }), None) => InstanceDecision::Cancelled { erase: *erase },
        // Asked for at the moment when the machine became protected.
        (Some(Owner { release: None, .. }), Some(_)) if machine.want.protected => InstanceDecision::Hold(
            "it is to be given back, but its machine is protected (`billet machine set … --protected off`)"
                .into(),
        ),
        (Some(owner), Some(erase))
            if owner.release.is_none() || (machine.state.hold.is_some() && owner.release != Some(erase)) =>
        {
            InstanceDecision::GiveBack { machine: machine.id, erase }
        }
        (Some(_), Some(_)) if machine.state.name == MachineState::Available => InstanceDecision::Gone,
        (Some(_), Some(_)) => move_to(InstanceState::Releasing),
        (Some(owner), None) if is_restored(instance, machine, owner) => InstanceDecision::Restore,
        (Some(_), None) if machine.is_rescued() => move_to(InstanceState::Rescue),
        (Some(_), None) if machine.state.name == MachineState::Deployed && !machine.reinstalls() => {
            match instance.reinstalls {
                // There is something to take down even if it was not seen to begin.
                true => InstanceDecision::Move(InstanceState::Running),
                false => move_to(InstanceState::Running),
            }
        }
        (Some(_), None) if is_to_be_adopted(machine) => move_to(InstanceState::Running),
        (Some(_), None) if instance.reinstalls => move_to(InstanceState::Reinstalling),
        (Some(_), None) if machine.state.name == MachineState::Servicing => move_to(InstanceState::Servicing),
        (Some(_), None) => move_to(InstanceState::Deploying),
    }
}

/// Whether a reinstallation ended with the old system.
fn is_restored(instance: &Instance, machine: &Machine, owner: &Owner) -> bool {
    let rests = machine.state.name == MachineState::Deployed && !machine.reinstalls();
    let written = owner.installation == instance.installation && machine.is_written();
    instance.reinstalls && rests && !written
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn only_who_waits_for_a_machine_can_be_too_late() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let pending = Instance {
            id: InstanceId(Uuid::nil()),
            state: InstanceState::Pending,
            machine: None,
            release: None,
            installation: 0,
            reinstalls: false,
            deadline: Some(at(10)),
        };
        for (second, decision) in [
            (9, InstanceDecision::Allocate),
            (10, InstanceDecision::Overdue),
            (11, InstanceDecision::Overdue),
        ] {
            assert_eq!(decide_instance(&pending, None, at(second)), decision);
        }
        let patient = Instance { deadline: None, ..pending };
        assert_eq!(decide_instance(&patient, None, at(11)), InstanceDecision::Allocate);
        let given_up = Instance { release: Some(ErasePolicy::Metadata), ..pending };
        assert_eq!(decide_instance(&given_up, None, at(11)), InstanceDecision::Gone);
        let placed = Instance { machine: Some(MachineId(Uuid::nil())), ..pending };
        assert!(matches!(decide_instance(&placed, None, at(11)), InstanceDecision::Hold(_)));
    }
}
