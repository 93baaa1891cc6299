//! The firmware's boot entry of the system that was written (UEFI 2.10, 3.1 and 3.3).
//!
//! The disk is a [`Target`], the variables are [`Variables`]; what is done with them is decided purely: `entry` has the
//! bytes of a load option, `loader` what a disk would start, `plan` what becomes of the entries. Not here: the kernel's files
//! of variables (`host/efivars`), and `BootNext` (`boot_next`). An image is not trusted: nothing of it is executed.

mod entry;
mod loader;
mod plan;

use crate::seed::SeedError;
use images::write::Target;
use plan::Plan;
use std::{collections::BTreeMap, io};

/// The boot order: numbers of load options, 16 bits each, little-endian.
pub(crate) const BOOT_ORDER: &str = "BootOrder";

/// The number of the load option that this boot came from, 16 bits, little-endian.
const BOOT_CURRENT: &str = "BootCurrent";

/// The firmware's variables of booting. Their vendor is the specification, and they are kept over restarts.
pub trait Variables: Send {
    /// The numbers of all load options (`Boot####`) that there are, in the boot order or not.
    ///
    /// # Errors
    /// What the kernel says.
    fn entries(&self) -> io::Result<Vec<u16>>;

    /// The value of a variable; none if there is no such.
    ///
    /// # Errors
    /// What the kernel says.
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Gives a variable this value.
    ///
    /// # Errors
    /// What the kernel says: also that the firmware has no room left, or that its variables can't be changed.
    fn set(&self, name: &str, value: &[u8]) -> io::Result<()>;

