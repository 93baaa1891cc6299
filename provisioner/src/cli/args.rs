//! What can be typed: nouns, then verbs. `docs/cli.md` is printed from here.
//!
//! Values are checked while they are read (`validate`, `bmc_url`); nothing is asked of the service here.

mod address;
mod apply;
mod audit;
mod backup;
mod bmc;
mod console;
mod contexts;
mod erasure;
mod format;
mod image;
mod instance;
mod key;
mod machine;
mod network;
mod overview;
mod placement;
mod pool;
mod support;
mod token;
mod user;

pub(super) use address::{AddressCommand, Claim};
pub(super) use apply::Apply;
pub(super) use audit::{AuditCommand, ListAudit, VerifyAudit};
pub(super) use backup::{Backup, BackupCommand, Restore};
pub(super) use bmc::{
    ApplyWord, Audit, BiosCommand, BmcArgs, BmcCommand, Boot, BootOrderCommand, BootVerb, Clock,
    ConfirmedPower, DirectArgs, FirmwareCommand, Identify, KeysWord, LogCommand, MediaCommand, MediaWord,
    Power, PowerVerb, Record, Scan, SecureBootCommand, SelCommand, SessionPrivilege, SubscriptionCommand,
    Sure, TaskCommand, Update, UserCommand, WatchdogCommand,
};
pub(super) use console::{Backlog, ConsoleOptions};
pub(super) use contexts::{AddContext, ContextCommand};
pub(super) use erasure::{ErasureCommand, ListErasures, VerifyErasure};
pub(super) use format::Format;
pub(super) use image::ImageCommand;
pub(super) use instance::{Adopt, Create, Delete, InstanceCommand, Reinstall, Rescue, Unrescue};
pub(super) use key::KeyCommand;
pub(super) use machine::{
    Add, Cancel, Choose, Confirm, Forget, MachineCommand, PowerCommand, Service, Set, Switch,
};
pub(super) use network::{AddReservation, Leases, NetworkCommand, ReservationCommand};
pub(super) use overview::{EventCommand, FleetEvents, JobCommand, JobState, ZoneCommand};
pub(super) use placement::{Placement, SetInstance};
pub(super) use pool::{CreatePool, OrNone, PoolCommand, SetPool, erase_or_none, number_or_none};
pub(super) use support::SupportBundle;
pub(super) use token::{CreateToken, TokenCommand};
pub(super) use user::{ChangePassword, CreateUser, Login, SetUser, UsersCommand};

use super::validate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use provisioner_api::{BootMode, ErasePolicy};
use std::path::PathBuf;

/// What the exit codes mean.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  it is done
  1  something else went wrong
  2  the input is bad, a file that is named can't be read, or the service refused it
  3  --wait ended because the work is held: a person has to decide
  4  --wait ended because the time was over; the work itself goes on
  5  there is no such object
  6  the service, or the BMC given with -H, can't be reached
  7  an audit found something of high severity, the audit log is not as it was written, or a certificate is not good
  128 and more: a signal ended it, 130 for Ctrl-C";

