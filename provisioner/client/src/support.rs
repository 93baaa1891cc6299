//! A support bundle, as one file.

use crate::{Client, ClientError, answer};
use bytes::Bytes;
use provisioner_api::paths;
use reqwest::Method;
use std::time::Duration;

/// How long one may take to be made: each part has a time of its own.
const MAKING: Duration = Duration::from_mins(5);

/// The most that we take.
const MOST: usize = 64 * 1024 * 1024;

impl Client {
    /// A support bundle (tar, gzip), with what is known of this machine, if one is named.
    ///
    /// # Errors
    /// See `ClientError`.
    pub async fn support(&self, machine: Option<&str>) -> Result<Bytes, ClientError> {
        let query: Vec<_> = machine.map(|machine| ("machine", machine)).into_iter().collect();
        let request = self.request_with(Method::GET, paths::SUPPORT, &[], &query)?;
        let response = answer::send(request.timeout(MAKING)).await?;
        answer::bytes(response, MOST).await
    }
}
