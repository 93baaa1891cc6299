//! A machine that runs somebody's system already becomes an instance's, and nothing of it is touched: no power, no boot, not
//! a byte. What may be on its disks counts as the instance's from then on.

use crate::{
    admit::Refusal,
    machine::{Machine, Owner},
    service,
    wipe::serials,
};
use jiff::Timestamp;
use provisioner_api::MachineState;

/// Takes down that a machine is an instance's that runs on it. With that it is accepted, but not to be inspected: that
/// would switch it off.
pub(crate) fn adopt(machine: &mut Machine, owner: &Owner) -> Result<(), Refusal> {
    if machine.want.owner.as_ref().is_some_and(|now| now.instance == owner.instance) {
        return Ok(());
    }
    if machine.want.owner.is_some() {
        return Err(Refusal::Owned);
    }
    // Outside of jobs a machine without an owner is discovered or available.
    if machine.running_job().is_some() {
        return Err(Refusal::Busy);
    }
    machine.want.accepted = true;
    machine.want.owner = Some(Owner { adopted: true, ..owner.clone() });
    Ok(())
}

/// Whether it has an instance that runs on it, of which the state does not tell yet.
pub(crate) fn is_to_be_adopted(machine: &Machine) -> bool {
    let owner = machine.want.owner.as_ref();
    let free = matches!(machine.state.name, MachineState::Discovered | MachineState::Available);
    free && owner.is_some_and(|owner| owner.adopted && owner.release.is_none())
}

/// Takes down that a machine is deployed, with whatever is on it.
pub(crate) fn adopted(machine: &mut Machine, now: Timestamp) {
    let installation = machine.want.owner.as_ref().map_or(0, |owner| owner.installation);
    // What was written for who had it before says nothing of its disks.
    (machine.state.root_disk, machine.state.written) = (None, Vec::new());
    let owed = serials(machine);
    let state = &mut machine.state;
    (state.name, state.since) = (MachineState::Deployed, now);
    (state.installation, state.installed) = (installation, installation);
    (state.dirty, state.owed) = (true, owed);
    // What was asked for before, an inspection or to switch it, is not made up for later: it would end what runs.
    state.power_wish = machine.want.power.map_or(state.power_wish, |wish| wish.number);
    (state.inspect, state.cancel, state.retry) =
        (machine.want.inspect, machine.want.cancel, machine.want.retry);
    service::over(machine);
}
