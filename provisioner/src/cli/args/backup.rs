//! Saving the database, and putting it back.

use super::DryRun;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `billet backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Backup {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<BackupCommand>,
    /// Where to; `-` for standard output [default: billet-TIME.backup in this folder]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Also over a file that is there
    #[arg(long)]
    pub(in crate::cli) force: bool,
}

/// What else may be done with a backup.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BackupCommand {
    /// Check that a backup is whole and unchanged, and say what is in it
    Check {
        /// The file
        file: PathBuf,
    },
}

/// `billet restore`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The backup
    pub(in crate::cli) file: PathBuf,
    /// The service's configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/billet/billet.toml")]
    pub(in crate::cli) config: PathBuf,
    /// Also where there is something already: that is saved to the data folder first
    #[arg(long)]
    pub(in crate::cli) replace: bool,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}
