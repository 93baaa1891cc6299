//! A block device (or a file, in tests) as a [`Target`]: past the page cache where that is possible.

use super::{OpenDisk, ioctl};
use crate::erase::{AdminCommand, Ata, Data, Interface, Nvme, Registers, Taskfile};
use images::write::Target;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

/// The alignment in memory that any driver's direct I/O accepts, bytes.
const ALIGN: usize = 4096;

/// Bytes of one write of zeros, where the device can't do it by itself.
const ZEROS: u64 = 1 << 20;

/// An open device.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    size: u64,
    /// Bytes of a logical sector: what offsets and lengths of direct I/O are multiples of.
    sector: u64,
    /// Whether it was opened with `O_DIRECT`.
    direct: bool,
    /// Whether it is a block device, which has requests that files don't.
    block: bool,
    /// How it is told to erase itself.
    kind: Kind,
}

/// What a block device is, by the name that the kernel gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nvme,
    /// Behind `sd` may also be a disk that knows no ATA: it then refuses the first question.
    Scsi,
    Other,
}

impl Kind {
    fn of(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            _ if name.starts_with("nvme") => Self::Nvme,
            _ if name.starts_with("sd") => Self::Scsi,
            _ => Self::Other,
        }
    }
}

impl Device {
    /// Opens it for writing, exclusively: a device that something in the kernel uses is refused.
    pub(super) fn open(path: &Path, sector_bytes: u32) -> io::Result<Self> {
        let block = std::fs::metadata(path)?.file_type().is_block_device();
        // O_EXCL without O_CREAT means something for block devices only.
        let exclusive = if block { libc::O_EXCL } else { 0 };
        let open =
            |flags| OpenOptions::new().read(true).write(true).custom_flags(flags | exclusive).open(path);
        let (mut file, direct) = match open(libc::O_DIRECT) {
            Ok(file) => (file, true),
            // Not every file system and device can.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => (open(0)?, false),
            Err(error) => return Err(error),
        };
        let size = file.seek(SeekFrom::End(0))?;
        let device = Self {
            file,
            size,
            sector: u64::from(sector_bytes.max(512)),
            direct,
            block,
            kind: Kind::of(path),
        };
        if block {
            // What others read through the cache before must not be what we read back.
            ioctl::flush_buffers(&device.file)?;
        }
        Ok(device)
    }

    /// Whether these bytes can go to direct I/O as they are.
    fn fits(&self, memory: *const u8, bytes: usize, offset: u64) -> bool {
        !self.direct
            || (memory.align_offset(ALIGN) == 0
                && offset.is_multiple_of(self.sector)
                && (bytes as u64).is_multiple_of(self.sector))
    }

    /// The whole sectors around a range: where they start, and aligned memory for them.
    fn around(&self, bytes: usize, offset: u64) -> (u64, Aligned) {
        let start = offset / self.sector * self.sector;
        let end = (offset + bytes as u64).next_multiple_of(self.sector);
        // A range that was in memory a moment ago, and two sectors.
        (start, Aligned::new((end - start) as usize))
    }

    fn write_zeros(&self, start: u64, bytes: u64) -> io::Result<()> {
        let mut zeros = Aligned::new(ZEROS.min(bytes) as usize);
        let mut done = 0;
        while done < bytes {
            let piece = ZEROS.min(bytes - done);
            self.write_at(&zeros.slice()[..piece as usize], start + done)?;
            done += piece;
        }
        Ok(())
    }
}

