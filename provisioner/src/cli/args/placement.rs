//! Options of `billet instance create` that say which machine will do, and `billet instance set`.

use crate::{
    cli::validate,
    selector::{Selector, selector},
};
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use provisioner_api::SpreadBy;

/// Which machine will do.
#[derive(Debug, Args)]
pub(in crate::cli) struct Placement {
    /// Exactly this machine, by name or id
    #[arg(long, conflicts_with_all = ["pool", "selector", "prefer_machine", "sticky"])]
    pub(in crate::cli) machine: Option<String>,
    /// Any free machine of this pool
    #[arg(long)]
    pub(in crate::cli) pool: Option<String>,
    /// What the machine's labels have to be, as kubectl takes it: a=b,c!=d,e in (x,y),f notin (z),g,!h; may be given more
    /// than once
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    pub(in crate::cli) selector: Vec<Selector>,
    /// Physical cores that it must have at least
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) min_cores: Option<u32>,
    /// Memory that it must have at least, such as 64GiB
    #[arg(long, value_name = "SIZE", value_parser = validate::size)]
    pub(in crate::cli) min_memory: Option<u64>,
    /// Size that its largest disk must have at least, such as 1TiB
    #[arg(long, value_name = "SIZE", value_parser = validate::size)]
    pub(in crate::cli) min_disk: Option<u64>,
    /// GPUs and accelerators that it must have at least; the graphics of a BMC is none
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) min_gpus: Option<u32>,
    /// Network cards that it must have at least
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) min_nics: Option<u32>,
    /// Mbit/s of that many network cards, of one if --min-nics is not given
    #[arg(long, value_name = "MBPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) min_nic_speed: Option<u32>,
    /// Its architecture, x86_64 or aarch64 [default: the image's]
    #[arg(long, value_name = "ARCH", value_parser = validate::architecture)]
    pub(in crate::cli) architecture: Option<String>,
    /// The zone that it must be in
    #[arg(long, value_parser = validate::place)]
    pub(in crate::cli) zone: Option<String>,
    /// Instances of this group get machines as far from each other as there are
    #[arg(long, value_name = "GROUP", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) spread: Option<String>,
    /// Over what the group is spread: zone, or rack (zones first, then racks within them) [default: rack]
    #[arg(long, value_name = "WHAT", requires = "spread", value_parser = validate::spread_by)]
    pub(in crate::cli) spread_by: Option<SpreadBy>,
    /// Rather this machine, by name or id, if it fits and is free
    #[arg(long, value_name = "MACHINE")]
    pub(in crate::cli) prefer_machine: Option<String>,
    /// Rather the machine that the last instance of this name had, or else one of its spread group
    #[arg(long)]
    pub(in crate::cli) sticky: bool,
    /// By when it has to have a machine, as a time or as a duration from now such as 2h: then it is held, and you say
    /// whether it waits on
    #[arg(long, value_name = "TIME", value_parser = validate::deadline)]
    pub(in crate::cli) deadline: Option<Timestamp>,
    /// Refuse to delete it until that is taken away
    #[arg(long)]
    pub(in crate::cli) protected: bool,
}

/// `billet instance set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(in crate::cli) struct SetInstance {
    /// Its name or id
    pub(in crate::cli) name: String,
    /// While it is protected, deleting it is refused
    #[arg(long, group = "change", value_enum)]
    pub(in crate::cli) protected: Option<super::Switch>,
    /// By when it has to have a machine, as a time or as a duration from now such as 2h; `none` to wait for ever
    #[arg(long, group = "change", value_name = "TIME", value_parser = validate::deadline_choice)]
    pub(in crate::cli) deadline: Option<validate::DeadlineChoice>,
}
