//! `billet erasure …`, or `billet erase …`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ErasureCommand {
    /// List the erasures that are on record, oldest first
    List(ListErasures),
    /// Show an erasure disk by disk
    Show {
        /// Its id
        id: String,
    },
    /// Print the signed certificate of an erasure, to be kept in a file
    Certificate {
        /// Its id
        id: String,
    },
    /// Print the public key that certificates are verified with (PEM)
    Key {
        /// Also those of before the site key was rotated
        #[arg(long)]
        all: bool,
    },
    /// Verify a certificate, without the service, and say what was erased
    Verify(VerifyErasure),
}

/// `billet erasure list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListErasures {
    /// Only of this machine: its id, or its name at that time
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) machine: Option<String>,
    /// Only those of the disk with this serial number
    #[arg(long)]
    pub(in crate::cli) serial: Option<String>,
    /// Only from this time on, as 2026-11-23T05:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) since: Option<Timestamp>,
    /// Only from before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) until: Option<Timestamp>,
}

/// `billet erasure verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyErasure {
    /// The certificate, as `billet erasure certificate` printed it
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// The public key, or several: erasure.pub of the service's data folder, or what `billet erasure key` printed
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: PathBuf,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "it is no time; write it as 2026-11-23T05:00:00Z".to_owned())
}
