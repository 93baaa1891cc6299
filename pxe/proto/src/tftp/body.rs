//! The bytes of a file that is sent: shared pieces of memory, one after the other.
//!
//! Several pieces, because a file may be the same for all machines but for one page of it. Where the pieces come
//! from is not here.

use bytes::Bytes;

/// A file's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    pieces: Vec<Bytes>,
    length: usize,
}

impl Body {
    /// A file of these pieces, in this order.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: Vec<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let length = pieces.iter().map(Bytes::len).sum();
        Body { pieces, length }
    }

    /// Its length, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends up to `length` bytes from position `at` on to `to`: fewer at the file's end.
    pub(super) fn append(&self, at: usize, length: usize, to: &mut Vec<u8>) {
        let (mut skip, mut wanted) = (at, length);
        for piece in &self.pieces {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let taken = wanted.min(piece.len() - skip);
            to.extend_from_slice(&piece[skip..skip + taken]);
            (skip, wanted) = (0, wanted - taken);
            if wanted == 0 {
                return;
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::new([bytes])
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::new([Bytes::from(bytes)])
    }
}
