//! Which boot stage a client is in, which loader it gets, and the script that starts our agent.
//!
//! Whether a machine may boot at all is not decided here: that is the `Directory` of `pxe`.

mod chain;
mod script;

use serde::{Deserialize, Serialize};

pub use chain::{Chain, Preference, choose, failures};
pub use script::{
    MAX_PARAMETERS, ParameterError, ScriptSource, agent_command_line, agent_script, disk_script,
    later_script, render,
};

/// A processor architecture that we have an agent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// x86_64.
    X64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// The word for it in file names: `x64`, `arm64`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Arch::X64 => "x64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The kernel of the agent, by the name under which TFTP and HTTP serve it.
    #[must_use]
    pub fn kernel(self) -> &'static str {
        match self {
            Arch::X64 => "vmlinuz",
            Arch::Arm64 => "vmlinuz-arm64",
        }
    }

    /// The agent's ramdisk, by the name under which TFTP and HTTP serve it.
    #[must_use]
    pub fn ramdisk(self) -> &'static str {
        match self {
            Arch::X64 => "initrd.img",
            Arch::Arm64 => "initrd-arm64.img",
        }
    }
}

/// What kind of firmware or loader a DHCP client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// Legacy BIOS PXE ROM (arch 0).
    BiosPxe,
    /// UEFI PXE over TFTP (arch 7, 9; 11).
    UefiPxe(Arch),
    /// UEFI HTTP boot (arch 16; 19).
    UefiHttp(Arch),
    /// iPXE on BIOS.
    IpxeBios,
    /// iPXE on UEFI.
    IpxeUefi(Arch),
}

/// What a machine is told to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootScript {
    /// Our agent.
    Agent {
        /// Kernel parameters (key, value) of the agent, such as `billet.url`, `billet.token`.
        parameters: Vec<(String, String)>,
    },
    /// Its own disk.
    Disk,
}

/// Whether a client may boot from us now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootAnswer {
    /// A boot window is open, or discovery is on for this unknown machine: hand it the loader of this chain.
    Boot(Chain),
    /// Nothing is expected of it: it gets an address, but no loader, so that it boots from its disk.
    Disk,
}

/// Path of the boot script on the boot HTTP server.
pub const SCRIPT_PATH: &str = "/boot/script";
/// Path under which the boot HTTP server serves files; a name follows.
pub const FILES_PATH: &str = "/boot/files";
/// Path of unified kernel images on the boot HTTP server, and without its `/boot/` of those on TFTP:
/// `<architecture>/<MAC with dashes>.efi` follows.
pub const UKI_PATH: &str = "/boot/uki";
/// Path under which the boot HTTP server gives caches the chunks of images; the SHA-256 of a chunk's stored bytes follows, in hex.
pub const CHUNKS_PATH: &str = "/boot/chunks";
/// Path on the boot HTTP server under which there is never anything.
pub const NO_FILE_PATH: &str = "/boot/none";

/// How a client fetches its loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    /// A file by TFTP, from the next server.
    Tftp(&'static str),
    /// A file by HTTP, under [`FILES_PATH`].
    Http(&'static str),
    /// It is iPXE already: the boot script by HTTP.
    Script,
    /// The machine's own unified kernel image, by TFTP from the next server.
    TftpUki(Arch),
    /// The machine's own unified kernel image, by HTTP.
    HttpUki(Arch),
}

impl Firmware {
    /// The architecture that it starts programs of.
    #[must_use]
    pub fn arch(self) -> Arch {
        match self {
            Firmware::BiosPxe | Firmware::IpxeBios => Arch::X64,
            Firmware::UefiPxe(arch) | Firmware::UefiHttp(arch) | Firmware::IpxeUefi(arch) => arch,
        }
    }

    /// The loader that brings this firmware one stage further.
    #[must_use]
    pub fn loader(self, chain: Chain) -> Loader {
        // Over HTTP `ipxe.efi` is not offered unasked: its own drivers take the firmware's away, and OVMF hangs
        // when it leaves for the disk.
        let ipxe = if chain == Chain::Ipxe { "ipxe.efi" } else { "snponly.efi" };
        match (self, chain) {
            (Firmware::BiosPxe, _) => Loader::Tftp("undionly.kpxe"),
            (Firmware::IpxeBios | Firmware::IpxeUefi(_), _) => Loader::Script,
            (Firmware::UefiPxe(arch), Chain::Uki) => Loader::TftpUki(arch),
            (Firmware::UefiHttp(arch), Chain::Uki) => Loader::HttpUki(arch),
            (Firmware::UefiPxe(_), _) => Loader::Tftp(ipxe),
            (Firmware::UefiHttp(_), _) => Loader::Http(ipxe),
        }
    }
}
