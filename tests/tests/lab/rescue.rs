//! A system on a disk is rescued: its owner logs in by SSH to our small system in RAM, whose host key is the one that was
//! told, finds the disk as it was, mends a file on it, and the system boots again with that. Nobody else gets in.

use super::{digest, spec};
use anyhow::{Context, Result, ensure};
use provisioner_api::{InstanceState, MachineState, RescueStatus};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tests::{LabSite, artifacts, can_run};

const NEEDED: [&str; 4] = ["vmlinuz", "initrd.img", "rescue.img", "tiny.raw.zst"];

/// Changes the hostname on the seed's partition, which the system reads whenever it boots.
const MEND: &str = "set -e; for part in /dev/vda?*; do mount -t vfat $part /mnt || continue; \
                    if [ -f /mnt/meta-data ]; then break; fi; umount /mnt; done; \
                    sed -i s/web1-host/mended/ /mnt/meta-data; umount /mnt; sync";

#[test]
fn a_system_is_mended_in_rescue_and_boots_again() -> Result<()> {
    let spec = spec(
        "[[machine]]\nname = \"m1\"\nfirmware = \"bios-pxe\"\nbmc = \"mock\"\ndisk = \"96M\"\nmemory = 512\n",
    );
    if !can_run(&spec, &NEEDED) {
        return Ok(());
    }
    let site = LabSite::start(&spec)?;
    deployed(&site)?;
    let before = digest(&site)?;
    let (key, other) = (new_key(&site, "id")?, new_key(&site, "other")?);
    let owner = rescued(&site, &key)?;
    assert_eq!(owner.run("id -un")?, "root\n");
    let stranger = Login { key: other, ..owner.clone() };
    let refused = stranger.run("id -un").expect_err("another key logs nobody in").to_string();
    assert!(refused.contains("Permission denied"), "{refused}");

    let seen = owner.run("sha256sum </dev/vda")?;
    assert_eq!(seen.split_whitespace().next(), Some(before.as_str()), "as the rescue system sees the disk");
    assert_eq!(digest(&site)?, before, "the disk is as it was");
    owner.run(MEND)?;
    let mended = digest(&site)?;
    assert_ne!(mended, before);

    site.billet(&["instance", "unrescue", "web1"])?;
    site.instance_in("web1", InstanceState::Running)?;
    says(&site, "tiny: up, hostname mended")?;
    says(&site, "tiny: this instance phoned home before")?;
    assert_eq!(digest(&site)?, mended, "what was mended is all that changed");
    assert_eq!(site.instance("web1")?.status.rescue, None);
    Ok(())
}

/// Brings the system up on its disk, until it writes nothing more.
fn deployed(site: &LabSite) -> Result<()> {
    site.enrol("m1")?;
    site.import("tiny", &artifacts().join("tiny.raw.zst"), "raw")?;
    site.machine_in("m1", MachineState::Available)?;
    site.billet(&["instance", "create", "web1", "--image", "tiny", "--hostname", "web1-host"])?;
    site.instance_in("web1", InstanceState::Running)?;
    says(site, "tiny: that is kept on the seed partition")
}

/// Waits until the machine's console has said something.
fn says(site: &LabSite, what: &str) -> Result<()> {
    site.until(what, |site| Ok(site.lab.console_text("m1")?.contains(what).then_some(())))
}

fn new_key(site: &LabSite, name: &str) -> Result<PathBuf> {
    let key = site.path(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status()?;
    ensure!(made.success(), "ssh-keygen makes a key");
    Ok(key)
}

/// Has the instance rescued; how its owner logs in.
fn rescued<'a>(site: &'a LabSite, key: &Path) -> Result<Login<'a>> {
    let public = format!("{}.pub", key.display());
    site.billet(&["instance", "rescue", "web1", "--ssh-key", &public])?;
    let rescue = site.until("one can log in to the rescue system", |site| {
        let instance = site.instance("web1")?;
        if let Some(held) = &instance.status.held {
            anyhow::bail!("instance web1 is held: {}", held.why);
        }
        Ok(instance.status.rescue.filter(|rescue| rescue.ready))
    })?;
    let address = rescue.login.first().and_then(|login| login.strip_prefix("ssh root@"));
    let address = address.context("it says how to log in")?;
    let login = Login { site, key: key.to_owned(), known: site.path("known_hosts"), address: address.into() };
    login.believe(&rescue)?;
    Ok(login)
}

/// Somebody with a key, before the rescue system.
#[derive(Clone)]
struct Login<'a> {
    site: &'a LabSite,
    key: PathBuf,
    known: PathBuf,
    address: String,
}

impl Login<'_> {
    /// Writes down the host key that answers, if its fingerprint is the one that was told.
    fn believe(&self, rescue: &RescueStatus) -> Result<()> {
        let mut scan = self.site.lab.command("ssh-keyscan");
        let scan = scan.args(["-T", "20", "-t", "ed25519", &self.address]).output()?;
        std::fs::write(&self.known, &scan.stdout)?;
        let print = Command::new("ssh-keygen").arg("-lf").arg(&self.known).output()?;
        let print = String::from_utf8_lossy(&print.stdout).into_owned();
        let told = rescue.host_key.as_deref().context("its host key is told")?;
        ensure!(print.split_whitespace().any(|word| word == told), "{told} was told, and there is {print}");
        Ok(())
    }

    /// Runs a command there; what it said, or why it failed.
    fn run(&self, command: &str) -> Result<String> {
        let Output { status, stdout, stderr } = self
            .site
            .lab
            .command("ssh")
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"])
            .args(["-o", "IdentitiesOnly=yes", "-o"])
            .arg(format!("UserKnownHostsFile={}", self.known.display()))
            .arg("-i")
            .arg(&self.key)
            .args([&format!("root@{}", self.address), command])
            .output()?;
        ensure!(status.success(), "{command}: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8(stdout)?)
    }
}
