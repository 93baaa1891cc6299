//! The seed's entry in a GUID partition table, the table's move to a disk larger than the image, and its last partition's
//! growth.
//!
//! Formats: UEFI 2.10, chapter 5. An image is not trusted: whatever the crate would trip over is checked before.

use super::{LABELS, MIB, SeedError, Stays, view::View};
use gptman::{GPTHeader, GPTPartitionEntry};
use images::write::Span;
use std::io::{Seek, SeekFrom};

/// Bytes of an entry; the standard allows more, nobody uses it.
const ENTRY_BYTES: u32 = 128;

/// Most entries of a table that is taken.
const MOST_ENTRIES: u32 = 1024;

/// Type "basic data", EBD0A0A2-B9E5-4433-87C0-68B6B72699C7.
const BASIC_DATA: [u8; 16] =
    type_guid(0xEBD0_A0A2, 0xB9E5, 0x4433, [0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7]);

/// A GUID as it lies on a disk (UEFI 2.10, appendix A): three numbers, little-endian, and eight bytes.
pub(crate) const fn type_guid(first: u32, second: u16, third: u16, rest: [u8; 8]) -> [u8; 16] {
    let ([a, b, c, d], [e, f], [g, h]) = (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes());
    let [i, j, k, l, m, n, o, p] = rest;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// A partition, as a firmware names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// Its first sector.
    pub(crate) start: u64,
    /// How many sectors it has.
    pub(crate) sectors: u64,
    /// Its own GUID, as it lies on the disk.
    pub(crate) guid: [u8; 16],
}

/// Types of partitions whose content knows how to grow (<https://uapi-group.org/specifications/specs/discoverable_partitions_specification>):
/// Linux file system, root of x86-64 and of arm64, home, srv, var, LVM, and basic data.
const GROWABLE: [[u8; 16]; 8] = [
    type_guid(0x0FC6_3DAF, 0x8483, 0x4772, [0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4]),
    type_guid(0x4F68_BCE3, 0xE8CD, 0x4DB1, [0x96, 0xE7, 0xFB, 0xCA, 0xF9, 0x84, 0xB7, 0x09]),
    type_guid(0xB921_B045, 0x1DF0, 0x41C3, [0xAF, 0x44, 0x4C, 0x6F, 0x28, 0x0D, 0x3F, 0xAE]),
    type_guid(0x933A_C7E1, 0x2EB4, 0x4F13, [0xB8, 0x44, 0x0E, 0x14, 0xE2, 0xAE, 0xF9, 0x15]),
    type_guid(0x3B8F_8425, 0x20E0, 0x4F3B, [0x90, 0x7F, 0x1A, 0x25, 0xA7, 0x6F, 0x98, 0xE8]),
    type_guid(0x4D21_B016, 0xB534, 0x45C2, [0xA9, 0xFB, 0x5C, 0x16, 0xE0, 0x91, 0xFD, 0x2D]),
    type_guid(0xE6D6_D379, 0xF507, 0x44C2, [0xA2, 0x3C, 0x23, 0x8F, 0x2A, 0x3D, 0xF9, 0x28]),
    BASIC_DATA,
];

/// The attribute of partitions that are to be mounted read-only (the same specification): they are as they are.
const READ_ONLY: u64 = 1 << 60;

/// A table.
pub(super) struct Table {
    /// Its primary header.
    header: GPTHeader,
    /// All entries, the unused ones too.
    entries: Vec<GPTPartitionEntry>,
}

/// The disk's table, if it has one.
pub(super) fn read(view: &mut View<'_>, sector: u64) -> Result<Option<Table>, SeedError> {
    if view.size() < 64 * sector {
        return Ok(None);
    }
    let signature: [u8; 8] = view.get(sector)?;
    if &signature != b"EFI PART" {
        for other in [512, 4096] {
            if sector != other && &view.get::<8>(other)? == b"EFI PART" {
                return refuse(format!(
                    "the image is made for sectors of {other} bytes, but this disk has {sector}"
                ));
            }
        }
        return Ok(None);
    }
    let primary = match read_at(view, 1, sector) {
        Ok(table) => return Ok(Some(table)),
        Err(why) => why,
    };
    // The backup counts only if it belongs to this very table: an older system may have left its own at the end.
    let guid: [u8; 16] = view.get(sector + 56)?;
    let last = view.size() / sector - 1;
    match read_at(view, last, sector) {
        Ok(mut table) if table.header.disk_guid == guid => {
            table.header.partition_entry_lba = 2;
            Ok(Some(table))
        }
        _ => refuse(format!("the image's partition table is damaged: {primary}")),
    }
}

