//! What the disks of a fleet hold: blocks that are equal are kept once, and zeros not at all.
//!
//! Ten thousand machines with the same image take the memory of one, and a few KiB each for what differs (partition
//! tables, seeds). What is held is freed with the last disk that holds it.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a block.
pub(in crate::fleet) const BLOCK: usize = 64 * 1024;
/// Bytes of the pieces of a block that are left out when they are zero: tables and seeds are mostly holes.
const PIECE: usize = 64;
/// Numbers with a bit for each piece of a block.
const WORDS: usize = BLOCK / PIECE / 64;

/// What zeros are compared with and copied from.
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A block that is not all zero.
#[derive(Debug)]
struct Block {
    hash: u64,
    /// Which pieces are not zero.
    map: [u64; WORDS],
    /// Those, one behind the other.
    bytes: Box<[u8]>,
}

impl Block {
    /// Packs the bytes of a whole block; none: all are zero.
    fn pack(raw: &[u8]) -> Option<Self> {
        // One comparison of all is what most blocks need.
        if raw == ZEROS {
            return None;
        }
        let mut map = [0_u64; WORDS];
        for (at, piece) in raw.chunks_exact(PIECE).enumerate() {
            if piece != &ZEROS[..PIECE] {
                map[at / 64] |= 1 << (at % 64);
            }
        }
        let count = ones(&map);
        let mut bytes = Vec::with_capacity(count * PIECE);
        if count * PIECE == BLOCK {
            bytes.extend_from_slice(raw);
        } else {
            let kept = raw.chunks_exact(PIECE).enumerate().filter(|(at, _)| has(&map, *at));
            kept.for_each(|(_, piece)| bytes.extend_from_slice(piece));
        }
        let folded = map.iter().fold(0_u64, |hash, word| hash.rotate_left(7) ^ word);
        let hash = (folded ^ u64::from(crc32fast::hash(&bytes))).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Some(Self { hash, map, bytes: bytes.into() })
    }

    /// Copies what lies `at` bytes from the block's start.
    fn read(&self, into: &mut [u8], at: usize) {
        if self.bytes.len() == BLOCK {
            into.copy_from_slice(&self.bytes[at..at + into.len()]);
            return;
        }
        into.fill(0);
        let first = at / PIECE;
        let (word, bit) = (first / 64, first % 64);
        let mut packed = ones(&self.map[..word]) + (self.map[word] & ((1 << bit) - 1)).count_ones() as usize;
        let mut done = 0;
        while done < into.len() {
            let (piece, within) = ((at + done) / PIECE, (at + done) % PIECE);
            let count = (PIECE - within).min(into.len() - done);
            if has(&self.map, piece) {
                let from = packed * PIECE + within;
                into[done..done + count].copy_from_slice(&self.bytes[from..from + count]);
                packed += 1;
            }
            done += count;
        }
    }
}

fn has(map: &[u64; WORDS], piece: usize) -> bool {
    map[piece / 64] >> (piece % 64) & 1 == 1
}

fn ones(map: &[u64]) -> usize {
    map.iter().map(|word| word.count_ones() as usize).sum()
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map && self.bytes == other.bytes
    }
}

impl Eq for Block {}

impl Hash for Block {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes a number that is a hash already for the hash.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Shelf = HashSet<Arc<Block>, BuildHasherDefault<AsItIs>>;

/// Shelves with a lock each.
const SHELVES: usize = 16;

/// The blocks that the disks of a fleet hold, each once.
#[derive(Debug, Default)]
pub struct Blocks {
    shelves: [Mutex<Shelf>; SHELVES],
}

impl Blocks {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How many different blocks there are, and how many bytes they take.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        let of = |shelf: &Mutex<Shelf>| {
            let shelf = lock(shelf);
            (shelf.len(), shelf.iter().map(|block| block.bytes.len() + size_of::<Block>()).sum::<usize>())
        };
        self.shelves.iter().map(of).fold((0, 0), |sum, shelf| (sum.0 + shelf.0, sum.1 + shelf.1))
    }

    fn shelf(&self, block: &Block) -> MutexGuard<'_, Shelf> {
        lock(&self.shelves[(block.hash >> 7) as usize % SHELVES])
    }

    /// The block that is kept of all that are equal to this one.
    fn intern(&self, block: Block) -> Arc<Block> {
        let mut shelf = self.shelf(&block);
        if let Some(known) = shelf.get(&block) {
            return Arc::clone(known);
        }
        let block = Arc::new(block);
        shelf.insert(Arc::clone(&block));
        block
    }

    /// Gives one back. The last one takes it from its shelf: nobody gets another from there meanwhile.
    fn release(&self, block: Arc<Block>) {
        let mut shelf = self.shelf(&block);
        if Arc::strong_count(&block) == 2 {
            shelf.remove(&*block);
        }
        // Before the shelf's lock: of two who give back at once, one has to see that it is the last.
        drop(block);
        drop(shelf);
    }
}

/// A block in its place.
type Placed = (u32, Arc<Block>);

/// The bytes of a disk.
#[derive(Debug)]
pub(in crate::fleet) struct Content {
    home: Arc<Blocks>,
    /// Blocks that are not all zero, by their numbers.
    blocks: Vec<Placed>,
}

