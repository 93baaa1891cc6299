//! A backup of the database, piece by piece as it comes.

use crate::{Client, ClientError, answer};
use provisioner_api::paths;
use reqwest::Method;
use std::time::Duration;

/// How long a backup may take: 100 GiB over a line of 10 Mbit/s.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

impl Client {
    /// Gives each piece of a backup to `take`. That all of it came is for the caller to check: its end is a seal.
    ///
    /// # Errors
    /// What `take` says, or see `ClientError`; also when the connection breaks in the midst of it.
    pub async fn backup<E: From<ClientError>>(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = self.request(Method::GET, paths::BACKUP, &[])?;
        let mut response = answer::send(request.timeout(BACKUP_TIMEOUT)).await?;
        while let Some(piece) = response.chunk().await.map_err(ClientError::from_reqwest)? {
            take(&piece)?;
        }
        Ok(())
    }
}
