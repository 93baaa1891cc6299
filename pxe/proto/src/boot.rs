//! Which boot stage a client is in, which loader it gets, and the script that starts our agent.
//!
//! Whether a machine may boot at all is not decided here: that is the `Directory` of `pxe`.

mod script;

pub use script::{MAX_PARAMETERS, ParameterError, ScriptSource, agent_script, disk_script, render};

/// What kind of firmware or loader a DHCP client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// Legacy BIOS PXE ROM (arch 0).
    BiosPxe,
    /// x86_64 UEFI PXE over TFTP (arch 7, 9).
    UefiPxe,
    /// x86_64 UEFI HTTP boot (arch 16).
    UefiHttp,
    /// iPXE on BIOS.
    IpxeBios,
    /// iPXE on UEFI.
    IpxeUefi,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootAnswer {
    /// A boot window is open, or discovery is on for this unknown machine: hand it our loader.
    Boot,
    /// Nothing is expected of it: it gets an address, but no loader, so that it boots from its disk.
    Disk,
}

/// The kernel of the agent, by the name under which TFTP and HTTP serve it.
pub const KERNEL: &str = "vmlinuz";
/// The agent's ramdisk, by the name under which TFTP and HTTP serve it.
pub const RAMDISK: &str = "initrd.img";
/// Path of the boot script on the boot HTTP server.
pub const SCRIPT_PATH: &str = "/boot/script";
/// Path under which the boot HTTP server serves files; a name follows.
pub const FILES_PATH: &str = "/boot/files";
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
}

impl Firmware {
    /// The loader that brings this firmware one stage further.
    #[must_use]
    pub fn loader(self) -> Loader {
        match self {
            Firmware::BiosPxe => Loader::Tftp("undionly.kpxe"),
            Firmware::UefiPxe => Loader::Tftp("snponly.efi"),
            // Not ipxe.efi: its own drivers take the firmware's away, and OVMF hangs when it leaves for the disk.
            Firmware::UefiHttp => Loader::Http("snponly.efi"),
            Firmware::IpxeBios | Firmware::IpxeUefi => Loader::Script,
        }
    }
}
