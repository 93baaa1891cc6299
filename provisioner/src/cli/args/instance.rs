//! `billet instance …`.

use super::{
    Cancel, DryRun, Events, Gone, Limit, Placement, SetInstance, Shown, Timeline, Wait, Watched, erase,
};
use crate::cli::validate;
use clap::{Args, Subcommand};
use provisioner_api::{DiskHints, ErasePolicy, InstanceState};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum InstanceCommand {
    /// List the instances
    List {
        /// Only those in this state
        #[arg(long, value_parser = validate::instance_state)]
        state: Option<InstanceState>,
        #[command(flatten)]
        limit: Limit,
        #[command(flatten)]
        watched: Watched,
    },
    /// Show one
    Show(Shown),
    /// Put an operating system on a machine. What is on that machine's root disk is lost
    Create(Box<Create>),
    /// Make an instance of what runs on a machine already. The machine is not touched: not switched, not booted, not written
    Adopt(Adopt),
    /// Stop what is done for an instance: without a machine it is gone, a deployment is given back, a wiping pauses, and
    /// of a rescue, or a reinstallation that wrote nothing yet, the own system boots again
    Cancel(Cancel),
    /// Write an instance's root disk anew; it keeps its machine, its addresses and what is on all other disks
    Reinstall(Reinstall),
    /// Boot an instance's machine into a small system in RAM, where one logs in by SSH as root and mends its disks. The
    /// machine is switched off and on; no disk is touched
    Rescue(Rescue),
    /// End a rescue: the machine boots its own system from the disk again
    Unrescue(Unrescue),
    /// Try again what is held, or what waits to be tried again
    Retry(Gone),
    /// Change what is said of one; only what is given changes
    Set(SetInstance),
    /// Give an instance back: its machine is wiped
    Delete(Delete),
    /// Print its events
    Events(Events),
    /// Print all that is known of it, and of its machine since it was asked for, in the order of time
    Timeline(Timeline),
}

/// `billet instance create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Create {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// The image's name
    #[arg(long)]
    pub(in crate::cli) image: String,
    #[command(flatten)]
    pub(in crate::cli) placement: Placement,
    /// The hostname [default: the instance's name]
    #[arg(long, value_parser = validate::hostname)]
    pub(in crate::cli) hostname: Option<String>,
    /// A user to make, with sudo [default: the image's own user]
    #[arg(long, value_parser = validate::user)]
    pub(in crate::cli) user: Option<String>,
    /// File with SSH public keys for that user; may be given more than once
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub(in crate::cli) ssh_keys: Vec<PathBuf>,
    /// File with cloud-init user data, in place of --user and --ssh-key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "ssh_keys"])]
    pub(in crate::cli) user_data: Option<PathBuf>,
    /// File with a cloud-init network configuration, version 2 [default: DHCP on the card that it booted from]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) network_config: Option<PathBuf>,
    /// File with its interfaces and addresses, YAML or JSON; an address may be taken from the address plan
    #[arg(long, value_name = "FILE", conflicts_with = "network_config")]
    pub(in crate::cli) network: Option<PathBuf>,
    /// Serial number of the disk to write; short for --root-disk serial=SERIAL
    #[arg(long, value_name = "SERIAL")]
    pub(in crate::cli) root_disk_serial: Option<String>,
    /// Which disk gets the system, such as type=nvme,min=400GB: serial, wwn, model and vendor (`*` stands for any
    /// characters), min, max, type (nvme, ssd, hdd), rotational, bus, path; all have to hold. smallest: of several, that one.
    /// allow=SERIAL: that disk may be taken although it is removable, virtual, or on a network [default: the only one that
    /// can; of several, a person chooses]
    #[arg(long, value_name = "HINTS", value_parser = validate::root_disk, conflicts_with = "root_disk_serial")]
    pub(in crate::cli) root_disk: Option<DiskHints>,
    /// What becomes of the disks when it is deleted: metadata (partition tables and signatures go), discard (the disk is
    /// told that it is empty), overwrite (every sector is written) or secure (the disk erases itself) [default: metadata]
    #[arg(long, value_name = "HOW", value_parser = erase)]
    pub(in crate::cli) erase: Option<ErasePolicy>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet instance adopt`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Adopt {
    /// The new instance's name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// The machine, by name or id
    #[arg(long)]
    pub(in crate::cli) machine: String,
    /// Let it be deleted without taking a protection away first
    #[arg(long)]
    pub(in crate::cli) unprotected: bool,
    /// What becomes of the disks when it is deleted: metadata, discard, overwrite or secure [default: metadata]
    #[arg(long, value_name = "HOW", value_parser = erase)]
    pub(in crate::cli) erase: Option<ErasePolicy>,
}

/// `billet instance reinstall`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Reinstall {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// Another image [default: the one that it has]
    #[arg(long)]
    pub(in crate::cli) image: Option<String>,
    /// Another user to make, with sudo; takes the place of user data
    #[arg(long, value_parser = validate::user)]
    pub(in crate::cli) user: Option<String>,
    /// File with other SSH public keys for that user; may be given more than once; takes the place of user data
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub(in crate::cli) ssh_keys: Vec<PathBuf>,
    /// File with other cloud-init user data; takes the place of --user and --ssh-key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "ssh_keys"])]
    pub(in crate::cli) user_data: Option<PathBuf>,
    /// File with another cloud-init network configuration, version 2
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) network_config: Option<PathBuf>,
    /// Serial number of the root disk, where Billet does not know it
    #[arg(long, value_name = "SERIAL")]
    pub(in crate::cli) root_disk_serial: Option<String>,
    /// Don't ask; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet instance rescue`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rescue {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// File with SSH public keys that log in as root; may be given more than once
    #[arg(long = "ssh-key", value_name = "FILE", required = true)]
    pub(in crate::cli) ssh_keys: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet instance unrescue`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Unrescue {
    /// Its name or id
    pub(in crate::cli) name: String,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet instance delete`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Delete {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// Wipe the disks otherwise than the instance itself says: metadata, discard, overwrite or secure
    #[arg(long, value_name = "HOW", value_parser = erase)]
    pub(in crate::cli) erase: Option<ErasePolicy>,
    /// Don't ask; needed where there is no terminal
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}
