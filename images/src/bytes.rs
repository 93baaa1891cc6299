//! Small questions about bytes that every part asks: their digest, whether they are all zero, whether a text is a
//! digest; and a buffer that direct I/O accepts.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`, as 64 lower-case hex digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether `text` is a SHA-256 as this crate writes it: 64 lower-case hex digits.
pub(crate) fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What zeros are compared with. The compiler makes two wide loads of a comparison of so many bytes; a longer one
/// would be a call of `memcmp`, which musl does byte by byte.
const ZEROS: [u8; 32] = [0; 32];

/// Where the first byte that is not zero lies.
pub(crate) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks();
    let at = blocks.iter().position(|block| *block != ZEROS).unwrap_or(blocks.len()) * ZEROS.len();
    // In the block that was found, or in the rest that fills none.
    bytes[at..].iter().position(|&b| b != 0).map(|i| at + i)
}

/// Whether all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    first_nonzero(bytes).is_none()
}

/// The alignment that any disk's direct I/O accepts, in bytes.
pub(crate) const ALIGN: usize = 4096;

/// Zeroed memory that starts at a multiple of 4096, so that a target may hand it to `O_DIRECT` without a copy.
pub(crate) struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl AlignedBuffer {
    /// `bytes` zeros.
    pub(crate) fn new(bytes: usize) -> Self {
        let memory = vec![0; bytes + ALIGN];
        // `align_offset` may say "impossible" (usize::MAX); an unaligned buffer is then only slower.
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { memory, start, bytes }
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The first `bytes` of it.
    pub(crate) fn slice(&mut self, bytes: usize) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.bytes][..bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_the_published_vector() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_lower_case_hex_of_the_right_length_is_a_digest() {
        let good = sha256_hex(b"");
        assert!(is_sha256_hex(&good));
        for bad in [&good[1..], &good.to_uppercase(), &format!("{good}0"), &good.replace('e', "/"), ""] {
            assert!(!is_sha256_hex(bad), "{bad}");
        }
    }

    #[test]
    fn finds_the_one_byte_that_is_not_zero() {
        for (length, at) in
            [(1, 0), (63, 62), (4096, 0), (4096, 64), (4096, 4095), (4097, 4096), (10_000, 5000)]
        {
            let mut bytes = vec![0; length];
            assert!(is_zero(&bytes));
            bytes[at] = 1;
            assert_eq!(first_nonzero(&bytes), Some(at));
        }
    }

    #[test]
    fn buffer_is_aligned() {
        let mut buffer = AlignedBuffer::new(8192);
        assert_eq!(buffer.slice(8192).as_ptr() as usize % ALIGN, 0);
        assert_eq!(buffer.slice(512).len(), 512);
    }
}
