//! The reconciler: the only place that acts, and the only one that changes a machine's or an instance's state.
//!
//! `driver` says when, `machine` and `instance` load, decide, perform and settle, `effects` are the deeds.

mod driver;
mod effects;
mod firmware;
mod instance;
mod machine;

pub(crate) use driver::run;
pub(crate) use effects::note_trouble;

use jiff::Timestamp;
use tokio::sync::Semaphore;

/// How many BMCs are worked with at once: each may take half a minute.
const DEEDS: usize = 64;

/// How many BMCs are asked for their power at once. Apart from the deeds: a rack without power must not delay work.
const POLLS: usize = 32;

/// Leave to talk to a BMC. The semaphores are never closed.
struct Slots {
    deeds: Semaphore,
    polls: Semaphore,
}

impl Default for Slots {
    fn default() -> Self {
        Self { deeds: Semaphore::new(DEEDS), polls: Semaphore::new(POLLS) }
    }
}

/// When to look at an object again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// At once.
    Now,
    /// Then at the latest, or when poked.
    At(Timestamp),
    /// Never: it is gone.
    Gone,
}
