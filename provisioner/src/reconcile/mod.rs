//! The reconciler: the only place that acts, and the only one that changes a machine's or an instance's state.
//!
//! `queue` says in which order, `driver` when; `machine` and `instance` load, decide, perform and settle; `allocate` gives
//! machines to all instances that wait, `erase` leave to wipe; `sweep` finds what there is; `effects` are the deeds.
//!
//! While everything is frozen each of them looks, and begins nothing.

mod allocate;
mod driver;
mod effects;
mod erase;
mod firmware;
mod instance;
mod machine;
mod queue;
mod sweep;

pub(crate) use driver::run;
pub(crate) use effects::note_trouble;

use jiff::Timestamp;
use provisioner_api::{InstanceId, MachineId};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many BMCs are worked with at once: each may take half a minute.
const DEEDS: usize = 64;

/// How many BMCs are asked for their power at once. Apart from the deeds: a rack without power must not delay work.
const POLLS: usize = 32;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    /// What there is: finds what nobody told of.
    Sweep,
    /// The instances that wait for a machine, all at once.
    Allocation,
    /// The machines that wait for leave to be wiped, all at once.
    Wiping,
    /// A machine.
    Machine(MachineId),
    /// An instance.
    Instance(InstanceId),
}

/// When to look at an object again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// At once.
    Now,
    /// Then at the latest, or when poked.
    At(Timestamp),
    /// As soon as it has leave for what it has to do, then at the latest, or when poked. A look never waits for leave:
    /// a thousand that did would keep others from being looked at.
    Crowded(Turn, Timestamp),
    /// Never: it is gone.
    Gone,
}

/// What one has to wait one's turn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Turn {
    /// To work with a BMC.
    Deed,
    /// To ask a BMC for its power.
    Poll,
}

/// How many may talk to a BMC at once.
struct Limits {
    deeds: Arc<Semaphore>,
    polls: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deeds: Arc::new(Semaphore::new(DEEDS)), polls: Arc::new(Semaphore::new(POLLS)) }
    }
}

impl Limits {
    /// Leave, if there is some.
    fn leave(&self, turn: Turn) -> Option<OwnedSemaphorePermit> {
        let semaphore = match turn {
            Turn::Deed => &self.deeds,
            Turn::Poll => &self.polls,
        };
        // It is never closed.
        Arc::clone(semaphore).try_acquire_owned().ok()
    }
}

/// One look's leave to talk to a BMC.
struct Slots {
    limits: Arc<Limits>,
    /// What it waited for and now has.
    kept: Mutex<Option<(Turn, OwnedSemaphorePermit)>>,
}

impl Slots {
    /// For one look, with what it had waited for.
    fn new(limits: Arc<Limits>, kept: Option<(Turn, OwnedSemaphorePermit)>) -> Self {
        Self { limits, kept: Mutex::new(kept) }
    }

    /// Leave for a deed, for as long as it is kept; `None`: answer [`Next::Crowded`].
    fn deed(&self) -> Option<OwnedSemaphorePermit> {
        self.leave(Turn::Deed)
    }

    /// Leave to ask for the power, for as long as it is kept; `None`: answer [`Next::Crowded`].
    fn poll(&self) -> Option<OwnedSemaphorePermit> {
        self.leave(Turn::Poll)
    }

    fn leave(&self, turn: Turn) -> Option<OwnedSemaphorePermit> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.take() {
            Some((of, leave)) if of == turn => Some(leave),
            other => {
                *kept = other;
                self.limits.leave(turn)
            }
        }
    }
}
