//! `billet support-bundle`.

use clap::Args;
use std::path::PathBuf;

/// What goes in, and where to.
#[derive(Debug, Args)]
pub(in crate::cli) struct SupportBundle {
    /// Where to; `-` for standard output [default: billet-support-TIME.tar.gz in this folder]
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Also all that is known of this machine, by name or id, and what its BMC says
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) machine: Option<String>,
    /// Also over a file that is there
    #[arg(long)]
    pub(in crate::cli) force: bool,
}
