//! `billet user …` and `billet login`.

use super::{DryRun, Gone, Named};
use crate::cli::validate;
use clap::{Args, Subcommand};
use provisioner_api::Role;
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UsersCommand {
    /// List the users, those too that are disabled
    List,
    /// Show a user
    Show(Named),
    /// Make a user; the password is typed, or read from a file
    Create(CreateUser),
    /// Change a user, which ends their log-ins
    Set(SetUser),
    /// Change your own password: you are logged in with it, and all other log-ins of yours end
    Password(ChangePassword),
    /// Take a user away, with their log-ins: they are refused at once, by other replicas 2 s later
    Delete(Gone),
}

/// `billet user create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateUser {
    /// Its name: lower-case letters, digits and `-`
    #[arg(value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) name: String,
    /// What they may do: viewer (looks), tenant (instances), operator (machines, images, networks, too), admin (everything)
    #[arg(long, value_parser = validate::role)]
    pub(in crate::cli) role: Role,
    /// Only in this pool; may be given more than once [default: all]
    #[arg(long = "pool", value_name = "POOL", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) pools: Vec<String>,
    /// File with the password, `-` for standard input [default: it is typed twice]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
}

/// `billet user set`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetUser {
    /// Its name
    pub(in crate::cli) name: String,
    /// Another role: viewer, tenant, operator or admin
    #[arg(long, value_parser = validate::role)]
    pub(in crate::cli) role: Option<Role>,
    /// Only in this pool from now on; may be given more than once
    #[arg(long = "pool", value_name = "POOL", value_parser = crate::config::value::dns_label)]
    pub(in crate::cli) pools: Vec<String>,
    /// In all pools from now on
    #[arg(long, conflicts_with = "pools")]
    pub(in crate::cli) all_pools: bool,
    /// Whether they can't log in
    #[arg(long, value_name = "true|false")]
    pub(in crate::cli) disabled: Option<bool>,
    /// Set another password, which is typed twice
    #[arg(long)]
    pub(in crate::cli) new_password: bool,
    /// Set another password, from this file; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "new_password")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) dry: DryRun,
}

/// `billet user password`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ChangePassword {
    /// File with the password that it is now, `-` for standard input [default: it is typed]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) old_password_file: Option<PathBuf>,
    /// File with the new password [default: it is typed twice]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
}

/// `billet login`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Login {
    /// The user's name [default: who logged in last]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// File with the password, `-` for standard input [default: it is typed]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
}
