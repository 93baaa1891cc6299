//! Which session sequence numbers were seen (6.12.13).
//!
//! The window trails the highest number by 32. A jump forward of any size is taken, unlike in the specification
//! (16): a number is looked at only after its packet's signature was found right, so nobody else can push it.

/// The 32 latest sequence numbers of one direction.
#[derive(Debug, Clone, Default)]
pub struct Window {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    seen: u32,
}

impl Window {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a number in. False: seen before, too old to tell, or 0 (which no session uses).
    pub fn accept(&mut self, sequence: u32) -> bool {
        if sequence == 0 {
            return false;
        }
        if self.seen == 0 {
            (self.highest, self.seen) = (sequence, 1);
            return true;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead != 0 && ahead < 1 << 31 {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = sequence;
            return true;
        }
        let bit = 1u32.checked_shl(ahead.wrapping_neg()).unwrap_or(0);
        let fresh = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn table() {
        let cases: [(&[u32], &[bool]); 6] = [
            (&[1, 2, 3], &[true, true, true]),
            (&[1, 1], &[true, false]),
            (&[0], &[false]),
            (&[3, 1, 2, 1], &[true, true, true, false]),
            (&[100, 69, 68], &[true, true, false]),
            (&[u32::MAX, 1, u32::MAX], &[true, true, false]),
        ];
        for (numbers, expected) in cases {
            let mut window = Window::new();
            let got: Vec<bool> = numbers.iter().map(|number| window.accept(*number)).collect();
            assert_eq!(got, expected, "{numbers:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_accepted_twice(numbers in proptest::collection::vec(1u32..200, 1..200)) {
            let mut window = Window::new();
            let mut accepted = HashSet::new();
            for number in numbers {
                if window.accept(number) {
                    prop_assert!(accepted.insert(number), "{} twice", number);
                }
            }
        }
    }
}
