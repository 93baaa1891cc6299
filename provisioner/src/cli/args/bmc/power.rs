//! Power, boot override and order, lamp, watchdog.

use super::{Of, before_machine, last_is_machine};
use crate::cli::validate;
use clap::{Args, Subcommand, ValueEnum};
use provisioner_api::BootMode;

/// `billet bmc power`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Power {
    /// What to do
    #[arg(value_enum)]
    pub(in crate::cli) verb: PowerVerb,
    #[command(flatten)]
    pub(in crate::cli) of: Of,
    /// With full-cycle, don't ask; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
}

/// What to do with the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PowerVerb {
    /// Say whether it is on
    Status,
    /// Switch it on
    On,
    /// Switch it off, hard: the operating system is not asked
    Off,
    /// Off and, a little later, on
    Cycle,
    /// Reset it, hard
    Reset,
    /// Ask the operating system to shut down
    Soft,
    /// Ask the operating system to start anew
    Restart,
    /// Press the power button as a finger does; what it does depends on the state
    Push,
    /// Send a diagnostic interrupt (NMI)
    Diag,
    /// Take standby power away, too, for a while; the BMC may go with it
    FullCycle,
    /// Suspend it to RAM
    Suspend,
    /// Halt its processors
    Pause,
    /// Let it go on that was suspended or halted
    Resume,
}

/// `billet bmc boot`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Boot {
    /// From what, or `show`
    #[arg(value_enum)]
    pub(in crate::cli) device: BootVerb,
    #[command(flatten)]
    pub(in crate::cli) of: Of,
    /// For every boot, not only the next
    #[arg(long)]
    pub(in crate::cli) persistent: bool,
    /// In which firmware mode, bios or uefi; as it is if not given
    #[arg(long, value_name = "MODE", value_parser = validate::firmware_mode)]
    pub(in crate::cli) mode: Option<BootMode>,
    /// With http: from this address; without it from the one that DHCP tells
    #[arg(long, value_name = "URL", value_parser = validate::boot_uri)]
    pub(in crate::cli) uri: Option<String>,
    /// With uefi: the UEFI device path, see `billet bmc boot-order show -o wide`
    #[arg(long, value_name = "DEVICE-PATH", value_parser = validate::device_path)]
    pub(in crate::cli) path: Option<String>,
}

/// What `billet bmc boot` takes, in ipmitool's words where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BootVerb {
    /// Show what is set
    Show,
    /// No override: the firmware's own order
    None,
    /// The network
    Pxe,
    /// The disk
    Disk,
    /// An optical drive, real or virtual
    Cdrom,
    /// The firmware's setup
    Bios,
    /// A USB device
    Usb,
    /// UEFI HTTP boot
    Http,
    /// The device with the UEFI device path of --path
    Uefi,
}

/// `billet bmc boot-order`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BootOrderCommand {
    /// Show all boot options in the order in which they are tried
    Show(Of),
    /// Put options first, in this order; the others keep theirs behind them
    Set {
        /// References of boot options such as Boot0003, then the machine's name or id; or only references, and -H
        #[arg(value_name = "REFERENCE... MACHINE", required = true)]
        words: Vec<String>,
    },
}

impl BootOrderCommand {
    /// The machine that was named.
    pub(in crate::cli) fn machine(&self, direct: bool) -> Option<&str> {
        match self {
            Self::Show(of) => of.machine.as_deref(),
            Self::Set { words } => last_is_machine(words, direct),
        }
    }

    /// The references in words that may end with a machine.
    pub(in crate::cli) fn references(words: &[String], direct: bool) -> &[String] {
        before_machine(words, direct)
    }
}

/// `billet bmc identify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Identify {
    /// For how long it shines, 1 to 255 seconds; 0: it goes out [default: 15]
    #[arg(value_name = "SECONDS")]
    pub(in crate::cli) first: Option<String>,
    /// The machine's name or id; or none, and -H
    #[arg(value_name = "MACHINE")]
    pub(in crate::cli) second: Option<String>,
    /// Until it is switched off; not every BMC can
    #[arg(long)]
    pub(in crate::cli) on: bool,
    /// It goes out
    #[arg(long, conflicts_with = "on")]
    pub(in crate::cli) off: bool,
}

impl Identify {
    /// The machine that was named: the last word, unless a BMC is given by its address.
    pub(in crate::cli) fn machine(&self, direct: bool) -> Option<&str> {
        let alone = if direct { None } else { self.first.as_deref() };
        self.second.as_deref().or(alone)
    }
}

/// `billet bmc watchdog`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WatchdogCommand {
    /// Show it
    Show(Of),
    /// Stop it, so that it does not reset the machine
    Stop(Of),
}
