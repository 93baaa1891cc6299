//! Whether an instance may be installed anew, and onto which disk: always the one that holds its system. Who asks and
//! what else is in the seed are the service's.

use crate::{
    admit::{Refusal, Reinstall, Word, check_confirmed, check_owner},
    disk::{DiskWish, NoDisk, choose_root_disk},
    machine::Machine,
    service::is_asked,
};
use provisioner_api::MachineState;

/// Why no root disk can be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRootDisk {
    /// Its system is on another one than was said.
    #[error(
        "the system of this instance is on disk `{there}`, and only that one is written anew; leave `root_disk_serial` out"
    )]
    Other {
        /// The disk with its system.
        there: String,
    },
    /// Its system was adopted.
    #[error(
        "it is not known which disk holds the system that was adopted; name the one to write with `root_disk_serial` (`--root-disk-serial`)"
    )]
    Unknown,
    /// It can't hold the image, or what is known of the machine's disks names none.
    #[error(transparent)]
    Unfit(#[from] NoDisk),
}

/// Takes down that an instance is to be installed anew.
pub(crate) fn reinstall(machine: &mut Machine, asked: &Reinstall) -> Result<(), Refusal> {
    let disk = check(machine, asked)?;
    // `check` refused if there is none.
    let Some(owner) = &mut machine.want.owner else { return Err(Refusal::NotYours) };
    owner.installation = machine.state.installation + 1;
    owner.manifest.clone_from(&asked.manifest);
    owner.disk_bytes = asked.disk_bytes;
    owner.root_disk_serial = Some(disk);
    Ok(())
}

fn check(machine: &Machine, asked: &Reinstall) -> Result<String, Refusal> {
    let (want, state) = (&machine.want, &machine.state);
    check_owner(machine, asked.instance)?;
    if want.owner.as_ref().is_some_and(|owner| owner.ram.is_some()) {
        return Err(Refusal::RunsFromRam);
    }
    check_confirmed(machine)?;
    if want.protected {
        return Err(Refusal::Protected);
    }
    if !want.bmc {
        return Err(Refusal::NoBmc);
    }
    if machine.reinstalls() {
        return Err(Refusal::Reinstalling);
    }
    if is_asked(machine) {
        return Err(Refusal::Busy);
    }
    if machine.is_rescued() {
        return Err(Refusal::Rescued);
    }
    if state.name != MachineState::Deployed {
        return Err(Refusal::State { state: Word(state.name) });
    }
    Ok(root_disk(machine, asked)?)
}

/// The disk that the system is on. A disk that is not seen just now is no reason to refuse: whether it is there shows when
/// the agent calls in.
fn root_disk(machine: &Machine, asked: &Reinstall) -> Result<String, NoRootDisk> {
    let inventory = machine.facts.inventory.as_deref();
    let adopted = machine.want.owner.as_ref().is_some_and(|owner| owner.adopted);
    let disk = match (&machine.state.root_disk, &asked.root_disk_serial) {
        (Some(disk), _) => disk.clone(),
        // Where somebody else put the system nobody can guess.
        (None, Some(said)) if adopted => said.clone(),
        (None, None) if adopted => return Err(NoRootDisk::Unknown),
        (None, _) => chosen_before(machine)?,
    };
    if asked.root_disk_serial.as_ref().is_some_and(|said| *said != disk) {
        return Err(NoRootDisk::Other { there: disk });
    }
    let system = machine.state.root_disk.as_deref();
    let hints = machine.want.owner.as_ref().and_then(|owner| owner.root_disk.as_ref());
    let wish = DiskWish { named: Some(&disk), hints, system, need: asked.disk_bytes };
    match choose_root_disk(inventory, &wish) {
        Err(no @ NoDisk::TooSmall { .. }) => Err(no.into()),
        _ => Ok(disk),
    }
}

/// Earlier versions did not write down which disk they chose: it was this one, of the inventory that is kept still.
pub(crate) fn chosen_before(machine: &Machine) -> Result<String, NoDisk> {
    let wish = DiskWish::of(machine).unwrap_or_default();
    choose_root_disk(machine.facts.inventory.as_deref(), &wish)
}
