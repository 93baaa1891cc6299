//! The machine under the agent: its inventory, its disks, its console.
//!
//! A trait, so that the simulated fleet and the tests run the real agent. Restarting is not here: `run` says how it
//! ended, and whoever called it does the deed.

mod arm;
mod attached;
mod device;
mod efivars;
#[cfg(test)]
mod fake;
mod ioctl;
mod kexec;
#[cfg(test)]
mod machines;
mod real;
mod sysfs;

use crate::{efi::Variables, erase::Interface};
use images::write::{Crew, Target};
use provisioner_api::{Disk, Inventory, RescueAccess};
use std::{error::Error, fs::File, io, path::PathBuf};

pub(crate) use efivars::Efivars;
#[cfg(test)]
pub(crate) use fake::{FakeDisk, FakeHost, FakeVariables};
pub use real::RealHost;

/// A machine. All calls block.
pub trait Host: Send + Sync + 'static {
    /// What the machine is, looked up afresh.
    ///
    /// # Errors
    /// When the kernel doesn't tell.
    fn inventory(&self) -> Result<Inventory, HostError>;

    /// Opens a disk of the inventory for writing. Looks again whether it is still the disk with that serial number.
    ///
    /// # Errors
    /// When it can't be opened or is another disk by now.
    fn open(&self, disk: &Disk) -> Result<Box<dyn OpenDisk>, HostError>;

    /// Loads a kernel, its initrd and its command line, to be started in the place of the one that runs. Starting it is the
    /// caller's, see [`crate::Exit::StartLoaded`].
    ///
    /// # Errors
    /// When the kernel that runs may not, or does not take it.
    fn load_system(&self, kernel: &File, initrd: &File, cmdline: &str) -> Result<(), LoadError>;

    /// Bytes of memory that can be had without swapping; none: it is not known.
    fn free_memory(&self) -> Option<u64> {
        None
    }

    /// The firmware's variables of booting; none: it is no UEFI.
    ///
    /// # Errors
    /// What the kernel says.
    fn variables(&self) -> io::Result<Option<Box<dyn Variables>>> {
        Ok(None)
    }

    /// Unpacks this rescue archive beside the agent, in RAM, and lets these SSH public keys log in as root; answers how. It
    /// runs until the machine restarts. Once more changes who may log in.
    ///
    /// # Errors
    /// When the archive is bad, or its server does not start.
    fn start_rescue(&self, archive: &[u8], authorized_keys: &[String]) -> Result<RescueAccess, HostError>;

    /// Puts a line on the machine's console, for the person in front of it.
    fn say(&self, line: &str);

    /// Who writes and reads back an image. A host that shares its memory with others says less.
    fn crew(&self) -> Crew {
        Crew::default()
    }
}

/// An open disk.
pub trait OpenDisk: Target + Send {
    /// Has the kernel read the partition table again. Nothing depends on it.
    ///
    /// # Errors
    /// What the kernel says.
    fn reread_partitions(&self) -> io::Result<()>;

    /// How the device is told to erase itself; none: it is neither NVMe nor ATA.
    fn interface(&self) -> Option<Interface<'_>> {
        None
    }
}

/// Why a system was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel that runs may not start another one.
    #[error(
        "the kernel of the agent's ramdisk may not start another one (Secure Boot's lockdown, or a signature that is not known): boot this machine without Secure Boot, or use an image that is written to a disk"
    )]
    Forbidden(#[source] io::Error),
    /// The other one is none that can be started so.
    #[error("the image's kernel, or its command line, is none that a running kernel can start")]
    Unfit(#[source] io::Error),
    /// Something else; again may help.
    #[error("the image's kernel could not be loaded")]
    Failed(#[source] io::Error),
}

/// Why the machine did not tell, or gave no disk.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of the kernel's can't be read.
    #[error("can't read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk can't be opened.
    #[error("can't open disk {name} for writing")]
    Open {
        /// Its kernel name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The rescue system does not run.
    #[error("the rescue system does not run")]
    Rescue(#[source] Box<dyn Error + Send + Sync>),
    /// Between looking and opening, the name went to another disk.
    #[error(
        "disk {name} had the serial number {expected} a moment ago and now has {found}; was it exchanged?"
    )]
    Exchanged {
        /// Its kernel name.
        name: String,
        /// The serial number that was asked for.
        expected: String,
        /// The one that it has.
        found: String,
    },
}
