//! Disks as servers have them, with the kernel that knows them: NVMe under UEFI, SATA under BIOS beside a SCSI disk with
//! sectors of 4096 bytes. What comes as qcow2 or xz is deployed; a disk with data is as it was after a reinstallation; a disk
//! that erases itself is empty.

use super::{digest_of, holds, spec};
use anyhow::{Context, Result, ensure};
use provisioner_api::{Disk, InstanceState, MachineState};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    process::Command,
};
use tests::{LabSite, artifacts, can_run};

const NEEDED: [&str; 4] = ["generic/vmlinuz", "generic/initrd.img", "tiny.raw", "generic/tiny.raw"];

/// The data disk is the larger one: the deployments ask for the smallest that fits.
const LAB: &str = r#"
[[machine]]
name = "m1"
firmware = "uefi"
bmc = "mock"
disk = { size = "128M", bus = "nvme", serial = "NVME1" }
[[machine]]
name = "m2"
firmware = "bios"
bmc = "mock"
disk = { size = "128M", bus = "sata", serial = "SATA1", wwn = "5000c500a1b2c3d4" }
data_disks = [{ size = "160M", bus = "scsi", serial = "SCSI1", wwn = "5000c500a1b2c3d5", sector = 4096 }]
"#;

/// Runs a program whose last words are a file, and puts that file's digest beside it.
fn make(file: &Path, program: &mut Command) -> Result<()> {
    ensure!(program.status()?.success(), "{program:?}");
    let sum = Command::new("sha256sum").arg(file).output()?;
    ensure!(sum.status.success(), "sha256sum");
    Ok(std::fs::write(file.with_added_extension("sha256"), sum.stdout)?)
}

/// A machine's disk with this serial number, as the agent saw it.
fn seen(site: &LabSite, machine: &str, serial: &str) -> Result<Disk> {
    let inventory = site.machine(machine)?.status.inventory.context("it was inspected")?;
    let found = inventory.disks.iter().find(|disk| disk.serial.as_deref() == Some(serial));
    found.cloned().with_context(|| format!("{serial} is not among {:?}", inventory.disks))
}

#[test]
fn nvme_sata_and_scsi() -> Result<()> {
    let spec = spec(LAB);
    if !can_run(&spec, &NEEDED) {
        return Ok(());
    }
    // Our own boot server stands where a cache would: it gives the same chunks.
    let site = LabSite::start_with_network(&spec, "[[images.caches]]\nurl = \"http://{address}:8080\"\n")?;
    for machine in ["m1", "m2"] {
        site.enrol(machine)?;
    }
    let (cloud, generic) = (artifacts().join("tiny.raw"), artifacts().join("generic/tiny.raw"));
    let (qcow2, xz) = (site.path("tiny.qcow2"), site.path("tiny.raw.xz"));
    make(
        &qcow2,
        Command::new("qemu-img").args(["convert", "-f", "raw", "-O", "qcow2", "-c"]).args([&cloud, &qcow2]),
    )?;
    make(&xz, Command::new("xz").args(["-0", "--stdout"]).arg(&generic).stdout(File::create(&xz)?))?;
    site.import("virtual", &qcow2, "qcow2")?;
    site.import("real", &xz, "raw")?;
    for machine in ["m1", "m2"] {
        site.machine_in(machine, MachineState::Available)?;
    }
    inspected(&site)?;
    let data = &site.lab.machine("m2")?.disks[1];
    fill(&data.path)?;
    let before = digest_of(data)?;
    for (name, image, machine) in [("os1", "virtual", "m1"), ("os2", "real", "m2")] {
        site.billet(&[
            "instance",
            "create",
            name,
            "--image",
            image,
            "--machine",
            machine,
            "--hostname",
            name,
            "--root-disk",
            "smallest",
        ])?;
    }
    for name in ["os1", "os2"] {
        site.instance_in(name, InstanceState::Running)?;
    }
    assert!(holds(site.lab.machine("m1")?, &cloud)?, "the NVMe disk holds the image");
    let events = site.billet(&["machine", "events", "m1", "-o", "json"])?;
    assert!(events.contains(" from http://"), "no chunk came from the cache: {events}");
    assert!(events.contains("boot entry 0"), "the firmware was not told of it: {events}");
    assert!(holds(site.lab.machine("m2")?, &generic)?, "the SATA disk holds the image");
    assert_eq!(digest_of(data)?, before, "the data disk is as it was");
    erases_itself(&site)?;
    reinstalled(&site)?;
    assert!(holds(site.lab.machine("m2")?, &generic)?, "the SATA disk holds it again");
    assert_eq!(digest_of(data)?, before, "the data disk is as it was");
    Ok(())
}

/// The NVMe disk formats itself, and nothing that was on it is left.
fn erases_itself(site: &LabSite) -> Result<()> {
    let disk = site.lab.machine("m1")?.disks[0].clone();
    site.billet(&["instance", "delete", "os1", "--erase", "secure", "--yes"])?;
    site.instance_gone("os1")?;
    let mut left = Vec::new();
    File::open(&disk.path)?.read_to_end(&mut left)?;
    assert!(left.iter().all(|byte| *byte == 0), "something is left on the disk");
    let events = site.billet(&["machine", "events", "m1", "-o", "json"])?;
    assert!(events.contains("wiped and read back (secure)"), "{events}");
    Ok(())
}

/// Each disk was seen as what it is.
fn inspected(site: &LabSite) -> Result<()> {
    let nvme = seen(site, "m1", "NVME1")?;
    assert_eq!((nvme.name.as_str(), nvme.size_bytes, nvme.sector_bytes), ("nvme0n1", 128 << 20, 512));
    for (serial, wwn, size, sector) in
        [("SATA1", "5000c500a1b2c3d4", 128 << 20, 512), ("SCSI1", "5000c500a1b2c3d5", 160 << 20, 4096)]
    {
        let disk = seen(site, "m2", serial)?;
        assert!(disk.name.starts_with("sd") && !disk.removable, "{disk:?}");
        assert_eq!((disk.size_bytes, disk.sector_bytes), (size, sector));
        assert!(disk.wwn.as_ref().is_some_and(|found| found.contains(wwn)), "{disk:?}");
    }
    Ok(())
}

/// Somebody's data, all over the disk. No two sectors are the same, so that what moves is seen, too.
fn fill(disk: &Path) -> Result<()> {
    let mut file = File::options().write(true).open(disk)?;
    let sectors = file.metadata()?.len() / 512;
    file.seek(SeekFrom::Start(0))?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    for sector in 0..sectors {
        out.write_all(&sector.to_le_bytes().repeat(64))?;
    }
    Ok(out.flush()?)
}

/// The system is written anew, and reports in as another installation.
fn reinstalled(site: &LabSite) -> Result<()> {
    let first = site.instance("os2")?.status;
    site.billet(&["instance", "reinstall", "os2", "--yes"])?;
    let again = site.instance_in("os2", InstanceState::Running)?.status;
    assert_eq!((first.installation, again.installation), (0, 1));
    assert!(again.phoned_home > first.phoned_home);
    Ok(())
}
