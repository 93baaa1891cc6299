//! Reading something long in pieces, as large as the BMC can do them: how much to ask for next.

use super::Answer;

/// Nobody needs smaller pieces than this many bytes.
const SMALLEST: usize = 4;

/// Something of known or of most possible length that is read from its beginning.
#[derive(Debug, Clone)]
pub struct Pieces {
    bytes: Vec<u8>,
    total: usize,
    piece: usize,
    /// What offsets and lengths are counted in: 1 byte, or 2 where the BMC reads words.
    unit: usize,
}

impl Pieces {
    /// Reads `total` bytes in pieces of at most `piece`; `unit` is 1, or 2 for what is read by words.
    pub fn new(total: usize, piece: usize, unit: usize) -> Self {
        let unit = unit.max(1);
        Self { bytes: Vec::new(), total, piece: piece.max(SMALLEST) / unit * unit, unit }
    }

    /// Offset and length, in bytes, of what to ask for next; `None`: all is there.
    pub fn ask(&self) -> Option<(usize, usize)> {
        let left = self.total.saturating_sub(self.bytes.len());
        (left > 0).then(|| (self.bytes.len(), left.min(self.piece).next_multiple_of(self.unit)))
    }

    /// Takes what came. False: nothing did, so that asking on is of no use.
    pub fn take(&mut self, came: &[u8]) -> bool {
        let Some((_, asked)) = self.ask() else { return false };
        // Half a word at the end would shift everything behind it.
        let fits = came.len().min(asked) / self.unit * self.unit;
        self.bytes.extend_from_slice(&came[..fits]);
        self.bytes.truncate(self.total);
        fits > 0
    }

    /// Halves the pieces. False: they can't be smaller.
    pub fn halve(&mut self) -> bool {
        // What was asked for may have been less than the largest piece.
        let asked = self.ask().map_or(self.piece, |(_, length)| length);
        if asked <= SMALLEST {
            return false;
        }
        self.piece = (asked / 2).max(SMALLEST) / self.unit * self.unit;
        true
    }

    /// Changes how long it is, when that turns out on the way. It never gets shorter than what is there.
    pub fn set_total(&mut self, total: usize) {
        self.total = total.max(self.bytes.len());
    }

    /// The size of the pieces that the BMC can do, as far as is known.
    pub fn piece(&self) -> usize {
        self.piece
    }

    /// What came so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What came.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Whether a refusal may mean that too much was asked for at once: "cannot return so many bytes", the two about
/// length, and "unspecified", which some BMCs say instead.
pub fn is_too_long(completion: u8) -> bool {
    matches!(completion, 0xCA | Answer::INVALID_LENGTH | 0xC8 | Answer::UNSPECIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a BMC can return at once, all of it is read, and in an end of exchanges.
        #[test]
        fn all_of_it(data in proptest::collection::vec(any::<u8>(), 0..300), limit in 4usize..80, short: bool, words: bool) {
            let unit = if words { 2 } else { 1 };
            let mut pieces = Pieces::new(data.len(), 200, unit);
            let mut exchanges = 0;
            while let Some((offset, length)) = pieces.ask() {
                exchanges += 1;
                prop_assert!(exchanges < 400);
                prop_assert_eq!((offset % unit, length % unit), (0, 0));
                if length > limit && !short {
                    prop_assert!(pieces.halve());
                    continue;
                }
                // The last word of an odd number of bytes is filled up.
                let mut padded = data.clone();
                padded.push(0xEE);
                let end = (offset + length.min(limit)).min(padded.len());
                prop_assert!(pieces.take(&padded[offset..end]));
            }
            prop_assert_eq!(pieces.into_bytes(), data);
        }
    }

    #[test]
    fn it_gives_up() {
        let mut pieces = Pieces::new(100, 64, 1);
        let halvings = (0..).take_while(|_| pieces.halve()).count();
        assert_eq!((halvings, pieces.piece()), (4, 4));
        assert!(!pieces.take(&[]));
    }
}
