//! What this agent did already, so that no order is done twice and no old one at all. Pure.

use provisioner_api::{
    JobId, MachineId,
    agent::{Order, Outcome},
};
use std::collections::VecDeque;

/// How many outcomes are remembered. A service asks again within seconds, not after sixty-four other orders.
const REMEMBERED: usize = 64;

/// What makes an order the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    job: JobId,
    epoch: u64,
    step: String,
    attempt: u32,
}

impl Key {
    fn of(order: &Order) -> Self {
        Self { job: order.job, epoch: order.epoch, step: order.step.clone(), attempt: order.attempt }
    }
}

/// What to do with an order.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// Do it. `again`: it was begun in this boot and taken back.
    Perform {
        /// Some of it may be there.
        again: bool,
    },
    /// It was done: report this again.
    Repeat(Box<Outcome>),
    /// Not for us, or out of date: why.
    Refuse(String),
}

/// The orders of one boot.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    highest: u64,
    done: VecDeque<(Key, Outcome)>,
    /// The one that was begun last and taken back.
    stopped: Option<Key>,
}

impl Ledger {
    /// Judges an order that came for `machine`, and remembers its epoch.
    pub(crate) fn admit(&mut self, machine: MachineId, order: &Order) -> Verdict {
        if order.machine != machine {
            return Verdict::Refuse(format!(
                "the order is for machine {}, but this is {machine}",
                order.machine
            ));
        }
        if order.epoch < self.highest {
            let (epoch, highest) = (order.epoch, self.highest);
            return Verdict::Refuse(format!(
                "the order is of epoch {epoch}, but one of epoch {highest} was seen"
            ));
        }
        self.highest = order.epoch;
        let key = Key::of(order);
        match self.done.iter().find(|(done, _)| *done == key) {
            Some((_, outcome)) => Verdict::Repeat(Box::new(outcome.clone())),
            None => Verdict::Perform { again: self.stopped.as_ref() == Some(&key) },
        }
    }

    /// Remembers that an order was taken back while it was done: it may come again when a freeze is over.
    pub(crate) fn stop(&mut self, order: &Order) {
        self.stopped = Some(Key::of(order));
    }

    /// Whether two orders are the same.
    pub(crate) fn same(one: &Order, other: &Order) -> bool {
        one.machine == other.machine && Key::of(one) == Key::of(other)
    }

    /// Remembers what came of an order.
    pub(crate) fn settle(&mut self, order: &Order, outcome: Outcome) {
        if self.done.len() == REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back((Key::of(order), outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::agent::Action;

    fn order(epoch: u64, step: &str, attempt: u32) -> Order {
        Order {
            machine: MachineId(uuid::Uuid::from_u128(1)),
            job: JobId(uuid::Uuid::from_u128(2)),
            epoch,
            step: step.into(),
            attempt,
            now: jiff::Timestamp::UNIX_EPOCH,
            action: Action::Inspect,
            caches: Vec::new(),
        }
    }

    fn done(evidence: &str) -> Outcome {
        Outcome::Done { evidence: evidence.into(), disks: vec![] }
    }

    const ME: MachineId = MachineId(uuid::Uuid::from_u128(1));

    #[test]
    fn the_same_order_is_answered_from_memory() {
        let mut ledger = Ledger::default();
        let first = order(5, "write-image", 1);
        assert!(matches!(ledger.admit(ME, &first), Verdict::Perform { again: false }));
        ledger.settle(&first, done("written"));
        let Verdict::Repeat(outcome) = ledger.admit(ME, &first) else { panic!("it would be done twice") };
        assert!(matches!(*outcome, Outcome::Done { evidence, .. } if evidence == "written"));
        for other in [order(5, "write-image", 2), order(5, "write-seed", 1), order(6, "write-image", 1)] {
            assert!(matches!(ledger.admit(ME, &other), Verdict::Perform { again: false }), "{other:?}");
        }
    }

    #[test]
    fn an_order_that_was_taken_back_is_done_when_it_comes_again() {
        let mut ledger = Ledger::default();
        let first = order(5, "write-image", 1);
        assert!(matches!(ledger.admit(ME, &first), Verdict::Perform { again: false }));
        ledger.stop(&first);
        assert!(matches!(ledger.admit(ME, &first), Verdict::Perform { again: true }));
        assert!(matches!(ledger.admit(ME, &order(5, "write-image", 2)), Verdict::Perform { again: false }));
        assert!(Ledger::same(&first, &order(5, "write-image", 1)));
        for other in [order(6, "write-image", 1), order(5, "write-seed", 1), order(5, "write-image", 2)] {
            assert!(!Ledger::same(&first, &other), "{other:?}");
        }
    }

    #[test]
    fn lower_epochs_and_other_machines_are_refused() {
        let mut ledger = Ledger::default();
        assert!(matches!(ledger.admit(ME, &order(5, "a", 1)), Verdict::Perform { again: false }));
        assert!(matches!(ledger.admit(ME, &order(4, "b", 1)), Verdict::Refuse(_)));
        let stranger = MachineId(uuid::Uuid::from_u128(7));
        assert!(matches!(ledger.admit(stranger, &order(9, "c", 1)), Verdict::Refuse(_)));
        // A stranger's epoch must not lock us out.
        assert!(matches!(ledger.admit(ME, &order(5, "d", 1)), Verdict::Perform { again: false }));
    }

    #[test]
    fn memory_is_bounded() {
        let mut ledger = Ledger::default();
        for attempt in 0..1000 {
            ledger.settle(&order(1, "a", attempt), done("x"));
        }
        assert_eq!(ledger.done.len(), REMEMBERED);
        assert!(matches!(ledger.admit(ME, &order(1, "a", 999)), Verdict::Repeat(_)));
    }
}
