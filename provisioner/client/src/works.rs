//! What concerns all machines at once: the freeze.

use crate::{Client, ClientError, answer};
use provisioner_api::{FreezeRequest, Works, paths};
use reqwest::Method;

impl Client {
    /// Whether everything is frozen, and how many machines are being wiped.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn works(&self) -> Result<Works, ClientError> {
        answer::json(self.request(Method::GET, paths::WORKS, &[])?).await
    }

    /// Stops everything. It is in force everywhere 2 s after this returned.
    pub async fn freeze(&self, request: &FreezeRequest) -> Result<Works, ClientError> {
        answer::json(self.request(Method::POST, paths::WORKS_FREEZE, &[])?.json(request)).await
    }

    /// Ends a freeze, if there is one.
    pub async fn unfreeze(&self) -> Result<Works, ClientError> {
        answer::json(self.request(Method::POST, paths::WORKS_UNFREEZE, &[])?).await
    }
}
