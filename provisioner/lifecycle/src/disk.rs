//! Which disk an image goes to. Refuses what is ambiguous instead of guessing.

use provisioner_api::{Disk, Inventory};

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
    /// The named disk can't be written.
    #[error("the disk `{serial}` is {what}, so it is not written")]
    NotWritable {
        /// The disk.
        serial: String,
        /// `removable` or `read-only`.
        what: &'static str,
    },
    /// There is no inventory.
    #[error("the machine was never inspected; inspect it first")]
    NoInventory,
}

/// The serial number of the disk to write: the one that was named, else the smallest fixed one that is large enough
/// (of equals the first by name).
pub fn choose_root_disk(
    inventory: Option<&Inventory>,
    named: Option<&str>,
    need: u64,
) -> Result<String, NoDisk> {
    let disks = &inventory.ok_or(NoDisk::NoInventory)?.disks;
    match named {
        Some(serial) => named_disk(disks, serial, need),
        None => smallest(disks, need),
    }
}

/// Whether [`choose_root_disk`] finds one. Ten thousand machines are asked this, and few of them why not.
pub(crate) fn has_root_disk(inventory: &Inventory, named: Option<&str>, need: u64) -> bool {
    match named {
        Some(serial) => named_disk(&inventory.disks, serial, need).is_ok(),
        None => smallest_fitting(&inventory.disks, need).is_some(),
    }
}

fn named_disk(disks: &[Disk], serial: &str, need: u64) -> Result<String, NoDisk> {
    let fitting: Vec<_> = disks.iter().filter(|disk| disk.serial.as_deref() == Some(serial)).collect();
    let [disk] = fitting[..] else {
        let serial = serial.to_owned();
        return Err(match fitting.len() {
            0 => NoDisk::NoSuchSerial { serial, seen: describe(disks) },
            count => NoDisk::Ambiguous { serial, count },
        });
    };
    let serial = serial.to_owned();
    if disk.removable || disk.read_only {
        return Err(NoDisk::NotWritable {
            serial,
            what: if disk.removable { "removable" } else { "read-only" },
        });
    }
    if disk.size_bytes < need {
        return Err(NoDisk::TooSmall { serial, need, size: disk.size_bytes });
    }
    Ok(serial)
}

fn smallest(disks: &[Disk], need: u64) -> Result<String, NoDisk> {
    if let Some(found) = smallest_fitting(disks, need) {
        return Ok(found.to_owned());
    }
    // One that would do, if only it could be told from another.
    let twin = fitting(disks, need).find_map(|disk| disk.serial.as_deref());
    Err(match twin {
        Some(serial) => NoDisk::Ambiguous { serial: serial.to_owned(), count: having(disks, serial) },
        None => NoDisk::NoneFits { need, seen: describe(disks) },
    })
}

fn smallest_fitting(disks: &[Disk], need: u64) -> Option<&str> {
    fitting(disks, need)
        .filter_map(|disk| {
            let serial = disk.serial.as_deref().filter(|serial| having(disks, serial) == 1)?;
            Some((disk.size_bytes, &disk.name, serial))
        })
        .min()
        .map(|(_, _, serial)| serial)
}

/// Those that can be written and are large enough.
fn fitting(disks: &[Disk], need: u64) -> impl Iterator<Item = &Disk> {
    disks.iter().filter(move |disk| !disk.removable && !disk.read_only && disk.size_bytes >= need)
}

/// How many have this serial number.
fn having(disks: &[Disk], serial: &str) -> usize {
    disks.iter().filter(|disk| disk.serial.as_deref() == Some(serial)).count()
}

fn describe(disks: &[Disk]) -> String {
    let list: Vec<_> = disks
        .iter()
        .map(|disk| {
            let serial = disk.serial.as_deref().unwrap_or("without serial number");
            let kind = if disk.removable {
                ", removable"
            } else if disk.read_only {
                ", read-only"
            } else {
                ""
            };
            format!("{} ({serial}, {} bytes{kind})", disk.name, disk.size_bytes)
        })
        .collect();
    if list.is_empty() { "no disk".to_owned() } else { list.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, serial: Option<&str>, size: u64) -> Disk {
        Disk {
            name: name.into(),
            serial: serial.map(Into::into),
            wwn: None,
            model: None,
            size_bytes: size,
            rotational: false,
            removable: false,
            read_only: false,
            sector_bytes: 512,
        }
    }

    fn choose(disks: Vec<Disk>, named: Option<&str>, need: u64) -> Result<String, NoDisk> {
        let inventory = Inventory { disks, ..Inventory::default() };
        choose_root_disk(Some(&inventory), named, need)
    }

    #[test]
    fn takes_the_smallest_that_fits() {
        let disks =
            vec![disk("sda", Some("big"), 900), disk("sdb", Some("fit"), 500), disk("sdc", Some("tiny"), 10)];
        assert_eq!(choose(disks, None, 400), Ok("fit".into()));
    }

    #[test]
    fn never_takes_a_stick_a_read_only_or_a_nameless_disk() {
        let stick = Disk { removable: true, ..disk("sda", Some("stick"), 900) };
        let locked = Disk { read_only: true, ..disk("sdb", Some("locked"), 900) };
        let refused = choose(vec![stick.clone(), locked, disk("sdc", None, 900)], None, 400);
        assert!(matches!(refused, Err(NoDisk::NoneFits { need: 400, .. })), "{refused:?}");
        assert!(matches!(choose(vec![stick], Some("stick"), 1), Err(NoDisk::NotWritable { .. })));
    }

    #[test]
    fn a_serial_that_two_disks_share_names_none() {
        let twins = vec![disk("sda", Some("same"), 900), disk("sdb", Some("same"), 900)];
        assert!(matches!(choose(twins.clone(), Some("same"), 1), Err(NoDisk::Ambiguous { count: 2, .. })));
        assert!(matches!(choose(twins.clone(), None, 1), Err(NoDisk::Ambiguous { count: 2, .. })));
        assert!(matches!(choose(twins.clone(), None, 901), Err(NoDisk::NoneFits { .. })), "too small anyway");
        let third = [twins, vec![disk("sdc", Some("other"), 900)]].concat();
        assert_eq!(choose(third, None, 1), Ok("other".into()));
    }

    #[test]
    fn says_what_is_there() {
        let error = choose(vec![disk("sda", Some("x1"), 5)], Some("x2"), 1).unwrap_err().to_string();
        assert!(error.contains("x2") && error.contains("sda (x1, 5 bytes)"), "{error}");
        assert!(matches!(
            choose(vec![disk("sda", Some("x1"), 5)], Some("x1"), 6),
            Err(NoDisk::TooSmall { .. })
        ));
    }
}
