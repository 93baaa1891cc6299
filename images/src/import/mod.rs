//! Import: from an image file (raw or qcow2, packed or not) to compressed, content-addressed chunks and a manifest.
//!
//! Untrusted input meets only the code in this folder: the digest of the file is checked before anything is parsed,
//! what is declared has to be what is found, sizes are capped, and no other file is ever opened because of what an
//! image says. Fetching the file from somewhere is not here.

mod chunks;
mod container;
mod error;
mod format;
mod pipeline;
mod qcow2;
mod run;
mod source;
mod store;

pub use container::Container;
pub use error::{ImportError, StoreError};
pub use format::Format;
pub use qcow2::Qcow2Error;
pub use store::{Collected, Store};

/// What the caller says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSpec {
    /// SHA-256 of the whole file as it lies there: `sha256:` and 64 hex digits.
    pub digest: String,
    /// What is in it, below any gzip, xz or zstd.
    pub format: Format,
}

/// What an import made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The manifest.
    pub manifest: crate::Manifest,
    /// Its identity, and its name in the store.
    pub manifest_sha256: String,
    /// Bytes that its chunks take, whether they are new or were there before.
    pub stored_bytes: u64,
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Comparing the file's digest.
    Digest,
    /// Unpacking a packed qcow2 to a temporary file.
    Unpack,
    /// Cutting, packing and storing chunks.
    Store,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Bytes of this stage done: of the file (Digest), unpacked (Unpack), of the disk (Store).
    pub done: u64,
    /// Bytes of this stage in all, where they are known before.
    pub total: Option<u64>,
}

/// Where an import reports, and asks whether to go on.
pub(crate) struct Watch<'a> {
    progress: &'a mut dyn FnMut(Progress),
    cancel: &'a std::sync::atomic::AtomicBool,
}

impl Watch<'_> {
    /// Tells how far it is.
    fn step(&mut self, stage: Stage, done: u64, total: Option<u64>) -> Result<(), ImportError> {
        if self.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(ImportError::Cancelled);
        }
        (self.progress)(Progress { stage, done, total });
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
