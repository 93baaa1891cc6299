//! The NoCloud seed: a small FAT partition, labelled CIDATA, at the very end of the disk.
//!
//! At the very end, so that the image's last partition can still grow up to it on first boot. Everything here works
//! on a [`Target`]; which disk that may be was decided before. A seed that is already there is replaced.

mod fat;
mod gpt;
mod mbr;
mod view;

use images::write::{Span, Target};
use provisioner_api::agent::SeedFile;
use std::io;
use view::View;

/// What cloud-init looks for: the label of the file system; the partition bears it too.
const LABEL: &str = "CIDATA";

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

/// Writes the seed and reads it back. `guid` names the partition if there is none yet.
pub(crate) fn write(
    target: &dyn Target,
    sector_bytes: u32,
    files: &[SeedFile],
    guid: [u8; 16],
) -> Result<Span, SeedError> {
    let need = room_for(files)?;
    let sector = u64::from(sector_bytes);
    let mut view = View::new(target);
    let span = match gpt::read(&mut view, sector)? {
        Some(table) => {
            let (table, span) = gpt::with_seed(table, sector, target.size(), need, guid)?;
            gpt::write(&table, &mut view, sector)?;
            span
        }
        None => mbr::add_seed(&mut view, sector, need)?,
    };
    view.finish()?;
    let volume = fat::build(files, span.bytes, sector_bytes)?;
    target.write_at(&volume, span.start)?;
    target.flush()?;
    read_back(target, sector, span, &volume)?;
    Ok(span)
}

/// Bytes of the partition that these files need; or why they are no seed.
fn room_for(files: &[SeedFile]) -> Result<u64, SeedError> {
    for (at, file) in files.iter().enumerate() {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        let fine = file.name.bytes().all(allowed) && !file.name.starts_with('.') && !file.name.ends_with('.');
        if file.name.is_empty() || file.name.len() > 64 || !fine {
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
