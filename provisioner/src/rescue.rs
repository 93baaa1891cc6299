//! The rescue archives that agents unpack: where they are, and by which digest they are ordered.
//!
//! A file stays on disk and is read when an agent asks for it, which is seldom. Its digest is that of the start: a file that
//! changed since is refused by the agent, until the service was restarted. What is in one is `images/ramdisk/rescue`'s.

use crate::config;
use anyhow::Context;
use provisioner_api::Inventory;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// One archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RescueArchive {
    /// The file.
    pub(crate) path: PathBuf,
    /// SHA-256 of it, hex.
    pub(crate) sha256: String,
    /// Its bytes.
    pub(crate) bytes: u64,
}

/// Those that are configured.
#[derive(Debug, Default)]
pub(crate) struct RescueArchives {
    x64: Option<RescueArchive>,
    arm64: Option<RescueArchive>,
}

/// There is none for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the service has no rescue archive for {architecture} machines: `make {target}` builds one; set `{field}` to it and restart the service"
)]
pub(crate) struct NoArchive {
    architecture: &'static str,
    /// The field of the configuration.
    pub(crate) field: &'static str,
    target: &'static str,
}

impl RescueArchives {
    /// Reads those that are configured.
    pub(crate) fn open(boot: &config::Boot) -> anyhow::Result<Self> {
        let x64 = boot.rescue.as_deref().map(|path| read(path, "boot.rescue")).transpose()?;
        let arm64 = boot.rescue_arm64.as_deref().map(|path| read(path, "boot.rescue_arm64")).transpose()?;
        Ok(Self { x64, arm64 })
    }

    /// The one for a machine; for one of which nothing is known, that for x86_64.
    pub(crate) fn of(&self, inventory: Option<&Inventory>) -> Result<&RescueArchive, NoArchive> {
        let arm64 = inventory.is_some_and(|inventory| inventory.architecture == "aarch64");
        let (archive, architecture, field, target) = if arm64 {
            (&self.arm64, "64-bit Arm", "boot.rescue_arm64", "rescue-arm64")
        } else {
            (&self.x64, "x86_64", "boot.rescue", "rescue")
        };
        archive.as_ref().ok_or(NoArchive { architecture, field, target })
    }

    /// The one with this digest.
    pub(crate) fn with_digest(&self, sha256: &str) -> Option<&RescueArchive> {
        [&self.x64, &self.arm64].into_iter().flatten().find(|archive| archive.sha256 == sha256)
    }
}

fn read(path: &Path, key: &str) -> anyhow::Result<RescueArchive> {
    let content =
        std::fs::read(path).with_context(|| format!("can't read {}; `{key}` sets it", path.display()))?;
    let (sha256, bytes) = (hex::encode(Sha256::digest(&content)), content.len() as u64);
    Ok(RescueArchive { path: path.to_owned(), sha256, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_has_the_archive_of_its_architecture_or_hears_what_is_to_be_set() {
        let archive = |name: &str| RescueArchive { path: name.into(), sha256: name.into(), bytes: 1 };
        let arm = Inventory { architecture: "aarch64".into(), ..Inventory::default() };
        let intel = Inventory { architecture: "x86_64".into(), ..Inventory::default() };
        let both = RescueArchives { x64: Some(archive("x")), arm64: Some(archive("a")) };
        assert_eq!(both.of(None).unwrap().sha256, "x");
        assert_eq!(both.of(Some(&intel)).unwrap().sha256, "x");
        assert_eq!(both.of(Some(&arm)).unwrap().sha256, "a");
        assert_eq!(both.with_digest("a"), both.arm64.as_ref());
        assert_eq!(both.with_digest("b"), None);
        let none = RescueArchives::default();
        let told = |inventory: Option<&Inventory>| none.of(inventory).unwrap_err().to_string();
        assert!(told(Some(&arm)).contains("set `boot.rescue_arm64` to it"), "{}", told(Some(&arm)));
        assert!(told(None).contains("`make rescue` builds one; set `boot.rescue` to it"), "{}", told(None));
    }

    #[test]
    fn the_digest_is_that_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rescue.img");
        std::fs::write(&path, b"abc").unwrap();
        let archive = read(&path, "boot.rescue").unwrap();
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((archive.sha256.as_str(), archive.bytes), (digest, 3));
        let error = read(&folder.path().join("none"), "boot.rescue").unwrap_err().to_string();
        assert!(error.contains("`boot.rescue` sets it"), "{error}");
    }
}
