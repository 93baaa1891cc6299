//! Disks that are not the machine's own (network storage, virtual media), and what a release does with them: those that an
//! image was written to for its owner are wiped, all others are left alone. That one may be written (`allow`) is no leave to
//! wipe it: others may have it, or have it by now.

use crate::{
    disk::{is_wiped, words},
    machine::Machine,
};
use provisioner_api::{Caution, Disk};

/// Whether a disk is not the machine's own.
pub(crate) fn is_foreign(disk: &Disk) -> bool {
    matches!(disk.caution(), Some(Caution::Virtual | Caution::Shared))
}

/// Whether an image was, or may have been, written to this disk for the machine's owner.
pub(crate) fn was_written(machine: &Machine, disk: &Disk) -> bool {
    let state = &machine.state;
    let written =
        |serial: &String| state.root_disk.as_ref() == Some(serial) || state.written.contains(serial);
    disk.serial.as_ref().is_some_and(written)
}

/// What the release has to wipe, seen or not, but for the foreign disks that it leaves alone: earlier versions did not
/// tell them from the machine's own.
pub(crate) fn owed(machine: &Machine) -> Vec<String> {
    let disks = machine.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
    let disks: Vec<_> = disks.collect();
    let alone = |serial: &String| {
        let mut named = disks.iter().filter(|disk| disk.serial.as_ref() == Some(serial)).peekable();
        named.peek().is_some() && named.all(|disk| is_left_alone(machine, disk))
    };
    machine.state.owed.iter().filter(|serial| !alone(serial)).cloned().collect()
}

/// The foreign disks that the release leaves alone, in words; none: there are none.
pub(crate) fn left_alone(machine: &Machine) -> Option<String> {
    let disks = machine.facts.inventory.iter().flat_map(|inventory| &inventory.disks);
    let alone: Vec<_> = disks.filter(|disk| is_left_alone(machine, disk)).map(words).collect();
    (!alone.is_empty()).then(|| format!("left alone: {}", alone.join("; ")))
}

/// Why a release has nothing to wipe, as what came of that; `None`: it has. Nothing is owed, no image was written, and
/// there are no disks but foreign ones, or none that an instance that ran from RAM could write.
pub(crate) fn nothing_to_wipe(machine: &Machine) -> Option<String> {
    let disks = &machine.facts.inventory.as_deref()?.disks;
    let from_ram = machine.want.owner.as_ref().is_some_and(|owner| owner.ram.is_some());
    let foreign = !disks.is_empty() && disks.iter().all(is_foreign);
    let wipes = disks.iter().any(|disk| is_wiped(machine, disk));
    let unwritten = machine.state.root_disk.is_none() && machine.state.written.is_empty();
    if wipes || !unwritten || !is_known(machine) || !owed(machine).is_empty() || !(from_ram || foreign) {
        return None;
    }
    Some(left_alone(machine).map_or_else(
        || "the machine has no disk, and had none while its instance ran from RAM".into(),
        |alone| format!("the machine has no disk of its own, and none was written to; {alone}"),
    ))
}

fn is_left_alone(machine: &Machine, disk: &Disk) -> bool {
    is_foreign(disk) && is_known(machine) && !was_written(machine, disk)
}

/// Whether it is known which disks were written for the owner. Earlier versions did not tell: one of them may hold its
/// system.
fn is_known(machine: &Machine) -> bool {
    let state = &machine.state;
    let never = machine.want.owner.as_ref().is_some_and(|owner| owner.adopted || owner.ram.is_some());
    never || state.root_disk.is_some() || !state.written.is_empty()
}
