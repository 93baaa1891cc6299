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

/// How many threads: one waits for the network or the disk while another computes.
fn crew_size() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4))
}

/// Does the jobs 0 to `count` - 1, each once, in about that order, and tells `done` of each result on the calling
/// thread. Returns at the first error, when the jobs under way have ended.
pub(super) fn share_out<T: Send>(
    count: usize,
    chunk_bytes: usize,
    cancel: &AtomicBool,
    job: impl Fn(usize, &mut Scratch) -> Result<T, WriteError> + Sync,
    done: &mut dyn FnMut(T),
) -> Result<(), WriteError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (report, reports) = mpsc::channel();
    let work = |report: mpsc::Sender<_>| {
        let mut scratch = Scratch { raw: AlignedBuffer::new(chunk_bytes), unpacker: <_>::default() };
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
        for _ in 0..crew_size().min(count) {
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
