//! `billet network …`. Networks are declared in the configuration file.

use super::Named;
use clap::Subcommand;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NetworkCommand {
    /// List the networks
    List,
    /// Show one
    Show(Named),
    /// List the leases on one
    Leases(Named),
}
