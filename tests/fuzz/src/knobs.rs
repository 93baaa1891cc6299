//! Choices that an input makes besides the packets in it.

/// Choices, taken from the end of an input: the bytes before them are then a packet as it is on the wire, so a
/// captured one is a good input as it stands.
#[derive(Debug)]
pub struct Knobs<'a>(&'a [u8]);

impl<'a> Knobs<'a> {
    /// Splits an input into a packet and at most `count` bytes of choices. What is missing reads as zero.
    #[must_use]
    pub fn split(input: &'a [u8], count: usize) -> (&'a [u8], Self) {
        let (packet, knobs) = input.split_at(input.len().saturating_sub(count));
        (packet, Self(knobs))
    }

    /// All of an input is choices.
    #[must_use]
    pub fn all(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether nothing but zeros would follow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// The next two bytes as a number.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// One of a list, which isn't empty.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    /// Heads or tails.
    pub fn flip(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Up to `count` bytes as they are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
