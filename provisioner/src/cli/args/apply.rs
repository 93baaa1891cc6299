//! `billet apply`.

use clap::Args;
use std::path::PathBuf;

/// `billet apply`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Apply {
    /// YAML (`.yaml`, `.yml`) or CSV (`.csv`; of machines, or of what its column `kind` says); a folder with such files; `-` for YAML from standard input; may
    /// be given more than once
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Do nothing, and print what would be done
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}
