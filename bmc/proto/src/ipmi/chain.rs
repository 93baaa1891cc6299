//! Following the record ids of a repository (SEL, SDR) from one to the next, and noticing when they don't end.

use std::collections::HashSet;

/// The first record (31.4.3, 33.12).
pub const FIRST: u16 = 0x0000;
/// Behind the last record.
pub const LAST: u16 = 0xFFFF;

/// A walk over records.
#[derive(Debug)]
pub struct Chain {
    seen: HashSet<u16>,
    most: usize,
}

/// Why a walk has to end before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A record comes again.
    #[error(
        "its records go round in a circle: after {after} of them, number {id:#06x} follows a second time"
    )]
    Circle {
        /// The record that was there before.
        id: u16,
        /// How many there were.
        after: usize,
    },
    /// More than there may be.
    #[error("its records don't end after {most} of them")]
    Endless {
        /// As many were read.
        most: usize,
    },
}

impl Chain {
    /// A walk that reads at most so many records; the first to ask for is [`FIRST`].
    pub fn new(most: usize) -> Self {
        Self { seen: HashSet::from([FIRST]), most }
    }

    /// What to ask for after a record that names this one as its next; `None`: it was the last.
    pub fn follow(&mut self, next: u16) -> Result<Option<u16>, ChainError> {
        if next == LAST {
            return Ok(None);
        }
        if self.seen.len() >= self.most {
            return Err(ChainError::Endless { most: self.most });
        }
        if !self.seen.insert(next) {
            return Err(ChainError::Circle { id: next, after: self.seen.len() });
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends() {
        let mut chain = Chain::new(10);
        assert_eq!(chain.follow(7), Ok(Some(7)));
        assert_eq!(chain.follow(3), Ok(Some(3)));
        assert_eq!(chain.follow(LAST), Ok(None));
    }

    #[test]
    fn it_is_made_to_end() {
        let mut chain = Chain::new(4);
        assert_eq!(chain.follow(1), Ok(Some(1)));
        assert_eq!(chain.follow(1), Err(ChainError::Circle { id: 1, after: 2 }));
        assert_eq!(chain.follow(FIRST), Err(ChainError::Circle { id: 0, after: 2 }));
        assert_eq!(chain.follow(2), Ok(Some(2)));
        assert_eq!(chain.follow(3), Ok(Some(3)));
        assert_eq!(chain.follow(4), Err(ChainError::Endless { most: 4 }));
        assert_eq!(chain.follow(LAST), Ok(None));
    }
}
