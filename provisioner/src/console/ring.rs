//! The newest bytes of a console in memory, for sites that record nothing.

use std::collections::VecDeque;

/// A bounded run of bytes with positions that only grow.
#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    first: u64,
    capacity: usize,
}

impl Ring {
    /// Keeps the newest `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), first: 0, capacity }
    }

    /// The position of the first byte that is kept.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The position behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    /// Adds bytes; the oldest go.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let over = self.bytes.len().saturating_sub(self.capacity);
        self.bytes.drain(..over);
        self.first += over as u64;
    }

    /// At most `most` bytes from a position on that is kept.
    pub(super) fn read(&self, position: u64, most: usize) -> Vec<u8> {
        let skip = usize::try_from(position.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.bytes.iter().skip(skip).take(most).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn the_newest_bytes_stay_with_their_positions() {
        let mut ring = Ring::new(4);
        assert_eq!((ring.first(), ring.end(), ring.read(0, 9)), (0, 0, vec![]));
        ring.append(b"abc");
        ring.append(b"defg");
        assert_eq!((ring.first(), ring.end()), (3, 7));
        assert_eq!(ring.read(3, 9), b"defg");
        assert_eq!(ring.read(5, 1), b"f");
        assert_eq!(ring.read(7, 9), b"");
    }
}