/// The table whose header lies in sector `lba`.
fn read_at(view: &mut View<'_>, lba: u64, sector: u64) -> Result<Table, String> {
    view.seek(SeekFrom::Start(lba * sector)).map_err(|error| error.to_string())?;
    let header = GPTHeader::read_from(view).map_err(|error| error.to_string())?;
    let (count, bytes) = (header.number_of_partition_entries, header.size_of_partition_entry);
    if bytes != ENTRY_BYTES || count == 0 || count > MOST_ENTRIES {
        return Err(format!("it has {count} entries of {bytes} bytes"));
    }
    if header.primary_lba != lba {
        return Err(format!("its header says that it lies in sector {}", header.primary_lba));
    }
    let (at, last) = (header.partition_entry_lba, view.size() / sector);
    if at < 2 || at >= last || at + table_sectors(count, sector) > last {
        return Err(format!("its entries lie in sector {at}, of {last}"));
    }
    let entries = header.read_partitions(view, sector).map_err(|error| error.to_string())?;
    Ok(Table { header, entries })
}

/// Sectors that the entries take.
fn table_sectors(count: u32, sector: u64) -> u64 {
    (u64::from(count) * u64::from(ENTRY_BYTES)).div_ceil(sector)
}

/// The table as it has to be on a disk of `size` bytes: the backup at its end.
pub(super) fn fitted(mut table: Table, sector: u64, size: u64) -> Table {
    let total = size / sector;
    table.header.primary_lba = 1;
    table.header.backup_lba = total - 1;
    // `read` took only disks of 64 sectors and tables that lie on them.
    table.header.last_usable_lba =
        total - table_sectors(table.header.number_of_partition_entries, sector) - 2;
    table
}

/// The first sector behind all partitions, each of which has to leave room for the backup.
pub(super) fn first_free(table: &Table) -> Result<u64, SeedError> {
    let last_usable = table.header.last_usable_lba;
    let mut first_free = table.header.first_usable_lba;
    for entry in table.entries.iter().filter(|entry| entry.is_used()) {
        let (first, last) = (entry.starting_lba, entry.ending_lba);
        if first > last || last > last_usable {
            return refuse(format!(
                "partition `{}` of the image lies in sectors {first} to {last}, but the last usable one is {last_usable}",
                entry.partition_name
            ));
        }
        first_free = first_free.max(last + 1);
    }
    Ok(first_free)
}

/// Its last partition grown, if it is of a kind that can grow, up to the first seed, or else to the last whole MiB: of the entry
/// only the end changes. How many sectors it got, or why none. With a hybrid MBR (`hybrid`) nothing grows: the partition's
/// size would stand in two tables.
pub(super) fn grow(table: &mut Table, sector: u64, hybrid: bool) -> Result<u64, Stays> {
    if hybrid {
        return Err(Stays::Hybrid);
    }
    let align = MIB / sector;
    let seeds = table.entries.iter().filter(|entry| is_seed(entry)).map(|seed| seed.starting_lba);
    let end = seeds.min().unwrap_or((table.header.last_usable_lba + 1) / align * align);
    let is_other = |entry: &GPTPartitionEntry| entry.is_used() && !is_seed(entry);
    let furthest = table.entries.iter().filter(|entry| is_other(entry)).map(|entry| entry.ending_lba).max();
    let others = table.entries.iter_mut().filter(|entry| is_other(entry));
    let last = others.max_by_key(|entry| entry.starting_lba).ok_or(Stays::NoPartition)?;
    if !GROWABLE.contains(&last.partition_type_guid) {
        return Err(Stays::Kind);
    }
    if last.attribute_bits & READ_ONLY != 0 {
        return Err(Stays::ReadOnly);
    }
    // Where partitions lie over each other, nothing is made worse.
    if Some(last.ending_lba) != furthest {
        return Err(Stays::Overlap);
    }
    if last.ending_lba >= end.saturating_sub(1) {
        return Err(Stays::NoRoom);
    }
    Ok(end - 1 - std::mem::replace(&mut last.ending_lba, end - 1))
}

/// Whether the MBR has more than one protective entry: it lists partitions of the GPT for systems that know none.
pub(super) fn is_hybrid(view: &mut View<'_>) -> Result<bool, SeedError> {
    let record: [u8; 64] = view.get(446)?;
    let used: Vec<u8> = record.chunks_exact(16).map(|entry| entry[4]).filter(|kind| *kind != 0).collect();
    Ok(!matches!(used[..], [] | [0xEE]))
}

