//! A disk in memory that holds callers to the contract of [`Target`], and misbehaves on request.

use super::Target;
use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a disk does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Says that it wrote, but the byte at this position stays as it is.
    LosesByte(u64),
    /// Every write that covers this position fails.
    WriteFails(u64),
}

/// What a discard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    Unsupported,
    ReadsZero,
    /// As the standards allow: anything may be read afterwards.
    ReadsGarbage,
}

pub(crate) struct MemoryDisk {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) fault: Fault,
    pub(crate) discard: Discard,
    /// Bytes that were written by `write_at`, zeroed, discarded.
    pub(crate) written: AtomicU64,
    pub(crate) zeroed: AtomicU64,
    pub(crate) discarded: AtomicU64,
}

impl MemoryDisk {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let (written, zeroed, discarded) = <_>::default();
        let (fault, discard) = (Fault::None, Discard::Unsupported);
        Self { bytes: Mutex::new(bytes), fault, discard, written, zeroed, discarded }
    }

    /// A disk full of old data.
    pub(crate) fn dirty(bytes: usize) -> Self {
        Self::new(vec![0xEE; bytes])
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// Puts `fill` everywhere in the range, but where the fault forbids it.
    fn change(&self, range: Range<usize>, with: &dyn Fn(&mut [u8])) {
        let mut all = self.bytes.lock().unwrap();
        let lost = match self.fault {
            Fault::LosesByte(at) if range.contains(&usize::try_from(at).unwrap()) => Some(at as usize),
            _ => None,
        };
        let before = lost.map(|at| all[at]);
        with(&mut all[range]);
        if let (Some(at), Some(before)) = (lost, before) {
            all[at] = before;
        }
    }

    fn range(&self, offset: u64, bytes: usize) -> Range<usize> {
        let start = usize::try_from(offset).unwrap();
        assert!(start.is_multiple_of(512) && bytes.is_multiple_of(512) && bytes > 0, "{offset}+{bytes}");
        assert!(start + bytes <= self.bytes.lock().unwrap().len(), "{offset}+{bytes} is not on the disk");
        start..start + bytes
    }
}

fn assert_aligned(buffer: &[u8]) {
    assert!((buffer.as_ptr() as usize).is_multiple_of(4096), "not fit for O_DIRECT");
}

impl Target for MemoryDisk {
    fn size(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert_aligned(bytes);
        let range = self.range(offset, bytes.len());
        if let Fault::WriteFails(at) = self.fault
            && range.contains(&usize::try_from(at).unwrap())
        {
            return Err(io::Error::other("medium error"));
        }
        self.change(range, &|place| place.copy_from_slice(bytes));
        self.written.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        assert_aligned(bytes);
        let range = self.range(offset, bytes.len());
        bytes.copy_from_slice(&self.bytes.lock().unwrap()[range]);
        Ok(())
    }

    fn discard(&self, start: u64, bytes: u64) -> io::Result<bool> {
        let range = self.range(start, usize::try_from(bytes).unwrap());
        match self.discard {
            Discard::Unsupported => return Ok(false),
            Discard::ReadsZero => self.change(range, &|place| place.fill(0)),
            Discard::ReadsGarbage => self.change(range, &|place| place.fill(0xDD)),
        }
        self.discarded.fetch_add(bytes, Relaxed);
        Ok(true)
    }

    fn zero(&self, start: u64, bytes: u64) -> io::Result<()> {
        let range = self.range(start, usize::try_from(bytes).unwrap());
        self.change(range, &|place| place.fill(0));
        self.zeroed.fetch_add(bytes, Relaxed);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
