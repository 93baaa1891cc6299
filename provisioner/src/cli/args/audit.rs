//! `billet audit …`.

use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// List who asked for what and what came of it, oldest first
    List(ListAudit),
    /// Look whether an entry of the log was changed, removed or put elsewhere; prints where it ends
    Verify(VerifyAudit),
}

/// `billet audit list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListAudit {
    /// Only the last so many, up to 1000
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = super::page_size())]
    pub(in crate::cli) newest: u32,
}

/// `billet audit verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyAudit {
    /// A hash that this command printed before: it has to be in the log still
    #[arg(long, value_name = "HASH", value_parser = crate::cli::validate::digest_hex)]
    pub(in crate::cli) head: Option<String>,
}