/// Provisions bare-metal machines: from BMC address to running operating system.
#[derive(Debug, Parser)]
#[command(name = "billet", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// How results are printed
    #[arg(short, long, global = true, value_parser = format::FormatReader, default_value = "table", value_name = "FORMAT")]
    pub(super) output: Format,
    /// File with address, token and CA of the service (`url`, `token`, `ca`) [default:
    /// ~/.config/billet/client.toml, or else /var/lib/billet/admin.toml]
    #[arg(long, global = true, env = "BILLET_CLIENT", value_name = "FILE")]
    pub(super) client: Option<PathBuf>,
    /// Which service, by the name that `billet context add` gave it [default: the one of `billet context use`]
    #[arg(long, global = true, value_name = "NAME", value_parser = crate::config::value::dns_label)]
    pub(super) service: Option<String>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// A table or page for people
    #[default]
    Table,
    /// The same with more columns
    Wide,
    /// JSON, as the API has it
    Json,
    /// YAML, as the API has it
    Yaml,
    /// Names only, one a line
    Name,
    /// What a template takes out of the JSON; the template is in [`Format`]
    #[value(skip)]
    JsonPath,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service
    Serve {
        /// Its configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/billet/billet.toml")]
        config: PathBuf,
    },
    /// Look at a configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Machines: the servers, their BMCs and inventories
    #[command(subcommand)]
    Machine(MachineCommand),
    /// BMCs: power, boot, media, BIOS, firmware, sensors, logs, parts, users, console; of a machine or, with -H, of any
    /// address
    Bmc(Box<BmcArgs>),
    /// Instances: operating systems on machines
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Images: what can be written to a disk
    #[command(subcommand)]
    Image(ImageCommand),
    /// Networks that are served, their leases and reservations
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Addresses that are taken: static ones of instances, virtual ones with a name
    #[command(subcommand)]
    Address(AddressCommand),
    /// Make pools, reservations, images, machines and instances what a file says: create what is missing, change what differs.
    /// Nothing is deleted, given back or installed anew; networks are compared with the service's configuration
    Apply(Apply),
    /// Show the fleet live: states, what runs and how fast, what is held and why; without a terminal one picture
    Top,
    /// Jobs: what is done on machines, step by step
    #[command(subcommand)]
    Job(JobCommand),
    /// Events: what happened to all machines and instances
    #[command(subcommand)]
    Event(EventCommand),
    /// Pools: machines that share owners and policy
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Zones: where machines stand
    #[command(subcommand)]
    Zone(ZoneCommand),
    /// The replicas of the service: the processes that serve from one database
    #[command(subcommand)]
    Replica(ReplicaCommand),
    /// API tokens: who may ask the service, and for what
    #[command(subcommand)]
    Token(TokenCommand),
    /// Users: people who log in with a name and a password
    #[command(subcommand)]
    User(UsersCommand),
    /// Log in with a user's name and password; the token that this gives is kept in the client file
    Login(Login),
    /// End the log-in, and take its token out of the client file
    Logout,
    /// Show who the service takes you for, and what you may do
    Whoami,
    /// The audit log: who asked for what, and what came of it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Erasures: which disks were wiped when and how, and the signed certificates of that; also `billet erase`
    #[command(subcommand, alias = "erase")]
    Erasure(ErasureCommand),
    /// Print the conversation of a machine, or of a MAC address, with the boot server, and what it means
    BootTrace(BootTrace),
    /// Say what a machine or an instance waits for, and show the facts behind it
    Why {
        /// Its name or id; `machine/NAME` or `instance/NAME` when there are both
        #[arg(value_name = "NAME", value_parser = validate::why_target)]
        target: validate::WhyTarget,
    },
    /// Save the database to a file, while the service goes on; the file goes back into SQLite or PostgreSQL
    Backup(Backup),
    /// Put a backup in the place of the database, while no service runs; nothing is done then before `billet unfreeze`
    Restore(Restore),
    /// Save what the service says of itself to a file, without secrets, for whoever is to help: versions, configuration,
    /// states, events, audit log, last lines of the log, metrics
    SupportBundle(SupportBundle),
    /// The site key, which encrypts passwords and user data in the database: rotate it while the service goes on
    #[command(subcommand)]
    Key(KeyCommand),
    /// Stop everything: no machine is switched, written, wiped or given to anybody until `billet unfreeze`
    Freeze {
        /// Why, for whoever wonders why nothing goes on
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        #[command(flatten)]
        dry: DryRun,
    },
    /// End a freeze: everything goes on where it was
    Unfreeze(DryRun),
    /// Show whether everything is frozen, and how many machines are being wiped
    Works,
    /// Print the metrics, as Prometheus reads them
    Metrics,
    /// Services by name, and which of them is meant when nothing is said
    #[command(subcommand)]
    Context(ContextCommand),
    /// Print a script that completes commands in a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands into a folder, for `man -M` or /usr/local/share/man/man1
    Man {
        /// The folder, which has to be there
        folder: PathBuf,
    },
}

/// `billet replica …`.
#[derive(Debug, Subcommand)]
pub(super) enum ReplicaCommand {
    /// List the replicas, and which of them leads
    List(Watched),
}

