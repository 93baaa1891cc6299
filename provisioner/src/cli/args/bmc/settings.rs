//! Virtual media, Secure Boot, settings of the firmware's setup.

use super::{Of, Sure, before_machine, last_is_machine};
use crate::cli::validate;
use clap::{Subcommand, ValueEnum};

/// `billet bmc media`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MediaCommand {
    /// List the slots with what is in them
    List(Of),
    /// Put an image in; another one in that slot is taken out first
    Insert {
        /// URL of the image, as the BMC reaches it
        #[arg(value_parser = validate::image_url)]
        url: String,
        #[command(flatten)]
        of: Of,
        /// Into this slot; without it the first that is fit
        #[arg(long, value_name = "SLOT")]
        slot: Option<String>,
        /// As what the machine sees it
        #[arg(long, value_enum, default_value_t = MediaWord::Cd)]
        kind: MediaWord,
    },
    /// Take out what is in; an empty slot is no error
    Eject {
        #[command(flatten)]
        of: Of,
        /// Of this slot; without it of all
        #[arg(long, value_name = "SLOT")]
        slot: Option<String>,
    },
}

impl MediaCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::List(of) | Self::Insert { of, .. } | Self::Eject { of, .. } => of,
        }
    }
}

/// What a machine sees an image as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MediaWord {
    /// A CD
    Cd,
    /// A DVD
    Dvd,
    /// A USB stick
    Usb,
    /// A floppy disk
    Floppy,
}

/// `billet bmc secure-boot`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SecureBootCommand {
    /// Show whether it is set, whether it held at the last boot, and its mode
    Show(Of),
    /// Have it hold from the next boot on
    Enable(Of),
    /// Have it not hold from the next boot on
    Disable(Of),
    /// Reset its keys: an operating system that is signed with others will not boot
    ResetKeys {
        /// To what
        #[arg(long, value_enum)]
        to: KeysWord,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        sure: Sure,
    },
}

impl SecureBootCommand {
    /// Whose BMC is meant.
    pub(in crate::cli) fn of(&self) -> &Of {
        match self {
            Self::Show(of) | Self::Enable(of) | Self::Disable(of) | Self::ResetKeys { of, .. } => of,
        }
    }
}

/// What the keys of Secure Boot are reset to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum KeysWord {
    /// Those that the maker put in
    Default,
    /// None at all: Setup Mode
    None,
    /// All but the platform key (PK): Setup Mode
    NoPk,
}

/// `billet bmc bios`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BiosCommand {
    /// List attributes: what they are, what they will be after the next boot, what they may be
    List {
        /// Names of attributes, then the machine's name or id; or only names, and -H. Without names: all
        #[arg(value_name = "NAME... MACHINE")]
        words: Vec<String>,
        /// Only those that will be something else after the next boot
        #[arg(long)]
        pending: bool,
    },
    /// Set attributes, for the next boot where they need one
    Set {
        /// NAME=VALUE, once or more, then the machine's name or id; or none, and -H
        #[arg(value_name = "NAME=VALUE... MACHINE", required = true)]
        words: Vec<String>,
    },
    /// Set all to the maker's defaults, at the next boot
    Reset {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        sure: Sure,
    },
}

impl BiosCommand {
    /// The machine that was named. A word with `=` is none.
    pub(in crate::cli) fn machine(&self, direct: bool) -> Option<&str> {
        match self {
            Self::List { words, .. } => last_is_machine(words, direct),
            Self::Set { words } => last_is_machine(words, direct).filter(|word| !word.contains('=')),
            Self::Reset { of, .. } => of.machine.as_deref(),
        }
    }

    /// Those of some words that are not the machine.
    pub(in crate::cli) fn attributes(words: &[String], direct: bool) -> &[String] {
        before_machine(words, direct)
    }
}
