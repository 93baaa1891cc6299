//! What the pipeline is given: a disk to write, a source of chunks; and what it tells meanwhile.

use super::SourceError;
use crate::Chunk;
use std::io;

/// A disk. Several threads call it at once, each at another place.
///
/// All positions and lengths that it gets are multiples of 512 bytes inside `size()`; those of an image are
/// multiples of 4096 but for the image's end. Buffers start at a multiple of 4096 in memory, fit for `O_DIRECT`.
pub trait Target: Sync {
    /// Bytes that it holds.
    fn size(&self) -> u64;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the device says; a short write is an error.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `bytes` from `offset`, from the device itself, not from a cache of what was written.
    ///
    /// # Errors
    /// What the device says; a short read is an error.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Tells the device that the range is not needed. `false`: it can't. What is read there afterwards is not
    /// promised; the pipeline looks.
    ///
    /// # Errors
    /// What the device says. The pipeline then writes zeros.
    fn discard(&self, start: u64, bytes: u64) -> io::Result<bool>;

    /// Makes the range read as zeros, by the fastest way that promises it.
    ///
    /// # Errors
    /// What the device says.
    fn zero(&self, start: u64, bytes: u64) -> io::Result<()>;

    /// Returns when all that was written is on the medium.
    ///
    /// # Errors
    /// What the device says.
    fn flush(&self) -> io::Result<()>;
}

/// Where chunks come from. Several threads call it at once. It blocks, and retries by itself what passes by itself
/// (a service that restarts); whether the bytes are right is checked by the caller.
pub trait Source: Sync {
    /// The stored (packed) bytes of `chunk`.
    ///
    /// # Errors
    /// When it gave up.
    fn fetch(&self, chunk: &Chunk) -> Result<Vec<u8>, SourceError>;
}

/// A range of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it starts.
    pub start: u64,
    /// How long it is.
    pub bytes: u64,
}

impl Span {
    /// The first byte behind it; the largest number where it would not fit.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes)
    }
}

/// What the pipeline is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Writing.
    Write,
    /// Reading back.
    Verify,
}

/// How far the pipeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes of the disk dealt with in this phase.
    pub done: u64,
    /// Bytes of the disk in all.
    pub total: u64,
}
