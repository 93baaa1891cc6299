//! The reconciler: the only place that acts, and the only one that changes a machine's or an instance's state.
//!
//! `driver` says when, `machine` and `instance` load, decide, perform and settle, `effects` are the deeds.

mod driver;
mod effects;
mod instance;
mod machine;

pub(crate) use driver::run;

use jiff::Timestamp;

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
