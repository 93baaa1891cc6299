//! The seed's entry in a plain MBR: a primary partition in a free slot; and the last partition's growth.
//!
//! Logical partitions are neither read nor made; their container's range counts as taken.

use super::{LABELS, MIB, SeedError, Stays, view::View};
use images::write::Span;

/// Type "FAT16, LBA": what every system mounts.
const FAT16_LBA: u8 = 0x0E;

/// Types of partitions whose content knows how to grow: Linux, LVM, NTFS.
const GROWABLE: [u8; 3] = [0x83, 0x8E, 0x07];

/// One of the four entries, in sectors.
#[derive(Clone, Copy)]
struct Entry {
    kind: u8,
    start: u64,
    sectors: u64,
}

/// The four entries; none of a disk without an MBR.
fn entries(view: &mut View<'_>) -> Result<Option<[Entry; 4]>, SeedError> {
    let record: [u8; 512] = view.get(0)?;
    if record[510..] != [0x55, 0xAA] {
        return Ok(None);
    }
    let le32 = |at: usize| {
        u64::from(u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]))
    };
    Ok(Some(std::array::from_fn(|slot| {
        let at = 446 + slot * 16;
        Entry { kind: record[at + 4], start: le32(at + 8), sectors: le32(at + 12) }
    })))
}

/// Whether the partition is FAT and bears the seed's label, either in a FAT12/16 or in a FAT32 boot sector.
fn is_seed(view: &mut View<'_>, entry: Entry, sector: u64) -> Result<bool, SeedError> {
    let start = entry.start * sector;
    if !matches!(entry.kind, 0x01 | 0x04 | 0x06 | 0x0B | 0x0C | 0x0E) || start + 512 > view.size() {
        return Ok(false);
    }
    let boot: [u8; 512] = view.get(start)?;
    let bears = |label: &str| {
        let label = format!("{label:11}");
        [43, 71].iter().any(|&at| boot[at..at + 11].eq_ignore_ascii_case(label.as_bytes()))
    };
    Ok(LABELS.iter().any(|label| bears(label)))
}

/// Where the seed lies, if there is one.
pub(super) fn seed_of(view: &mut View<'_>, sector: u64) -> Result<Option<Span>, SeedError> {
    for entry in entries(view)?.into_iter().flatten() {
        if is_seed(view, entry, sector)? {
            return Ok(Some(Span { start: entry.start * sector, bytes: entry.sectors * sector }));
        }
    }
    Ok(None)
}

/// Enters the seed, of at least `need` bytes, behind everything else, or where it is already.
pub(super) fn add_seed(view: &mut View<'_>, sector: u64, need: u64) -> Result<Span, SeedError> {
    let refuse = |why: &str| Err(SeedError::Refused(format!("the seed has no place: {why}")));
    let entries = entries(view)?.filter(|entries| entries.iter().any(|entry| entry.kind != 0));
    let Some(entries) = entries else {
        return refuse("the image has no partition table (neither GPT nor MBR)");
    };
    // Its positions are 32 bits wide.
    let total = (view.size() / sector).min(u64::from(u32::MAX));
    let (mut slot, mut first_free) = (None, 1);
    for (at, &entry) in entries.iter().enumerate() {
        if entry.kind == 0 {
            slot = slot.or(Some(at));
        } else if is_seed(view, entry, sector)? {
            slot = Some(at);
        } else if entry.start + entry.sectors > total {
            return refuse("a partition of the image ends behind the disk");
        } else {
            first_free = first_free.max(entry.start + entry.sectors);
        }
    }
    let Some(slot) = slot else { return refuse("all four entries of the image's MBR are taken") };
    let align = MIB / sector;
    let start = total.saturating_sub(need / sector) / align * align;
    if start < first_free || start == 0 {
        return refuse(&format!("it needs {} MiB behind the image's partitions", need / MIB));
    }
    let mut bytes = [0; 16];
    // Cylinders, heads, sectors: "look at the LBA fields instead".
    bytes[1..4].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    bytes[4] = FAT16_LBA;
    bytes[5..8].copy_from_slice(&[0xFE, 0xFF, 0xFF]);
    // Both are at most `total`, which fits.
    bytes[8..12].copy_from_slice(&(start as u32).to_le_bytes());
    bytes[12..16].copy_from_slice(&((total - start) as u32).to_le_bytes());
    view.put(446 + slot as u64 * 16, &bytes)?;
    Ok(Span { start: start * sector, bytes: (total - start) * sector })
}

/// Its last partition grown, if it is a primary one of a kind that can grow, up to the seed, which begins at sector `seed`, or
/// else to the last whole MiB: of the entry only the end changes. How many sectors it got, or why none.
pub(super) fn grow(
    view: &mut View<'_>,
    sector: u64,
    seed: Option<u64>,
) -> Result<Result<u64, Stays>, SeedError> {
    let Some(entries) = entries(view)? else { return Ok(Err(Stays::NoPartition)) };
    let align = MIB / sector;
    let whole = (view.size() / sector).min(u64::from(u32::MAX)) / align * align;
    let end = seed.unwrap_or(whole);
    let (at, last) = match growing(&entries, seed, end) {
        Ok(last) => last,
        Err(stays) => return Ok(Err(stays)),
    };
    let place = 446 + at as u64 * 16;
    // Cylinders, heads, sectors: "look at the LBA fields instead".
    view.put(place + 5, &[0xFE, 0xFF, 0xFF])?;
    // At most `end`, which fits.
    view.put(place + 12, &((end - last.start) as u32).to_le_bytes())?;
    Ok(Ok(end - last.start - last.sectors))
}

/// Which of the entries grows up to sector `end`: its slot, and itself.
fn growing(entries: &[Entry; 4], seed: Option<u64>, end: u64) -> Result<(usize, Entry), Stays> {
    let is_other = |entry: &Entry| entry.kind != 0 && Some(entry.start) != seed;
    let others = || entries.iter().copied().enumerate().filter(|(_, entry)| is_other(entry));
    let (at, last) = others().max_by_key(|(_, entry)| entry.start).ok_or(Stays::NoPartition)?;
    let behind = last.start + last.sectors;
    if !GROWABLE.contains(&last.kind) {
        return Err(Stays::Kind);
    }
    // Where partitions lie over each other, nothing is made worse.
    if others().any(|(_, other)| other.start + other.sectors > behind) {
        return Err(Stays::Overlap);
    }
    if behind >= end {
        return Err(Stays::NoRoom);
    }
    Ok((at, last))
}
