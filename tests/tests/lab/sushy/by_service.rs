//! A service that inspects the machine and deploys to it, by Redfish and then by libvirt.

use super::super::spec;
use anyhow::{Context, Result};
use provisioner_api::{BmcBoot, BmcBootDevice, InstanceState, MachineState, Power};
use std::os::unix::fs::PermissionsExt;
use tests::{LabSite, artifacts, can_run};

const MACHINE: &str =
    "[[machine]]\nname = \"m1\"\nfirmware = \"bios\"\nbmc = \"sushy\"\ndisk = \"1G\"\nmemory = 512\n";

#[test]
fn a_service_deploys_to_it_by_redfish_and_by_libvirt() -> Result<()> {
    let spec = spec(MACHINE);
    if !can_run(&spec, &["vmlinuz", "initrd.img", "tiny.raw.zst"]) {
        return Ok(());
    }
    let mut site = LabSite::start(&spec)?;
    site.import("tiny", &artifacts().join("tiny.raw.zst"), "raw")?;
    by_redfish(&site)?;
    by_libvirt(&mut site)
}

fn by_redfish(site: &LabSite) -> Result<()> {
    let bmc = &site.lab.machine("m1")?.bmc;
    let redfish = bmc.redfish.as_ref().context("it speaks Redfish")?;
    let url = format!("redfish://{}@{}?tls-sha256={}", bmc.username, bmc.address, redfish.tls_sha256);
    site.add_at("m1", &url, &bmc.password, &[])?;
    inspected(site)?;
    let shown = site.machine("m1")?.spec.bmc.context("it has a BMC")?;
    assert_eq!(shown.tls_sha256.as_deref(), Some(redfish.tls_sha256.as_str()));
    switched(site)?;
    deployed(site, "by-redfish")
}

/// From the network for the agent, from the disk for the system, and back.
fn deployed(site: &LabSite, name: &str) -> Result<()> {
    site.billet(&["instance", "create", name, "--image", "tiny", "--machine", "m1", "--hostname", name])?;
    let instance = site.instance_in(name, InstanceState::Running)?;
    assert!(instance.status.phoned_home.is_some());
    let shown: BmcBoot = serde_json::from_str(&site.billet(&["-o", "json", "bmc", "boot", "show", "m1"])?)?;
    assert_eq!((shown.device, shown.persistent), (BmcBootDevice::Disk, true));
    site.until("the system says its name on the console", |site| {
        Ok(site.lab.console_text("m1")?.contains(&format!("hostname {name}")).then_some(()))
    })?;
    site.billet(&["instance", "delete", name, "--yes"])?;
    site.instance_gone(name)?;
    inspected(site)
}

/// It was inspected, is off, and boots from its disk again.
fn inspected(site: &LabSite) -> Result<()> {
    let machine = site.machine_in("m1", MachineState::Available)?;
    let report = site.lab.machine("m1")?;
    assert_eq!(machine.status.power, Power::Off);
    let inventory = machine.status.inventory.context("it was inspected")?;
    assert_eq!(inventory.uuid.as_deref(), Some(report.uuid.as_str()));
    assert_eq!(inventory.serial.as_deref(), Some(report.serial.as_str()));
    Ok(())
}

/// On, reset and off, as the machine's page tells it.
fn switched(site: &LabSite) -> Result<()> {
    let shown = |power: Power| {
        site.until(&format!("it is shown as {power:?}"), |site| {
            Ok((site.machine("m1")?.status.power == power).then_some(()))
        })
    };
    site.billet(&["machine", "power", "on", "m1"])?;
    shown(Power::On)?;
    let starts = || -> Result<usize> { Ok(site.lab.console_text("m1")?.matches("SeaBIOS (version").count()) };
    let before = starts()?;
    site.billet(&["bmc", "power", "reset", "m1"])?;
    site.until("it starts again", |_| Ok((starts()? > before).then_some(())))?;
    site.billet(&["machine", "power", "off", "m1"])?;
    shown(Power::Off)
}

fn by_libvirt(site: &mut LabSite) -> Result<()> {
    let uri = site.lab.machine("m1")?.bmc.libvirt.clone().context("libvirt makes it")?;
    // The service takes no URI with parameters, and the lab's daemon is not where libvirt's own is.
    let virsh = site.path("virsh");
    std::fs::write(&virsh, format!("#!/bin/sh\nshift 3\nexec virsh -q -c '{uri}' \"$@\"\n"))?;
    std::fs::set_permissions(&virsh, std::fs::Permissions::from_mode(0o755))?;
    let config = std::fs::read_to_string(site.path("billet.toml"))?;
    std::fs::write(site.path("billet.toml"), format!("{config}[bmc]\nvirsh = {virsh:?}\n"))?;
    site.kill_service()?;
    site.serve()?;
    let (code, sentence) =
        site.fails(&["machine", "set", "m1", "--bmc", &format!("libvirt+{uri}&domain=m1")])?;
    assert!(code == 2 && sentence.contains("`domain` alone"), "{code}: {sentence}");
    site.billet(&["machine", "set", "m1", "--bmc", "libvirt+qemu:///session?domain=m1"])?;
    site.billet(&["machine", "inspect", "m1"])?;
    // What the other BMC said of its power counts no more: it is told anew by the inspection.
    site.machine_in("m1", MachineState::Inspecting)?;
    inspected(site)?;
    switched(site)?;
    deployed(site, "by-libvirt")
}
