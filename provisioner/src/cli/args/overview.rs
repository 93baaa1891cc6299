//! `billet job …`, `billet event …`, `billet pool …`, `billet zone …`: the whole fleet at a glance.

use super::{Watched, page_size};
use crate::cli::validate;
use clap::{Args, Subcommand, ValueEnum};
use provisioner_api::JobKind;

/// The verbs of jobs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JobCommand {
    /// List the jobs of all machines, newest first
    List(Jobs),
    /// Show a job with its steps
    Show {
        /// Its id
        id: String,
    },
}

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum JobState {
    /// It runs, or is held
    Running,
    /// It is over
    Ended,
}

/// `billet job list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Jobs {
    /// Only those that run, or that ended
    #[arg(long, value_enum)]
    pub(in crate::cli) state: Option<JobState>,
    /// Only those for this: inspect, deploy, reinstall, release, service, rescue
    #[arg(long, value_name = "KIND", value_parser = validate::job_kind)]
    pub(in crate::cli) kind: Option<JobKind>,
    /// Only those of this machine: its name or id
    #[arg(long)]
    pub(in crate::cli) machine: Option<String>,
    /// Only the newest so many, up to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = page_size())]
    pub(in crate::cli) newest: u32,
    #[command(flatten)]
    pub(in crate::cli) watched: Watched,
}

/// The verbs of events.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EventCommand {
    /// List what happened to all machines and instances, oldest first
    List(FleetEvents),
}

/// `billet event list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct FleetEvents {
    /// Only this kind: dhcp, boot, agent, bmc, request, state, step, held, …; may be given more than once
    #[arg(long = "kind", value_name = "KIND", value_parser = validate::kind)]
    pub(in crate::cli) kinds: Vec<String>,
    /// Only the last so many, up to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = page_size())]
    pub(in crate::cli) newest: u32,
    /// Go on printing what happens, until interrupted
    #[arg(short, long)]
    pub(in crate::cli) follow: bool,
}

/// The verbs of zones.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ZoneCommand {
    /// List the zones, and how many machines they have in which state
    List(Watched),
}
