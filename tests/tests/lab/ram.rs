//! An instance that runs from RAM, with real firmware and a real kernel that starts another one: it reports in, no byte of
//! the disk changes, and after a power cut it is there again without anybody's doing.

use super::{digest, spec};
use anyhow::{Context, Result};
use provisioner_api::{InstanceState, MachineState};
use tests::{LabSite, artifacts, can_run};

const NEEDED: [&str; 4] = ["vmlinuz", "initrd.img", "tiny.vmlinuz", "tiny.initrd"];

/// Waits until the system that runs from RAM reported in so many times. It says so itself a little after the service knows.
fn reported_in(site: &LabSite, times: usize) -> Result<()> {
    site.until(&format!("it reported in, {times}"), |site| {
        Ok((site.lab.console_text("m1")?.matches("tiny: phoned home").count() == times).then_some(()))
    })
}

fn import(site: &LabSite) -> Result<()> {
    let file = |name: &str| artifacts().join(name).to_str().map(ToOwned::to_owned).context("a UTF-8 path");
    let (kernel, initrd) = (file("tiny.vmlinuz")?, file("tiny.initrd")?);
    let mut words = vec!["image", "import", "burn-in", "--kernel", &kernel, "--initrd", &initrd];
    words.extend(["--cmdline", "quiet console=tty0 console=ttyS0,115200 panic=10"]);
    site.billet(&words).map(drop)
}

#[test]
fn it_runs_from_ram_and_again_after_a_power_cut() -> Result<()> {
    let spec = spec(
        "[[machine]]\nname = \"m1\"\nfirmware = \"bios\"\nbmc = \"mock\"\ndisk = \"64M\"\nmemory = 512\n",
    );
    if !can_run(&spec, &NEEDED) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    let disk = site.lab.machine("m1")?.disks[0].clone();
    // Somebody's data. Not zeros: what writes zeros has to be seen, too.
    std::fs::write(&disk.path, vec![0x5a; usize::try_from(disk.size)?])?;
    let before = digest(&site)?;
    import(&site)?;
    site.enrol("m1")?;
    site.machine_in("m1", MachineState::Available)?;
    site.billet(&[
        "instance",
        "create",
        "os1",
        "--image",
        "burn-in",
        "--machine",
        "m1",
        "--hostname",
        "first",
    ])?;
    let instance = site.instance_in("os1", InstanceState::Running)?;
    assert!(instance.status.phoned_home.is_some());
    let first = site.machine("m1")?.status.job.context("the deployment")?;
    assert!(first.steps.iter().any(|step| step.name == "boot-ram"), "{first:?}");
    reported_in(&site, 1)?;
    assert!(site.lab.console_text("m1")?.contains("hostname first"), "it has its seed");

    // As by the plug: neither the service nor the BMC is asked, and nobody orders anything afterwards.
    site.lab.set_power("m1", false)?;
    site.lab.set_power("m1", true)?;
    site.until("it came up again", |site| {
        let job = site.machine("m1")?.status.job;
        Ok(job.filter(|job| job.epoch > first.epoch && job.ended.is_some()).map(drop))
    })?;
    reported_in(&site, 2)?;
    site.instance_in("os1", InstanceState::Running)?;
    assert_eq!(digest(&site)?, before, "the disk is as it was");
    Ok(())
}
