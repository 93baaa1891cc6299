//! Sets of addresses as disjoint spans, so that a /16 costs no more than a /24.

use std::collections::BTreeMap;

/// Disjoint spans, first to last address; neighbours are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(BTreeMap<u32, u32>);

impl Spans {
    /// Adds all addresses of a span.
    pub(super) fn insert(&mut self, first: u32, last: u32) {
        let (mut first, mut last) = (first, last);
        if let Some((&start, &end)) = self.0.range(..=first).next_back()
            && end >= first.saturating_sub(1)
        {
            first = start;
            last = last.max(end);
        }
        while let Some((&start, &end)) = self.0.range(first..=last.saturating_add(1)).next() {
            self.0.remove(&start);
            last = last.max(end);
        }
        self.0.insert(first, last);
    }

    /// Takes all addresses of a span out.
    pub(super) fn remove(&mut self, first: u32, last: u32) {
        if let Some((&start, &end)) = self.0.range(..first).next_back()
            && end >= first
        {
            self.0.insert(start, first - 1);
            if end > last {
                self.0.insert(last + 1, end);
            }
        }
        while let Some((&start, &end)) = self.0.range(first..=last).next() {
            self.0.remove(&start);
            if end > last {
                self.0.insert(last + 1, end);
            }
        }
    }

    /// Whether an address is in it.
    pub(super) fn contains(&self, address: u32) -> bool {
        self.0.range(..=address).next_back().is_some_and(|(_, &end)| end >= address)
    }

    /// The lowest address.
    pub(super) fn first(&self) -> Option<u32> {
        self.0.keys().next().copied()
    }

    /// The spans, clipped to an outer one.
    pub(super) fn within(&self, first: u32, last: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        // Spans are disjoint and sorted, so only the last that begins before `first` can reach into it.
        let before = self.0.range(..first).next_back().filter(|&(_, &end)| end >= first);
        let inside = self.0.range(first..=last);
        before.into_iter().chain(inside).map(move |(&start, &end)| (start.max(first), end.min(last)))
    }

    /// How many addresses are in it.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(&start, &end)| u64::from(end - start) + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn spans_are_a_set(deeds in prop::collection::vec((any::<bool>(), 0u32..40, 0u32..8), 0..40), low in 0u32..40, size in 0u32..10) {
            let (mut spans, mut model) = (Spans::default(), BTreeSet::new());
            for (add, first, more) in deeds {
                if add {
                    spans.insert(first, first + more);
                    model.extend(first..=first + more);
                } else {
                    spans.remove(first, first + more);
                    model.retain(|address| !(first..=first + more).contains(address));
                }
                prop_assert_eq!(spans.count(), model.len() as u64);
                prop_assert_eq!(spans.first(), model.first().copied());
            }
            for address in 0..50 {
                prop_assert_eq!(spans.contains(address), model.contains(&address));
            }
            let clipped: Vec<u32> = spans.within(low, low + size).flat_map(|(first, last)| first..=last).collect();
            let expected: Vec<u32> = model.range(low..=low + size).copied().collect();
            prop_assert_eq!(clipped, expected);
        }
    }

    #[test]
    fn the_ends_of_the_number_range_are_no_trap() {
        let mut spans = Spans::default();
        spans.insert(0, u32::MAX);
        spans.remove(0, 0);
        spans.remove(u32::MAX, u32::MAX);
        assert_eq!((spans.first(), spans.count()), (Some(1), u64::from(u32::MAX) - 1));
        spans.insert(u32::MAX, u32::MAX);
        spans.insert(0, 0);
        assert_eq!(spans.count(), u64::from(u32::MAX) + 1);
    }
}
