//! How many steps took longer than usual since this process began, for the metrics. The timeline tells of each; what is
//! usual is in lifecycle's table of deadlines.

use provisioner_lifecycle::StepName;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter for each step.
#[derive(Debug, Default)]
pub(crate) struct SlowSteps([AtomicU64; StepName::ALL.len()]);

impl SlowSteps {
    /// One more.
    pub(crate) fn count(&self, step: StepName) {
        for (known, counter) in StepName::ALL.iter().zip(&self.0) {
            if *known == step {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many of each.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (StepName, u64)> {
        StepName::ALL.into_iter().zip(self.0.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}
