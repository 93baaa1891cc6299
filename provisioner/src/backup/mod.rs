//! A backup: one file that holds every table, and goes back into SQLite or PostgreSQL, whichever it came from.
//!
//! It is lines of JSON in one zstd frame: a [`Header`], then for each table a [`TableHead`] and its rows as arrays, then
//! how many rows each has. Behind the frame is a seal, the SHA-256 of all before it: a file that was cut or changed is
//! refused before anything of it is parsed. `zstdcat` shows the lines; it passes over the seal, which is a skippable frame
//! (RFC 8878, section 3.1.2). Deliberately not here: SQL (`store/copy`), and what becomes of machines (`restore`).

mod error;
mod read;
mod seal;
mod write;

pub(crate) use error::BackupError;
pub(crate) use read::{Contents, Entry, Summary, check};
pub(crate) use seal::Tail;
pub(crate) use write::{Writer, row};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The number of this format. One that a later program writes may be higher; then this one refuses it.
pub(crate) const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The number of the format.
    #[serde(rename = "billet-backup")]
    pub(crate) format: u32,
    /// The program that wrote it.
    pub(crate) version: String,
    /// The schema: the number of its last migration.
    pub(crate) schema: i64,
    /// When, by the service's clock.
    pub(crate) at: Timestamp,
    /// The fingerprint of the site key that its secrets are sealed with.
    pub(crate) site_key: String,
}

/// The line before a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableHead {
    /// Its name.
    pub(crate) table: String,
    /// Its columns, in the order in which rows have them.
    pub(crate) columns: Vec<(String, Kind)>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A whole number of 64 bits.
    Number,
    /// True or false.
    Truth,
    /// Text.
    Text,
    /// Bytes; base64 in the file.
    Bytes,
}

/// What stands in one column of a row; `None`: nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// As [`Kind::Number`].
    Number(Option<i64>),
    /// As [`Kind::Truth`].
    Truth(Option<bool>),
    /// As [`Kind::Text`].
    Text(Option<String>),
    /// As [`Kind::Bytes`].
    Bytes(Option<Vec<u8>>),
}

/// The last line, as `{"end": …}`: how many rows each table has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// By table.
    pub(crate) rows: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests;
