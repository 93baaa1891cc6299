//! What follows the image on its disk: the seed, a small FAT partition at the very end, and the last partition's growth.
//!
//! At the very end, so that the image's last partition can grow up to it, here or on first boot. Of a partition that grows only
//! its end in the table changes; no file system is touched. Everything here works
//! on a [`Target`]; which disk that may be was decided before. A seed that is already there is replaced.

mod fat;
mod gpt;
mod mbr;
mod stays;
mod view;

use images::write::{Span, Target};
use provisioner_api::{Finish, Growth, SeedKind, agent::SeedFile};
use std::io;

pub(crate) use gpt::{Partition, type_guid};
pub(crate) use stays::Stays;
pub(crate) use view::View;

/// What systems look for: the label of the file system; the partition bears it too. NoCloud's, and a configuration drive's.
const LABELS: [&str; 2] = ["CIDATA", "config-2"];

/// Most folders that a file is in.
const DEEPEST: usize = 3;

/// Least size of the partition, bytes.
const LEAST: u64 = 8 * MIB;

/// Most bytes of all files together. A seed is text that people wrote.
const MOST: u64 = 32 * MIB;

const MIB: u64 = 1 << 20;

/// Bytes that are read back at once.
const PIECE: usize = 256 << 10;

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    /// It can't be done on this disk or with these files, now or later.
    #[error("{0}")]
    Refused(String),
    /// The disk failed.
    #[error("the disk failed while the seed was written")]
    Disk(#[from] io::Error),
    /// The disk took the bytes, but gives others back.
    #[error("the disk does not hold the seed that was written to it: {0}")]
    ReadBack(String),
}

/// What was put on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Where the seed lies, if there is to be one.
    pub(crate) seed: Option<Span>,
    /// By how many bytes the last partition grew.
    pub(crate) grown: u64,
    /// Why it did not grow, if it was to.
    pub(crate) stays: Option<Stays>,
}

/// Writes the seed and reads it back, and grows the last partition, if that is asked for. `guid` names the seed's partition if
/// there is none yet. All of it may be done again.
pub(crate) fn write(
    target: &dyn Target,
    sector_bytes: u32,
    files: &[SeedFile],
    finish: Finish,
    guid: [u8; 16],
) -> Result<Written, SeedError> {
    let label = match finish.seed {
        SeedKind::NoCloud => Some(LABELS[0]),
        SeedKind::ConfigDrive => Some(LABELS[1]),
        SeedKind::None => None,
    };
    let need = room_for(files)?;
    let sector = u64::from(sector_bytes);
    let wanted = label.map(|label| (need, label));
    let (seed, growth) = write_table(target, sector, wanted, finish.grow, guid)?;
    if let Some((span, label)) = seed.zip(label) {
        let volume = fat::build(label, files, span.bytes, sector_bytes)?;
        target.write_at(&volume, span.start)?;
        target.flush()?;
        read_back(target, sector, span, &volume)?;
    }
    let (grown, stays) = growth.map_or_else(|stays| (0, Some(stays)), |sectors| (sectors * sector, None));
    Ok(Written { seed, grown, stays })
}

/// The partition table with the seed (how many bytes it needs, under which label): where the seed lies then, and how many
/// sectors the last partition got, or why none.
fn write_table(
    target: &dyn Target,
    sector: u64,
    seed: Option<(u64, &str)>,
    growth: Growth,
    guid: [u8; 16],
) -> Result<(Option<Span>, Result<u64, Stays>), SeedError> {
    let mut view = View::new(target);
    let grows = growth == Growth::Last;
    let done = match gpt::read(&mut view, sector)? {
        Some(table) => {
            let (mut table, span) = match seed {
                Some(seed) => {
                    let (table, span) = gpt::with_seed(table, sector, target.size(), seed, guid)?;
                    (table, Some(span))
                }
                None => {
                    let table = gpt::fitted(table, sector, target.size());
                    gpt::first_free(&table)?;
                    (table, None)
                }
            };
            let grown = if grows { gpt::grow(&mut table, sector, gpt::is_hybrid(&mut view)?) } else { Ok(0) };
            gpt::write(&table, &mut view, sector)?;
            (span, grown)
        }
        None => {
            let span = seed.map(|(need, _)| mbr::add_seed(&mut view, sector, need)).transpose()?;
            let below = span.map(|span| span.start / sector);
            (span, if grows { mbr::grow(&mut view, sector, below)? } else { Ok(0) })
        }
    };
    view.finish()?;
    Ok(done)
}

/// The partitions of this type, by number, on a disk with a GPT; none on any other.
pub(crate) fn partitions(
    target: &dyn Target,
    sector_bytes: u32,
    kind: [u8; 16],
) -> Result<Vec<Partition>, SeedError> {
    let sector = u64::from(sector_bytes);
    let table = gpt::read(&mut View::new(target), sector)?;
    Ok(table.map(|table| gpt::of_type(&table, sector, target.size(), kind)).unwrap_or_default())
}

/// Bytes of the partition that these files need; or why they are no seed.
fn room_for(files: &[SeedFile]) -> Result<u64, SeedError> {
    for (at, file) in files.iter().enumerate() {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('.') && !part.ends_with('.')
        };
        let fine = file.name.split('/').all(part) && file.name.split('/').count() <= DEEPEST + 1;
        if file.name.len() > 64 || !fine {
            return Err(SeedError::Refused(format!("`{}` can't be the name of a seed's file", file.name)));
        }
        if files[..at].iter().any(|other| other.name == file.name) {
            return Err(SeedError::Refused(format!("the seed has two files named `{}`", file.name)));
        }
    }
    let content: u64 = files.iter().map(|file| file.content.len() as u64).sum();
    if content > MOST {
        return Err(SeedError::Refused(format!("the seed has {content} bytes; at most {MOST} are taken")));
    }
    // Clusters are rounded up and the allocation tables take their part.
    Ok((content + content / 4 + 2 * MIB).next_multiple_of(MIB).max(LEAST))
}

/// Looks whether the disk now has the partition, and in it these bytes.
fn read_back(target: &dyn Target, sector: u64, span: Span, volume: &[u8]) -> Result<(), SeedError> {
    let mut view = View::new(target);
    let found = match gpt::read(&mut view, sector)? {
        Some(table) => gpt::seed_of(&table, sector),
        None => mbr::seed_of(&mut view, sector)?,
    };
    if found != Some(span) {
        return Err(SeedError::ReadBack(format!("the partition should be {span:?}, but is {found:?}")));
    }
    let mut bytes = vec![0; volume.len().min(PIECE)];
    for (number, written) in volume.chunks(PIECE).enumerate() {
        let start = span.start + (number * PIECE) as u64;
        let read = &mut bytes[..written.len()];
        target.read_at(read, start)?;
        if read != written {
            let at = read.iter().zip(written).position(|(read, written)| read != written).unwrap_or(0) as u64;
            return Err(SeedError::ReadBack(format!("the first difference is at byte {}", start + at)));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
