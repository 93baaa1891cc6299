//! A machine that nobody announced netboots: it is inventoried, and not a byte of its disk changes.

use super::spec;
use anyhow::Result;
use provisioner_api::{BootMode, MachineState};
use sha2::{Digest, Sha256};
use std::{fs::File, io::Write};
use tests::{LabSite, artifacts, can_run};

#[test]
fn an_unknown_machine_is_only_inventoried() -> Result<()> {
    let spec = spec(
        "[[machine]]\nname = \"s1\"\nfirmware = \"bios\"\nbmc = \"mock\"\ndisk = \"64M\"\nmemory = 512\nboot_order = \"network-first\"\n",
    );
    if !can_run(&spec, &["vmlinuz", "initrd.img"]) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    let report = site.lab.machine("s1")?.clone();
    let data: Vec<u8> =
        (0..report.disks[0].size).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&report.disks[0].path, &data)?;
    site.lab.set_power("s1", true)?;
    let name = site.until("it is discovered", |site| {
        let names = site.billet(&["-o", "name", "machine", "list"])?;
        Ok(names.lines().next().map(ToOwned::to_owned))
    })?;
    let machine = site.until("it is inventoried", |site| {
        let machine = site.machine(&name)?;
        Ok(machine.status.inventory.is_some().then_some(machine))
    })?;
    assert_eq!(machine.status.state, MachineState::Discovered);
    assert!(!machine.spec.accepted);
    assert_eq!(machine.spec.macs, [report.mac]);
    assert_eq!(machine.spec.boot_mode, Some(BootMode::Bios));
    let why = site.billet(&["why", &name])?;
    assert!(why.contains("accept"), "{why}");
    site.lab.set_power("s1", false)?;
    let now = Sha256::digest(std::fs::read(&report.disks[0].path)?);
    assert!(now == Sha256::digest(&data), "its disk is byte for byte what it was");
    Ok(())
}

/// Its firmware would try every other network boot first, which takes minutes; the agent names the disk as the next.
#[test]
fn an_unknown_uefi_machine_goes_on_to_its_own_system() -> Result<()> {
    let spec = spec(
        "[[machine]]\nname = \"s2\"\nfirmware = \"uefi\"\nbmc = \"mock\"\ndisk = \"128M\"\nmemory = 512\nboot_order = \"network-first\"\n",
    );
    if !can_run(&spec, &["vmlinuz", "initrd.img", "tiny.raw"]) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    let report = site.lab.machine("s2")?.clone();
    let system = std::fs::read(artifacts().join("tiny.raw"))?;
    File::options().write(true).open(&report.disks[0].path)?.write_all(&system)?;
    site.lab.set_power("s2", true)?;
    let console = site.until("its own system comes up", |site| {
        let console = site.lab.console_text("s2")?;
        Ok(console.contains("tiny: starting").then_some(console))
    })?;
    let (_, after) = console.split_once("the firmware boots its entry").expect("the agent says so");
    assert!(!after.contains("PXE") && !after.contains("HTTP Boot"), "no further network boot: {after}");
    site.lab.set_power("s2", false)
}