impl Content {
    /// Zeros everywhere.
    pub(in crate::fleet) fn blank(home: &Arc<Blocks>) -> Self {
        Self { home: Arc::clone(home), blocks: Vec::new() }
    }

    /// These bytes, and zeros behind them.
    pub(in crate::fleet) fn of(home: &Arc<Blocks>, bytes: &[u8]) -> Self {
        let mut content = Self::blank(home);
        content.write(bytes, 0);
        content.blocks.shrink_to_fit();
        content
    }

    /// Whether every byte is zero.
    pub(in crate::fleet) fn is_blank(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The bytes that the list of blocks takes, without the blocks.
    #[cfg(test)]
    pub(in crate::fleet) fn list_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Placed>()
    }

    /// Gives back what the list has too much.
    pub(in crate::fleet) fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
    }

    fn find(&self, index: u32) -> Result<usize, usize> {
        // Disks are written from the front to the back: mostly it is the last.
        match self.blocks.last() {
            Some((last, _)) if *last < index => Err(self.blocks.len()),
            _ => self.blocks.binary_search_by_key(&index, |(index, _)| *index),
        }
    }

    fn get(&self, index: u32) -> Option<&Arc<Block>> {
        self.find(index).ok().map(|at| &self.blocks[at].1)
    }

    fn put(&mut self, index: u32, block: Option<Block>) {
        let block = block.map(|block| self.home.intern(block));
        match (self.find(index), block) {
            (Ok(at), Some(block)) => {
                let old = std::mem::replace(&mut self.blocks[at].1, block);
                self.home.release(old);
            }
            (Ok(at), None) => {
                let (_, old) = self.blocks.remove(at);
                self.home.release(old);
            }
            (Err(at), Some(block)) => self.blocks.insert(at, (index, block)),
            (Err(_), None) => {}
        }
    }

    /// Puts bytes somewhere.
    pub(in crate::fleet) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (index, at, range) in pieces(offset, bytes.len()) {
            let piece = &bytes[range];
            if piece.len() == BLOCK {
                self.put(index, Block::pack(piece));
                continue;
            }
            let mut whole = ZEROS;
            match self.get(index) {
                Some(block) => block.read(&mut whole, 0),
                None if piece == &ZEROS[..piece.len()] => continue,
                None => {}
            }
            whole[at..at + piece.len()].copy_from_slice(piece);
            self.put(index, Block::pack(&whole));
        }
    }

    /// Makes a range zero.
    pub(in crate::fleet) fn zero(&mut self, range: Range<u64>) {
        let mut at = range.start;
        while at < range.end {
            let piece = (BLOCK as u64 - at % BLOCK as u64).min(range.end - at);
            self.write(&ZEROS[..piece as usize], at);
            at += piece;
        }
    }

    /// Reads from somewhere.
    pub(in crate::fleet) fn read(&self, bytes: &mut [u8], offset: u64) {
        for (index, at, range) in pieces(offset, bytes.len()) {
            let piece = &mut bytes[range];
            match self.get(index) {
                Some(block) => block.read(piece, at),
                None => piece.fill(0),
            }
        }
    }

    /// Whether this block is the same as in `other`, which has to keep its blocks in the same place.
    pub(in crate::fleet) fn same_block(&self, other: &Self, index: u32) -> bool {
        match (self.get(index), other.get(index)) {
            (None, None) => true,
            (Some(mine), Some(others)) => Arc::ptr_eq(mine, others),
            _ => false,
        }
    }

    /// Whether a range is the same as in `other`, byte for byte, but for what lies in one of those `aside`.
    pub(in crate::fleet) fn same_bytes(
        &self,
        other: &Self,
        range: Range<u64>,
        aside: &[&Range<u64>],
    ) -> bool {
        let bytes = |content: &Self| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            content.read(&mut bytes, range.start);
            for aside in aside {
                let within = |at: u64| (at.clamp(range.start, range.end) - range.start) as usize;
                bytes[within(aside.start)..within(aside.end)].fill(0);
            }
            bytes
        };
        bytes(self) == bytes(other)
    }
}

impl Clone for Content {
    fn clone(&self) -> Self {
        Self { home: Arc::clone(&self.home), blocks: self.blocks.clone() }
    }
}

/// Equal bytes; both have to keep their blocks in the same place.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        let same = |(mine, others): (&Placed, &Placed)| mine.0 == others.0 && Arc::ptr_eq(&mine.1, &others.1);
        self.blocks.len() == other.blocks.len() && self.blocks.iter().zip(&other.blocks).all(same)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        for (_, block) in self.blocks.drain(..) {
            self.home.release(block);
        }
    }
}

/// A range cut at the borders of blocks: the block, where in it, and which of the range's bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u32, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let (here, size) = (offset + done as u64, BLOCK as u64);
        let at = (here % size) as usize;
        let count = (BLOCK - at).min(length - done);
        let range = done..done + count;
        done += count;
        // Disks are checked to be smaller than 2^32 blocks when they are made.
        Some(((here / size) as u32, at, range))
    })
}

/// A panic in a test's other thread must not hide its message behind a second one.
pub(in crate::fleet) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
