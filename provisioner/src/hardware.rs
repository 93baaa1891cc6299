//! What differs between two inventories of one machine, in words. Pure.
//!
//! Deliberately not here: names of devices, links and addresses, which may be others at each boot.

use crate::{store::NewEvent, text::word};
use provisioner_api::{Inventory, JobKind};
use provisioner_lifecycle::Machine;
use std::collections::BTreeMap;

/// How many differences are told one by one.
const TOLD: usize = 16;

/// What is told of a machine in servicing whose agent found something else than was known.
pub(crate) fn told(before: &Machine, after: &Machine) -> Option<NewEvent> {
    after.running_job().filter(|job| job.kind == JobKind::Service)?;
    let (known, found) = (before.facts.inventory.as_deref()?, after.facts.inventory.as_deref()?);
    let mut all = differences(known, found);
    if all.is_empty() {
        return None;
    }
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let message = format!("the agent found other hardware than was known: {}{more}", all.join("; "));
    Some(NewEvent::machine(after.id, "agent", message))
}

/// Each difference as half a sentence.
fn differences(known: &Inventory, found: &Inventory) -> Vec<String> {
    let mut all = Vec::new();
    let mut changed = |what: &str, was: String, is: String| {
        if was != is {
            all.push(format!("{what} is {is}, was {was}"));
        }
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    changed("the UUID", or_none(&known.uuid), or_none(&found.uuid));
    changed("the serial number", or_none(&known.serial), or_none(&found.serial));
    changed("the firmware", or_none(&known.firmware), or_none(&found.firmware));
    let mode = |inventory: &Inventory| inventory.boot_mode.map_or("unknown".into(), |mode| word(&mode));
    changed("the boot mode", mode(known), mode(found));
    let cpu = |inventory: &Inventory| format!("{}, {} threads", inventory.cpu.model, inventory.cpu.threads);
    changed("the processor", cpu(known), cpu(found));
    let memory = |inventory: &Inventory| format!("{} MiB", inventory.memory_bytes >> 20);
    changed("the memory", memory(known), memory(found));
    for (what, list) in [("disk", disks as List), ("NIC", nics), ("GPU", gpus)] {
        pieces(what, &list(known), &list(found), &mut all);
    }
    all
}

/// Pieces by what they are known by, with what is told of each.
type Pieces = BTreeMap<String, String>;
type List = fn(&Inventory) -> Pieces;

fn disks(inventory: &Inventory) -> Pieces {
    let piece = |disk: &provisioner_api::Disk| {
        let serial = disk.serial.clone().unwrap_or_else(|| disk.name.clone());
        let state = if disk.read_only { ", read-only" } else { "" };
        (serial, format!("{} MB{state}", disk.size_bytes / 1_000_000))
    };
    inventory.disks.iter().map(piece).collect()
}

fn nics(inventory: &Inventory) -> Pieces {
    inventory.nics.iter().map(|nic| (nic.mac.clone(), nic.driver.clone().unwrap_or_default())).collect()
}

fn gpus(inventory: &Inventory) -> Pieces {
    let piece = |gpu: &provisioner_api::Gpu| (gpu.address.clone(), format!("{} {}", gpu.vendor, gpu.device));
    inventory.gpus.iter().map(piece).collect()
}

fn pieces(what: &str, known: &Pieces, found: &Pieces, all: &mut Vec<String>) {
    let said = |words: &str| if words.is_empty() { String::new() } else { format!(" ({words})") };
    for (key, words) in found {
        match known.get(key) {
            None => all.push(format!("{what} {key}{} is new", said(words))),
            Some(was) if was != words => all.push(format!("{what} {key} is {words}, was {was}")),
            Some(_) => {}
        }
    }
    let gone = known.keys().filter(|key| !found.contains_key(*key));
    all.extend(gone.map(|key| format!("{what} {key} is gone")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::{Disk, Nic};

    fn disk(name: &str, serial: Option<&str>, megabytes: u64) -> Disk {
        Disk {
            name: name.into(),
            serial: serial.map(Into::into),
            wwn: None,
            model: None,
            size_bytes: megabytes * 1_000_000,
            rotational: false,
            removable: false,
            read_only: false,
            sector_bytes: 512,
            ..Disk::default()
        }
    }

    fn nic(name: &str, mac: &str, link: bool) -> Nic {
        let (name, mac) = (name.into(), mac.into());
        Nic { name, mac, driver: Some("e1000".into()), link, speed_mbps: None, addresses: Vec::new() }
    }

    #[test]
    fn what_came_went_or_changed_is_told_and_names_are_not() {
        let known = Inventory {
            disks: vec![disk("sda", Some("A"), 5), disk("sdb", Some("B"), 7)],
            nics: vec![nic("eth0", "02:00:00:00:00:01", true)],
            memory_bytes: 1 << 30,
            ..Inventory::default()
        };
        let mut found = known.clone();
        found.disks = vec![disk("sda", Some("B"), 8), disk("sdc", None, 9)];
        found.nics = vec![nic("eno1", "02:00:00:00:00:01", false), nic("eth0", "02:00:00:00:00:02", true)];
        found.memory_bytes = 2 << 30;
        let told = [
            "the memory is 2048 MiB, was 1024 MiB",
            "disk B is 8 MB, was 7 MB",
            "disk sdc (9 MB) is new",
            "disk A is gone",
            "NIC 02:00:00:00:00:02 (e1000) is new",
        ];
        assert_eq!(differences(&known, &found), told);
        let renamed = Inventory { nics: vec![nic("eno1", "02:00:00:00:00:01", false)], ..known.clone() };
        assert!(differences(&known, &renamed).is_empty());
    }
}
