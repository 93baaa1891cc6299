//! Journeys with real firmware, real loaders, a real kernel and real operating systems, in QEMU.
//!
//! They need what `make artifacts` builds, and take minutes: `make test` runs them one after the other.

mod chains;
mod console;
mod debian;
mod disks;
mod faults;
mod networks;
mod ram;
mod rescue;
mod stranger;
mod sushy;
mod whole_way;

use anyhow::Result;
use lab::{DiskReport, MachineReport, Spec};
use provisioner_api::BootTrace;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};
use tests::LabSite;

/// A lab from its TOML.
fn spec(toml: &str) -> Spec {
    Spec::parse(toml).expect("the spec of a test is right")
}

/// Whether a machine's disk holds an image, but for the first and last MiB of the image, where the GPT was moved.
fn holds(machine: &MachineReport, image: &Path) -> Result<bool> {
    const MIB: u64 = 1 << 20;
    let (mut disk, mut image) = (File::open(&machine.disks[0].path)?, File::open(image)?);
    let end = image.metadata()?.len() - MIB;
    let (mut found, mut wanted) = (vec![0; MIB as usize], vec![0; MIB as usize]);
    for offset in (MIB..end).step_by(MIB as usize) {
        let length = (end - offset).min(MIB) as usize;
        disk.seek(SeekFrom::Start(offset))?;
        image.seek(SeekFrom::Start(offset))?;
        disk.read_exact(&mut found[..length])?;
        image.read_exact(&mut wanted[..length])?;
        if found[..length] != wanted[..length] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first bytes of a machine's disk.
fn start_of(machine: &MachineReport, bytes: usize) -> Result<Vec<u8>> {
    let mut start = vec![0; bytes];
    File::open(&machine.disks[0].path)?.read_exact(&mut start)?;
    Ok(start)
}

/// SHA-256 of all that is on a disk.
fn digest_of(disk: &DiskReport) -> Result<String> {
    Ok(hex::encode(Sha256::digest(std::fs::read(&disk.path)?)))
}

/// SHA-256 of all that is on the disk of the machine `m1`.
fn digest(site: &LabSite) -> Result<String> {
    digest_of(&site.lab.machine("m1")?.disks[0])
}

/// The files that were fetched whole, in order: how, and their names.
fn fetched(trace: &BootTrace) -> Vec<(String, String)> {
    let whole = trace.entries.iter().filter(|entry| entry.stage.as_deref() == Some("done"));
    whole.filter_map(|entry| Some((entry.kind.clone(), entry.file.clone()?))).collect()
}
