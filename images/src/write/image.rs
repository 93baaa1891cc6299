//! Writing an image: every chunk to its place, then everything read back.
//!
//! Hashing is most of the work, so each byte is hashed once on either side of the disk: packed when it arrives, raw
//! when it is read back. Packed bytes with the right digest unpack to one content only; whether that is the one the
//! manifest names is seen at the read-back, and only then asked whose fault a difference is.

use super::check::{largest_chunk, verify_image};
use super::crew::{Crew, Scratch, share_out};
use super::{Phase, Progress, Source, Target, WriteError};
use crate::bytes::{is_zero, sha256_hex};
use crate::{Chunk, Manifest};
use std::sync::atomic::AtomicBool;

/// How often a chunk is fetched whose bytes are not what its name says.
const FETCHES: u32 = 3;

/// What was done to the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of chunks with content that were written.
    pub bytes_written: u64,
    /// Bytes that were made zero.
    pub bytes_zeroed: u64,
    /// Bytes that had to be zero and were already.
    pub bytes_zero_already: u64,
    /// Bytes of chunks that the caller knew to be in place.
    pub bytes_skipped: u64,
    /// Bytes read back and found right: the whole image.
    pub bytes_verified: u64,
}

/// Writes the image that `manifest` describes to the start of `target`, flushes, and reads all of it back.
///
/// `already` says which chunks (by index) need no writing, since an earlier attempt got that far (see
/// [`super::chunks_in_place`]); they are read back all the same. `progress` is called on this thread. Setting
/// `cancel` ends it at the next chunk. What lies on the disk behind the image's end is left alone.
///
/// # Errors
/// [`WriteError::DiskTooSmall`] and [`WriteError::Manifest`] before anything is written; others say what failed where.
pub fn write_image(
    manifest: &Manifest,
    source: &dyn Source,
    target: &dyn Target,
    crew: Crew,
    already: &(dyn Fn(usize) -> bool + Sync),
    progress: &mut dyn FnMut(Progress),
    cancel: &AtomicBool,
) -> Result<Written, WriteError> {
    manifest.check()?;
    let (image, disk) = (manifest.disk_bytes, target.size());
    if image > disk {
        return Err(WriteError::DiskTooSmall { image, disk });
    }
    let writer = Writer { manifest, source, target };
    let mut written = Written::default();
    let mut done = 0;
    let job = |index: usize, scratch: &mut Scratch| {
        if already(index) {
            let bytes_skipped = manifest.chunk_span(index).1;
            return Ok(Written { bytes_skipped, ..Written::default() });
        }
        writer.put(index, scratch)
    };
    let mut note = |step: Written| {
        written.bytes_written += step.bytes_written;
        written.bytes_zeroed += step.bytes_zeroed;
        written.bytes_zero_already += step.bytes_zero_already;
        written.bytes_skipped += step.bytes_skipped;
        done += step.bytes_written + step.bytes_zeroed + step.bytes_zero_already + step.bytes_skipped;
        progress(Progress { phase: Phase::Write, done, total: image });
    };
    share_out(crew, manifest.chunks.len(), largest_chunk(manifest), cancel, job, &mut note)?;
    target.flush().map_err(WriteError::disk("flush", 0, image))?;
    written.bytes_verified =
        verify_image(manifest, target, crew, progress, cancel).map_err(|error| writer.blame(error))?;
    Ok(written)
}

/// Bytes of a sector of the disks that the image is made for, by where its GPT begins (UEFI 2.10, 5.3.2): several for one that
/// fits several, none where it has no GPT, or one that lies elsewhere. Its first chunk is fetched.
///
/// # Errors
/// When the chunk does not come, or is not what the manifest says.
pub fn image_sectors(manifest: &Manifest, source: &dyn Source) -> Result<Vec<u32>, WriteError> {
    manifest.check()?;
    let Some(chunk) = manifest.chunks.first().and_then(Option::as_ref) else { return Ok(Vec::new()) };
    // The span of a chunk is at most chunk_bytes, a u32.
    let mut raw = vec![0; manifest.chunk_span(0).1 as usize];
    unpack(source, 0, chunk, &mut zstd::bulk::Decompressor::default(), &mut raw)?;
    let begins = |sector: &u32| raw.get(*sector as usize..).is_some_and(|rest| rest.starts_with(b"EFI PART"));
    Ok([512, 4096].into_iter().filter(begins).collect())
}