/// `billet boot-trace`.
#[derive(Debug, Args)]
pub(super) struct BootTrace {
    /// A machine's name or id, or a MAC address, known or not
    #[arg(value_name = "MACHINE|MAC")]
    pub(super) target: String,
    /// Go on printing what happens, until interrupted
    #[arg(short, long)]
    pub(super) watch: bool,
}

/// `billet config`.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a configuration file and the files that it names, and tell all that is wrong
    Check {
        /// The file
        file: PathBuf,
    },
}

/// Waiting for the end of what was begun.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Wait {
    /// Wait until it is done, showing how far it is
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait at most, such as 90s, 30m, 2h; the work itself goes on
    #[arg(long, value_name = "TIME", requires = "wait", default_value = "30m", value_parser = crate::config::value::duration)]
    pub(super) timeout: SignedDuration,
}

/// One object.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its name or id
    pub(super) name: String,
}

/// Whether it is looked at once.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Watched {
    /// Print what changes, until interrupted
    #[arg(short, long)]
    pub(super) watch: bool,
}

/// One object, looked at once or again and again.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Its name or id
    pub(super) name: String,
    #[command(flatten)]
    pub(super) watched: Watched,
}

/// Whether something that destroys is done.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct DryRun {
    /// Do nothing, and print what would be done and lost: the disks by model and serial number, and whose they are
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// One object to which something is done, or that is taken away.
#[derive(Debug, Args)]
pub(super) struct Gone {
    /// Its name or id
    pub(super) name: String,
    #[command(flatten)]
    pub(super) dry: DryRun,
}

/// One object, and waiting for what was begun.
#[derive(Debug, Args)]
pub(super) struct NamedWait {
    /// Its name or id
    pub(super) name: String,
    #[command(flatten)]
    pub(super) wait: Wait,
    #[command(flatten)]
    pub(super) dry: DryRun,
}

/// One object's timeline.
#[derive(Debug, Args)]
pub(super) struct Events {
    /// Its name or id
    pub(super) name: String,
    /// Go on printing what happens, until interrupted
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Only the last so many of what there is, up to 1000
    #[arg(long, value_name = "NUMBER", value_parser = page_size())]
    pub(super) newest: Option<u32>,
}

/// What is known of one object, from every source.
#[derive(Debug, Args)]
pub(super) struct Timeline {
    /// Its name or id
    pub(super) name: String,
    /// Only what happened since: a time such as 2026-11-22T10:00:00Z, or so long ago: 90s, 15m, 2h
    #[arg(long, value_name = "TIME", value_parser = validate::since)]
    pub(super) since: Option<validate::Since>,
    /// Only this kind: dhcp, boot, agent, bmc, os, request, state, step, waiting, asks, held; may be given more than once
    #[arg(long = "kind", value_name = "KIND", value_parser = validate::kind)]
    pub(super) kinds: Vec<String>,
    /// Only the last so many of what there is, up to 1000
    #[arg(long, value_name = "NUMBER", value_parser = page_size())]
    pub(super) newest: Option<u32>,
    /// Go on printing what happens, until interrupted
    #[arg(short, long)]
    pub(super) follow: bool,
}

/// How much of a list.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Limit {
    /// Only the first so many, up to 1000 [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = page_size())]
    pub(super) limit: Option<u32>,
}

/// Reads how many objects a page holds.
fn page_size() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(provisioner_api::PAGE_MOST))
}

/// Reads a boot mode.
pub(super) fn boot_mode(text: &str) -> Result<BootMode, String> {
    match text {
        "bios" => Ok(BootMode::Bios),
        "uefi" => Ok(BootMode::Uefi),
        _ => Err("use bios or uefi".to_owned()),
    }
}

/// Reads an erase policy.
pub(super) fn erase(text: &str) -> Result<ErasePolicy, String> {
    let all = ErasePolicy::ALL.into_iter().find(|policy| policy.as_str() == text);
    all.ok_or_else(|| {
        "use metadata (partition tables and signatures), discard (the disk is told that it is empty), overwrite (every sector) or secure (the disk erases itself)".to_owned()
    })
}
