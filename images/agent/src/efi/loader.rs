//! What a disk would start by itself: a file in its EFI system partition (UEFI 2.10, 13.3). Only read.
//!
//! The shim of a distribution that is known is taken before the file that every firmware looks for: the latter is often a
//! program that enters the former into the boot order by itself, and restarts. An image may hold anything: what is read of
//! it is bounded.

use super::NoEntry;
use crate::seed::{self, Partition, View, type_guid};
use fatfs::{FileSystem, FsOptions};
use images::write::Target;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// The type of an EFI system partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
const SYSTEM_PARTITION: [u8; 16] =
    type_guid(0xC12A_7328, 0xF81F, 0x11D2, [0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B]);

/// Folders of distributions that bring a shim (<https://uefi.org/registry>).
const VENDORS: [&str; 12] = [
    "debian",
    "ubuntu",
    "fedora",
    "centos",
    "redhat",
    "rocky",
    "almalinux",
    "opensuse",
    "sles",
    "amzn",
    "azurelinux",
    "oracle",
];

/// Most bytes that are read of a volume: folders are small, and one that has no end must not hold up anything.
const MOST: u64 = 16 << 20;

/// A file that the firmware can start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loader {
    /// Where it is.
    pub(super) partition: Partition,
    /// Its path, as the firmware writes it.
    pub(super) file: String,
}

/// The loader of the system on this disk, for a machine of this architecture.
pub(super) fn find(target: &dyn Target, sector_bytes: u32, architecture: &str) -> Result<Loader, NoEntry> {
    let none = || NoEntry::NoLoader(architecture.to_owned());
    // UEFI 2.10, 3.5.1.1.
    let (shim, fallback) = match architecture {
        "x86_64" => ("shimx64.efi", "BOOTX64.EFI"),
        "aarch64" => ("shimaa64.efi", "BOOTAA64.EFI"),
        _ => return Err(none()),
    };
    for partition in seed::partitions(target, sector_bytes, SYSTEM_PARTITION)? {
        let sector = u64::from(sector_bytes);
        let volume = Volume {
            view: View::new(target),
            start: partition.start * sector,
            bytes: partition.sectors * sector,
            position: 0,
            left: MOST,
        };
        if let Some(file) = in_volume(volume, shim, fallback).map_err(NoEntry::Volume)? {
            return Ok(Loader { partition, file });
        }
    }
    Err(none())
}

/// The path of the loader in this volume.
fn in_volume(volume: Volume<'_>, shim: &str, fallback: &str) -> io::Result<Option<String>> {
    let system = FileSystem::new(volume, FsOptions::new())?;
    // A file where a folder should be must not hide what every firmware looks for.
    let mut failure = None;
    let shims = VENDORS.iter().map(|vendor| format!("EFI/{vendor}/{shim}"));
    for path in shims.chain([format!("EFI/BOOT/{fallback}")]) {
        let mut start = [0; 2];
        let found = system.root_dir().open_file(&path).and_then(|mut file| file.read_exact(&mut start));
        match found {
            // What every such program begins with.
            Ok(()) if &start == b"MZ" => return Ok(Some(format!("\\{}", path.replace('/', "\\")))),
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// A partition as a file that can't be written, and of which only so much is read.
struct Volume<'a> {
    view: View<'a>,
    start: u64,
    bytes: u64,
    position: u64,
    left: u64,
}

impl Read for Volume<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.saturating_sub(self.position).min(into.len() as u64);
        self.left =
            self.left.checked_sub(count).ok_or_else(|| io::Error::other("its folders have no end"))?;
        self.view.seek(SeekFrom::Start(self.start + self.position))?;
        let read = self.view.read(&mut into[..count as usize])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Write for Volume<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Volume<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
