//! The seed's entry in a GUID partition table, and the table's move to a disk larger than the image.
//!
//! Formats: UEFI 2.10, chapter 5. An image is not trusted: whatever the crate would trip over is checked before.

use super::{LABEL, MIB, SeedError, view::View};
use gptman::{GPTHeader, GPTPartitionEntry};
use images::write::Span;
use std::io::{Seek, SeekFrom};

/// Bytes of an entry; the standard allows more, nobody uses it.
const ENTRY_BYTES: u32 = 128;

/// Most entries of a table that is taken.
const MOST_ENTRIES: u32 = 1024;

/// Type "basic data", EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, as it lies on the disk.
const BASIC_DATA: [u8; 16] =
    [0xA2, 0xA0, 0xD0, 0xEB, 0xE5, 0xB9, 0x33, 0x44, 0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7];

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

/// The table as it has to be on a disk of `size` bytes: the backup at its end and before it the seed, of at least
/// `need` bytes. A seed that is there keeps its number and its GUID.
pub(super) fn with_seed(
    mut table: Table,
    sector: u64,
    size: u64,
    need: u64,
    guid: [u8; 16],
) -> Result<(Table, Span), SeedError> {
    let total = size / sector;
    let count = table.header.number_of_partition_entries;
    // `read` took only disks of 64 sectors and tables that lie on them.
    let last_usable = total - table_sectors(count, sector) - 2;
    table.header.primary_lba = 1;
    table.header.backup_lba = total - 1;
    table.header.last_usable_lba = last_usable;
    let mut seed = GPTPartitionEntry::empty();
    seed.unique_partition_guid = guid;
    let mut number = None;
    for (at, entry) in table.entries.iter_mut().enumerate().filter(|(_, entry)| is_seed(entry)) {
        seed.unique_partition_guid = entry.unique_partition_guid;
        number = Some(at);
        *entry = GPTPartitionEntry::empty();
    }
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
    seed.partition_name = LABEL.into();
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

fn is_seed(entry: &GPTPartitionEntry) -> bool {
    entry.is_used() && entry.partition_name.as_str().eq_ignore_ascii_case(LABEL)
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
