//! Where distributions keep OVMF, and each machine's own copy of its variables.

use anyhow::Context;
use std::path::{Path, PathBuf};

/// Code and template of the variables: Debian and Ubuntu, Fedora, Arch. Without secure boot, which costs twice the
/// time under emulation.
const PLACES: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// UEFI firmware.
#[derive(Debug, Clone)]
pub(crate) struct Ovmf {
    pub(super) code: PathBuf,
    variables: PathBuf,
}

impl Ovmf {
    /// The one that is installed.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let there = PLACES
            .iter()
            .find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file());
        let (code, variables) =
            there.context("OVMF is not installed (Debian's package `ovmf`; lab/setup installs it)")?;
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
