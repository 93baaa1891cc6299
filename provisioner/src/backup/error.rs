//! Why a backup can't be written or used.

use std::io;

/// Why a backup can't be written or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The file can't be read or written.
    #[error("the backup can't be read or written")]
    File(#[from] io::Error),
    /// There is no seal at its end.
    #[error("this is no backup, or only a part of one: its end is missing; take another copy of it")]
    NoSeal,
    /// The seal is of something else.
    #[error(
        "this backup was changed or damaged since it was written: its checksum is wrong; take another copy of it"
    )]
    Changed,
    /// A later format.
    #[error(
        "this backup has format {format} and was written by billet {version}; this is billet {}, which reads formats up to {}: use that version",
        env!("CARGO_PKG_VERSION"),
        super::FORMAT
    )]
    Format {
        /// Its format.
        format: u32,
        /// The program that wrote it.
        version: String,
    },
    /// What is in it makes no sense, though its seal is right.
    #[error("line {line} of this backup can't be used: {why}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}
