//! `billet bmc …`: a machine's BMC through the service, or any BMC by its address, from here.
//!
//! The machine always comes last. It is optional to the parser, because it and `-H` stand for each other; which of
//! them is there is checked in `command/bmc`.

mod audit;
mod direct;
mod firmware;
mod log;
mod power;
mod record;
mod scan;
mod settings;
mod user;

pub(in crate::cli) use audit::Audit;
pub(in crate::cli) use direct::{DirectArgs, SessionPrivilege};
pub(in crate::cli) use firmware::{ApplyWord, FirmwareCommand, TaskCommand, Update};
pub(in crate::cli) use log::{Clock, LogCommand, SelCommand, SubscriptionCommand};
pub(in crate::cli) use power::{
    Boot, BootOrderCommand, BootVerb, Identify, Power, PowerVerb, WatchdogCommand,
};
pub(in crate::cli) use record::Record;
pub(in crate::cli) use scan::Scan;
pub(in crate::cli) use settings::{BiosCommand, KeysWord, MediaCommand, MediaWord, SecureBootCommand};
pub(in crate::cli) use user::UserCommand;

use super::ConsoleOptions;
use crate::cli::validate;
use clap::{Args, Subcommand, ValueEnum};

/// What the help ends with.
const EXAMPLES: &str = "\
Examples:
  billet bmc power status m1                               the service asks the BMC of machine m1
  billet bmc power status -H 10.0.9.1 -U admin             this computer asks it, over IPMI
  billet bmc bios list -H 10.0.9.1 -U admin --redfish      the same over Redfish
  billet bmc bios set BootMode=Uefi m1                     the machine comes last
  billet bmc firmware update m1 --url https://10.0.0.1/bios.bin --target BIOS";

/// The noun with what every verb takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct BmcArgs {
    /// With what changes something: ask the BMC nothing, and print what would be done; of a machine with its disks by model
    /// and serial number, and whose they are
    #[arg(long, global = true)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) direct: DirectArgs,
    #[command(subcommand)]
    pub(in crate::cli) command: BmcCommand,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BmcCommand {
    /// Read the power, switch it, or press a button
    Power(Power),
    /// Show or set what the next boot, or every boot, comes from
    Boot(Boot),
    /// The lasting boot order of the firmware
    #[command(subcommand)]
    BootOrder(BootOrderCommand),
    /// Virtual media: images that the BMC shows to the machine as a drive
    #[command(subcommand)]
    Media(MediaCommand),
    /// UEFI Secure Boot
    #[command(subcommand)]
    SecureBoot(SecureBootCommand),
    /// The settings of the firmware's setup
    #[command(subcommand)]
    Bios(BiosCommand),
    /// Firmware and its updates
    #[command(subcommand)]
    Firmware(FirmwareCommand),
    /// What the BMC does that takes long
    #[command(subcommand)]
    Task(TaskCommand),
    /// Show processors, memory, drives, network ports and PCI devices as the BMC knows them, also while the machine is off
    Hardware(Of),
    /// The hardware's event log
    #[command(subcommand)]
    Sel(SelCommand),
    /// All logs that the BMC keeps
    #[command(subcommand)]
    Log(LogCommand),
    /// Print what the BMC reports by itself, as it comes, until interrupted
    Events {
        #[command(flatten)]
        of: Of,
        /// Listen anew when the BMC ends it or restarts
        #[arg(long)]
        follow: bool,
    },
    /// Where the BMC posts its reports to
    #[command(subcommand)]
    Subscription(SubscriptionCommand),
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
    /// Give the user that Billet logs in with a new random password, which Billet keeps sealed; only of a machine
    RotatePassword(Of),
    /// Say how the power is of a machine that nothing can read it from (manual:, wol://): you switched it, or see it
    Confirm {
        /// The machine's name or id
        machine: String,
        /// How it is
        #[arg(value_enum)]
        power: ConfirmedPower,
    },
    /// Look for what is weak about a BMC: default passwords, anonymous logins, IPMI without authentication, old TLS
    Audit(Audit),
    /// Write down all that a Redfish BMC answers, without passwords, names, addresses and serial numbers, so that it can be
    /// sent to others and replayed; only reads
    Record(Record),
    /// Search a subnet for BMCs; nobody logs in anywhere
    Scan(Scan),
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
    /// Restart the BMC itself; the machine goes on
    Restart {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        sure: Sure,
    },
}

/// How somebody saw a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ConfirmedPower {
    /// It is on
    On,
    /// It is off
    Off,
}

/// Whose BMC.
#[derive(Debug, Args)]
pub(in crate::cli) struct Of {
    /// The machine's name or id; or none, and -H
    #[arg(value_name = "MACHINE")]
    pub(in crate::cli) machine: Option<String>,
}

/// That what is about to happen is meant.
#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct Sure {
    /// Don't ask; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
}

impl BmcCommand {
    /// The machine that was named. `direct`: a BMC is given by its address.
    pub(in crate::cli) fn machine(&self, direct: bool) -> Option<&str> {
        let of = match self {
            Self::Confirm { machine, .. } => return Some(machine),
            Self::Scan(_) => return None,
            Self::Media(command) => command.of(),
            Self::SecureBoot(command) => command.of(),
            Self::Bios(command) => return command.machine(direct),
            Self::BootOrder(command) => return command.machine(direct),
            Self::Firmware(command) => command.of(),
            Self::Task(command) => command.of(),
            Self::Sel(command) => command.of(),
            Self::Log(command) => command.of(),
            Self::Subscription(command) => command.of(),
            Self::User(command) => command.of(),
            Self::Identify(identify) => return identify.machine(direct),
            Self::Power(Power { of, .. })
            | Self::Boot(Boot { of, .. })
            | Self::Hardware(of)
            | Self::Events { of, .. }
            | Self::Sensors { of, .. }
            | Self::Fru { of, .. }
            | Self::RotatePassword(of)
            | Self::Console { of, .. }
            | Self::Info(of)
            | Self::AssetTag { of, .. }
            | Self::Watchdog(WatchdogCommand::Show(of) | WatchdogCommand::Stop(of))
            | Self::Audit(Audit { of, .. })
            | Self::Record(Record { of, .. })
            | Self::Restart { of, .. } => of,
        };
        of.machine.as_deref()
    }
}

/// Words of which the last is the machine, unless a BMC is given by its address: those before it.
fn before_machine(words: &[String], direct: bool) -> &[String] {
    if direct { words } else { words.split_last().map_or(&[], |(_, before)| before) }
}

/// The last of such words: the machine.
fn last_is_machine(words: &[String], direct: bool) -> Option<&str> {
    if direct { None } else { words.last().map(String::as_str) }
}
