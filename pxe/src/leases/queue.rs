//! What waits to be stored: first in, first out, bounded.

use super::Done;
use pxe_proto::lease::{Block, Write};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many leases may wait. What comes on top gets no answer, and asks again in a few seconds.
const MOST: usize = 8192;

/// So many are worth a transaction of their own.
const ENOUGH: usize = 128;

/// A lease that waits, and whom to tell.
pub(super) struct Pending {
    pub(super) network: Arc<str>,
    pub(super) write: Write,
    pub(super) done: Option<Done>,
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Pending>>,
    arrived: Notify,
}

impl Queue {
    pub(super) fn is_full(&self) -> bool {
        self.waiting().len() >= MOST
    }

    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    pub(super) fn push(&self, pending: impl Iterator<Item = Pending>) {
        let mut waiting = self.waiting();
        let before = waiting.len();
        waiting.extend(pending);
        let after = waiting.len();
        drop(waiting);
        // The keeper waits for the first, or for enough of them: nothing between has to wake it.
        if before == 0 || before < ENOUGH && after >= ENOUGH {
            self.arrived.notify_one();
        }
    }

    /// Takes the oldest ones out.
    pub(super) fn take(&self, most: usize) -> Vec<Pending> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// Takes out what belongs to a block that is not ours any more.
    pub(super) fn take_block(&self, network: &str, block: Block) -> Vec<Pending> {
        let mut waiting = self.waiting();
        let gone = |pending: &Pending| &*pending.network == network && pending.write.block == block;
        let (taken, left): (Vec<_>, Vec<_>) = waiting.drain(..).partition(gone);
        waiting.extend(left);
        taken
    }

    /// Waits until something waits.
    pub(super) async fn arrival(&self) {
        while self.waiting().is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Waits until enough wait for a group.
    pub(super) async fn fill(&self) {
        while self.waiting().len() < ENOUGH {
            self.arrived.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
