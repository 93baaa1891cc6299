//! `billet address …`: what is taken out of the address plan.

use super::{Gone, Named};
use crate::cli::validate;
use clap::{Args, Subcommand};
use std::net::Ipv4Addr;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AddressCommand {
    /// List the addresses that are taken, and by whom
    List,
    /// Show a virtual address
    Show(Named),
    /// Claim a virtual address by a name; the same name again gives the same address
    Claim(Claim),
    /// Release a virtual address that no instance uses
    Release(Gone),
}

/// `billet address claim`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Claim {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// The subnet that it is taken from: the name of a network or a subnet, or a CIDR such as 10.77.0.0/24
    #[arg(long)]
    pub(in crate::cli) subnet: String,
    /// The pool whose tenants may use it [default: none; only who may use all pools uses it]
    #[arg(long, value_name = "POOL", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) pool: Option<String>,
    /// Exactly this address [default: a free one of the subnet's static ranges]
    #[arg(long, value_parser = validate::address)]
    pub(in crate::cli) address: Option<Ipv4Addr>,
}
