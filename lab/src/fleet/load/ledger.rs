//! What was asked for: a slot for each machine's worth of instances, and the name of the one that it has now. Pure.
//!
//! A name is never used twice, so that what is said of one can't be meant of another.

/// What we want of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    Nothing,
    /// An instance.
    Wanted,
    /// It was given back and may still be there.
    GivenBack,
}

/// A slot.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) number: u32,
    generation: u32,
    pub(crate) wish: Wish,
}

impl Slot {
    /// The name of its instance.
    pub(crate) fn name(&self) -> String {
        format!("i-{}-{}", self.number, self.generation)
    }
}

/// All slots.
#[derive(Debug)]
pub(crate) struct Ledger {
    slots: Vec<Slot>,
}

impl Ledger {
    /// As many slots as there are machines, all empty.
    pub(crate) fn new(machines: u32) -> Self {
        let slots = (0..machines).map(|number| Slot { number, generation: 0, wish: Wish::Nothing });
        Self { slots: slots.collect() }
    }

    /// The slots with this wish, at most so many.
    pub(crate) fn with(&self, wish: Wish, at_most: Option<u32>) -> Vec<Slot> {
        let some = self.slots.iter().filter(|slot| slot.wish == wish);
        some.take(at_most.map_or(usize::MAX, |count| count as usize)).cloned().collect()
    }

    /// All slots.
    pub(crate) fn all(&self) -> Vec<Slot> {
        self.slots.clone()
    }

    /// Something new is asked for; its name.
    pub(crate) fn ask(&mut self, number: u32) -> String {
        let slot = &mut self.slots[number as usize];
        slot.generation += 1;
        slot.wish = Wish::Wanted;
        slot.name()
    }

    /// It is given back; its name.
    pub(crate) fn give_back(&mut self, number: u32) -> String {
        let slot = &mut self.slots[number as usize];
        slot.wish = Wish::GivenBack;
        slot.name()
    }

    /// It is gone.
    pub(crate) fn gone(&mut self, number: u32) {
        self.slots[number as usize].wish = Wish::Nothing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_never_has_the_same_name_twice() {
        let mut ledger = Ledger::new(2);
        let first = ledger.ask(1);
        assert_eq!(ledger.give_back(1), first);
        ledger.gone(1);
        assert_ne!(ledger.ask(1), first);
        assert_eq!(ledger.with(Wish::Wanted, None).len(), 1);
        assert_eq!(ledger.with(Wish::Nothing, Some(5))[0].number, 0);
    }
}
