//! Wiping a disk by writing zeros, or by a discard of all of it, with a read-back of everything that was wiped.
//!
//! Not here: the device's own erasures (NVMe format and sanitize, ATA secure erase), which are the agent's.

use super::{Crew, Phase, Progress, Span, Target, WriteError, partitions};
use crate::bytes::{ALIGN, AlignedBuffer, first_nonzero};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What is wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WipePolicy {
    /// The first and the last 4 MiB of the disk, and the first and the last 1 MiB of each partition: tables, file
    /// systems, LVM, RAID and ZFS labels are no longer found. The data is still there.
    Metadata,
    /// Every byte, by a discard: what the disk can't discard, or gives back as something else than zeros, is an error.
    Discard,
    /// Every byte, by writing it (never by a discard).
    Overwrite,
}

/// What was done, for the record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wiped {
    /// Bytes made zero.
    pub bytes_written: u64,
    /// Bytes read back and found zero.
    pub bytes_verified: u64,
}

/// Both ends of the disk, in bytes.
const DISK_ENDS: u64 = 4 << 20;
/// Bytes of one discard.
const DISCARD: u64 = 1 << 30;
/// Both ends of a partition, in bytes.
const PARTITION_ENDS: u64 = 1 << 20;
/// What is done with a piece of the disk and a buffer of its size.
type Deed<'a> = &'a mut dyn FnMut(Span, &mut [u8]) -> Result<(), WriteError>;

/// Wipes `target` and reads back what it wiped.
///
/// With [`WipePolicy::Metadata`] the partitions are those that a GPT or MBR on the disk describes, and `more`
/// (what the kernel knows besides). Partitions go before the tables that describe them, so that a wipe that was
/// interrupted finds them again.
///
/// # Errors
/// When the disk fails, or holds something else than zeros afterwards, or on request.
pub fn wipe(
    target: &dyn Target,
    policy: WipePolicy,
    more: &[Span],
    crew: Crew,
    progress: &mut dyn FnMut(Progress),
    cancel: &AtomicBool,
) -> Result<Wiped, WriteError> {
    let size = target.size();
    let spans = match policy {
        WipePolicy::Discard | WipePolicy::Overwrite => vec![Span { start: 0, bytes: size }],
        WipePolicy::Metadata => {
            let mut known = partitions(target).map_err(WriteError::disk("read", 0, size))?;
            known.extend(more);
            metadata_spans(size, &known)
        }
    };
    let piece = crew.piece(size);
    let mut buffer = AlignedBuffer::new(piece);
    let mut pass = |phase: Phase, piece: u64, deed: Deed| {
        let total = spans.iter().map(|s| s.bytes).sum();
        let mut done = 0;
        for piece in spans.iter().flat_map(|span| pieces(span, piece)) {
            if cancel.load(Relaxed) {
                return Err(WriteError::Cancelled);
            }
            // A discard has no bytes.
            let bytes = piece.bytes.min(buffer.len() as u64) as usize;
            deed(piece, buffer.slice(bytes))?;
            done += piece.bytes;
            progress(Progress { phase, done, total });
        }
        Ok(done)
    };
    let at_once = if policy == WipePolicy::Discard { DISCARD } else { piece as u64 };
    let bytes_written = pass(Phase::Write, at_once, &mut |Span { start, bytes }, zeros| match policy {
        WipePolicy::Discard => match target.discard(start, bytes) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteError::NoDiscard),
            Err(error) => Err(WriteError::disk("discard", start, bytes)(error)),
        },
        // The buffer is not read into before the second pass: it holds zeros.
        WipePolicy::Overwrite => {
            target.write_at(zeros, start).map_err(WriteError::disk("write", start, bytes))
        }
        WipePolicy::Metadata => target.zero(start, bytes).map_err(WriteError::disk("zero", start, bytes)),
    })?;
    target.flush().map_err(WriteError::disk("flush", 0, size))?;
    let bytes_verified = pass(Phase::Verify, piece as u64, &mut |Span { start, bytes }, found| {
        target.read_at(found, start).map_err(WriteError::disk("read", start, bytes))?;
        first_nonzero(found).map_or(Ok(()), |at| Err(WriteError::not_zero(start, at, bytes)))
    })?;
    Ok(Wiped { bytes_written, bytes_verified })
}

