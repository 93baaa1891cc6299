//! What a name stands for: pieces in memory or in an open file, with the validators that HTTP shows.

use super::memory;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::warn;

/// A file that can be sent. Clones share everything.
#[derive(Debug, Clone)]
pub struct Content(Arc<Whole>);

#[derive(Debug)]
struct Whole {
    pieces: Vec<Piece>,
    length: u64,
    etag: String,
    modified: SystemTime,
}

/// A part of a file, from its own beginning to its own end.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// In memory; with the memory file that the kernel can send by itself, if the system gave one.
    Memory(Bytes, Option<Arc<File>>),
    /// This many bytes from the start of an open file.
    File(Arc<File>, u64),
}

impl Piece {
    /// Takes content into a sealed memory file, or keeps it as it is where the system has none to give.
    pub(super) fn sealed(content: Bytes) -> Piece {
        match memory::seal(&content) {
            Ok((file, bytes)) => Piece::Memory(bytes, Some(Arc::new(file))),
            Err(error) => {
                warn!(%error, bytes = content.len(), "no memory file for a boot file: sending it costs more");
                Piece::Memory(content, None)
            }
        }
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Piece::Memory(bytes, _) => bytes.len() as u64,
            Piece::File(_, length) => *length,
        }
    }
}

impl Content {
    /// Pieces, one after the other. `modified` is when they became what they are.
    pub(super) fn new(pieces: Vec<Piece>, digest: &[u8], modified: SystemTime) -> Self {
        let length = pieces.iter().map(Piece::length).sum();
        let mut etag = String::from("\"");
        for byte in digest.iter().take(16) {
            // Writing to a String can't fail.
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        // HTTP shows whole seconds; what it is compared with must not have more.
        let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
        Content(Arc::new(Whole { pieces, length, etag, modified }))
    }

    /// Content held in memory.
    pub(super) fn memory(content: Bytes, now: SystemTime) -> Self {
        let digest = Sha256::digest(&content);
        Content::new(vec![Piece::sealed(content)], &digest, now)
    }

    /// A regular file of any size, at the length that it has now.
    ///
    /// Its bytes are not read: the validator is made of what the file system says of it.
    pub(super) fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let mut digest = Sha256::new();
        for number in [metadata.dev(), metadata.ino(), metadata.size()] {
            digest.update(number.to_le_bytes());
        }
        for number in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
            digest.update(number.to_le_bytes());
        }
        let modified = metadata.modified()?;
        let piece = Piece::File(Arc::new(file), metadata.len());
        Ok(Content::new(vec![piece], &digest.finalize(), modified))
    }

    /// A regular file whose bytes have this digest, which is its validator.
    pub(super) fn digested(file: File, sha256: &[u8; 32]) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let piece = Piece::File(Arc::new(file), metadata.len());
        Ok(Content::new(vec![piece], sha256, metadata.modified()?))
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// A strong validator (RFC 9110, 8.8.3), with its quotes: equal for equal bytes only.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.0.etag
    }

    /// When it became what it is, in whole seconds.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        self.0.modified
    }

    /// Its bytes in order; `None` for a file that is too large to be held in memory.
    #[must_use]
    pub fn in_memory(&self) -> Option<Vec<Bytes>> {
        let bytes = |piece: &Piece| match piece {
            Piece::Memory(bytes, _) => Some(bytes.clone()),
            Piece::File(..) => None,
        };
        self.0.pieces.iter().map(bytes).collect()
    }

    /// Its pieces in order.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0.pieces
    }
}
