//! All random numbers of one session, made from its seed.

use crate::ipmi::suite::hmac_sha256;
use std::time::Duration;
use zeroize::Zeroizing;

/// HMAC-SHA256(seed, counter); and, for what need not be secret, a small generator that starts from it.
pub(super) struct Random {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
    chance: u64,
}

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let mut random = Self { seed: Zeroizing::new(seed), counter: 0, chance: 0 };
        let [a, b, c, d, e, f, g, h, ..] = random.bytes();
        random.chance = u64::from_le_bytes([a, b, c, d, e, f, g, h]) | 1;
        random
    }

    pub(super) fn bytes(&mut self) -> [u8; 16] {
        self.counter += 1;
        let digest = hmac_sha256(&*self.seed, &[&self.counter.to_le_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }

    /// A session id: anything but 0.
    pub(super) fn id(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.bytes();
        u32::from_le_bytes([a, b, c, d]).max(1)
    }

    /// The wait, up to an eighth shorter or longer.
    pub(super) fn jittered(&mut self, wait: Duration) -> Duration {
        // Marsaglia's xorshift: nobody gains from guessing it.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let part = (self.chance >> 56) as u32;
        wait - wait / 8 + wait * part / (4 * 255)
    }
}