impl Target for Device {
    fn size(&self) -> u64 {
        self.size
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.fits(bytes.as_ptr(), bytes.len(), offset) {
            return self.file.write_all_at(bytes, offset);
        }
        let (start, mut sectors) = self.around(bytes.len(), offset);
        let whole = sectors.slice();
        if whole.len() != bytes.len() {
            self.file.read_exact_at(whole, start)?;
        }
        whole[(offset - start) as usize..][..bytes.len()].copy_from_slice(bytes);
        self.file.write_all_at(whole, start)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if !self.direct {
            let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            posix_fadvise(&self.file, offset.cast_signed(), length, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        }
        if self.fits(bytes.as_ptr(), bytes.len(), offset) {
            return self.file.read_exact_at(bytes, offset);
        }
        let (start, mut sectors) = self.around(bytes.len(), offset);
        let whole = sectors.slice();
        self.file.read_exact_at(whole, start)?;
        bytes.copy_from_slice(&whole[(offset - start) as usize..][..bytes.len()]);
        Ok(())
    }

    fn discard(&self, start: u64, bytes: u64) -> io::Result<bool> {
        if !self.block || !(start | bytes).is_multiple_of(self.sector) {
            return Ok(false);
        }
        match ioctl::discard(&self.file, start, bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        let by_itself = self.block
            && (start | bytes).is_multiple_of(self.sector)
            && ioctl::zero_out(&self.file, start, bytes).is_ok();
        if by_itself { Ok(()) } else { self.write_zeros(start, bytes) }
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl OpenDisk for Device {
    fn reread_partitions(&self) -> io::Result<()> {
        if self.block { ioctl::reread_partitions(&self.file) } else { Ok(()) }
    }

    fn interface(&self) -> Option<Interface<'_>> {
        match self.kind {
            Kind::Nvme if self.block => Some(Interface::Nvme(self)),
            Kind::Scsi if self.block => Some(Interface::Ata(self)),
            _ => None,
        }
    }
}

impl Nvme for Device {
    fn namespace(&self) -> io::Result<u32> {
        ioctl::nvme_namespace(&self.file)
    }

    fn admin(&self, command: &AdminCommand, data: &mut [u8]) -> io::Result<()> {
        ioctl::nvme_admin(&self.file, command, data)
    }
}

impl Ata for Device {
    fn command(&self, file: &Taskfile, data: Data<'_>, timeout: Duration) -> io::Result<Option<Registers>> {
        ioctl::ata(&self.file, file, data, timeout)
    }
}

/// Zeroed memory that starts at a multiple of [`ALIGN`].
struct Aligned {
    memory: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl Aligned {
    fn new(bytes: usize) -> Self {
        let memory = vec![0; bytes + ALIGN];
        // `align_offset` may say "impossible" (usize::MAX); the kernel then refuses, and nothing is lost.
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { memory, start, bytes }
    }

    fn slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 64 times 4096 bytes.
    fn device(sector_bytes: u32) -> (tempfile::NamedTempFile, Device, Vec<u8>) {
        let content: Vec<u8> = (0..64 * 4096_u32).map(|n| (n / 7) as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &content).unwrap();
        let device = Device::open(file.path(), sector_bytes).unwrap();
        (file, device, content)
    }

    #[test]
    fn any_offset_and_length_is_written_and_read() {
        for sector in [512, 4096] {
            let (file, device, mut content) = device(sector);
            assert_eq!(device.size(), content.len() as u64);
            for (offset, length) in
                [(0, 4096), (512, 512), (4096, 8192), (8191, 2), (100, 9000), (64 * 4096 - 1, 1)]
            {
                let bytes: Vec<u8> = (0..length).map(|n| (n * 31 + offset) as u8).collect();
                device.write_at(&bytes, offset as u64).unwrap();
                content[offset..offset + length].copy_from_slice(&bytes);
                let mut read = vec![0; length];
                device.read_at(&mut read, offset as u64).unwrap();
                assert!(read == bytes, "sector {sector}, {length} bytes at {offset}");
            }
            device.flush().unwrap();
            assert!(std::fs::read(file.path()).unwrap() == content, "something else changed");
        }
    }

    #[test]
    fn zeros_and_ends() {
        let (file, device, mut content) = device(512);
        device.zero(512, 3 * 4096).unwrap();
        content[512..512 + 3 * 4096].fill(0);
        assert!(std::fs::read(file.path()).unwrap() == content);
        assert!(!device.discard(0, 4096).unwrap(), "a file has nothing to discard");
        assert!(device.read_at(&mut [0; 512], device.size()).is_err());
    }
}
