//! A Redfish BMC that we did not write (sushy-tools' emulator), with a real machine of libvirt's behind it: what our
//! Redfish driver asks for is seen in libvirt and on the machine's serial port. Then the same machine by our libvirt
//! driver, and a service that knows it in both ways.

mod bench;
mod by_libvirt;
mod by_service;

use anyhow::Result;
use bench::{Bench, CD_SAYS, Domain, Server};
use provisioner_api::{BmcBiosAttribute, BmcHardware, BmcMediaSlot, BmcSecureBoot};
use serde_json::{Value, json};

const BIOS: &str =
    "[[machine]]\nname = \"m1\"\nfirmware = \"bios\"\nbmc = \"sushy\"\ndisk = \"64M\"\nmemory = 256\n";
const UEFI: &str =
    "[[machine]]\nname = \"m2\"\nfirmware = \"uefi\"\nbmc = \"sushy\"\ndisk = \"64M\"\nmemory = 256\n";

#[test]
fn every_verb_of_the_emulator_reaches_the_machine() -> Result<()> {
    let Some(bench) = Bench::start(BIOS)? else { return Ok(()) };
    let server = bench.serve_cd()?;
    let m1 = bench.machine("m1")?;
    who_it_is(&m1)?;
    power(&m1)?;
    boot_devices(&m1)?;
    a_cd(&m1)?;
    settings_and_parts(&m1)?;
    what_it_lacks(&m1)?;
    drop(server);
    bench.lab.stop()
}

fn who_it_is(m1: &Domain<'_>) -> Result<()> {
    let info: Value = m1.json(&["info"])?;
    assert_eq!(info["system_uuid"], *m1.report.uuid);
    assert_eq!(info["manufacturer"], "Sushy Emulator");
    assert_eq!(info["tls_sha256"], *m1.pin);
    let wrong = m1.run("wrong", m1.pin, &["power", "status"])?;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("refuses user `admin`"), "{said}");
    let other = m1.run(&m1.report.bmc.password, &"1".repeat(64), &["power", "status"])?;
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains(m1.pin) && said.contains("pinned"), "{said}");
    Ok(())
}

fn is_on(m1: &Domain<'_>) -> Result<bool> {
    let answer: Value = m1.json(&["power", "status"])?;
    Ok(answer["power"] == "on")
}

fn power(m1: &Domain<'_>) -> Result<()> {
    const FIRMWARE: &str = "SeaBIOS (version";
    assert!(!is_on(m1)? && m1.state()? == "shut off");
    m1.billet(&["power", "off"])?;
    assert_eq!(m1.state()?, "shut off", "so already");
    assert!(m1.fails(&["power", "reset"])?.contains("the machine is off"), "a reset would switch it on");
    let mark = m1.said()?;
    m1.billet(&["power", "on"])?;
    assert!(is_on(m1)? && m1.state()? == "running");
    m1.says(mark, FIRMWARE)?;
    m1.says(mark, "No bootable device")?;
    m1.billet(&["power", "on"])?;
    let mark = m1.said()?;
    m1.billet(&["power", "reset"])?;
    m1.says(mark, FIRMWARE)?;
    // Nobody in it listens to the power button.
    m1.billet(&["power", "soft"])?;
    m1.billet(&["power", "diag"])?;
    assert_eq!(m1.state()?, "running");
    assert!(m1.fails(&["power", "cycle"])?.contains("no such button, only On, ForceOff"));
    m1.billet(&["power", "off"])?;
    assert!(!is_on(m1)? && m1.state()? == "shut off");
    // Behind its back.
    m1.virsh(&["start", "m1"])?;
    assert!(is_on(m1)?);
    m1.virsh(&["destroy", "m1"])?;
    assert!(!is_on(m1)?);
    Ok(())
}

fn boots_from(m1: &Domain<'_>, device: &str, element: &str, words: &str) -> Result<()> {
    let shown: Value = m1.json(&["boot", "show"])?;
    assert_eq!(shown, json!({ "device": device, "persistent": true }));
    let first = m1.boots_first()?;
    assert!(first.starts_with(element), "{first}");
    let mark = m1.said()?;
    m1.billet(&["power", "on"])?;
    m1.says(mark, words)?;
    m1.billet(&["power", "off"]).map(drop)
}

fn boot_devices(m1: &Domain<'_>) -> Result<()> {
    // For one boot: it takes that, and shows and does every boot (a row of our table of quirks).
    m1.billet(&["boot", "pxe"])?;
    boots_from(m1, "pxe", "<interface type='udp'>", &format!("(net0 {})", m1.report.mac))?;
    m1.billet(&["boot", "disk", "--persistent"])?;
    boots_from(m1, "disk", "<disk type='file' device='disk'>", "Booting from Hard Disk")?;
    for (words, sentence) in [
        (&["boot", "none"][..], "400 Bad Request"),
        (&["boot", "usb"], "can't be Usb, only Pxe, Cd, Hdd"),
        (&["boot", "bios"], "can't be BiosSetup, only Pxe, Cd, Hdd"),
        (&["boot", "http"], "can't be UefiHttp, only Pxe, Cd, Hdd"),
        // It has no drive before a medium is in it.
        (&["boot", "cdrom"], "Cd does not exist"),
    ] {
        let said = m1.fails(words)?;
        assert!(said.contains(sentence), "{words:?}: {said}");
    }
    assert!(m1.boots_first()?.contains("device='disk'"), "what failed changed nothing");
    Ok(())
}

