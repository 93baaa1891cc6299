//! Import: from an image file (raw or qcow2, packed or not) to compressed, content-addressed chunks and a manifest.
//!
//! Untrusted input meets only the code in this folder: digest and signature of the file are checked before anything is
//! parsed, what is declared has to be what is found, sizes are capped, and no other file is ever opened because of what an
//! image says. What parses (`open`, and below it `container`, `format`, `qcow2`) runs in a process of its own that can open,
//! reach and start nothing (`child`, `sandbox`); the bytes of the disk come from it through a pipe (`parent`, `frames`).
//! Fetching the file from somewhere is not here.

#[cfg(debug_assertions)]
mod attempts;
mod child;
mod chunks;
mod container;
mod error;
mod format;
mod frames;
mod open;
mod parent;
mod pipeline;
mod qcow2;
mod run;
mod sandbox;
mod signature;
mod source;
mod store;

pub use child::{read_image, run_if_asked};
pub use container::Container;
pub use error::{ImportError, StoreError};
pub use format::Format;
pub use qcow2::Qcow2Error;
pub use signature::{KeyForm, MAX_SIGNATURE, Scheme, SignatureError, SignedBy, Trust, TrustedKey};
pub use store::{Collected, Store};

/// What the caller says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSpec {
    /// Digest of the whole file as it lies there, as [`crate::FileDigest`] has it.
    pub digest: String,
    /// What is in it, below any gzip, xz or zstd.
    pub format: Format,
    /// The text of a signature file of it.
    pub signature: Option<String>,
}

impl ImportSpec {
    /// A file without a signature.
    #[must_use]
    pub fn new(digest: String, format: Format) -> Self {
        Self { digest, format, signature: None }
    }
}

/// Which program reads images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImportProgram {
    /// This very one, in a process of its own; it has to call [`run_if_asked`] first of all.
    #[default]
    Itself,
    /// The one in this file, which does the same.
    At(std::path::PathBuf),
    /// None: this process does it, without any protection. For tests and measurements of trusted images only.
    InProcess,
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
    /// Who signed the file, if a signature was given.
    pub signed_by: Option<SignedBy>,
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

/// Reads until `buffer` is full or the stream ends.
fn read_full(stream: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// An error with its causes, as one sentence.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod confined;
#[cfg(test)]
mod signed;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
