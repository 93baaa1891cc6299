//! Which disks a release wipes: those that the agent sees, and those that were there while its instance had the machine,
//! or in an earlier boot of the release. One that is not seen any more is a reason to hold: it may be dead, pulled, or back tomorrow with everything on it.

use crate::{
    disk::is_wiped,
    foreign::owed,
    machine::{Job, Machine},
    order::erasable_disks,
    plan::StepName,
    service,
};
use provisioner_api::{Caution, Disk, ErasePolicy, JobKind};

/// The serial numbers of all disks that the running job wipes, and how; or why it can't be said, as a sentence.
pub(crate) fn wiping(machine: &Machine) -> Result<(Vec<String>, ErasePolicy), String> {
    if machine.running_job().is_some_and(|job| job.kind == JobKind::Service) {
        return service::wiping(machine);
    }
    let disks = disks_to_wipe(machine)?;
    let asked = asked(machine).ok_or("nobody gave the machine back")?;
    let least = least_of_unwiped(machine, &disks);
    Ok((disks, asked.max(least)))
}

/// How a release wipes what its owner could write: as it was asked for, or as its pool asked for if that is more.
pub(crate) fn asked(machine: &Machine) -> Option<ErasePolicy> {
    let owner = machine.want.owner.as_ref()?;
    Some(owner.release?.max(owner.least.unwrap_or_default()))
}

/// The least by which these disks have to be wiped, because an earlier wiping left some of them out.
pub(crate) fn least_of_unwiped(machine: &Machine, disks: &[String]) -> ErasePolicy {
    let owed = machine.state.unwiped_least.iter().filter(|(disk, _)| disks.contains(disk));
    owed.map(|(_, least)| *least).max().unwrap_or_default()
}

/// The serial numbers of all disks that the running release wipes, or why it can't be said, as a sentence.
fn disks_to_wipe(machine: &Machine) -> Result<Vec<String>, String> {
    let seen = erasable_disks(machine)?;
    let skipped = |disk: &String| is_skipped(machine, disk);
    if let Some(gone) = owed(machine).iter().find(|disk| !seen.contains(disk) && !skipped(disk)) {
        let how =
            seen_but(machine, gone).map_or("is not seen any more".to_owned(), |how| format!("is {how}"));
        return Err(format!(
            "disk `{gone}`, which the last instance could write, {how}, so it can't be wiped"
        ));
    }
    Ok(seen)
}

/// The disks that an operator may leave out of the wiping that is held.
pub fn skippable(machine: &Machine) -> Vec<String> {
    // Whose disks they are by now is the first question there.
    let held = machine.state.hold.as_ref().is_some_and(|hold| !hold.restored);
    let release = machine.running_job().filter(|job| job.kind == JobKind::Release);
    let wipes = release.and_then(Job::current).is_some_and(|step| step.name == StepName::Erase);
    if !held || !wipes {
        return Vec::new();
    }
    let mut disks = serials(machine);
    disks.extend(owed(machine));
    disks.sort();
    disks.dedup();
    disks.retain(|disk| !is_skipped(machine, disk));
    // Something has to be wiped, or there would be no proof of anything.
    let mut seen = serials(machine);
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
fn is_skipped(machine: &Machine, disk: &str) -> bool {
    let job = machine.running_job().map(|job| job.id);
    machine.want.skipped.iter().any(|skipped| Some(skipped.job) == job && skipped.disk == disk)
}

/// All disks that the running job leaves out.
pub(crate) fn skipped(machine: &Machine) -> Vec<String> {
    let job = machine.running_job().map(|job| job.id);
    let of_job = machine.want.skipped.iter().filter(|skipped| Some(skipped.job) == job);
    of_job.map(|skipped| skipped.disk.clone()).collect()
}

/// A disk that was left out of an earlier wiping, and is there: also one that just now can't be written or could be
/// taken out, because what is on it can be read.
pub fn unwiped(machine: &Machine) -> Option<&String> {
    machine.state.unwiped.iter().find(|disk| seen(machine, disk).is_some())
}

/// How a disk is seen that can't be wiped, as half a sentence; `None`: not at all, or as one that can be.
pub(crate) fn seen_but(machine: &Machine, serial: &str) -> Option<&'static str> {
    let disk = seen(machine, serial)?;
    match disk.caution()? {
        Caution::ReadOnly => Some("seen, but read-only"),
        _ if is_wiped(machine, disk) => None,
        Caution::Removable => Some("seen, but as one that can be taken out"),
        Caution::Virtual => Some("seen, but as a virtual medium"),
        Caution::Shared => Some("seen, but as network storage that other hosts may have, too"),
        Caution::Usb => None,
    }
}

fn seen<'a>(machine: &'a Machine, serial: &str) -> Option<&'a Disk> {
    let disks = &machine.facts.inventory.as_deref()?.disks;
    disks.iter().find(|disk| disk.serial.as_deref() == Some(serial))
}

/// The serial numbers of all disks that are there and that a release wipes.
pub(crate) fn serials(machine: &Machine) -> Vec<String> {
    let disks = machine.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
    disks.filter(|disk| is_wiped(machine, disk)).filter_map(|disk| disk.serial.clone()).collect()
}