/// The table on a disk of `size` bytes with the seed before its end, of at least `need` bytes and under this label. A seed that
/// is there keeps its number and its GUID.
pub(super) fn with_seed(
    table: Table,
    sector: u64,
    size: u64,
    (need, label): (u64, &str),
    guid: [u8; 16],
) -> Result<(Table, Span), SeedError> {
    let mut table = fitted(table, sector, size);
    let count = table.header.number_of_partition_entries;
    let last_usable = table.header.last_usable_lba;
    let mut seed = GPTPartitionEntry::empty();
    seed.unique_partition_guid = guid;
    let mut number = None;
    for (at, entry) in table.entries.iter_mut().enumerate().filter(|(_, entry)| is_seed(entry)) {
        seed.unique_partition_guid = entry.unique_partition_guid;
        number = Some(at);
        *entry = GPTPartitionEntry::empty();
    }
    let first_free = first_free(&table)?;
    let align = MIB / sector;
    let start = (last_usable + 1).saturating_sub(need / sector) / align * align;
    if start < first_free || start == 0 {
        let room = (last_usable + 1).saturating_sub(first_free) * sector;
        return refuse(format!(
            "the seed needs {} MiB behind the image's partitions, but there are {} KiB",
            need / MIB,
            room / 1024
        ));
    }
    let Some(number) = number.or_else(|| table.entries.iter().position(GPTPartitionEntry::is_unused)) else {
        return refuse(format!("all {count} entries of the image's partition table are taken"));
    };
    seed.partition_type_guid = BASIC_DATA;
    seed.starting_lba = start;
    seed.ending_lba = last_usable;
    seed.partition_name = label.into();
    let span = span_of(&seed, sector);
    table.entries[number] = seed;
    Ok((table, span))
}

/// Puts the table at both ends of the disk, and the disk's new size into the protective MBR.
pub(super) fn write(table: &Table, view: &mut View<'_>, sector: u64) -> Result<(), SeedError> {
    let failed = |error: gptman::Error| SeedError::Disk(std::io::Error::other(error));
    let mut primary = table.header.clone();
    let mut backup = primary.clone();
    std::mem::swap(&mut backup.primary_lba, &mut backup.backup_lba);
    backup.partition_entry_lba = backup.last_usable_lba + 1;
    primary.write_into(view, sector, &table.entries).map_err(failed)?;
    backup.write_into(view, sector, &table.entries).map_err(failed)?;
    protective_mbr(view, sector)
}

/// Where the seed lies, if there is exactly one.
pub(super) fn seed_of(table: &Table, sector: u64) -> Option<Span> {
    let mut seeds = table.entries.iter().filter(|entry| is_seed(entry));
    let seed = seeds.next().filter(|entry| entry.starting_lba <= entry.ending_lba)?;
    seeds.next().is_none().then(|| span_of(seed, sector))
}

/// The partitions of this type, by number; those that do not lie on a disk of `size` bytes are left out.
pub(super) fn of_type(table: &Table, sector: u64, size: u64, kind: [u8; 16]) -> Vec<Partition> {
    let there = (1..).zip(&table.entries).filter(|(_, entry)| entry.partition_type_guid == kind);
    there
        .filter(|(_, entry)| entry.starting_lba <= entry.ending_lba && entry.ending_lba < size / sector)
        .map(|(number, entry)| Partition {
            number,
            start: entry.starting_lba,
            sectors: entry.ending_lba - entry.starting_lba + 1,
            guid: entry.unique_partition_guid,
        })
        .collect()
}

fn is_seed(entry: &GPTPartitionEntry) -> bool {
    let name = entry.partition_name.as_str();
    entry.is_used() && LABELS.iter().any(|label| name.eq_ignore_ascii_case(label))
}

fn span_of(entry: &GPTPartitionEntry, sector: u64) -> Span {
    let sectors = entry.ending_lba - entry.starting_lba + 1;
    Span { start: entry.starting_lba * sector, bytes: sectors * sector }
}

/// The protective entry has to cover the disk (UEFI 5.2.3). A hybrid MBR is left as its maker wanted it.
fn protective_mbr(view: &mut View<'_>, sector: u64) -> Result<(), SeedError> {
    let record: [u8; 64] = view.get(446)?;
    let mut used = record.chunks_exact(16).enumerate().filter(|(_, entry)| entry[4] != 0);
    if let (Some((at, [_, _, _, _, 0xEE, _, _, _, 1, 0, 0, 0, ..])), None) = (used.next(), used.next()) {
        let sectors = u32::try_from(view.size() / sector - 1).unwrap_or(u32::MAX);
        view.put(446 + at as u64 * 16 + 12, &sectors.to_le_bytes())?;
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T, SeedError> {
    Err(SeedError::Refused(why))
}
