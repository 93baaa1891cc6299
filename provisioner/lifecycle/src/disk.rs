//! Which disk an image goes to. Refuses what is ambiguous instead of guessing.
//!
//! One rule for all who look: the allocation asks whether there is a disk, the job which, and a hold which there are to
//! choose from. Whether a disk may be touched at all is [`Disk::caution`], which the agent asks, too.

mod hints;
#[cfg(test)]
mod tests;

use crate::{
    foreign::{is_foreign, was_written},
    machine::Machine,
    plan::StepName,
};
use hints::match_disk;
use provisioner_api::{Caution, Disk, DiskHints, Inventory, JobKind};

/// Why no disk was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDisk {
    /// No disk has that serial number.
    #[error("no disk has the serial number `{serial}`; this machine has: {seen}")]
    NoSuchSerial {
        /// The one that was asked for.
        serial: String,
        /// Those that are there.
        seen: String,
    },
    /// Several disks have that serial number.
    #[error(
        "{count} disks have the serial number `{serial}`, so it names none of them safely; use another machine, or leave one of them in it"
    )]
    Ambiguous {
        /// The serial number.
        serial: String,
        /// How many.
        count: usize,
    },
    /// One disk is seen over several paths.
    #[error(
        "the disk `{serial}` is seen {count} times, over several paths, so other hosts may have it, too; `allow={serial}` in the root disk hints (`--root-disk`) lets it be written, or leave one path"
    )]
    Paths {
        /// Its serial number.
        serial: String,
        /// How many paths.
        count: usize,
    },
    /// The named disk is too small.
    #[error(
        "the image needs {need} bytes, the disk `{serial}` has {size}; choose a larger disk or a smaller image"
    )]
    TooSmall {
        /// The disk.
        serial: String,
        /// Bytes needed.
        need: u64,
        /// Bytes there.
        size: u64,
    },
    /// None fits.
    #[error(
        "the image needs {need} bytes and no disk that can be written is that large; this machine has: {seen}"
    )]
    NoneFits {
        /// Bytes needed.
        need: u64,
        /// The disks that are there.
        seen: String,
    },
    /// None is what the hints say.
    #[error(
        "no disk that can be written and has the {need} bytes that the image needs is what the root disk hints say (`{hints}`); this machine has: {seen}"
    )]
    NoneMatches {
        /// What they say.
        hints: String,
        /// Bytes needed.
        need: u64,
        /// The disks that are there.
        seen: String,
    },
    /// Several do, and nobody said which.
    #[error(
        "{count} disks can take the system, and nothing says which one is meant: {candidates}; choose one of them, or ask for it with root disk hints (`--root-disk`; `smallest` takes the smallest)"
    )]
    Several {
        /// How many.
        count: usize,
        /// Which.
        candidates: String,
    },
    /// The named disk can't be written.
    #[error("the disk `{serial}` is {}, so it is not written{}", caution.words(), mend(*.caution, .serial))]
    NotWritable {
        /// The disk.
        serial: String,
        /// What speaks against it.
        caution: Caution,
    },
    /// There is no inventory.
    #[error("the machine was never inspected; inspect it first")]
    NoInventory,
}

fn mend(caution: Caution, serial: &str) -> String {
    let allow = format!("; `allow={serial}` in the root disk hints (`--root-disk`) lets it be written");
    if caution.can_be_allowed() { allow } else { String::new() }
}

/// What is asked of the root disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskWish<'a> {
    /// Its serial number: the user named it, a person chose it, or it holds the system.
    pub named: Option<&'a str>,
    /// What else is said of it. None, as of instances that earlier versions gave machines to: the smallest.
    pub hints: Option<&'a DiskHints>,
    /// The disk that holds the system: what was written once may be written and wiped again.
    pub system: Option<&'a str>,
    /// Bytes that the image needs.
    pub need: u64,
}

impl<'a> DiskWish<'a> {
    /// What the machine's owner asks for; none: nobody has it.
    pub fn of(machine: &'a Machine) -> Option<Self> {
        let owner = machine.want.owner.as_ref()?;
        let hints = owner.root_disk.as_ref();
        let system = machine.state.root_disk.as_deref();
        // A writing that began goes on with its disk, also where another boot sees fewer of them.
        let chosen = machine.is_written() && machine.state.dirty;
        let named = owner.root_disk_serial.as_deref().or(system.filter(|_| chosen));
        Some(Self { named, hints, system, need: owner.disk_bytes })
    }

