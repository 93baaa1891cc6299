//! Reading a disk and comparing it with a manifest: the proof behind a write, and what a resumed write skips.

use super::crew::{Crew, Scratch, share_out};
use super::{Phase, Progress, Target, WriteError};
use crate::Manifest;
use crate::bytes::{first_nonzero, sha256_hex};
use std::sync::atomic::AtomicBool;

/// Reads the whole image back from `target` and compares every chunk with the manifest. Returns the bytes compared.
///
/// # Errors
/// [`WriteError::ReadBack`] names the first difference that was met; others say what failed.
pub fn verify_image(
    manifest: &Manifest,
    target: &dyn Target,
    crew: Crew,
    progress: &mut dyn FnMut(Progress),
    cancel: &AtomicBool,
) -> Result<u64, WriteError> {
    let mut done = 0;
    let job =
        |index: usize, scratch: &mut Scratch| compare(manifest, index, target, scratch)?.map(|()| index);
    each_chunk(manifest, target, crew, cancel, job, &mut |index| {
        done += manifest.chunk_span(index).1;
        progress(Progress { phase: Phase::Verify, done, total: manifest.disk_bytes });
    })?;
    Ok(done)
}

/// Which chunks `target` holds already: what a write that was interrupted need not repeat.
///
/// # Errors
/// When the manifest is bad, the disk too small or unreadable, or on request.
pub fn chunks_in_place(
    manifest: &Manifest,
    target: &dyn Target,
    crew: Crew,
    progress: &mut dyn FnMut(Progress),
    cancel: &AtomicBool,
) -> Result<Vec<bool>, WriteError> {
    let mut done = 0;
    let mut in_place = vec![false; manifest.chunks.len()];
    let job =
        |index: usize, scratch: &mut Scratch| Ok((index, compare(manifest, index, target, scratch)?.is_ok()));
    each_chunk(manifest, target, crew, cancel, job, &mut |(index, same)| {
        in_place[index] = same;
        done += manifest.chunk_span(index).1;
        progress(Progress { phase: Phase::Verify, done, total: manifest.disk_bytes });
    })?;
    Ok(in_place)
}

/// [`share_out`] over the chunks, behind the checks that make a manifest and a disk fit each other.
fn each_chunk<T: Send>(
    manifest: &Manifest,
    target: &dyn Target,
    crew: Crew,
    cancel: &AtomicBool,
    job: impl Fn(usize, &mut Scratch) -> Result<T, WriteError> + Sync,
    done: &mut dyn FnMut(T),
) -> Result<(), WriteError> {
    manifest.check()?;
    let (image, disk) = (manifest.disk_bytes, target.size());
    if image > disk {
        return Err(WriteError::DiskTooSmall { image, disk });
    }
    share_out(crew, manifest.chunks.len(), largest_chunk(manifest), cancel, job, done)
}

/// Bytes of the largest chunk of an image, which may be smaller than one.
pub(super) fn largest_chunk(manifest: &Manifest) -> usize {
    // Not more than chunk_bytes, a u32.
    u64::from(manifest.chunk_bytes).min(manifest.disk_bytes) as usize
}

/// Reads one chunk. The outer error: it can't be read. The inner one: it differs.
fn compare(
    manifest: &Manifest,
    index: usize,
    target: &dyn Target,
    scratch: &mut Scratch,
) -> Result<Result<(), WriteError>, WriteError> {
    let (offset, bytes) = manifest.chunk_span(index);
    // The span of a chunk is at most chunk_bytes, a u32.
    let raw = scratch.raw.slice(usize::try_from(bytes).expect("a chunk fits into memory"));
    target.read_at(raw, offset).map_err(WriteError::disk("read", offset, bytes))?;
    Ok(match &manifest.chunks[index] {
        None => first_nonzero(raw).map_or(Ok(()), |at| Err(WriteError::not_zero(offset, at, bytes))),
        Some(chunk) => {
            let found = sha256_hex(raw);
            if found == chunk.raw {
                Ok(())
            } else {
                Err(WriteError::ReadBack { offset, bytes, expected: chunk.raw.clone(), found })
            }
        }
    })
}