fn slot(m1: &Domain<'_>) -> Result<BmcMediaSlot> {
    let slots: Vec<BmcMediaSlot> = m1.json(&["media", "list"])?;
    Ok(slots.into_iter().find(|slot| slot.id == "Cd").expect("it has the slot Cd"))
}

fn a_cd(m1: &Domain<'_>) -> Result<()> {
    assert!(!slot(m1)?.inserted);
    let said = m1.fails(&["media", "insert", "http://127.0.0.1:8000/no-such.iso"])?;
    assert!(said.contains("404"), "{said}");
    m1.billet(&["media", "insert", Server::CD])?;
    let cd = slot(m1)?;
    assert!(cd.inserted && cd.image.as_deref() == Some(Server::CD), "{cd:?}");
    m1.billet(&["media", "insert", Server::CD])?;
    m1.billet(&["boot", "cdrom", "--persistent"])?;
    boots_from(m1, "cdrom", "<disk type='file' device='cdrom'>", CD_SAYS)?;
    assert!(m1.definition()?.contains("cd-iso"), "the image is the drive's");
    m1.billet(&["media", "eject"])?;
    assert!(!slot(m1)?.inserted && !m1.definition()?.contains("cd-iso"));
    m1.billet(&["media", "eject"])?;
    Ok(())
}

fn settings_and_parts(m1: &Domain<'_>) -> Result<()> {
    let value = |m1: &Domain<'_>| -> Result<Value> {
        let all: Vec<BmcBiosAttribute> = m1.json(&["bios", "list"])?;
        let one = all.into_iter().find(|one| one.name == "ProcTurboMode").expect("it has the attribute");
        Ok(serde_json::to_value(one)?["value"].clone())
    };
    assert_eq!(value(m1)?, "Enabled");
    m1.billet(&["bios", "set", "ProcTurboMode=Disabled"])?;
    assert_eq!(value(m1)?, "Disabled");
    let said = m1.fails(&["bios", "set", "ProcTurbo=Disabled"])?;
    assert!(said.contains("no attribute `ProcTurbo`") && said.contains("ProcTurboMode"), "{said}");
    m1.billet(&["bios", "reset", "--yes"])?;
    assert_eq!(value(m1)?, "Enabled");
    m1.billet(&["identify", "--on"])?;
    m1.billet(&["identify", "--off"])?;
    assert!(m1.billet(&["sensors"])?.contains("CPU Temp"));
    let hardware: BmcHardware = m1.json(&["hardware"])?;
    assert_eq!(hardware.uuid.as_deref(), Some(m1.report.uuid.as_str()));
    let cpus: Vec<_> = hardware.processors.iter().map(|cpu| cpu.model.as_deref()).collect();
    assert_eq!(cpus, [Some("qemu64")]);
    let macs: Vec<_> = hardware.ports.iter().map(|port| port.mac.as_deref()).collect();
    assert_eq!(macs, [Some(m1.report.mac.as_str())]);
    // Memory and storage need a configuration of the emulator's that we don't give; that is told, and not taken for none.
    assert_eq!(hardware.problems.len(), 2, "{:?}", hardware.problems);
    Ok(())
}

/// What the emulator has not: told as such, never done otherwise.
fn what_it_lacks(m1: &Domain<'_>) -> Result<()> {
    for (words, sentence) in [
        (&["sel", "list"][..], "it has no log"),
        (&["user", "list"], "it has no account service"),
        (&["task", "list"], "it has no task service"),
        (&["events"], "it has no event service"),
        (&["boot-order", "show"], "shows no boot order"),
        (&["restart", "--yes"], "its manager has no Reset action"),
        (&["identify", "5"], "its lamp has no timer"),
        (&["asset-tag", "--set", "r7"], "400 Bad Request"),
        (&["firmware", "update", "--url", Server::CD, "--yes"], "Targets"),
    ] {
        let said = m1.fails(words)?;
        assert!(said.contains(sentence), "{words:?}: {said}");
    }
    Ok(())
}

#[test]
fn secure_boot_is_what_the_firmware_heeds() -> Result<()> {
    const UNSIGNED: &str = "Open Source Network Boot Firmware";
    let Some(bench) = Bench::start(UEFI)? else { return Ok(()) };
    let server = bench.serve_cd()?;
    let m2 = bench.machine("m2")?;
    let holds = || -> Result<Option<bool>> {
        let secure: BmcSecureBoot = m2.json(&["secure-boot", "show"])?;
        Ok(secure.enabled)
    };
    m2.billet(&["media", "insert", Server::CD])?;
    m2.billet(&["boot", "cdrom", "--mode", "uefi"])?;
    for (change, enabled, words) in
        [(None, false, UNSIGNED), (Some("enable"), true, "Access Denied"), (Some("disable"), false, UNSIGNED)]
    {
        if let Some(change) = change {
            m2.billet(&["secure-boot", change])?;
            m2.billet(&["secure-boot", change])?;
        }
        assert_eq!(holds()?, Some(enabled));
        let mark = m2.said()?;
        m2.billet(&["power", "on"])?;
        m2.says(mark, words)?;
        m2.billet(&["power", "off"])?;
    }
    // A machine of UEFI stays one; and what the emulator makes of HTTP boot, a CD, is not taken for it.
    let said = m2.fails(&["boot", "pxe", "--mode", "bios"])?;
    assert!(said.contains("500") && said.contains("boot mode"), "{said}");
    let said = m2.fails(&["boot", "http", "--uri", Server::CD])?;
    assert!(said.contains("reads back BootSourceOverrideTarget Cd"), "{said}");
    drop(server);
    bench.lab.stop()
}
