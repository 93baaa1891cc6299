//! Logs, and what a BMC reports by itself.

use super::{Of, Sure};
use crate::cli::validate;
use clap::Subcommand;
use jiff::Timestamp;

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
        #[command(flatten)]
        sure: Sure,
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

impl SelCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of) | Self::Info(of) | Self::Clear { of, .. } | Self::Time { of, .. } => of,
        }
    }
}

/// What a clock is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Clock {
    /// The time of this computer.
    Now,
    /// This time.
    At(Timestamp),
}

/// `billet bmc log`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogCommand {
    /// List the logs
    List(Of),
    /// Print the newest entries of one, the oldest of them first; with -o wide also as the BMC gave them
    Show {
        /// The log's id, see `billet bmc log list`
        id: String,
        #[command(flatten)]
        of: Of,
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        newest: u32,
    },
    /// Empty one
    Clear {
        /// The log's id, see `billet bmc log list`
        id: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        sure: Sure,
    },
}

impl LogCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of) | Self::Show { of, .. } | Self::Clear { of, .. } => of,
        }
    }
}

/// `billet bmc subscription`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SubscriptionCommand {
    /// List them
    List(Of),
    /// Have the BMC post its reports to an address; the same one twice is one
    Add {
        /// Where to, as the BMC reaches it: https://…
        #[arg(value_parser = validate::post_url)]
        url: String,
        #[command(flatten)]
        of: Of,
        /// What each report is marked with
        #[arg(long, value_name = "TEXT", default_value = "billet")]
        context: String,
    },
    /// End one. One that is gone is no error
    Remove {
        /// Its id, see `billet bmc subscription list`
        id: String,
        #[command(flatten)]
        of: Of,
    },
}

impl SubscriptionCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of) | Self::Add { of, .. } | Self::Remove { of, .. } => of,
        }
    }
}
