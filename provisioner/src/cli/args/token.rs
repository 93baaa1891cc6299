//! `billet token …`.

use super::Gone;
use crate::cli::validate;
use clap::{Args, Subcommand};
use provisioner_api::Role;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// List the tokens, those too that have expired; secrets are never shown again
    List,
    /// Make a token and print its secret, which is shown only now
    Create(CreateToken),
    /// Take a token away: it is refused at once, by other replicas 2 s later
    Revoke(Gone),
}

/// `billet token create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateToken {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// What its bearer may do: viewer (looks), tenant (instances), operator (machines, images, networks, too), admin
    /// (everything)
    #[arg(long, value_parser = validate::role)]
    pub(in crate::cli) role: Role,
    /// Only in this pool; may be given more than once [default: all]
    #[arg(long = "pool", value_name = "POOL", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) pools: Vec<String>,
    /// From when on it is refused: a time such as 2026-12-24T18:00:00Z, or so long from now: 36h, 90d; or never
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = validate::expiry)]
    pub(in crate::cli) expires: validate::Expiry,
}
