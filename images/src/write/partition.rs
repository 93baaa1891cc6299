//! Where the partitions of a disk lie, as far as wiping wants to know: GPT (both copies), MBR and its logical chain.
//!
//! Liberal on purpose: no checksum is asked for, entries that make no sense are dropped, positions are cut to the
//! disk. A table that is half broken may still point at an old file system. Making partitions is not here.
//! Formats: UEFI 2.10, chapter 5.

use super::{Span, Target};
use crate::bytes::{ALIGN, AlignedBuffer};
use std::io;

/// Sector sizes that a GPT is looked for with.
const SECTORS: [u64; 2] = [512, 4096];
/// Most entries of a GPT that are read; 128 is usual.
const MAX_ENTRIES: u32 = 1024;
/// Most logical partitions of an MBR that are followed.
const MAX_LOGICAL: usize = 128;

/// The partitions that any table on the disk describes, whichever of them is in force.
///
/// # Errors
/// When the disk can't be read.
pub fn partitions(target: &dyn Target) -> io::Result<Vec<Span>> {
    let size = target.size();
    let mut found = Vec::new();
    for sector in SECTORS {
        for header_at in [sector, (size / sector).saturating_sub(1) * sector] {
            gpt(target, sector, header_at, &mut found)?;
        }
    }
    mbr(target, &mut found)?;
    found.retain(|span| span.start < size && span.bytes > 0);
    for span in &mut found {
        span.bytes = span.bytes.min(size - span.start);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Reads `bytes` at `at`, aligned as direct I/O wants it; `None` where the disk ends before.
fn read(target: &dyn Target, at: u64, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let align = ALIGN as u64;
    let Some(end) = at.checked_add(bytes).filter(|&end| end <= target.size()) else { return Ok(None) };
    let start = at / align * align;
    let wide = end.next_multiple_of(align).min(target.size()) - start;
    // Callers ask for a table's size, far below 4 GiB.
    let (wide, skip) = (usize::try_from(wide).expect("small"), usize::try_from(at - start).expect("small"));
    let mut buffer = AlignedBuffer::new(wide);
    let all = buffer.slice(wide);
    target.read_at(all, start)?;
    Ok(Some(all[skip..][..usize::try_from(bytes).expect("small")].to_vec()))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The entries behind the GPT header at `header_at`, if there is one (UEFI 5.3.2, 5.3.3).
fn gpt(target: &dyn Target, sector: u64, header_at: u64, found: &mut Vec<Span>) -> io::Result<()> {
    let Some(header) = read(target, header_at, 512)? else { return Ok(()) };
    if !header.starts_with(b"EFI PART") {
        return Ok(());
    }
    let (table, count, width) = (le64(&header, 72), le32(&header, 80).min(MAX_ENTRIES), le32(&header, 84));
    if !(128..=4096).contains(&width) {
        return Ok(());
    }
    let table_at = table.saturating_mul(sector);
    let Some(entries) = read(target, table_at, u64::from(count) * u64::from(width))? else { return Ok(()) };
    for entry in entries.chunks_exact(width as usize) {
        let (used, first, last) = (entry[..16] != [0; 16], le64(entry, 32), le64(entry, 40));
        if used && first > 0 && first <= last {
            let bytes = (last - first).saturating_add(1).saturating_mul(sector);
            found.push(Span { start: first.saturating_mul(sector), bytes });
        }
    }
    Ok(())
}

/// Type, start and length in sectors of the four entries of an MBR or EBR; none without its signature.
fn boot_record(target: &dyn Target, at: u64) -> io::Result<Vec<(u8, u64, u64)>> {
    let Some(record) = read(target, at, 512)?.filter(|r| r[510..] == [0x55, 0xAA]) else {
        return Ok(Vec::new());
    };
    let entries = record[446..510].chunks_exact(16);
    let fields = entries.map(|e| (e[4], u64::from(le32(e, 8)), u64::from(le32(e, 12))));
    Ok(fields.filter(|&(kind, start, sectors)| kind != 0 && start > 0 && sectors > 0).collect())
}

/// Whether an MBR type is a container of logical partitions.
fn is_extended(kind: u8) -> bool {
    matches!(kind, 0x05 | 0x0F | 0x85)
}

/// Primary and logical partitions of an MBR. Its positions are in sectors of 512 bytes.
fn mbr(target: &dyn Target, found: &mut Vec<Span>) -> io::Result<()> {
    let span = |start: u64, sectors: u64| Span { start: start * 512, bytes: sectors * 512 };
    for (kind, start, sectors) in boot_record(target, 0)? {
        // 0xEE is the GPT's own protective entry: the whole disk.
        if kind != 0xEE {
            found.push(span(start, sectors));
        }
        let mut next = is_extended(kind).then_some(start);
        for _ in 0..MAX_LOGICAL {
            let Some(record_at) = next.take() else { break };
            found.push(span(record_at, 1));
            for (kind, offset, sectors) in boot_record(target, record_at * 512)? {
                if is_extended(kind) {
                    next = Some(start + offset);
                } else {
                    found.push(span(record_at + offset, sectors));
                }
            }
        }
    }
    Ok(())
}
