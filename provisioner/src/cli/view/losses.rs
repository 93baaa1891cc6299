//! What would be lost by something that destroys: the disks, and whose they are. Which disks, and what becomes of each, is
//! `command/losses`.

use super::layout::table;
use crate::cli::{
    text::{bytes, clean},
    ui::HasName,
};
use provisioner_api::Disk;
use serde::Serialize;

/// What would be done, and to which disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Loss {
    /// What would be done, as a sentence.
    pub(in crate::cli) what: String,
    /// The machine; none: nothing is on any disk yet.
    pub(in crate::cli) machine: Option<String>,
    /// The instance that has the machine.
    pub(in crate::cli) instance: Option<String>,
    /// The disks that it is about.
    pub(in crate::cli) disks: Vec<LostDisk>,
}

/// A disk, and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct LostDisk {
    /// The kernel's name for it when it was seen last; none: it was not seen.
    pub(in crate::cli) name: Option<String>,
    /// Its serial number.
    pub(in crate::cli) serial: Option<String>,
    /// Its model.
    pub(in crate::cli) model: Option<String>,
    /// Bytes.
    pub(in crate::cli) size_bytes: Option<u64>,
    /// What would become of what is on it.
    pub(in crate::cli) fate: String,
}

impl LostDisk {
    /// A disk that the agent saw.
    pub(in crate::cli) fn seen(disk: &Disk, fate: &str) -> Self {
        Self {
            name: Some(disk.name.clone()),
            serial: disk.serial.clone(),
            model: disk.model.clone(),
            size_bytes: Some(disk.size_bytes),
            fate: fate.to_owned(),
        }
    }

    /// One that is known by its serial number alone.
    pub(in crate::cli) fn unseen(serial: &str, fate: &str) -> Self {
        let fate = format!("{fate}; but no such disk was seen");
        Self { name: None, serial: Some(serial.to_owned()), model: None, size_bytes: None, fate }
    }
}

impl HasName for Loss {
    /// The machine's.
    fn name(&self) -> String {
        self.machine.clone().unwrap_or_default()
    }
}

/// The sentence, and a table of the disks.
pub(in crate::cli) fn losses(loss: &Loss) -> String {
    let mut text = format!("{}\n", clean(&loss.what));
    let Some(machine) = &loss.machine else {
        text.push_str("No disk is concerned.\n");
        return text;
    };
    let owner = match &loss.instance {
        Some(instance) => format!("instance {instance}'s"),
        None => "nobody's".to_owned(),
    };
    if loss.disks.is_empty() {
        text.push_str(&format!("No disk of machine {machine} is known; it is {owner}.\n"));
        return text;
    }
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = loss.disks.iter().map(|disk| {
        [
            machine.clone(),
            word(&disk.name),
            word(&disk.model),
            word(&disk.serial),
            disk.size_bytes.map(bytes).unwrap_or_default(),
            owner.clone(),
            disk.fate.clone(),
        ]
    });
    text + &table(["MACHINE", "DISK", "MODEL", "SERIAL", "SIZE", "WHOSE", "WHAT IS ON IT"], rows)
}
