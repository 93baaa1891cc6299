//! `billet bmc …`: a machine's BMC through the service, or any BMC by its address, from here.
//!
//! The machine always comes last. It is optional to the parser, because it and `-H` stand for each other; which of
//! them is there is checked in `command/bmc`.

use super::ConsoleOptions;
use crate::cli::validate;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use provisioner_api::{BmcUserPrivilege, BootMode};
use std::path::PathBuf;

/// The noun with what every verb takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct BmcArgs {
    #[command(flatten)]
    pub(in crate::cli) direct: DirectArgs,
    #[command(subcommand)]
    pub(in crate::cli) command: BmcCommand,
}

/// A BMC by its address, asked from here without the service.
#[derive(Debug, Args)]
#[command(next_help_heading = "A BMC by its address, in place of MACHINE")]
pub(in crate::cli) struct DirectArgs {
    /// Ask the BMC at this address, from here: the service is not needed. IPv6 addresses with a port in brackets
    #[arg(short = 'H', long, global = true, value_name = "HOST[:PORT]", value_parser = validate::host)]
    pub(in crate::cli) host: Option<(String, Option<u16>)>,
    /// Its user name
    #[arg(short = 'U', long, global = true, value_name = "USER")]
    pub(in crate::cli) user: Option<String>,
    /// Its port [default: 623, or 443 with --redfish]
    #[arg(short, long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: Option<u16>,
    /// File with its password, `-` for standard input; or set BILLET_BMC_PASSWORD or IPMI_PASSWORD; or it is asked
    #[arg(short = 'f', long, global = true, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// IPMI cipher suite: 17, or 3 for an old BMC, which is weak [default: 17]
    #[arg(short = 'C', long, global = true, value_name = "SUITE", value_parser = validate::cipher)]
    pub(in crate::cli) cipher: Option<u8>,
    /// IPMI privilege to ask for; a user who may not be administrator is operator then [default: administrator]
    #[arg(short = 'L', long, global = true, value_enum, ignore_case = true, value_name = "LEVEL")]
    pub(in crate::cli) privilege: Option<SessionPrivilege>,
    /// File with the BMC key Kg, as text or as hex:…, where one is set; or set IPMI_KGKEY
    #[arg(short = 'k', long, global = true, value_name = "FILE")]
    pub(in crate::cli) key_file: Option<PathBuf>,
    /// Speak Redfish instead of IPMI
    #[arg(long, global = true)]
    pub(in crate::cli) redfish: bool,
    /// SHA-256 of its Redfish certificate; without it any certificate is taken
    #[arg(long, global = true, value_name = "HEX", value_parser = validate::fingerprint)]
    pub(in crate::cli) tls_sha256: Option<String>,
    // ipmitool's. Taken, so that it can be refused without being repeated.
    #[arg(short = 'P', id = "typed_password", global = true, hide = true, num_args = 0..=1, value_name = "PASSWORD")]
    pub(in crate::cli) typed_password: Option<Option<String>>,
}

/// What an IPMI session asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SessionPrivilege {
    /// Read, and switch the power
    Operator,
    /// Everything
    Administrator,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BmcCommand {
    /// Read the power, switch it, or press a button
    Power {
        /// What to do
        #[arg(value_enum)]
        verb: PowerVerb,
        #[command(flatten)]
        of: Of,
    },
    /// Show or set what the next boot, or every boot, comes from
    Boot(Boot),
    /// The hardware's event log
    #[command(subcommand)]
    Sel(SelCommand),
    /// Read the sensors
    Sensors {
        #[command(flatten)]
        of: Of,
        /// Only those that measure this, such as temperature, fan, voltage
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Only those that are beyond a limit
        #[arg(long)]
        bad: bool,
    },
    /// Show manufacturers, part and serial numbers of the parts, as the BMC knows them
    Fru {
        #[command(flatten)]
        of: Of,
        /// Only this one, by its number
        #[arg(long, value_name = "NUMBER")]
        id: Option<u8>,
    },
    /// Let the machine's lamp shine
    Identify(Identify),
    /// The BMC's own users
    #[command(subcommand)]
    User(UserCommand),
    /// Watch the serial console and type on it
    Console {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        options: ConsoleOptions,
        /// End the console session of another program, if one has it; only with -H
        #[arg(long)]
        take_over: bool,
    },
    /// Show what the BMC says of itself: firmware, network, power drawn, watchdog, what it can do
    Info(Of),
    /// Show the asset tag, or set it
    AssetTag {
        #[command(flatten)]
        of: Of,
        /// The new one, 63 bytes at the most
        #[arg(long, value_name = "TAG", value_parser = validate::asset_tag)]
        set: Option<String>,
    },
    /// The watchdog timer
    #[command(subcommand)]
    Watchdog(WatchdogCommand),
}

/// Whose BMC.
#[derive(Debug, Args)]
pub(in crate::cli) struct Of {
    /// The machine's name or id; or none, and -H
    #[arg(value_name = "MACHINE")]
    pub(in crate::cli) machine: Option<String>,
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
    /// Send a diagnostic interrupt (NMI)
    Diag,
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
}

/// What `billet bmc boot` takes, in ipmitool's words.
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
}

/// `billet bmc sel`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SelCommand {
    /// Print its entries, the oldest first; with -o wide also as the BMC gave them
    List(Of),
    /// Say how full it is
    Info(Of),
    /// Empty it
    Clear {
        #[command(flatten)]
        of: Of,
        /// Don't ask; needed where there is no terminal
        #[arg(short, long)]
        yes: bool,
    },
    /// Show its clock, or set it
    Time {
        #[command(flatten)]
        of: Of,
        /// To what: now, or a time such as 2026-11-21T03:30:00Z
        #[arg(long, value_name = "TIME", value_parser = validate::clock)]
        set: Option<Clock>,
    },
}

/// What a clock is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Clock {
    /// The time of this computer.
    Now,
    /// This time.
    At(Timestamp),
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

/// `billet bmc user`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// List the BMC's user slots
    List(Of),
    /// Name a slot's user
    SetName {
        #[command(flatten)]
        slot: Slot,
        /// The name, 16 bytes at the most; '' frees the slot
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Set a slot's password. When it is the one that Billet itself logs in with, Billet uses the new one from then on
    SetPassword {
        #[command(flatten)]
        slot: Slot,
        #[command(flatten)]
        of: Of,
        /// File with the new password, `-` for standard input; or it is asked
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// Don't ask whether to change one's own password; needed where there is no terminal
        #[arg(short, long)]
        yes: bool,
    },
    /// Let a slot's user log in over the network
    Enable {
        #[command(flatten)]
        slot: Slot,
        #[command(flatten)]
        of: Of,
    },
    /// Don't let a slot's user log in any more
    Disable {
        #[command(flatten)]
        slot: Slot,
        #[command(flatten)]
        of: Of,
    },
    /// Say what a slot's user may do over the network
    SetPrivilege {
        #[command(flatten)]
        slot: Slot,
        /// no-access, callback, user, operator, administrator or oem
        #[arg(value_name = "LEVEL", value_parser = validate::user_privilege)]
        level: BmcUserPrivilege,
        #[command(flatten)]
        of: Of,
    },
}

/// A user slot.
#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct Slot {
    /// The slot's number, see `billet bmc user list`
    #[arg(value_name = "SLOT", value_parser = clap::value_parser!(u8).range(1..=63))]
    pub(in crate::cli) slot: u8,
}

/// `billet bmc watchdog`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WatchdogCommand {
    /// Show it
    Show(Of),
    /// Stop it, so that it does not reset the machine
    Stop(Of),
}
