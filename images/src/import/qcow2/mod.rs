//! A strict reader of QEMU's qcow2, versions 2 and 3.
//!
//! It never opens another file: an image with a backing file or an external data file is refused, as are encryption
//! and features that it does not know. Every position is checked against the file's end before it is read, tables
//! are capped, reference counts and snapshots are not looked at. Writing is not here.
//! Format: docs/interop/qcow2.txt of QEMU.

mod cluster;
mod entry;
mod error;
mod header;

pub use error::Qcow2Error;
pub(super) use header::MAGIC;

use super::ImportError;
use super::pipeline::{DiskReader, Filled};
use cluster::Unpacker;
use entry::Place;
use header::Header;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Most bytes of the file that can belong to the header: its first cluster, of the largest size.
const HEADER_BYTES: u64 = 2 << 20;

/// Bytes at random positions.
pub(super) trait RandomRead {
    /// How many there are.
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// A file whose length is known: who reads it may be where it can't be asked for.
pub(super) struct Known<'a> {
    pub(super) file: &'a File,
    pub(super) length: u64,
}

impl RandomRead for Known<'_> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// An image, read from its start to its end.
pub(super) struct Qcow2<R> {
    file: Bounded<R>,
    header: Header,
    /// Entries of the first table, as many as the disk needs.
    l1: Vec<u64>,
    /// The second table in use, and where in the file it starts (0: none yet).
    l2: Vec<u64>,
    l2_at: u64,
    unpacker: Unpacker,
    /// A cluster that was unpacked, and its place (none yet: `Place::Zeros`).
    unpacked: Vec<u8>,
    unpacked_from: Place,
    position: u64,
}

impl<R: RandomRead> Qcow2<R> {
    /// Reads and checks the header and the first table. The disk may have up to `max_disk_bytes`.
    pub(super) fn open(file: R, max_disk_bytes: u64) -> Result<Self, Qcow2Error> {
        let length = file.length().map_err(Qcow2Error::io("the file's size"))?;
        let file = Bounded { file, length };
        let mut start = vec![0; usize_of(length.min(HEADER_BYTES))];
        file.read(&mut start, 0, "the header")?;
        let header = Header::parse(&start, max_disk_bytes)?;
        let l1 = file.table(header.l1_offset, header.l1_needed(), "the L1 table")?;
        let unpacker = Unpacker::new(header.packing)?;
        let unpacked = vec![0; usize_of(header.cluster_bytes())];
        let (l2, l2_at, unpacked_from, position) = (Vec::new(), 0, Place::Zeros, 0);
        Ok(Self { file, header, l1, l2, l2_at, unpacker, unpacked, unpacked_from, position })
    }

    /// Where the cluster at the disk's byte `at` is kept, and for how many bytes from `at` on that answer holds.
    fn locate(&mut self, at: u64) -> Result<(Place, u64), Qcow2Error> {
        let cluster = self.header.cluster_bytes();
        let covered = self.header.l2_covers();
        let index = usize_of(at / covered);
        let table = entry::l2_table(self.l1[index], cluster, index)?;
        let Some(table) = table else { return Ok((Place::Zeros, covered - at % covered)) };
        if self.l2_at != table {
            self.l2 = self.file.table(table, cluster / 8, "an L2 table")?;
            self.l2_at = table;
        }
        let entry = self.l2[usize_of(at % covered / cluster)];
        Ok((entry::place(entry, &self.header, at)?, cluster - at % cluster))
    }

    /// Copies from the cluster at `place`, `skip` bytes into it.
    fn copy(&mut self, place: Place, skip: u64, out: &mut [u8], at: u64) -> Result<(), Qcow2Error> {
        match place {
            Place::Zeros => out.fill(0),
            Place::Plain { offset } => self.file.read(out, offset + skip, "a data cluster")?,
            Place::Packed { offset, bytes } => {
                if self.unpacked_from != place {
                    // The last sector of a file need not be whole; what is missing shows when unpacking.
                    let there = bytes.min(self.file.length.saturating_sub(offset));
                    let mut packed = vec![0; usize_of(there)];
                    self.file.read(&mut packed, offset, "a compressed cluster")?;
                    self.unpacked_from = Place::Zeros;
                    self.unpacker.unpack(&packed, &mut self.unpacked, at)?;
                    self.unpacked_from = place;
                }
                out.copy_from_slice(&self.unpacked[usize_of(skip)..][..out.len()]);
            }
        }
        Ok(())
    }
}

impl<R: RandomRead> DiskReader for Qcow2<R> {
    fn disk_bytes(&self) -> Option<u64> {
        Some(self.header.disk_bytes)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, ImportError> {
        let wanted = (buffer.len() as u64).min(self.header.disk_bytes - self.position);
        let mut filled = 0;
        // While everything is zero, the buffer is not touched: an empty terabyte costs no memory traffic.
        let mut all_zero = true;
        while filled < wanted {
            let at = self.position + filled;
            let (place, valid) = self.locate(at)?;
            let n = valid.min(wanted - filled);
            if all_zero && place != Place::Zeros {
                buffer[..usize_of(filled)].fill(0);
                all_zero = false;
            }
            if !all_zero {
                let out = &mut buffer[usize_of(filled)..][..usize_of(n)];
                self.copy(place, at % self.header.cluster_bytes(), out, at)?;
            }
            filled += n;
        }
        self.position += filled;
        let filled = usize_of(filled);
        Ok(if all_zero { Filled::Zeros(filled) } else { Filled::Bytes(filled) })
    }
}

/// A file with its length: no read goes beyond it.
struct Bounded<R> {
    file: R,
    length: u64,
}

impl<R: RandomRead> Bounded<R> {
    fn read(&self, buffer: &mut [u8], offset: u64, what: &'static str) -> Result<(), Qcow2Error> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.length {
            return Err(Qcow2Error::Truncated { what, end, length: self.length });
        }
        self.file.read_at(buffer, offset).map_err(Qcow2Error::io(what))
    }

    /// `count` big-endian numbers.
    fn table(&self, offset: u64, count: u64, what: &'static str) -> Result<Vec<u64>, Qcow2Error> {
        // Before the memory is asked for: a lie about the count then costs nothing.
        let end = offset.saturating_add(count.saturating_mul(8));
        if end > self.length {
            return Err(Qcow2Error::Truncated { what, end, length: self.length });
        }
        let mut bytes = vec![0; usize_of(count * 8)];
        self.read(&mut bytes, offset, what)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        Ok(numbers.iter().map(|&b| u64::from_be_bytes(b)).collect())
    }
}

/// Sizes here are at most a table or a chunk: they fit into memory's own type on every machine that we run on.
fn usize_of(n: u64) -> usize {
    usize::try_from(n).expect("tables, clusters and chunks are far smaller than the address space")
}

#[cfg(test)]
mod tests;
