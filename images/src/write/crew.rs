//! A few threads that share out numbered jobs and stop together.
//!
//! Memory is bounded by the number of threads: each holds one job's buffers, there is no queue.

use super::WriteError;
use crate::bytes::AlignedBuffer;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;

/// What each thread of the crew reuses from job to job.
pub(super) struct Scratch {
    /// One chunk.
    pub(super) raw: AlignedBuffer,
    /// Its unpacker.
    pub(super) unpacker: zstd::bulk::Decompressor<'static>,
}

/// Bytes of one write or read of a wipe, where memory is no matter.
const PIECE: usize = 4 << 20;

/// Who does the work, and in how much memory: a buffer for each thread, of a chunk's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    threads: usize,
    piece: usize,
}

impl Crew {
    /// The calling thread alone, wiping with a buffer of 256 KiB: for hundreds of machines in one process.
    pub const ALONE: Self = Self { threads: 1, piece: 256 << 10 };

    /// So many threads, at least one.
    #[must_use]
    pub fn of(threads: usize) -> Self {
        Self { threads: threads.max(1), piece: PIECE }
    }

    /// How many disks may be wiped at once, each with one buffer.
    #[must_use]
    pub fn disks(self) -> usize {
        if self.threads == 1 { 1 } else { 16 }
    }

    /// Bytes of one write or read of a wipe of a disk of so many bytes.
    pub(super) fn piece(self, disk: u64) -> usize {
        usize::try_from(disk).map_or(self.piece, |disk| disk.min(self.piece))
    }
}

impl Default for Crew {
    /// For a machine that does nothing else: one thread waits for the network or the disk while another computes.
    fn default() -> Self {
        Self::of(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4)))
    }
}

/// Does the jobs 0 to `count` - 1, each once, in about that order, and tells `done` of each result on the calling
/// thread. Returns at the first error, when the jobs under way have ended. `chunk_bytes`: the largest chunk's.
pub(super) fn share_out<T: Send>(
    crew: Crew,
    count: usize,
    chunk_bytes: usize,
    cancel: &AtomicBool,
    job: impl Fn(usize, &mut Scratch) -> Result<T, WriteError> + Sync,
    done: &mut dyn FnMut(T),
) -> Result<(), WriteError> {
    let new_scratch = || Scratch { raw: AlignedBuffer::new(chunk_bytes), unpacker: <_>::default() };
    if crew.threads == 1 {
        let mut scratch = new_scratch();
        for index in 0..count {
            if cancel.load(Relaxed) {
                return Err(WriteError::Cancelled);
            }
            done(job(index, &mut scratch)?);
        }
        return Ok(());
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (report, reports) = mpsc::channel();
    let work = |report: mpsc::Sender<_>| {
        let mut scratch = new_scratch();
        while !stop.load(Relaxed) {
            let index = next.fetch_add(1, Relaxed);
            if index >= count {
                break;
            }
            let result =
                if cancel.load(Relaxed) { Err(WriteError::Cancelled) } else { job(index, &mut scratch) };
            stop.fetch_or(result.is_err(), Relaxed);
            if report.send(result).is_err() {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..crew.threads.min(count) {
            let (work, report) = (&work, report.clone());
            scope.spawn(move || work(report));
        }
        // The crew holds the other ends: the loop ends when all its members have.
        drop(report);
        let mut outcome = Ok(());
        for result in reports {
            match result {
                Ok(value) => done(value),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    })
}
