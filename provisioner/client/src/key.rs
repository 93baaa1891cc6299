//! The site key: told of, rotated.

use crate::{Client, ClientError, answer};
use provisioner_api::{KeyList, paths};
use reqwest::Method;
use std::time::Duration;

/// How long sealing all secrets anew may take; ten thousand machines need seconds.
const SEALING: Duration = Duration::from_mins(10);

impl Client {
    /// The site keys, and how many secrets older ones sealed.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn keys(&self) -> Result<KeyList, ClientError> {
        answer::json(self.request(Method::GET, paths::KEY, &[])?).await
    }

    /// Makes a new site key, and seals every secret with it.
    pub async fn rotate_key(&self) -> Result<KeyList, ClientError> {
        answer::json(self.request(Method::POST, paths::KEY_ROTATE, &[])?.timeout(SEALING)).await
    }

    /// Takes the older site keys away.
    pub async fn retire_keys(&self) -> Result<KeyList, ClientError> {
        answer::json(self.request(Method::POST, paths::KEY_RETIRE, &[])?.timeout(SEALING)).await
    }
}
