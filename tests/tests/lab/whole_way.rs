//! From discovery to deployed and released, over BIOS with IPMI and UEFI with Redfish, with the service killed in each
//! phase of it, and what may go wrong on the way.

use super::{fetched, holds, spec, start_of};
use anyhow::Result;
use provisioner_api::{BootTrace, InstanceState, JobKind, MachineState, Power, StepPhase, TraceEntry};
use tests::{LabSite, artifacts, can_run};
use tests_postgres::Server;

const NEEDED: [&str; 4] = ["vmlinuz", "initrd.img", "tiny.raw", "tiny.raw.zst"];

#[test]
fn bios_with_ipmi() -> Result<()> {
    // Its ROM is no iPXE, as far as the service can see: it fetches undionly.kpxe by TFTP.
    whole_way(
        "[[machine]]\nname = \"m1\"\nfirmware = \"bios-pxe\"\nbmc = \"ipmi-sim\"\ndisk = \"1G\"\nmemory = 512\n",
        None,
    )
}

/// One of the two is on PostgreSQL: what differs is the same for all firmware.
#[test]
fn uefi_with_redfish_on_postgresql() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let database = runtime.block_on(async { Server::shared().await?.database().await })?;
    whole_way(
        "[[machine]]\nname = \"m1\"\nfirmware = \"uefi\"\nbmc = \"mock\"\ndisk = \"1G\"\nmemory = 512\n",
        Some(database.url()),
    )
}

fn whole_way(machine: &str, database: Option<&str>) -> Result<()> {
    let spec = spec(machine);
    if !can_run(&spec, &NEEDED) {
        return Ok(());
    }
    let mut site = LabSite::start_on(&spec, database)?;
    wrong_password(&site)?;
    inspected_through_kills(&mut site)?;
    deployed_through_kills(&mut site)?;
    // OVMF takes two minutes for its way through PXE and HTTP over IPv4 and IPv6 before it comes to the disk.
    if !spec.machines[0].firmware.is_uefi() {
        a_reboot_is_not_an_install(&site)?;
    }
    released_through_kills(&mut site)?;
    too_large(&site)
}

fn wrong_password(site: &LabSite) -> Result<()> {
    site.add("m1", "not-the-password")?;
    let held = site.until("the machine is held", |site| Ok(site.machine("m1")?.status.held))?;
    assert!(held.why.contains("password"), "{}", held.why);
    let (code, sentence) =
        site.fails(&["machine", "add", "m2", "--mac", "nonsense", "--bmc", "ipmi://a@b"])?;
    assert!(code == 2 && sentence.contains("nonsense"), "{code}: {sentence}");
    let file = site.path("password");
    std::fs::write(&file, &site.lab.machine("m1")?.bmc.password)?;
    site.billet(&["machine", "set", "m1", "--bmc-password-file", file.to_str().unwrap_or_default()])?;
    site.billet(&["machine", "retry", "m1"]).map(drop)
}

/// Kills the service once the machine's job of this kind and epoch is at this step, and starts it again. What takes an instant may be over by
/// then: the kill comes right after it.
fn killed_at(site: &mut LabSite, (kind, epoch): (JobKind, u64), step: &str) -> Result<()> {
    site.until(&format!("m1 is at {step} of {kind:?}"), |site| {
        let job = site.machine("m1")?.status.job.filter(|job| job.kind == kind && job.epoch == epoch);
        let at = job.and_then(|job| job.steps.into_iter().find(|one| one.name == step));
        Ok(at.is_some_and(|at| at.phase != StepPhase::Todo).then_some(()))
    })?;
    site.kill_service()?;
    site.serve()
}

/// Kills the service in the midst of the kernel, which the machine's loader fetches from it, and starts it again.
fn killed_in_the_kernel(site: &mut LabSite) -> Result<()> {
    let fetches = |trace: &BootTrace| {
        let begun = |entry: &&TraceEntry| entry.stage.as_deref() == Some("begun");
        trace
            .entries
            .iter()
            .filter(begun)
            .any(|entry| entry.file.as_deref().is_some_and(|file| file.ends_with("vmlinuz")))
    };
    site.until("m1 fetches the kernel", |site| Ok(fetches(&site.trace("m1")?).then_some(())))?;
    site.kill_service()?;
    site.serve()
}

fn inspected_through_kills(site: &mut LabSite) -> Result<()> {
    for step in ["power-off", "agent"] {
        killed_at(site, (JobKind::Inspect, 2), step)?;
    }
    killed_in_the_kernel(site)?;
    killed_at(site, (JobKind::Inspect, 2), "inspect")?;
    let machine = site.machine_in("m1", MachineState::Available)?;
    let report = site.lab.machine("m1")?;
    assert_eq!(machine.status.power, Power::Off);
    let inventory = machine.status.inventory.expect("it was inspected");
    assert_eq!(inventory.uuid.as_deref(), Some(report.uuid.as_str()));
    assert_eq!(inventory.serial.as_deref(), Some(report.serial.as_str()));
    let disks: Vec<_> = inventory.disks.iter().map(|disk| (disk.serial.clone(), disk.size_bytes)).collect();
    assert_eq!(disks, [(Some(report.disks[0].serial.clone()), report.disks[0].size)]);
    assert_eq!(inventory.nics[0].mac, report.mac);
    assert!(start_of(report, 1 << 20)?.iter().all(|byte| *byte == 0), "inspecting writes nothing");
    let loader = if report.firmware.is_uefi() { "snponly.efi" } else { "undionly.kpxe" };
    let files = fetched(&site.trace("m1")?);
    assert!(files.contains(&("tftp".into(), loader.into())), "{files:?}");
    Ok(())
}

