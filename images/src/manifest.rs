//! The manifest: which chunks, in which order, make a disk.
//!
//! Only the document and its rules; where chunks are kept is the store's business, how they reach a disk is the
//! write pipeline's.

use crate::FileDigest;
use crate::bytes::{is_sha256_hex, sha256_hex};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Bytes of a disk's smallest sector. A disk's size is a multiple of it.
pub const SECTOR: u64 = 512;

/// Raw bytes of a chunk in the images that we make.
pub const CHUNK_BYTES: u32 = 4 << 20;

/// Largest manifest that is read, in bytes: enough for 1 TiB without one zero chunk.
pub const MAX_MANIFEST_BYTES: usize = 64 << 20;

/// Bounds of `chunk_bytes`: a page, and what an agent with 256 MiB of memory holds several times.
const CHUNK_BOUNDS: std::ops::RangeInclusive<u32> = 4096..=16 << 20;

/// An image as a list of chunks. Its identity is the SHA-256 of its canonical JSON (`Manifest::to_bytes`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of this document: 1.
    pub version: u32,
    /// Digest of the imported file, `sha256:<hex>` or `sha512:<hex>`.
    pub image_digest: String,
    /// Bytes of the disk that it makes; a multiple of 512.
    pub disk_bytes: u64,
    /// Raw bytes of each chunk but the last.
    pub chunk_bytes: u32,
    /// The chunks in order. `None`: all zero.
    pub chunks: Vec<Option<Chunk>>,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// SHA-256, hex, of the stored (zstd) bytes: its name in the store and on the wire, checked before unpacking.
    pub stored: String,
    /// Stored bytes.
    pub stored_bytes: u32,
    /// SHA-256, hex, of the raw bytes: what is read back from the disk is compared with it.
    pub raw: String,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {bytes} bytes; at most {MAX_MANIFEST_BYTES} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON of the right shape.
    #[error("the manifest is not the JSON document that was expected")]
    Json(#[source] serde_json::Error),
    /// Good JSON, but not the canonical bytes, so that its digest would name something else.
    #[error("the manifest is not in its canonical form (field order, no white space)")]
    NotCanonical,
    /// From another time.
    #[error("the manifest has version {found}; this program reads version 1")]
    Version {
        /// Its version.
        found: u32,
    },
    /// `image_digest` has the wrong form.
    #[error(
        "the manifest's image digest `{found}` is neither `sha256:` and 64 nor `sha512:` and 128 lower-case hex digits"
    )]
    Digest {
        /// What is there.
        found: String,
    },
    /// `disk_bytes` is zero or no multiple of 512.
    #[error("the manifest's disk size of {found} bytes is not a multiple of 512 above zero")]
    DiskBytes {
        /// What is there.
        found: u64,
    },
    /// `chunk_bytes` is out of bounds.
    #[error("the manifest's chunk size of {found} bytes is not a power of two between 4 KiB and 16 MiB")]
    ChunkBytes {
        /// What is there.
        found: u32,
    },
    /// Too few or too many chunks for the disk.
    #[error("the manifest lists {found} chunks, but its disk is made of {expected}")]
    ChunkCount {
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: usize,
    },
    /// A chunk's digest has the wrong form.
    #[error("chunk {index} of the manifest has a `{field}` that is not 64 lower-case hex digits")]
    ChunkDigest {
        /// Which chunk.
        index: usize,
        /// `stored` or `raw`.
        field: &'static str,
    },
    /// A chunk claims no bytes, or more than a chunk can be packed into.
    #[error("chunk {index} of the manifest claims {found} stored bytes; between 1 and {limit} are possible")]
    StoredBytes {
        /// Which chunk.
        index: usize,
        /// What is there.
        found: u32,
        /// The most that is possible.
        limit: u32,
    },
}

impl Manifest {
    /// The canonical JSON: fields in the order of the declaration, no white space.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing plain structs of numbers and strings into memory can't fail.
        serde_json::to_vec(self).expect("a manifest is plain data")
    }

    /// Its identity: SHA-256, hex, of the canonical JSON.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256_hex(&self.to_bytes())
    }

    /// Reads a manifest and checks every rule ([`Manifest::check`]).
    ///
    /// # Errors
    /// When it is too large, not canonical JSON, or breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { bytes: bytes.len() });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        manifest.check()?;
        if manifest.to_bytes() != bytes {
            return Err(ManifestError::NotCanonical);
        }
        Ok(manifest)
    }

    /// Checks every rule that the fields' types don't hold.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.version != 1 {
            return Err(ManifestError::Version { found: self.version });
        }
        let digest = &self.image_digest;
        if !FileDigest::parse(digest).is_ok_and(|read| read.to_string() == *digest) {
            return Err(ManifestError::Digest { found: self.image_digest.clone() });
        }
        if self.disk_bytes == 0 || !self.disk_bytes.is_multiple_of(SECTOR) {
            return Err(ManifestError::DiskBytes { found: self.disk_bytes });
        }
        if !CHUNK_BOUNDS.contains(&self.chunk_bytes) || !self.chunk_bytes.is_power_of_two() {
            return Err(ManifestError::ChunkBytes { found: self.chunk_bytes });
        }
        let expected = self.disk_bytes.div_ceil(u64::from(self.chunk_bytes));
        if self.chunks.len() as u64 != expected {
            return Err(ManifestError::ChunkCount { expected, found: self.chunks.len() });
        }
        let limit = stored_limit(self.chunk_bytes);
        for (index, chunk) in self.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            for (field, digest) in [("stored", &chunk.stored), ("raw", &chunk.raw)] {
                if !is_sha256_hex(digest) {
                    return Err(ManifestError::ChunkDigest { index, field });
                }
            }
            if chunk.stored_bytes == 0 || chunk.stored_bytes > limit {
                return Err(ManifestError::StoredBytes { index, found: chunk.stored_bytes, limit });
            }
        }
        Ok(())
    }

    /// Raw bytes of the chunks that are not all zero: what has to be written at least.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        let full = |index: usize| self.chunk_span(index).1;
        (0..self.chunks.len()).filter(|&i| self.chunks[i].is_some()).map(full).sum()
    }

    /// Bytes that its chunks take in the store, each distinct chunk counted once.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        let distinct: HashMap<&str, u32> =
            self.chunks.iter().flatten().map(|c| (c.stored.as_str(), c.stored_bytes)).collect();
        distinct.values().map(|&n| u64::from(n)).sum()
    }

    /// Where on the disk chunk `index` starts and how many bytes it has.
    #[must_use]
    pub fn chunk_span(&self, index: usize) -> (u64, u64) {
        let chunk = u64::from(self.chunk_bytes);
        let start = index as u64 * chunk;
        (start, chunk.min(self.disk_bytes.saturating_sub(start)))
    }
}

/// The most bytes that a chunk of `chunk_bytes` packs into: zstd's own bound (`ZSTD_COMPRESSBOUND`: n + n/256 + up
/// to 64) with a little to spare.
pub(crate) fn stored_limit(chunk_bytes: u32) -> u32 {
    chunk_bytes + chunk_bytes / 128 + 512
}

#[cfg(test)]
mod tests;
