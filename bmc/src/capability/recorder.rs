//! A BMC written down, for those who have none like it.

use crate::BmcError;
use async_trait::async_trait;
use bmc_proto::redfish::record::{Limits, Recording};
use std::time::Duration;

/// How a BMC is written down.
#[derive(Debug, Clone, Copy)]
pub struct RecordSettings {
    /// How much is enough.
    pub limits: Limits,
    /// After this time what is not read yet is left out.
    pub patience: Duration,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { limits: Limits::default(), patience: Duration::from_secs(1800) }
    }
}

/// Writes down what a BMC answers, without secrets and without what tells whose it is. Only reads.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Writes it down. `progress` is told how many resources were read, and how many more are known.
    ///
    /// What can't be read is left out and told in the recording; that nothing can be read is an error.
    async fn record(
        &self,
        settings: RecordSettings,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<Recording, BmcError>;
}
