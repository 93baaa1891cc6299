//! `billet machine …`.

use super::{
    ConsoleOptions, DryRun, Events, Gone, Limit, Named, NamedWait, Shown, Timeline, Wait, Watched, boot_mode,
    erase,
};
use crate::cli::{bmc_url, validate};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use provisioner_api::{BmcSpec, BootChain, BootMode, Choice, ErasePolicy, MachineState};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MachineCommand {
    /// List the machines
    List {
        /// Only those in this state
        #[arg(long, value_parser = validate::machine_state)]
        state: Option<MachineState>,
        /// Only those of this pool
        #[arg(long)]
        pool: Option<String>,
        /// Only those whose work waits for a person
        #[arg(long)]
        held: bool,
        /// Only those with such labels, as kubectl takes it: a=b,c!=d,e in (x,y),f notin (z),g,!h
        #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = validate::selector)]
        selector: Option<String>,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        watched: Watched,
    },
    /// Show one: what it is, what is being done to it, what it waits for
    Show(Shown),
    /// Add a machine by its BMC; it is inspected at once, which switches it off (not with --adopt-as), its disks are not touched
    Add(Box<Add>),
    /// Take in a machine that was discovered: from now on Billet may change it
    Accept(NamedWait),
    /// Take its inventory again
    Inspect(NamedWait),
    /// Do planned work on it, and give it back as it was: deployed or available
    Service(Service),
    /// Try again: what is held from its first step, what waits to be tried again at once
    Retry(Gone),
    /// Stop what runs: an inspection ends, a servicing leads back, a deployment is given back with its instance, a wiping pauses
    Cancel(Cancel),
    /// Choose what is to be done about held work; `billet machine show` says what may be chosen
    Choose(Choose),
    /// After a restore: confirm that machines at rest are what the backup says of them; nothing is done to them by that
    Confirm(Confirm),
    /// Switch it on or off
    #[command(subcommand)]
    Power(PowerCommand),
    /// Change what is said of it; only what is given changes
    Set(Box<Set>),
    /// Watch its serial console and type on it; what was recorded before comes first
    Console(Console),
    /// Print its events
    Events(Events),
    /// Print all that is known of it, and of the instance that has it, from every source in the order of time
    Timeline(Timeline),
    /// Forget it. Its disks are not touched
    Delete(Forget),
}

/// `billet machine delete`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Forget {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// Its hardware is dead: forget it although its disks can't be wiped any more, and the instance that gave it back
    #[arg(long)]
    pub(in crate::cli) scrap: bool,
    /// scrap: the serial number of a disk that is not wiped; may be given more than once, and each one has to be named
    #[arg(long, value_name = "SERIAL", requires = "scrap")]
    pub(in crate::cli) unwiped: Vec<String>,
    /// scrap: don't ask; needed where there is no terminal
    #[arg(short, long, requires = "scrap")]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet machine power`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PowerCommand {
    /// Switch it on
    On(Named),
    /// Switch it off, hard: its operating system is not asked
    Off(Gone),
}

/// `billet machine service`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("work").required(true).multiple(true))]
pub(in crate::cli) struct Service {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// Take its inventory again; comes first
    #[arg(long, group = "work")]
    pub(in crate::cli) inspect: bool,
    /// Wipe the data disk with this serial number, never that of the system; may be given more than once
    #[arg(long = "erase-disk", group = "work", value_name = "SERIAL")]
    pub(in crate::cli) disks: Vec<String>,
    /// How to wipe: metadata, discard, overwrite or secure
    #[arg(long, value_name = "HOW", requires = "disks", default_value = "metadata", value_parser = erase)]
    pub(in crate::cli) erase: ErasePolicy,
    /// Don't ask; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet machine cancel`, `billet instance cancel`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Cancel {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// Don't ask before a deployment is given back; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet machine choose`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Choose {
    /// The machine's name or id
    pub(in crate::cli) machine: String,
    /// What is chosen: retry, it-runs, cancel, give-back, abandon, skip-disk or use-disk
    #[arg(value_parser = validate::choice)]
    pub(in crate::cli) choice: Choice,
    /// The number of the hold that was seen: if another one stands by now, nothing is done [default: the one that stands]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) hold: Option<u64>,
    /// skip-disk: the serial number of the disk that is left unwiped; use-disk: of the one that gets the system
    #[arg(long, value_name = "SERIAL", required_if_eq_any([("choice", "skip-disk"), ("choice", "use-disk")]))]
    pub(in crate::cli) disk: Option<String>,
    /// Don't ask before a deployment is given back, or a disk left unwiped or written; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet machine confirm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Confirm {
    /// Those that nobody had (available), or those whose instance ran (deployed)
    #[arg(long, value_parser = validate::resting_state)]
    pub(in crate::cli) state: MachineState,
    /// Only those of this pool
    #[arg(long)]
    pub(in crate::cli) pool: Option<String>,
    /// Don't ask; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet machine console`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Console {
    /// The machine's name or id
    pub(in crate::cli) machine: String,
    #[command(flatten)]
    pub(in crate::cli) options: ConsoleOptions,
}

