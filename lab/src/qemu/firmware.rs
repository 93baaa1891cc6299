//! Where distributions keep UEFI firmware, and each machine's own copy of its variables.

use anyhow::Context;
use std::path::{Path, PathBuf};

use crate::spec::Architecture;

/// Code and template of the variables: Debian and Ubuntu, Fedora, Arch. Without secure boot, which costs twice the
/// time under emulation.
const X86_64: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// The same for 64-bit ARM: Debian and Ubuntu, Fedora. Both images must fill their flash of 64 MiB.
const AARCH64: [(&str, &str); 2] = [
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
];

/// UEFI firmware.
#[derive(Debug, Clone)]
pub(crate) struct UefiImage {
    pub(super) code: PathBuf,
    variables: PathBuf,
}

impl UefiImage {
    /// The one that is installed.
    pub(crate) fn find(architecture: Architecture) -> anyhow::Result<Self> {
        let (places, name) = match architecture {
            Architecture::X86_64 => (&X86_64[..], "OVMF (Debian's package `ovmf`"),
            Architecture::Aarch64 => (&AARCH64[..], "AAVMF (Debian's package `qemu-efi-aarch64`"),
        };
        let there = places
            .iter()
            .find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file());
        let (code, variables) =
            there.with_context(|| format!("{name}; lab/setup installs it) is not installed"))?;
        Ok(Self { code: code.into(), variables: variables.into() })
    }

    /// Copies empty variables to where a machine keeps its own, unless it has some.
    pub(crate) fn give_variables(&self, to: &Path) -> anyhow::Result<()> {
        if !to.exists() {
            let draft = to.with_added_extension("new");
            std::fs::copy(&self.variables, &draft)
                .and_then(|_| std::fs::rename(&draft, to))
                .with_context(|| format!("can't copy {} to {}", self.variables.display(), to.display()))?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn fixture() -> Self {
        Self { code: "/code".into(), variables: "/variables".into() }
    }
}