/// A span in pieces of at most `piece` bytes.
fn pieces(span: &Span, piece: u64) -> impl Iterator<Item = Span> + use<> {
    let Span { start, bytes } = *span;
    (0..bytes.div_ceil(piece))
        .map(move |i| Span { start: start + i * piece, bytes: piece.min(bytes - i * piece) })
}

/// What a metadata wipe touches, in the order of wiping: partitions from the last to the first (a logical partition
/// before the record that leads to it), then the disk's end, then its start.
fn metadata_spans(size: u64, partitions: &[Span]) -> Vec<Span> {
    let align = ALIGN as u64;
    let tail = (size.saturating_sub(DISK_ENDS) / align * align).max(DISK_ENDS.min(size));
    let head = Span { start: 0, bytes: DISK_ENDS.min(size) };
    let mut ends: Vec<Span> = Vec::new();
    for p in partitions {
        let last = p.end().saturating_sub(PARTITION_ENDS).max(p.start);
        for (start, end) in [(p.start, p.end().min(p.start.saturating_add(PARTITION_ENDS))), (last, p.end())]
        {
            // Outwards to whole blocks, and only what the disk's own ends don't cover.
            let start = (start / align * align).clamp(head.bytes, tail);
            let end = end.checked_next_multiple_of(align).unwrap_or(tail).clamp(head.bytes, tail);
            if start < end {
                ends.push(Span { start, bytes: end - start });
            }
        }
    }
    ends.sort_unstable();
    let mut order: Vec<Span> = Vec::new();
    for span in ends {
        match order.last_mut() {
            Some(before) if before.end() >= span.start => {
                before.bytes = before.end().max(span.end()) - before.start
            }
            _ => order.push(span),
        }
    }
    order.reverse();
    if tail < size {
        order.push(Span { start: tail, bytes: size - tail });
    }
    order.push(head);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn span(start: u64, bytes: u64) -> Span {
        Span { start, bytes }
    }

    #[test]
    fn partitions_go_before_the_tables() {
        let spans = metadata_spans(100 * MIB, &[span(MIB, 20 * MIB), span(21 * MIB, 30 * MIB)]);
        let expected =
            [span(50 * MIB, MIB), span(20 * MIB, 2 * MIB), span(96 * MIB, 4 * MIB), span(0, 4 * MIB)];
        assert_eq!(spans, expected);
    }

    #[test]
    fn small_disks_are_wiped_once() {
        assert_eq!(metadata_spans(MIB, &[span(0, MIB)]), [span(0, MIB)]);
        assert_eq!(metadata_spans(6 * MIB, &[]), [span(4 * MIB, 2 * MIB), span(0, 4 * MIB)]);
    }

    proptest! {
        #[test]
        fn spans_lie_on_the_disk_and_apart(
            sectors in 1_u64..100_000,
            parts in prop::collection::vec((any::<u64>(), any::<u64>()), 0..6),
            near in prop::collection::vec((0_u64..120_000, 0_u64..120_000), 0..6),
        ) {
            let size = sectors * 512;
            let near = near.into_iter().map(|(start, bytes)| span(start * 512, bytes * 512));
            let known: Vec<Span> = parts.into_iter().map(|(start, bytes)| span(start, bytes)).chain(near).collect();
            let mut spans = metadata_spans(size, &known);
            spans.sort_unstable();
            prop_assert!(spans.iter().all(|s| s.bytes > 0 && s.end() <= size && s.start % ALIGN as u64 == 0));
            prop_assert!(spans.windows(2).all(|w| w[0].end() <= w[1].start));
            prop_assert!(spans.first().is_some_and(|s| s.start == 0) && spans.last().is_some_and(|s| s.end() == size));
            for p in known.iter().filter(|p| p.start < size && p.bytes > 0) {
                prop_assert!(spans.iter().any(|s| s.start <= p.start && p.start < s.end()));
            }
        }
    }
}
