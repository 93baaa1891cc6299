//! A BMC written down.

use super::Of;
use clap::Args;
use std::path::PathBuf;

/// `billet bmc record`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Record {
    #[command(flatten)]
    pub(in crate::cli) of: Of,
    /// Where to, as JSON; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}
