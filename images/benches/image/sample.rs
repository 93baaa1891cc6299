//! The image: half of it zeros, half data that packs badly, well and very well. Always the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// Lengths of the stretches, first of data, then of as many zeros. The chunks of 4 MiB that are cut out of it are
/// all data, all zero, or both.
const STRETCHES: [usize; 5] = [1 << 20, 5 << 20, 256 << 10, 16 << 20, 3 << 20];

/// Bytes of data of one kind.
const BLOCK: usize = 64 << 10;

/// Of twenty blocks, so many are text, records, code; the rest is noise. Together they pack to about a third.
const TEXT: u64 = 8;
const RECORDS: u64 = 13;
const CODE: u64 = 18;

/// Writes the image of a disk of `bytes` (a multiple of 1 MiB).
pub(crate) fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut block = vec![0; BLOCK];
    // Every other stretch of any disk begins so; no format that the import knows by its first bytes does.
    let mut mark: &[u8] = b"\xEB\x63\x90";
    let mut left = usize::try_from(bytes).map_err(io::Error::other)?;
    for stretch in STRETCHES.into_iter().cycle() {
        let data = stretch.min(left / 2);
        for _ in 0..data / BLOCK {
            random.fill(&mut block);
            block[..mark.len()].copy_from_slice(mark);
            mark = b"";
            file.write_all(&block)?;
        }
        block.fill(0);
        for _ in 0..data / BLOCK {
            file.write_all(&block)?;
        }
        left -= data * 2;
        if left < 2 * BLOCK {
            break;
        }
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_len(bytes)?;
    file.sync_all()
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 32) % end
    }

    fn fill(&mut self, block: &mut [u8]) {
        match self.below(20) {
            n if n < TEXT => self.text(block),
            n if n < RECORDS => self.records(block),
            n if n < CODE => self.code(block),
            _ => self.noise(block),
        }
    }

    fn noise(&mut self, block: &mut [u8]) {
        for piece in block.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
    }

    /// Words of a small language, common ones more often.
    fn text(&mut self, block: &mut [u8]) {
        let mut at = 0;
        while at < block.len() {
            let rank = self.below(64) * self.below(64);
            let mut word = rank.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            for _ in 0..2 + rank % 7 {
                if let Some(place) = block.get_mut(at) {
                    *place = b'a' + (word % 26) as u8;
                }
                word /= 26;
                at += 1;
            }
            if let Some(place) = block.get_mut(at) {
                *place = if self.below(12) == 0 { b'\n' } else { b' ' };
            }
            at += 1;
        }
    }

    /// Rows of a table: a number that counts, a small one, a constant, a few random bits.
    fn records(&mut self, block: &mut [u8]) {
        let mut count = self.below(1 << 31) as u32;
        for row in block.chunks_exact_mut(16) {
            count += 1 + self.below(3) as u32;
            row[..4].copy_from_slice(&count.to_le_bytes());
            row[4..8].copy_from_slice(&(self.below(500) as u32).to_le_bytes());
            row[8..12].copy_from_slice(&[0, 1, 0, 0]);
            row[12..].copy_from_slice(&(self.below(1 << 20) as u32).to_le_bytes());
        }
    }

    /// As programs are: short pieces that came before, and new bytes of few values.
    fn code(&mut self, block: &mut [u8]) {
        let mut at = 0;
        while at < block.len() {
            let length = (4 + self.below(20) as usize).min(block.len() - at);
            if at > 256 && self.below(3) > 0 {
                let from = at - 64 - self.below(at as u64 - 128) as usize;
                block.copy_within(from..from + length, at);
            } else {
                for place in &mut block[at..at + length] {
                    let (a, b) = (self.below(16), self.below(16));
                    *place = (a * b) as u8;
                }
            }
            at += length;
        }
    }
}