fn deployed_through_kills(site: &mut LabSite) -> Result<()> {
    site.import("tiny", &artifacts().join("tiny.raw.zst"), "raw")?;
    site.billet(&["instance", "create", "os1", "--image", "tiny", "--machine", "m1", "--hostname", "first"])?;
    for step in ["boot-network", "agent", "write-image", "write-seed", "reboot", "phone-home"] {
        killed_at(site, (JobKind::Deploy, 3), step)?;
    }
    let instance = site.instance_in("os1", InstanceState::Running)?;
    assert!(instance.status.phoned_home.is_some());
    let job = site.machine("m1")?.status.job.expect("the deployment");
    assert_eq!(job.steps.iter().filter(|step| step.phase == StepPhase::Done).count(), job.steps.len());
    assert_eq!(job.epoch, 2 + 1, "two inspections, and a deployment that was never started anew");
    assert!(holds(site.lab.machine("m1")?, &artifacts().join("tiny.raw"))?, "the disk holds the image");
    site.until("the system says its name on the console", |site| {
        Ok(site.lab.console_text("m1")?.contains("hostname first").then_some(()))
    })
}

/// Restarted with the network as first boot device, it gets no agent: it comes up from its disk again.
fn a_reboot_is_not_an_install(site: &LabSite) -> Result<()> {
    let seen = site.events("m1")?.len();
    let ipmi = site.lab.machine("m1")?.bmc.clone();
    let over = ipmi.ipmi.expect("its BMC speaks IPMI");
    let (port, cipher) = (over.address.port().to_string(), over.cipher.to_string());
    for words in
        [&["chassis", "bootdev", "pxe"][..], &["power", "off"], &["power", "status"], &["power", "on"]]
    {
        let output = site
            .lab
            .command("ipmitool")
            .args(["-I", "lanplus", "-C", &cipher, "-H", &ipmi.address.to_string(), "-p", &port])
            .args(["-U", &ipmi.username, "-P", &ipmi.password])
            .args(words)
            .output()?;
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    site.until("the system comes up again", |site| {
        let new = site.events("m1")?.split_off(seen);
        let unexpected =
            new.iter().any(|event| event.kind == "dhcp" && event.message.contains("boots from its disk"));
        let again = site.lab.console_text("m1")?.contains("this instance phoned home before");
        Ok((unexpected && again).then_some(()))
    })?;
    let new = site.events("m1")?.split_off(seen);
    assert!(!new.iter().any(|event| event.message.contains("vmlinuz")), "it got no agent: {new:?}");
    assert!(holds(site.lab.machine("m1")?, &artifacts().join("tiny.raw"))?, "and its disk is as it was");
    assert_eq!(site.instance("os1")?.status.state, InstanceState::Running);
    Ok(())
}

fn released_through_kills(site: &mut LabSite) -> Result<()> {
    let (code, sentence) = site.fails(&["machine", "delete", "m1"])?;
    assert!(code == 2 && sentence.contains("instance"), "{code}: {sentence}");
    site.billet(&["instance", "delete", "os1", "--yes"])?;
    for step in ["agent", "erase"] {
        killed_at(site, (JobKind::Release, 4), step)?;
    }
    site.instance_gone("os1")?;
    let machine = site.machine_in("m1", MachineState::Available)?;
    assert_eq!(
        machine.status.job.expect("the release").epoch,
        2 + 1 + 1,
        "a release that was never started anew"
    );
    assert!(start_of(site.lab.machine("m1")?, 1 << 20)?.iter().all(|byte| *byte == 0), "its disk is wiped");
    Ok(())
}

/// An image that no disk can hold: held with the numbers, given back, nothing written.
fn too_large(site: &LabSite) -> Result<()> {
    let image = site.path("large.qcow2");
    let made = std::process::Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&image)
        .arg("8G")
        .status()?;
    assert!(made.success());
    let sum = std::process::Command::new("sha256sum").arg(&image).output()?;
    std::fs::write(site.path("large.qcow2.sha256"), sum.stdout)?;
    let file = image.to_str().unwrap_or_default().to_owned();
    let wrong = format!("sha256:{}", "1".repeat(64));
    let (code, sentence) =
        site.fails(&["image", "import", &file, "--name", "large", "--digest", &wrong, "--format", "qcow2"])?;
    assert!(code == 2 && sentence.contains("the file's digest is sha256:"), "{code}: {sentence}");
    site.import("large", &image, "qcow2")?;
    site.billet(&["instance", "create", "big", "--image", "large", "--machine", "m1"])?;
    let held = site.until("the instance is held", |site| Ok(site.instance("big")?.status.held))?;
    assert!(held.why.contains(&(8_u64 << 30).to_string()), "{}", held.why);
    site.billet(&["instance", "delete", "big", "--yes"])?;
    site.instance_gone("big")
}
