//! A made-up image that runs from RAM: a kernel that looks like one, and an initrd that can be recognised.

use anyhow::{Context, Result};
use provisioner_api::{Image, ImageFormat, ImageSpec};
use provisioner_client::Client;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Bytes of the kernel: no multiple of what the initrd begins at.
const KERNEL: usize = 70_001;
/// Bytes of the initrd.
const INITRD: usize = 5 << 20;

/// A kernel and an initrd in files.
#[derive(Debug, Clone)]
pub struct RamImage {
    /// The kernel.
    pub kernel: PathBuf,
    /// The initrd.
    pub initrd: PathBuf,
    /// How it is imported.
    pub spec: ImageSpec,
}

impl RamImage {
    /// Makes one in `folder`.
    ///
    /// # Errors
    /// When the files can't be written.
    pub fn make(folder: &Path, name: &str) -> Result<Self> {
        let (kernel, initrd) =
            (folder.join(format!("{name}-vmlinuz")), folder.join(format!("{name}-initrd")));
        let mut whole: Vec<u8> = (0..KERNEL).map(|at| (at >> 4) as u8).collect();
        // What a bzImage says of itself (Documentation/arch/x86/boot.rst of the kernel).
        whole[0x202..0x206].copy_from_slice(b"HdrS");
        whole[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
        whole[0x236] = 1;
        std::fs::write(&kernel, &whole)?;
        let content: Vec<u8> = (0..INITRD).map(|at| (at >> 10) as u8 ^ 0x5a).collect();
        std::fs::write(&initrd, &content)?;
        whole.resize(KERNEL.next_multiple_of(512), 0);
        whole.extend(content);
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&whole)));
        let spec = ImageSpec::disk(name, digest, ImageFormat::Ram);
        let cmdline = Some("console=ttyS0 quiet".to_owned());
        Ok(Self { kernel, initrd, spec: ImageSpec { kernel_bytes: Some(KERNEL as u64), cmdline, ..spec } })
    }

    /// Imports it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn import(&self, client: &Client) -> Result<Image> {
        let imported = client.import_ram_image(&self.spec, &self.kernel, &self.initrd, |_| ()).await;
        imported.context("the image that runs from RAM is imported")
    }

    /// What kernel and initrd are, as a simulated machine tells it of what was loaded.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.spec.digest.trim_start_matches("sha256:")
    }
}