/// What every chunk's job needs.
struct Writer<'a> {
    manifest: &'a Manifest,
    source: &'a dyn Source,
    target: &'a dyn Target,
}

impl Writer<'_> {
    /// Brings chunk `index` to its place on the disk.
    fn put(&self, index: usize, scratch: &mut Scratch) -> Result<Written, WriteError> {
        let (offset, bytes) = self.manifest.chunk_span(index);
        // The span of a chunk is at most chunk_bytes, a u32.
        let raw_bytes = usize::try_from(bytes).expect("a chunk fits into memory");
        let Some(chunk) = &self.manifest.chunks[index] else {
            return self.put_zeros(offset, bytes, scratch.raw.slice(raw_bytes));
        };
        let raw = scratch.raw.slice(raw_bytes);
        unpack(self.source, index, chunk, &mut scratch.unpacker, raw)?;
        self.target.write_at(raw, offset).map_err(WriteError::disk("write", offset, bytes))?;
        Ok(Written { bytes_written: bytes, ..Written::default() })
    }

    /// Whose fault a difference at the read-back is: the disk's, or the chunk's, when its content is not what the
    /// manifest says. What can't be found out stays the disk's.
    fn blame(&self, error: WriteError) -> WriteError {
        let WriteError::ReadBack { offset, .. } = error else { return error };
        // Less than the number of chunks, which are in memory.
        let index = (offset / u64::from(self.manifest.chunk_bytes)) as usize;
        let Some(chunk) = &self.manifest.chunks[index] else { return error };
        // The span of a chunk is at most chunk_bytes, a u32.
        let mut raw = vec![0; self.manifest.chunk_span(index).1 as usize];
        match unpack(self.source, index, chunk, &mut zstd::bulk::Decompressor::default(), &mut raw) {
            Ok(()) => {}
            Err(wrong @ WriteError::ChunkContent { .. }) => return wrong,
            Err(_) => return error,
        }
        let found = sha256_hex(&raw);
        if found == chunk.raw {
            return error;
        }
        let why = format!("its SHA-256 should be {}, but is {found}", chunk.raw);
        WriteError::ChunkContent { index, why }
    }

    /// Makes a range zero with as little writing as possible: look, discard and look, write zeros.
    fn put_zeros(&self, offset: u64, bytes: u64, buffer: &mut [u8]) -> Result<Written, WriteError> {
        let mut reads_zero = || -> Result<bool, WriteError> {
            self.target.read_at(buffer, offset).map_err(WriteError::disk("read", offset, bytes))?;
            Ok(is_zero(buffer))
        };
        if reads_zero()? {
            return Ok(Written { bytes_zero_already: bytes, ..Written::default() });
        }
        // A discard that fails is no harm: the zeros are then written.
        let discarded = self.target.discard(offset, bytes).unwrap_or(false);
        if !(discarded && reads_zero()?) {
            self.target.zero(offset, bytes).map_err(WriteError::disk("zero", offset, bytes))?;
        }
        Ok(Written { bytes_zeroed: bytes, ..Written::default() })
    }
}

/// Fetches a chunk and fills all of `raw` with its content.
fn unpack(
    source: &dyn Source,
    index: usize,
    chunk: &Chunk,
    unpacker: &mut zstd::bulk::Decompressor,
    raw: &mut [u8],
) -> Result<(), WriteError> {
    let stored = fetch(source, index, chunk)?;
    let wrong = |why: String| WriteError::ChunkContent { index, why };
    let got = unpacker
        .decompress_to_buffer(&stored, raw)
        .map_err(|e| wrong(format!("unpacking to at most {} bytes failed ({e})", raw.len())))?;
    if got == raw.len() { Ok(()) } else { Err(wrong(format!("it has {got} bytes instead of {}", raw.len()))) }
}

/// The packed bytes of a chunk, checked against its name.
fn fetch(source: &dyn Source, index: usize, chunk: &Chunk) -> Result<Vec<u8>, WriteError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let stored = source.fetch(chunk).map_err(|source| WriteError::Fetch {
            index,
            stored: chunk.stored.clone(),
            source,
        })?;
        let found = sha256_hex(&stored);
        if found == chunk.stored {
            return Ok(stored);
        }
        if tries == FETCHES {
            return Err(WriteError::ChunkDamaged { index, expected: chunk.stored.clone(), found });
        }
    }
}
