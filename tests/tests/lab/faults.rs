//! Disks that fail under a real kernel: held, naming the place, and never called running; mended, it goes on from there.
//! Beside it a machine with two disks that can't be told apart. That the disk is named, too, a test of the agent shows.

use super::{digest_of, holds, spec};
use anyhow::{Context, Result};
use lab::DiskFault;
use provisioner_api::{Held, InstanceState, MachineState};
use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
};
use tests::{LabSite, artifacts, can_run};

const NEEDED: [&str; 4] = ["vmlinuz", "initrd.img", "tiny.raw", "tiny.raw.zst"];

/// `m2` is off but for its inspection.
const LAB: &str = r#"
[[machine]]
name = "m1"
firmware = "bios"
bmc = "mock"
disk = { size = "128M", serial = "WORN", faulty = true }
[[machine]]
name = "m2"
firmware = "bios"
bmc = "mock"
bus = "scsi"
disk = { size = "96M", serial = "TWIN" }
data_disks = [{ size = "96M", serial = "TWIN" }]
"#;

/// What goes wrong, where it is seen, and what is said. The image has data in all of these chunks of 4 MiB; each fault is in
/// another one, so that each reason is a new one.
const FAULTS: [(&str, u64, &str); 3] = [
    ("eio-write:4M..8M", 4 << 20, "could not write"),
    ("drop:8M..12M", 8 << 20, "does not hold what was written"),
    ("flip:12587008.3", 12 << 20, "does not hold what was written"),
];

#[test]
fn a_failing_disk_is_held_and_twins_are_left_alone() -> Result<()> {
    let spec = spec(LAB);
    if !can_run(&spec, &NEEDED) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    let twins = site.lab.machine("m2")?.disks.clone();
    for disk in &twins {
        // Not zeros: what writes zeros has to be seen, too.
        std::fs::write(&disk.path, vec![0x5a; usize::try_from(disk.size)?])?;
    }
    let before = digest_of(&twins[0])?;
    for machine in ["m1", "m2"] {
        site.enrol(machine)?;
    }
    site.import("tiny", &artifacts().join("tiny.raw.zst"), "raw")?;
    twins_are_held(&site)?;
    site.machine_in("m1", MachineState::Available)?;
    failing_is_held(&site)?;
    assert_eq!(
        [digest_of(&twins[0])?, digest_of(&twins[1])?],
        [before.clone(), before],
        "both are as they were"
    );
    Ok(())
}

fn twins_are_held(site: &LabSite) -> Result<()> {
    site.machine_in("m2", MachineState::Available)?;
    site.billet(&["instance", "create", "twin", "--image", "tiny", "--machine", "m2"])?;
    let held = site.until("the instance is held", |site| Ok(site.instance("twin")?.status.held))?;
    assert!(held.why.contains("2 disks have the serial number `TWIN`"), "{}", held.why);
    Ok(())
}

fn failing_is_held(site: &LabSite) -> Result<()> {
    let set = |fault: Option<&str>| -> Result<()> {
        let fault = fault.map(str::parse::<DiskFault>).transpose().map_err(anyhow::Error::msg)?;
        site.lab.set_disk_fault("m1", 0, fault)
    };
    for (number, (fault, at, says)) in FAULTS.into_iter().enumerate() {
        spoil(&site.lab.machine("m1")?.disks[0].path, at)?;
        set(Some(fault))?;
        if number == 0 {
            site.billet(&["instance", "create", "os1", "--image", "tiny", "--machine", "m1"])?;
        } else {
            site.billet(&["machine", "retry", "m1"])?;
        }
        let held = held_at(site, at)?;
        assert!(held.why.contains(says), "{fault}: {}", held.why);
        let instance = site.instance("os1")?.status;
        assert!(instance.state != InstanceState::Running && instance.phoned_home.is_none(), "{fault}");
        assert!(!holds(site.lab.machine("m1")?, &artifacts().join("tiny.raw"))?, "{fault}: nor is it there");
    }
    set(None)?;
    site.billet(&["machine", "retry", "m1"])?;
    site.instance_in("os1", InstanceState::Running)?;
    assert!(
        holds(site.lab.machine("m1")?, &artifacts().join("tiny.raw"))?,
        "mended, the disk holds the image"
    );
    Ok(())
}

/// Takes away what an earlier try wrote there: bytes that are right already hide that a disk takes none.
fn spoil(disk: &Path, at: u64) -> Result<()> {
    let mut file = File::options().write(true).open(disk)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(file.write_all(&vec![0x5a; 4 << 20])?)
}

/// Waits until the machine is held for what is at this byte of its disk; for anything else is an error, but for what it was
/// held for before.
fn held_at(site: &LabSite, byte: u64) -> Result<Held> {
    site.until(&format!("m1 is held for byte {byte}"), |site| {
        let held = site.machine("m1")?.status.held;
        let earlier = FAULTS.iter().map(|(_, at, _)| *at).filter(|at| *at < byte);
        match held {
            None => Ok(None),
            Some(held) if held.why.contains(&format!("at byte {byte}")) => Ok(Some(held)),
            Some(held) => {
                let old = earlier.into_iter().any(|at| held.why.contains(&format!("at byte {at}")));
                old.then_some(None).with_context(|| format!("it is held: {}", held.why))
            }
        }
    })
}