/// `billet machine add`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// MAC address of a network card that it boots from; may be given more than once
    #[arg(long = "mac", value_name = "MAC", required = true, value_parser = validate::mac)]
    pub(in crate::cli) macs: Vec<String>,
    /// Its BMC: ipmi://USER@HOST[:PORT][?cipher=3] or redfish://USER@HOST[:PORT][?tls-sha256=HEX]; without a BMC manual:,
    /// webhook+https://[USER@]HOST/PATH, wol://MAC[?to=ADDRESS], libvirt+qemu:///system?domain=NAME or vbox://NAME.
    /// IPMI uses cipher suite 17; 3 is weak and used only when told so. Without tls-sha256 the certificate of the
    /// first contact is kept and trusted from then on
    #[arg(long, value_name = "URL", value_parser = bmc_url::parse)]
    pub(in crate::cli) bmc: BmcSpec,
    /// File with the BMC's password, `-` for standard input; or set BILLET_BMC_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) bmc_password_file: Option<PathBuf>,
    /// File with the BMC's key Kg, as text or as hex:…, where one is set in it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) bmc_key_file: Option<PathBuf>,
    /// File with the CA certificates (PEM) that the BMC's Redfish certificate has to be signed by, for its host name
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) bmc_tls_ca: Option<PathBuf>,
    /// SHA-256 of the BMC's Redfish certificate: no other is believed
    #[arg(long, value_name = "HEX", conflicts_with = "bmc_tls_ca", value_parser = validate::fingerprint)]
    pub(in crate::cli) bmc_tls_sha256: Option<String>,
    /// Its pool [default: default]
    #[arg(long, value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) pool: Option<String>,
    /// A label; may be given more than once
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = validate::label)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// Where it stands: what fails together, such as a room with its own power
    #[arg(long, value_parser = validate::place)]
    pub(in crate::cli) zone: Option<String>,
    /// Its rack within the zone
    #[arg(long, value_parser = validate::place)]
    pub(in crate::cli) rack: Option<String>,
    /// How its firmware boots, bios or uefi; found out at the first boot if not given
    #[arg(long, value_name = "MODE", value_parser = boot_mode)]
    pub(in crate::cli) boot_mode: Option<BootMode>,
    /// How it gets from UEFI to the agent: auto, snponly, ipxe or uki; as its network says if not given
    #[arg(long, value_name = "CHAIN", value_parser = validate::boot_chain)]
    pub(in crate::cli) boot_chain: Option<BootChain>,
    /// It runs somebody's system already: don't touch it, and make an instance of this name of what runs there
    #[arg(long, value_name = "INSTANCE", conflicts_with = "wait", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) adopt_as: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// `billet machine set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(in crate::cli) struct Set {
    /// Its name or id
    pub(in crate::cli) machine: String,
    /// A new name
    #[arg(long, group = "change", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: Option<String>,
    /// A new pool
    #[arg(long, group = "change", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) pool: Option<String>,
    /// MAC addresses that it boots from, in place of those that it has; may be given more than once
    #[arg(long = "mac", group = "change", value_name = "MAC", value_parser = validate::mac)]
    pub(in crate::cli) macs: Vec<String>,
    /// A new BMC, written as for `machine add`
    #[arg(long, group = "change", value_name = "URL", value_parser = bmc_url::parse)]
    pub(in crate::cli) bmc: Option<BmcSpec>,
    /// File with a new BMC password, `-` for standard input
    #[arg(long, group = "change", value_name = "FILE")]
    pub(in crate::cli) bmc_password_file: Option<PathBuf>,
    /// File with a new key Kg of the BMC, as text or as hex:…
    #[arg(long, group = "change", value_name = "FILE")]
    pub(in crate::cli) bmc_key_file: Option<PathBuf>,
    /// The BMC has no key Kg any more
    #[arg(long, group = "change", conflicts_with = "bmc_key_file")]
    pub(in crate::cli) no_bmc_key: bool,
    /// File with the CA certificates (PEM) that the BMC's Redfish certificate has to be signed by, in place of a pinned one
    #[arg(long, group = "change", value_name = "FILE")]
    pub(in crate::cli) bmc_tls_ca: Option<PathBuf>,
    /// SHA-256 of the BMC's new Redfish certificate, in place of the pinned one or of a CA; `first` pins the one that it
    /// shows next
    #[arg(long, group = "change", value_name = "HEX", conflicts_with = "bmc_tls_ca", value_parser = validate::pin)]
    pub(in crate::cli) bmc_tls_sha256: Option<validate::Pin>,
    /// In maintenance no new instance is placed on it
    #[arg(long, group = "change", value_enum)]
    pub(in crate::cli) maintenance: Option<Switch>,
    /// Protected, what is on its disks stays: its instance can't be given back, and it gets no new one
    #[arg(long, group = "change", value_enum)]
    pub(in crate::cli) protected: Option<Switch>,
    /// Retired, it gets no new instance, until that is lifted or it is deleted
    #[arg(long, group = "change", value_enum)]
    pub(in crate::cli) retired: Option<Switch>,
    /// How it gets from UEFI to the agent: auto, snponly, ipxe or uki; `network` for what its network says
    #[arg(long, group = "change", value_name = "CHAIN", value_parser = validate::chain_choice)]
    pub(in crate::cli) boot_chain: Option<validate::ChainChoice>,
    /// The zone that it stands in
    #[arg(long, group = "change", value_parser = validate::place)]
    pub(in crate::cli) zone: Option<String>,
    /// Its zone is not known any more
    #[arg(long, group = "change", conflicts_with = "zone")]
    pub(in crate::cli) no_zone: bool,
    /// Its rack within the zone
    #[arg(long, group = "change", value_parser = validate::place)]
    pub(in crate::cli) rack: Option<String>,
    /// Its rack is not known any more
    #[arg(long, group = "change", conflicts_with = "rack")]
    pub(in crate::cli) no_rack: bool,
    /// A label to add or change; may be given more than once
    #[arg(long = "label", group = "change", value_name = "KEY=VALUE", value_parser = validate::label)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// A label to take away; may be given more than once
    #[arg(long = "remove-label", group = "change", value_name = "KEY")]
    pub(in crate::cli) remove_labels: Vec<String>,
}
