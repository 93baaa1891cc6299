//! Firmware, its updates, and tasks.

use super::{Of, Sure};
use crate::cli::validate;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use jiff::SignedDuration;
use std::path::PathBuf;

/// `billet bmc firmware`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum FirmwareCommand {
    /// List what there is, with versions
    List(Of),
    /// Update, and follow it to the end
    Update(Update),
}

impl FirmwareCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of) | Self::Update(Update { of, .. }) => of,
        }
    }
}

/// `billet bmc firmware update`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("image").required(true))]
pub(in crate::cli) struct Update {
    #[command(flatten)]
    pub(in crate::cli) of: Of,
    /// The BMC fetches the image from this URL
    #[arg(long, group = "image", value_name = "URL", value_parser = validate::image_url)]
    pub(in crate::cli) url: Option<String>,
    /// The image is pushed from this file; only with -H
    #[arg(long, group = "image", value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Id of what it is for, see `billet bmc firmware list`; may be given more than once. Without it the BMC finds out
    #[arg(long = "target", value_name = "ID")]
    pub(in crate::cli) targets: Vec<String>,
    /// When it is applied; without it as the BMC likes
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(in crate::cli) apply: Option<ApplyWord>,
    /// Return as soon as the BMC has taken it
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
    /// How long to follow it at most, such as 90s, 30m, 2h; the work itself goes on
    #[arg(long, value_name = "TIME", conflicts_with = "no_wait", default_value = "1h", value_parser = crate::config::value::duration)]
    pub(in crate::cli) timeout: SignedDuration,
    #[command(flatten)]
    pub(in crate::cli) sure: Sure,
}

/// When an update is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ApplyWord {
    /// At once
    Immediate,
    /// At the machine's next boot
    OnReset,
}

/// `billet bmc task`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TaskCommand {
    /// List all that the BMC knows, the newest last
    List(Of),
    /// Show one, or follow it to its end
    Show {
        /// Its id, see `billet bmc task list`
        id: String,
        #[command(flatten)]
        of: Of,
        /// Follow it to its end, showing how far it is
        #[arg(long)]
        wait: bool,
        /// How long to follow it at most, such as 90s, 30m, 2h; the task itself goes on
        #[arg(long, value_name = "TIME", requires = "wait", default_value = "1h", value_parser = crate::config::value::duration)]
        timeout: SignedDuration,
    },
    /// No longer wait for one: jobs and power of the machine are free again. The BMC goes on with it; only of a machine
    Forget {
        /// Its id, see `billet bmc task list`
        id: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        sure: Sure,
    },
}

impl TaskCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of) | Self::Show { of, .. } | Self::Forget { of, .. } => of,
        }
    }
}
