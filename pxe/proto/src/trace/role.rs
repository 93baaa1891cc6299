//! What a file is for, by its name: loaders, kernels and ramdisks have the names that this crate gives them.

use super::{Transfer, What};
use crate::boot::{Arch, Chain, FILES_PATH, UKI_PATH};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What firmware starts: iPXE, or a unified kernel image. `None`: that of a BIOS, for which there is one only.
    Loader(Option<Chain>),
    /// The agent's kernel.
    Kernel,
    /// The agent's ramdisk.
    Ramdisk,
}

impl Role {
    /// The role of a name asked for by TFTP, or of a path asked for by HTTP.
    #[must_use]
    pub fn of(name: &str) -> Option<Role> {
        let name = name.strip_prefix(FILES_PATH).unwrap_or(name).trim_start_matches('/');
        let uki = UKI_PATH.trim_start_matches('/');
        let short = uki.strip_prefix("boot/").unwrap_or(uki);
        let below = |folder: &str| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let is =
            |of: fn(Arch) -> &'static str| [Arch::X64, Arch::Arm64].into_iter().any(|arch| of(arch) == name);
        match name {
            "undionly.kpxe" => Some(Role::Loader(None)),
            "snponly.efi" => Some(Role::Loader(Some(Chain::Snponly))),
            "ipxe.efi" => Some(Role::Loader(Some(Chain::Ipxe))),
            _ if below(uki) || below(short) => Some(Role::Loader(Some(Chain::Uki))),
            _ if is(Arch::kernel) => Some(Role::Kernel),
            _ if is(Arch::ramdisk) => Some(Role::Ramdisk),
            _ => None,
        }
    }
}

impl What {
    /// The file that it is about, and how far that came; requests for a head alone are none.
    #[must_use]
    pub fn file(&self) -> Option<(&str, &Transfer)> {
        match self {
            What::Tftp { name, stage } => Some((name, stage)),
            What::Http { path, head: false, stage, .. } => Some((path, stage)),
            _ => None,
        }
    }
}
