//! A machine's BMC written down.

use crate::{Client, ClientError, answer};
use provisioner_api::paths;
use reqwest::Method;
use std::time::Duration;

/// How long it may take: hundreds of resources of a slow BMC, one after the other. The service ends it before.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1000);

impl Client {
    /// All that the BMC answers to reading, without secrets and without what tells whose it is: a recording, to be kept
    /// as it is.
    ///
    /// # Errors
    /// See `ClientError`.
    pub async fn machine_bmc_record(&self, machine: &str) -> Result<serde_json::Value, ClientError> {
        let request = self.request(Method::GET, paths::MACHINE_BMC_RECORD, &[machine])?;
        answer::json(request.timeout(RECORD_TIMEOUT)).await
    }
}
