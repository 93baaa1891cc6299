//! A real Debian with cloud-init: hostname, user and key of the user's choice, and a login to prove it.
//! Its MAC address has decimal digits only, which unquoted YAML takes for a number.

use super::spec;
use anyhow::{Context, Result};
use provisioner_api::{InstanceState, MachineState};
use std::process::Command;
use tests::{LabSite, artifacts, can_run};

#[test]
fn debian_with_cloud_init() -> Result<()> {
    let spec = spec(
        "[[machine]]\nname = \"m1\"\nfirmware = \"uefi\"\nbmc = \"mock\"\ndisk = \"4G\"\nmemory = 768\nmac = \"52:54:00:00:03:01\"\n",
    );
    if !can_run(&spec, &["vmlinuz", "initrd.img", "debian.raw.zst"]) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    let key = site.path("id");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status()?;
    assert!(made.success());
    site.enrol("m1")?;
    site.import("debian", &artifacts().join("debian.raw.zst"), "raw")?;
    site.machine_in("m1", MachineState::Available)?;
    let public = format!("{}.pub", key.display());
    site.billet(&[
        "instance",
        "create",
        "web1",
        "--image",
        "debian",
        "--hostname",
        "web1-host",
        "--user",
        "alice",
        "--ssh-key",
        &public,
    ])?;
    let instance = site.instance_in("web1", InstanceState::Running)?;
    assert!(!instance.status.host_keys.is_empty(), "cloud-init posted the host keys");
    let address = instance.status.addresses.first().context("it has an address")?.clone();
    let known = site.path("known_hosts");
    let lines: Vec<_> = instance.status.host_keys.iter().map(|key| format!("{address} {key}")).collect();
    std::fs::write(&known, lines.join("\n") + "\n")?;
    let said = site.until("one can log in", |site| {
        let output = site
            .lab
            .command("ssh")
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(&key)
            .arg(format!("alice@{address}"))
            .args(["hostname; id -un; sudo id -un; . /etc/os-release; echo $ID-$VERSION_ID"])
            .output()?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    })?;
    assert_eq!(said.lines().collect::<Vec<_>>(), ["web1-host", "alice", "root", "debian-12"]);
    Ok(())
}
