//! The seed's file system: made in memory, so that the disk gets it in one write. Pure.

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, TimeProvider};
use provisioner_api::agent::SeedFile;
use sha2::{Digest, Sha256};
use std::io::{self, Cursor, Write};

/// The same files make the same bytes: every date is FAT's first day.
#[derive(Debug)]
struct NoClock;

static NO_CLOCK: NoClock = NoClock;

impl TimeProvider for NoClock {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: fatfs::Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

/// A FAT volume of `bytes` bytes and this name, of at most 11 characters, with these files in their folders. Its sectors have the disk's size: a smaller one can't be mounted.
pub(super) fn build(name: &str, files: &[SeedFile], bytes: u64, sector_bytes: u32) -> io::Result<Vec<u8>> {
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut volume = vec![0; usize::try_from(bytes).map_err(too_large)?];
    let mut label = [b' '; 11];
    label[..name.len()].copy_from_slice(name.as_bytes());
    let options = FormatVolumeOptions::new()
        .volume_label(label)
        .volume_id(volume_id(files))
        .bytes_per_sector(u16::try_from(sector_bytes).map_err(too_large)?);
    fatfs::format_volume(Cursor::new(&mut volume), options)?;
    let system = FileSystem::new(Cursor::new(&mut volume), FsOptions::new().time_provider(&NO_CLOCK))?;
    for file in files {
        let (folders, name) = file.name.rsplit_once('/').unwrap_or(("", &file.name));
        let mut folder = system.root_dir();
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            folder = folder.create_dir(part)?;
        }
        let mut entry = folder.create_file(name)?;
        entry.write_all(&file.content)?;
        entry.flush()?;
    }
    system.unmount()?;
    Ok(volume)
}

/// Four bytes that differ when the files do.
fn volume_id(files: &[SeedFile]) -> u32 {
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.name.len() as u64).to_le_bytes());
        hash.update(&file.name);
        hash.update((file.content.len() as u64).to_le_bytes());
        hash.update(&file.content);
    }
    let digest = hash.finalize();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}
