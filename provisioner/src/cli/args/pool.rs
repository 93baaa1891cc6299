//! `billet pool …`.

use super::{DryRun, Gone, Named, Watched, erase};
use clap::{Args, Subcommand};
use provisioner_api::ErasePolicy;

/// The verbs of pools.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PoolCommand {
    /// List the pools, and how many machines they have in which state
    List(Watched),
    /// Show a pool: its policy, and its machines counted
    Show(Named),
    /// Give a pool a policy; machines may name it already
    Create(CreatePool),
    /// Change a pool's policy
    Set(SetPool),
    /// Take a pool's policy away, once nothing names the pool
    Delete(Gone),
}

/// `billet pool create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreatePool {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// The least that is done to disks that are wiped: metadata, discard, overwrite or secure [default: what is asked for]
    #[arg(long, value_name = "POLICY", value_parser = erase)]
    pub(in crate::cli) erase: Option<ErasePolicy>,
    /// How many of its machines may have an instance at once [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) max_machines: Option<u32>,
}

/// `billet pool set`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetPool {
    /// Its name
    pub(in crate::cli) name: String,
    /// What it is for; an empty text: nothing is said
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// The least that is done to disks that are wiped: metadata, discard, overwrite or secure; `none`: what is asked for
    #[arg(long, value_name = "POLICY", value_parser = erase_or_none)]
    pub(in crate::cli) erase: Option<OrNone<ErasePolicy>>,
    /// How many of its machines may have an instance at once; `none`: all
    #[arg(long, value_name = "NUMBER", value_parser = number_or_none)]
    pub(in crate::cli) max_machines: Option<OrNone<u32>>,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// A value, or that there is to be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct OrNone<T>(pub(in crate::cli) Option<T>);

/// Reads an erase policy, or `none`.
pub(in crate::cli) fn erase_or_none(text: &str) -> Result<OrNone<ErasePolicy>, String> {
    if text == "none" { Ok(OrNone(None)) } else { erase(text).map(|policy| OrNone(Some(policy))) }
}

/// Reads a number, or `none`.
pub(in crate::cli) fn number_or_none(text: &str) -> Result<OrNone<u32>, String> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    text.parse()
        .map(|number| OrNone(Some(number)))
        .map_err(|_| format!("`{text}` is neither a number nor none"))
}
