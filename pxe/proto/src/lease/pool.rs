//! What is free in one subnet: addresses that were never used, and the others by when they become free.

use super::span::Spans;
use std::collections::BTreeSet;

/// The free addresses of a subnet, among the blocks that are held.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    /// Never used, as far as is known.
    pub(super) never: Spans,
    /// Used ones: until when, and the address.
    pub(super) ends: BTreeSet<(u64, u32)>,
}

impl Pool {
    /// The address that expired longest ago.
    pub(super) fn oldest(&self, now: u64) -> Option<u32> {
        self.ends.first().filter(|(until, _)| *until <= now).map(|&(_, address)| address)
    }

    /// How many addresses are free.
    pub(super) fn free(&self, now: u64) -> u64 {
        let expired = self.ends.range(..=(now, u32::MAX)).count();
        self.never.count() + expired as u64
    }
}
