//! A disk as `Read + Write + Seek`, for partition tables and folders: small reads and writes at any place, kept in memory until
//! `finish`.
//!
//! Blocks are written from the disk's end to its start, each flushed before the next: a backup table is safe before
//! the primary one is touched.

use images::write::Target;
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

/// Bytes of a block.
const BLOCK: u64 = 64 * 1024;

/// Most blocks that are held: far more than tables take, far less than memory.
const MOST: usize = 256;

struct Block {
    bytes: Vec<u8>,
    dirty: bool,
}

pub(crate) struct View<'a> {
    target: &'a dyn Target,
    position: u64,
    blocks: BTreeMap<u64, Block>,
}

impl<'a> View<'a> {
    pub(crate) fn new(target: &'a dyn Target) -> Self {
        Self { target, position: 0, blocks: BTreeMap::new() }
    }

    /// Bytes of the disk.
    pub(super) fn size(&self) -> u64 {
        self.target.size()
    }

    /// `N` bytes at `offset`.
    pub(super) fn get<const N: usize>(&mut self, offset: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.seek(SeekFrom::Start(offset))?;
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Puts `bytes` at `offset`.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    /// Writes what was changed.
    pub(super) fn finish(self) -> io::Result<()> {
        for (index, block) in self.blocks.into_iter().rev().filter(|(_, block)| block.dirty) {
            self.target.write_at(&block.bytes, index * BLOCK)?;
            self.target.flush()?;
        }
        Ok(())
    }

    /// The block under the position, where in it the position is, and how many bytes are left in it.
    fn here(&mut self) -> io::Result<Option<(&mut Block, usize)>> {
        let size = self.size();
        if self.position >= size {
            return Ok(None);
        }
        let index = self.position / BLOCK;
        if !self.blocks.contains_key(&index) {
            if self.blocks.len() == MOST {
                return Err(io::Error::other("what is looked for is spread over too much of the disk"));
            }
            let length = BLOCK.min(size - index * BLOCK) as usize;
            let mut bytes = vec![0; length];
            self.target.read_at(&mut bytes, index * BLOCK)?;
            self.blocks.insert(index, Block { bytes, dirty: false });
        }
        let at = (self.position % BLOCK) as usize;
        Ok(self.blocks.get_mut(&index).map(|block| (block, at)))
    }
}

impl Read for View<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some((block, at)) = self.here()? else { return Ok(0) };
        let count = into.len().min(block.bytes.len() - at);
        into[..count].copy_from_slice(&block.bytes[at..at + count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for View<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let Some((block, at)) = self.here()? else { return Ok(0) };
        let count = from.len().min(block.bytes.len() - at);
        block.bytes[at..at + count].copy_from_slice(&from[..count]);
        block.dirty = true;
        self.position += count as u64;
        Ok(count)
    }

    /// Does nothing: see `finish`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
