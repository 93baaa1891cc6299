//! Which disks a release wipes: those that the agent sees, and those that were there while its instance had the machine.
//! One that is not seen any more is a reason to hold: it may be dead, pulled, or back tomorrow with everything on it.

use crate::{
    machine::{Job, Machine},
    order::erasable_disks,
    plan::StepName,
};
use provisioner_api::Inventory;

/// The serial numbers of all disks that the running release wipes, or why it can't be said, as a sentence.
pub(crate) fn disks_to_wipe(machine: &Machine) -> Result<Vec<String>, String> {
    let seen = erasable_disks(machine.facts.inventory.as_deref())?;
    let skipped = |disk: &String| is_skipped(machine, disk);
    if let Some(gone) = machine.state.owed.iter().find(|disk| !seen.contains(disk) && !skipped(disk)) {
        return Err(format!(
            "disk `{gone}`, which the last instance could write, is not seen any more, so it can't be wiped"
        ));
    }
    let wiped: Vec<_> = seen.into_iter().filter(|disk| !skipped(disk)).collect();
    if wiped.is_empty() { Err("no disk is left that could be wiped".into()) } else { Ok(wiped) }
}

/// The disks that an operator may leave out of the wiping that is held.
pub fn skippable(machine: &Machine) -> Vec<String> {
    let held = machine.state.hold.is_some();
    let wipes = machine.running_job().and_then(Job::current).is_some_and(|step| step.name == StepName::Erase);
    if !held || !wipes {
        return Vec::new();
    }
    let mut disks = serials(machine.facts.inventory.as_deref());
    disks.extend(machine.state.owed.iter().cloned());
    disks.sort();
    disks.dedup();
    disks.retain(|disk| !is_skipped(machine, disk));
    // Something has to be wiped, or there would be no proof of anything.
    let mut seen = serials(machine.facts.inventory.as_deref());
    seen.retain(|disk| !is_skipped(machine, disk));
    disks.retain(|disk| seen.iter().any(|other| other != disk));
    disks
}

/// A disk that an operator left out of the running release.
pub(crate) fn left_out(machine: &Machine) -> Option<&String> {
    let job = machine.running_job()?.id;
    machine.want.skipped.iter().find(|skipped| skipped.job == job).map(|skipped| &skipped.disk)
}

/// Whether the running job leaves this disk out.
pub(crate) fn is_skipped(machine: &Machine, disk: &str) -> bool {
    let job = machine.running_job().map(|job| job.id);
    machine.want.skipped.iter().any(|skipped| Some(skipped.job) == job && skipped.disk == disk)
}

/// A disk that was left out of an earlier wiping, and is there.
pub(crate) fn unwiped(machine: &Machine) -> Option<&String> {
    let there = serials(machine.facts.inventory.as_deref());
    machine.state.unwiped.iter().find(|disk| there.contains(disk))
}

/// The serial numbers of the disks that can be written and not be taken out.
pub(crate) fn serials(inventory: Option<&Inventory>) -> Vec<String> {
    let disks = inventory.into_iter().flat_map(|inventory| &inventory.disks);
    disks.filter(|disk| !disk.removable && !disk.read_only).filter_map(|disk| disk.serial.clone()).collect()
}
