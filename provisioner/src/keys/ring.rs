//! The file of the site key: one key of 32 bytes, as the first start makes it, or after a rotation lines of text with each
//! key and its generation, oldest first.
//!
//! Deliberately not here: what keys are used for (`keys`), and when there is a new one (`key_rotation`).

use std::fmt::Write as _;
use zeroize::Zeroizing;

/// The first line of a file with generations.
const HEAD: &str = "billet site keys 1";

/// Its last: a file that was cut has none.
const END: &str = "\nend\n";

/// The most keys that a file holds. Each secret is tried with all of them at worst.
pub(crate) const MOST: usize = 8;

/// A key and its number.
#[derive(Clone)]
pub(super) struct Generation {
    /// Grows with each rotation, from 1.
    pub(super) number: u32,
    pub(super) key: Zeroizing<[u8; 32]>,
}

/// Keys, oldest first; there is at least one.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) all: Vec<Generation>,
    /// Which of them seals.
    pub(super) current: usize,
}

impl Ring {
    /// The first key of a site.
    pub(super) fn first(key: [u8; 32]) -> Self {
        Self { all: vec![Generation { number: 1, key: Zeroizing::new(key) }], current: 0 }
    }

    /// Reads a file; the newest key seals. None: it is no key.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if let Ok(key) = <[u8; 32]>::try_from(bytes) {
            return Some(Self::first(key));
        }
        let mut lines = std::str::from_utf8(bytes).ok()?.strip_suffix(END)?.split('\n');
        if lines.next()? != HEAD {
            return None;
        }
        let all = lines.map(generation).collect::<Option<Vec<_>>>()?;
        let grows = all.windows(2).all(|pair| pair[0].number < pair[1].number);
        let current = all.len().checked_sub(1)?;
        (grows && all.len() <= MOST).then_some(Self { all, current })
    }

    /// What the file holds.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        if let [Generation { number: 1, key }] = self.all.as_slice() {
            return Zeroizing::new(key.to_vec());
        }
        // Made long enough at once: what a text leaves behind when it grows is not wiped.
        let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + 1 + MOST * 80));
        let _ = writeln!(text, "{HEAD}");
        for Generation { number, key } in &self.all {
            let digits = Zeroizing::new(hex::encode(key.as_slice()));
            // Writing to a String can't fail.
            let _ = writeln!(text, "{number} {}", digits.as_str());
        }
        text.pop();
        text.push_str(END);
        Zeroizing::new(text.as_bytes().to_vec())
    }

    /// With one more key, which seals.
    pub(super) fn with(&self, key: [u8; 32]) -> Self {
        let mut next = self.clone();
        let number = self.all.last().map_or(1, |last| last.number.saturating_add(1));
        next.all.push(Generation { number, key: Zeroizing::new(key) });
        next.current = next.all.len() - 1;
        next
    }

    /// The key that seals, alone.
    pub(super) fn alone(&self) -> Self {
        Self { all: vec![self.all[self.current].clone()], current: 0 }
    }
}

fn generation(line: &str) -> Option<Generation> {
    let (number, digits) = line.split_once(' ')?;
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, key.as_mut_slice()).ok()?;
    Some(Generation { number: number.parse().ok()?, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(ring: &Ring) -> Vec<u32> {
        ring.all.iter().map(|generation| generation.number).collect()
    }

    #[test]
    fn a_file_reads_as_it_was_written() {
        let first = Ring::first([1; 32]);
        assert_eq!(first.to_bytes().as_slice(), [1; 32], "as before there were generations");
        let second = first.with([2; 32]);
        let third = second.with([3; 32]);
        for ring in [&first, &second, &third, &third.alone()] {
            let read = Ring::parse(&ring.to_bytes()).unwrap();
            assert_eq!((numbers(&read), read.current), (numbers(ring), ring.current));
            assert!(read.all.iter().zip(&ring.all).all(|(read, was)| read.key == was.key));
        }
        assert_eq!(numbers(&third.alone()), [3], "a number is never used again");
    }

    #[test]
    fn what_is_cut_or_changed_is_no_key() {
        let bytes = Ring::first([1; 32]).with([2; 32]).to_bytes();
        for length in 0..bytes.len() {
            assert!(length == 32 || Ring::parse(&bytes[..length]).is_none(), "{length}");
        }
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        for (from, to) in [("keys 1", "keys 2"), ("\n2 ", "\n1 "), ("\n2 ", "\nx "), ("0202", "02zz")] {
            assert!(Ring::parse(text.replacen(from, to, 1).as_bytes()).is_none(), "{from}");
        }
        let lines = |number: u32| format!("{number} {}\n", "00".repeat(32));
        let many: String = (1..=9).map(lines).collect();
        assert!(Ring::parse(format!("{HEAD}\n{many}end\n").as_bytes()).is_none(), "too many");
        assert!(Ring::parse(format!("{HEAD}\nend\n").as_bytes()).is_none(), "none");
    }
}
