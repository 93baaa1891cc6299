//! Is there a system on a disk, or was one loaded to run from RAM? There is one if there is a seed: on a disk a partition
//! CIDATA with the files that the service wrote, in RAM the archive behind the initrd, read as an operating system would
//! read them.

use super::Loaded;
use crate::fleet::disk::Content;
use fatfs::{FileSystem, FsOptions};
use provisioner_api::agent::RAM_SEED;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// Where a system reports in, and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneHome {
    /// `http://…/boot/phone-home/…`
    pub url: String,
    /// The instance's id.
    pub instance: String,
}

/// A seed.
pub(super) struct Seed {
    /// Where its partition lies, in bytes.
    pub(super) place: Range<u64>,
    /// What is in it; none: it can't be read.
    pub(super) home: Option<PhoneHome>,
}

/// The seed on a disk of `size` bytes, if its partition table has one.
pub(super) fn seed(content: &Content, size: u64) -> Option<Seed> {
    let mut magic = [0; 8];
    content.read(&mut magic, 512);
    if &magic != b"EFI PART" {
        return None;
    }
    let table = gptman::GPT::read_from(&mut Slice::new(content, 0..size), 512).ok()?;
    let (_, entry) =
        table.iter().find(|(_, entry)| entry.is_used() && entry.partition_name.as_str() == "CIDATA")?;
    let end = entry.ending_lba.checked_add(1)?.checked_mul(512)?;
    let place = entry.starting_lba.checked_mul(512)?..end;
    if place.is_empty() || place.end > size {
        return None;
    }
    let home = phone_home(Slice::new(content, place.clone()));
    Some(Seed { place, home })
}

/// What cloud-init would find in the seed's files.
fn phone_home(volume: Slice<'_>) -> Option<PhoneHome> {
    let system = FileSystem::new(volume, FsOptions::new()).ok()?;
    let file = |name: &str| {
        let mut text = String::new();
        system.root_dir().open_file(name).ok()?.read_to_string(&mut text).ok().map(|_| text)
    };
    told(&file("meta-data")?, &file("vendor-data")?)
}

/// What two files of a seed say. Their values are JSON, which is YAML, see the service's `seed`.
fn told(meta: &str, vendor: &str) -> Option<PhoneHome> {
    let value = |text: &str, key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))?;
        serde_json::from_str::<serde_json::Value>(found).ok()
    };
    let id = value(meta, "instance-id")?.as_str()?.to_owned();
    // Behind the id stands which installation of it this is, from the second on.
    let instance = id.split('.').next()?.to_owned();
    let url = value(vendor, "phone_home")?.get("url")?.as_str()?.to_owned();
    Some(PhoneHome { url, instance })
}

/// What the agent loaded to run from RAM: the archive with the seed is the last one in the initrd.
pub(super) fn loaded(mut kernel: &File, mut initrd: &File, cmdline: &str) -> io::Result<Loaded> {
    let (mut image, mut ramdisk) = (Vec::new(), Vec::new());
    kernel.seek(SeekFrom::Start(0))?;
    kernel.read_to_end(&mut image)?;
    initrd.seek(SeekFrom::Start(0))?;
    initrd.read_to_end(&mut ramdisk)?;
    let first = entry(&ramdisk, "var").map_or(ramdisk.len(), |(start, _)| start);
    let file = |name: &str| {
        let (_, content) = entry(&ramdisk, &format!("{RAM_SEED}/{name}"))?;
        String::from_utf8(content.to_vec()).ok()
    };
    let home = file("meta-data").zip(file("vendor-data")).and_then(|(meta, vendor)| told(&meta, &vendor));
    image.resize(image.len().next_multiple_of(512), 0);
    image.extend(&ramdisk[..first]);
    Ok(Loaded { cmdline: cmdline.to_owned(), image: hex::encode(Sha256::digest(&image)), home })
}

/// Where an entry of a cpio archive ("newc") begins, and its content. It is found by its name alone.
fn entry<'a>(archive: &'a [u8], path: &str) -> Option<(usize, &'a [u8])> {
    const HEADER: usize = 110;
    let name = format!("{path}\0");
    let at = |start: usize| {
        let header = archive.get(start..start + HEADER)?;
        let behind = archive.get(start + HEADER..)?;
        (header.starts_with(b"070701") && behind.starts_with(name.as_bytes())).then_some(())?;
        let size = usize::from_str_radix(std::str::from_utf8(&header[54..62]).ok()?, 16).ok()?;
        let content = (start + HEADER + name.len()).next_multiple_of(4);
        // From the archive's own beginning, which is at a multiple of 4.
        Some((start, archive.get(content..content + size)?))
    };
    (0..archive.len()).step_by(4).find_map(at)
}

/// A range of a disk, to be read.
struct Slice<'a> {
    content: &'a Content,
    range: Range<u64>,
    position: u64,
}

impl<'a> Slice<'a> {
    fn new(content: &'a Content, range: Range<u64>) -> Self {
        Self { content, range, position: 0 }
    }
}

impl Read for Slice<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = (self.range.end - self.range.start).saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        self.content.read(&mut into[..count], self.range.start + self.position);
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Slice<'_> {
    /// Whoever looks changes nothing.
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Slice<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => (self.range.end - self.range.start).checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
