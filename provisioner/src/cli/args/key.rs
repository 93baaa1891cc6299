//! `billet key …`.

use super::DryRun;
use clap::Subcommand;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeyCommand {
    /// Show the site keys by number and fingerprint, and how many secrets are still encrypted with older ones
    Show,
    /// Make a new site key and encrypt every secret with it; the older keys stay in the key file
    Rotate,
    /// Take the older keys out of the key file: backups from before the rotation need a copy of that file as it is now
    Retire(DryRun),
}
