//! What was typed and is not sent yet: kept in order, and sent in as few pieces as may be. Pure.

use provisioner_api::CONSOLE_TYPED;
use std::collections::VecDeque;

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes, as many as can be sent at once.
    Bytes(Vec<u8>),
    /// A break.
    Break,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
}

impl Queue {
    /// More was typed.
    pub(super) fn push(&mut self, piece: Piece) {
        match (self.pieces.back_mut(), piece) {
            (Some(Piece::Bytes(waiting)), Piece::Bytes(more)) => waiting.extend(more),
            (_, piece) => self.pieces.push_back(piece),
        }
    }

    /// What is to be sent next.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if let Some(Piece::Bytes(bytes)) = self.pieces.front_mut()
            && bytes.len() > CONSOLE_TYPED
        {
            let rest = bytes.split_off(CONSOLE_TYPED);
            return Some(Piece::Bytes(std::mem::replace(bytes, rest)));
        }
        self.pieces.pop_front()
    }

    /// How many bytes wait; a break counts as one.
    pub(super) fn len(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Break => 1,
        };
        self.pieces.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, Queue};
    use provisioner_api::CONSOLE_TYPED;

    fn bytes(text: &str) -> Piece {
        Piece::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn what_comes_together_is_sent_together_and_in_order() {
        let mut queue = Queue::default();
        for piece in [bytes("a"), bytes("bc"), Piece::Break, bytes("d"), bytes("e")] {
            queue.push(piece);
        }
        assert_eq!(queue.len(), 6);
        assert_eq!(queue.next(), Some(bytes("abc")));
        queue.push(bytes("f"));
        assert_eq!(queue.next(), Some(Piece::Break));
        assert_eq!(queue.next(), Some(bytes("def")));
        assert_eq!((queue.next(), queue.len()), (None, 0));
    }

    #[test]
    fn a_piece_is_never_larger_than_what_is_taken() {
        let all: Vec<u8> = (0..2 * CONSOLE_TYPED + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut queue = Queue::default();
        queue.push(Piece::Bytes(all.clone()));
        let mut sent = Vec::new();
        let mut lengths = Vec::new();
        while let Some(Piece::Bytes(piece)) = queue.next() {
            lengths.push(piece.len());
            sent.extend(piece);
        }
        assert_eq!(lengths, [CONSOLE_TYPED, CONSOLE_TYPED, 5]);
        assert_eq!(sent, all);
    }
}