    /// Takes a variable away. One that is not there is no error.
    ///
    /// # Errors
    /// What the kernel says.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// Why the firmware got no entry. The system may boot all the same, as the firmware finds it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoEntry {
    /// The disk has nothing that the firmware could start.
    #[error("the disk has no EFI system partition with a boot loader for {0}")]
    NoLoader(String),
    /// The partition table can't be read.
    #[error("the partition table can't be read")]
    Table(#[from] SeedError),
    /// The EFI system partition can't be read.
    #[error("the EFI system partition can't be read")]
    Volume(#[source] io::Error),
    /// A variable can't be read or written.
    #[error("the firmware's variable {name} can't be {action}")]
    Variable {
        /// Which.
        name: String,
        /// `read`, `written` or `removed`.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Entries without an order: one that names only ours would hide the others, the network among them.
    #[error("the firmware has entries, but no boot order (`BootOrder`): set one in its set-up")]
    NoOrder,
    /// All numbers are taken.
    #[error("the firmware has no number left for an entry")]
    Full,
}

impl NoEntry {
    /// Whether the disk is why: the firmware could be told, but of nothing that it could start.
    pub(crate) fn is_the_disks(&self) -> bool {
        matches!(self, Self::NoLoader(_) | Self::Table(_) | Self::Volume(_))
    }
}

/// Enters the system on this disk under `title` ([`entry::MARK`] is put before it), in place of what was entered before for
/// another one. What was done, as a sentence. Doing it again changes nothing.
pub(crate) fn enter(
    target: &dyn Target,
    sector_bytes: u32,
    architecture: &str,
    title: &str,
    variables: &dyn Variables,
) -> Result<String, NoEntry> {
    let loader = loader::find(target, sector_bytes, architecture)?;
    let title = entry::title(title);
    let wanted = entry::option(&title, &loader.partition, &loader.file);
    let (entries, order) = known(variables)?;
    if order.is_empty() && entries.values().any(|option| !entry::is_ours(option)) {
        return Err(NoEntry::NoOrder);
    }
    let plan = plan::plan(&entries, &order, current(variables)?, &wanted).ok_or(NoEntry::Full)?;
    carry_out(&plan, &wanted, variables)?;
    let before = if plan.writes() { "" } else { ", as before" };
    Ok(format!("boot entry {:04X} `{title}` starts {}{before}", plan.number, loader.file))
}

/// Takes everything out that was entered before, for a disk that can't be entered: the firmware would go on to start what is
/// there no more, or an older disk. The numbers of what was removed. Nothing of another one is touched.
pub(crate) fn forget(variables: &dyn Variables) -> Result<Vec<u16>, NoEntry> {
    let (entries, order) = known(variables)?;
    let (next, ours) = plan::without(&entries, &order);
    if next != order {
        put_order(&next, variables)?;
    }
    remove(&ours, variables)?;
    Ok(ours)
}

/// Load options by their numbers.
type Entries = BTreeMap<u16, Vec<u8>>;

/// All load options, and the boot order.
fn known(variables: &dyn Variables) -> Result<(Entries, Vec<u16>), NoEntry> {
    let mut entries = Entries::new();
    for number in variables.entries().map_err(|source| failed("Boot####", "read", source))? {
        let name = name_of(number);
        // One that went meanwhile is as good as one that never was.
        if let Some(option) = variables.get(&name).map_err(|source| failed(&name, "read", source))? {
            entries.insert(number, option);
        }
    }
    let order = variables.get(BOOT_ORDER).map_err(|source| failed(BOOT_ORDER, "read", source))?;
    let order = order.unwrap_or_default();
    let order = order.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok((entries, order))
}

/// Which entry the agent was booted from, if the firmware says so.
fn current(variables: &dyn Variables) -> Result<Option<u16>, NoEntry> {
    let value = variables.get(BOOT_CURRENT).map_err(|source| failed(BOOT_CURRENT, "read", source))?;
    Ok(value.and_then(|value| value.try_into().ok()).map(u16::from_le_bytes))
}

/// First the entry, then the order, then what nothing names any more: cut short anywhere, each number in the order has its
/// entry.
fn carry_out(plan: &Plan, wanted: &[u8], variables: &dyn Variables) -> Result<(), NoEntry> {
    if plan.write {
        put(&name_of(plan.number), wanted, variables, |found| entry::same(found, wanted))?;
    }
    if let Some(order) = &plan.order {
        put_order(order, variables)?;
    }
    remove(&plan.remove, variables)
}

/// Gives a variable this value, and looks whether the firmware kept it.
fn put(
    name: &str,
    value: &[u8],
    variables: &dyn Variables,
    kept: impl Fn(&[u8]) -> bool,
) -> Result<(), NoEntry> {
    variables.set(name, value).map_err(|source| failed(name, "written", source))?;
    match variables.get(name).map_err(|source| failed(name, "read", source))? {
        Some(found) if kept(&found) => Ok(()),
        _ => Err(failed(name, "written", io::Error::other("the firmware gives another value back"))),
    }
}

/// The boot order. An empty one is none: a variable without a value is not there (UEFI 2.10, 8.2).
fn put_order(order: &[u16], variables: &dyn Variables) -> Result<(), NoEntry> {
    if order.is_empty() {
        return variables.remove(BOOT_ORDER).map_err(|source| failed(BOOT_ORDER, "removed", source));
    }
    let bytes: Vec<u8> = order.iter().flat_map(|number| number.to_le_bytes()).collect();
    put(BOOT_ORDER, &bytes, variables, |found| found == bytes)
}

/// Takes these load options away.
fn remove(numbers: &[u16], variables: &dyn Variables) -> Result<(), NoEntry> {
    for number in numbers {
        let name = name_of(*number);
        variables.remove(&name).map_err(|source| failed(&name, "removed", source))?;
    }
    Ok(())
}

/// The name of a load option's variable.
pub(crate) fn name_of(number: u16) -> String {
    format!("Boot{number:04X}")
}

fn failed(name: &str, action: &'static str, source: io::Error) -> NoEntry {
    NoEntry::Variable { name: name.to_owned(), action, source }
}

#[cfg(test)]
pub(crate) mod tests;