    /// Whether this disk may be touched whatever speaks against it, but for what nothing can allow.
    fn allows(&self, disk: &Disk) -> bool {
        let holds_system = self.system.is_some() && disk.serial.as_deref() == self.system;
        holds_system || self.hints.is_some_and(|hints| disk.is_in(&hints.allow))
    }

    fn refusal(&self, disk: &Disk) -> Option<Caution> {
        disk.caution().filter(|caution| !(caution.can_be_allowed() && self.allows(disk)))
    }

    fn takes_smallest(&self) -> bool {
        self.hints.is_none_or(|hints| hints.smallest)
    }
}

/// The serial number of the disk to write: the one that is named; else the only one that the hints leave, or of several the
/// smallest where they say so (of equals the first by name).
///
/// # Errors
/// Why there is none, with what there is.
pub fn choose_root_disk(inventory: Option<&Inventory>, wish: &DiskWish<'_>) -> Result<String, NoDisk> {
    let disks = &inventory.ok_or(NoDisk::NoInventory)?.disks;
    match wish.named {
        Some(serial) => named_disk(disks, serial, wish),
        None => hinted(disks, wish),
    }
}

/// Whether there is one, or several of which a person could choose one. Ten thousand machines are asked this, and few of
/// them why not.
pub(crate) fn has_root_disk(inventory: &Inventory, wish: &DiskWish<'_>) -> bool {
    let disks = &inventory.disks;
    match wish.named {
        Some(serial) => named_disk(disks, serial, wish).is_ok(),
        None => hinted_of(disks, wish).any(|disk| is_eligible(disks, disk, wish)),
    }
}

