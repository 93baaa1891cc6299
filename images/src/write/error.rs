//! Why a write, a check or a wipe ended without success.

use crate::ManifestError;
use std::error::Error;
use std::io;

/// Why a source gave no chunk.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct SourceError {
    why: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl SourceError {
    /// `why` is a sentence for the operator.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: None }
    }

    /// With what lies behind it.
    pub fn with_cause(why: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { why: why.into(), cause: Some(cause.into()) }
    }
}

/// Why a write, a check or a wipe ended without success. The disk holds anything then, but for the first three.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The image needs more room than there is. Nothing was written.
    #[error("the image needs a disk of {image} bytes, but this one has {disk}")]
    DiskTooSmall {
        /// Bytes that the image needs.
        image: u64,
        /// Bytes of the disk.
        disk: u64,
    },
    /// The manifest breaks its rules. Nothing was written.
    #[error("the manifest can't be used")]
    Manifest(#[from] ManifestError),
    /// The disk was to be discarded, and can't be.
    #[error("the disk can't discard what is on it; ask for `overwrite`")]
    NoDiscard,
    /// The caller asked to stop.
    #[error("stopped on request")]
    Cancelled,
    /// A chunk did not come.
    #[error("chunk {index} ({stored}) could not be fetched")]
    Fetch {
        /// Which chunk.
        index: usize,
        /// Its name.
        stored: String,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// A chunk came, several times, but with other bytes than its name says.
    #[error("chunk {index} arrived damaged: its SHA-256 should be {expected}, but is {found}")]
    ChunkDamaged {
        /// Which chunk.
        index: usize,
        /// Its name.
        expected: String,
        /// What its bytes hash to.
        found: String,
    },
    /// A chunk has the right packed bytes, but they don't unpack to what the manifest says.
    #[error("chunk {index} does not unpack to what its manifest says: {why}")]
    ChunkContent {
        /// Which chunk.
        index: usize,
        /// What differs.
        why: String,
    },
    /// The disk failed.
    #[error("the disk could not {action} {bytes} bytes at byte {offset}")]
    Disk {
        /// `read`, `write`, `zero`, `discard` or `flush`.
        action: &'static str,
        /// Where.
        offset: u64,
        /// How much.
        bytes: u64,
        /// What the device said.
        #[source]
        source: io::Error,
    },
    /// The disk took the bytes, but gives others back.
    #[error(
        "the disk does not hold what was written: {bytes} bytes at byte {offset} should be {expected}, but are {found}"
    )]
    ReadBack {
        /// Where the range that was read starts; where zeros were expected, the first byte that is not zero.
        offset: u64,
        /// How long the range is.
        bytes: u64,
        /// What was written: a SHA-256 or `zero`.
        expected: String,
        /// What was read: a SHA-256 or `not zero`.
        found: String,
    },
}

impl WriteError {
    /// For `map_err` behind a call of the target.
    pub(super) fn disk(action: &'static str, offset: u64, bytes: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { action, offset, bytes, source }
    }

    /// Zeros were expected in the range at `offset`, but byte `at` of it is not zero.
    pub(super) fn not_zero(offset: u64, at: usize, bytes: u64) -> Self {
        let (offset, bytes) = (offset + at as u64, bytes - at as u64);
        Self::ReadBack { offset, bytes, expected: "zero".into(), found: "not zero".into() }
    }
}
