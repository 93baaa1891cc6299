//! The BMC's own users.

use super::{Of, Sure};
use crate::cli::validate;
use clap::{Args, Subcommand};
use provisioner_api::BmcUserPrivilege;
use std::path::PathBuf;

/// `billet bmc user`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// List the BMC's users, with the free slots where there are such
    List(Of),
    /// Add a user, who may log in at once
    Add {
        /// The name
        #[arg(value_parser = validate::new_user)]
        name: String,
        #[command(flatten)]
        of: Of,
        /// What the user may do: user, operator or administrator
        // Not --privilege: that is what a session with -H asks for.
        #[arg(long, value_name = "LEVEL", value_parser = validate::user_privilege)]
        level: BmcUserPrivilege,
        /// File with the password, `-` for standard input; or it is asked
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Remove a user, or free the slot
    Remove {
        #[command(flatten)]
        id: UserId,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        sure: Sure,
    },
    /// Name a user, or a slot's
    SetName {
        #[command(flatten)]
        id: UserId,
        /// The name, at IPMI 16 bytes at the most; '' frees a slot
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Set a user's password. When it is the one that Billet itself logs in with, Billet uses the new one from then on
    SetPassword {
        #[command(flatten)]
        id: UserId,
        #[command(flatten)]
        of: Of,
        /// File with the new password, `-` for standard input; or it is asked
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// Don't ask whether to change one's own password; needed where there is no terminal
        #[arg(short, long)]
        yes: bool,
    },
    /// Let a user log in over the network
    Enable {
        #[command(flatten)]
        id: UserId,
        #[command(flatten)]
        of: Of,
    },
    /// Don't let a user log in any more
    Disable {
        #[command(flatten)]
        id: UserId,
        #[command(flatten)]
        of: Of,
    },
    /// Say what a user may do over the network
    SetPrivilege {
        #[command(flatten)]
        id: UserId,
        /// no-access, callback, user, operator, administrator or oem
        #[arg(value_name = "LEVEL", value_parser = validate::user_privilege)]
        level: BmcUserPrivilege,
        #[command(flatten)]
        of: Of,
    },
}

impl UserCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of)
            | Self::Add { of, .. }
            | Self::Remove { of, .. }
            | Self::SetName { of, .. }
            | Self::SetPassword { of, .. }
            | Self::Enable { of, .. }
            | Self::Disable { of, .. }
            | Self::SetPrivilege { of, .. } => of,
        }
    }
}

/// A user of a BMC.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct UserId {
    /// The user's id, see `billet bmc user list`: the number of a slot or account, or with Redfish perhaps the name
    #[arg(value_name = "ID", value_parser = validate::user_id)]
    pub(in crate::cli) id: String,
}