/// The disks of which a person may choose one for the deployment that is held: those that the hints leave, or else all that
/// can take the system. Empty where it is known which one is meant, of a system that is on a disk already, and where what is
/// on the disks is to stay.
pub(crate) fn candidates(machine: &Machine) -> Vec<&Disk> {
    let held = machine.state.hold.as_ref().is_some_and(|hold| !hold.restored) && !machine.want.protected;
    let job = machine.running_job().filter(|job| held && job.kind == JobKind::Deploy);
    let writes = job
        .and_then(|job| job.current())
        .is_some_and(|step| matches!(step.name, StepName::WriteImage | StepName::WriteSeed));
    let inventory = machine.facts.inventory.as_deref().filter(|_| writes);
    let (Some(inventory), Some(wish)) = (inventory, DiskWish::of(machine)) else { return Vec::new() };
    if choose_root_disk(Some(inventory), &wish).is_ok() {
        return Vec::new();
    }
    let disks = &inventory.disks;
    let all: Vec<_> = disks.iter().filter(|disk| is_eligible(disks, disk, &wish)).collect();
    let hinted: Vec<_> = all.iter().copied().filter(|disk| is_hinted(disk, &wish)).collect();
    let mut found = if hinted.is_empty() { all } else { hinted };
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whether a release wipes this disk: its owner could write to it, and it is the machine's own. Of others, those that an
/// image was written to: hints that many machines share allow disks that none of them wrote.
pub(crate) fn is_wiped(machine: &Machine, disk: &Disk) -> bool {
    if is_foreign(disk) { was_written(machine, disk) } else { may_be_erased(machine, disk) }
}

/// Whether a servicing that names this disk wipes it: it is the machine's own, or somebody said that it may be touched.
pub(crate) fn may_be_erased(machine: &Machine, disk: &Disk) -> bool {
    let against = disk.caution().filter(|caution| caution.forbids_wiping());
    against.is_none_or(|caution| caution.can_be_allowed() && is_allowed(machine, disk))
}

/// Whether a permit that names this disk allows what speaks against it.
pub(crate) fn is_permitted(machine: &Machine, disk: &Disk) -> bool {
    is_allowed(machine, disk) || was_written(machine, disk)
}

/// Whether somebody said that this disk may be touched whatever speaks against it, or it holds the system.
fn is_allowed(machine: &Machine, disk: &Disk) -> bool {
    DiskWish::of(machine).is_some_and(|wish| wish.allows(disk))
}

/// A disk in words, for who has to choose one: `sda (S1, 480103981056 bytes, MODEL, WWN naa.5)`.
pub(crate) fn words(disk: &Disk) -> String {
    let serial = disk.serial.as_deref().unwrap_or("without serial number");
    let mut words = format!("{} ({serial}, {} bytes", disk.name, disk.size_bytes);
    for (before, text) in [("", &disk.model), ("WWN ", &disk.wwn)] {
        if let Some(text) = text {
            words.push_str(&format!(", {before}{text}"));
        }
    }
    if let Some(caution) = disk.caution() {
        words.push_str(&format!(", {}", caution.words()));
    }
    words + ")"
}

fn named_disk(disks: &[Disk], serial: &str, wish: &DiskWish<'_>) -> Result<String, NoDisk> {
    let mut found = disks.iter().filter(|disk| disk.serial.as_deref() == Some(serial));
    let Some(disk) = found.next() else {
        return Err(NoDisk::NoSuchSerial { serial: serial.to_owned(), seen: describe(disks) });
    };
    if let Some(no) = twins(disks, disk, wish) {
        return Err(no);
    }
    let serial = serial.to_owned();
    if let Some(caution) = wish.refusal(disk) {
        return Err(NoDisk::NotWritable { serial, caution });
    }
    if disk.size_bytes < wish.need {
        return Err(NoDisk::TooSmall { serial, need: wish.need, size: disk.size_bytes });
    }
    Ok(serial)
}

fn hinted(disks: &[Disk], wish: &DiskWish<'_>) -> Result<String, NoDisk> {
    let mut found: Vec<_> = hinted_of(disks, wish).filter(|disk| is_eligible(disks, disk, wish)).collect();
    found.sort_by(|one, other| (one.size_bytes, &one.name).cmp(&(other.size_bytes, &other.name)));
    match found[..] {
        [] => Err(none(disks, wish)),
        [first, ..] if found.len() == 1 || wish.takes_smallest() => {
            // Only what has one is eligible.
            Ok(first.serial.clone().unwrap_or_default())
        }
        _ => {
            let candidates = found.iter().map(|disk| words(disk)).collect::<Vec<_>>().join("; ");
            Err(NoDisk::Several { count: found.len(), candidates })
        }
    }
}

/// Why none is eligible that the hints leave.
fn none(disks: &[Disk], wish: &DiskWish<'_>) -> NoDisk {
    // One that would do, if only it could be told from another.
    let fits =
        |disk: &&Disk| is_hinted(disk, wish) && wish.refusal(disk).is_none() && disk.size_bytes >= wish.need;
    if let Some(no) = disks.iter().filter(fits).find_map(|disk| twins(disks, disk, wish)) {
        return no;
    }
    let (need, seen) = (wish.need, describe(disks));
    match wish.hints {
        Some(hints) if *hints != DiskHints::default() && *hints != DiskHints::smallest() => {
            NoDisk::NoneMatches { hints: hints.to_string(), need, seen }
        }
        _ => NoDisk::NoneFits { need, seen },
    }
}

fn is_hinted(disk: &Disk, wish: &DiskWish<'_>) -> bool {
    wish.hints.is_none_or(|hints| match_disk(hints, disk))
}

/// Those that the hints leave. Ten thousand machines are asked this, so it goes before what costs more.
fn hinted_of<'a>(disks: &'a [Disk], wish: &DiskWish<'_>) -> impl Iterator<Item = &'a Disk> {
    disks.iter().filter(move |disk| is_hinted(disk, wish))
}

/// Whether it can be written, is large enough, and can be told from all others; of several paths the first by name.
fn is_eligible(disks: &[Disk], disk: &Disk, wish: &DiskWish<'_>) -> bool {
    disk.serial.is_some()
        && disk.size_bytes >= wish.need
        && wish.refusal(disk).is_none()
        && twins(disks, disk, wish).is_none()
        && !same_serial(disks, disk).any(|other| other.name < disk.name)
}

/// What is wrong if other disks have its serial number, too.
fn twins(disks: &[Disk], disk: &Disk, wish: &DiskWish<'_>) -> Option<NoDisk> {
    let count = same_serial(disks, disk).count();
    let serial = disk.serial.clone().filter(|_| count > 1)?;
    if !same_serial(disks, disk).all(|other| disk.is_path_of(other)) {
        return Some(NoDisk::Ambiguous { serial, count });
    }
    (!wish.allows(disk)).then_some(NoDisk::Paths { serial, count })
}

/// It and all others with its serial number.
fn same_serial<'a>(disks: &'a [Disk], disk: &'a Disk) -> impl Iterator<Item = &'a Disk> {
    disks.iter().filter(move |other| other.serial.is_some() && other.serial == disk.serial)
}

fn describe(disks: &[Disk]) -> String {
    let list: Vec<_> = disks.iter().map(words).collect();
    if list.is_empty() { "no disk".to_owned() } else { list.join("; ") }
}
