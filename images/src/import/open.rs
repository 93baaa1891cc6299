//! From an image file to the bytes of its disk: everything that parses what a stranger made begins here.
//!
//! The service has it run in a process of its own (`child`); nothing here opens a file.

use super::container::Container;
use super::format::{self, HEAD};
use super::pipeline::{DiskReader, Filled};
use super::qcow2::{Known, Qcow2};
use super::{Format, ImportError, read_full};
use crate::bytes::is_zero;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};

/// An image file, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) file: &'a File,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// What the caller says that it is.
    pub(super) declared: Format,
    /// The most bytes that its disk may have.
    pub(super) max_disk_bytes: u64,
}

/// Opens what is in the file; refused unless it is what was declared. A packed qcow2 is unpacked to `spool`, an empty file,
/// for it is read at random; `unpacked` is told how far that is.
pub(super) fn open<'a>(
    input: Input<'a>,
    spool: &'a File,
    unpacked: &mut dyn FnMut(u64) -> Result<(), ImportError>,
) -> Result<Box<dyn DiskReader + 'a>, ImportError> {
    let mut file = BufReader::with_capacity(1 << 18, input.file);
    let mut packed_head = vec![0; HEAD];
    let n = read_full(&mut file, &mut packed_head).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let container = Container::detect(&packed_head[..n]);
    let failed = move |e: io::Error| match container {
        Some(container) => ImportError::Unpack { container, source: e },
        None => unreadable(e),
    };
    let mut content: Box<dyn Read + 'a> = match container {
        Some(container) => container.unpack(file).map_err(failed)?,
        None => Box::new(file),
    };
    let mut head = vec![0; HEAD];
    let n = read_full(&mut content, &mut head).map_err(failed)?;
    head.truncate(n);
    format::expect(input.declared, container, &head)?;
    let mut content = io::Cursor::new(head).chain(content);
    Ok(match (input.declared, container) {
        (Format::Raw | Format::Iso, _) => {
            let disk_bytes = container.is_none().then_some(input.bytes);
            Box::new(RawDisk { content, disk_bytes, failed })
        }
        (Format::Qcow2, None) => {
            let file = Known { file: input.file, length: input.bytes };
            Box::new(Qcow2::open(file, input.max_disk_bytes)?)
        }
        (Format::Qcow2, Some(_)) => {
            let length = unpack(&mut content, spool, failed, input.max_disk_bytes, unpacked)?;
            Box::new(Qcow2::open(Known { file: spool, length }, input.max_disk_bytes)?)
        }
    })
}

fn unreadable(source: io::Error) -> ImportError {
    ImportError::Read { path: "the image file".into(), source }
}

/// Unpacks to `spool`, with holes for zeros. Returns its length.
fn unpack(
    content: &mut impl Read,
    mut spool: &File,
    failed: impl Fn(io::Error) -> ImportError,
    limit: u64,
    unpacked: &mut dyn FnMut(u64) -> Result<(), ImportError>,
) -> Result<u64, ImportError> {
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let n = read_full(content, &mut buffer).map_err(&failed)?;
        done += n as u64;
        if done > limit {
            return Err(ImportError::TooLarge { limit });
        }
        let written = if is_zero(&buffer[..n]) {
            spool.set_len(done).and_then(|()| spool.seek(SeekFrom::Start(done)).map(drop))
        } else {
            spool.write_all(&buffer[..n])
        };
        written.map_err(|source| ImportError::Spool { source })?;
        if n < buffer.len() {
            return Ok(done);
        }
        unpacked(done)?;
    }
}

/// A raw disk as a stream.
struct RawDisk<R, F> {
    content: R,
    disk_bytes: Option<u64>,
    failed: F,
}

impl<R: Read, F: Fn(io::Error) -> ImportError> DiskReader for RawDisk<R, F> {
    fn disk_bytes(&self) -> Option<u64> {
        self.disk_bytes
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, ImportError> {
        read_full(&mut self.content, buffer).map(Filled::Bytes).map_err(&self.failed)
    }
}
