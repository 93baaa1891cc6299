//! Where a Redfish session is remembered: sealed among the machine's secrets, so that the next process finds it again.
//!
//! For whom it was opened is in what the driver keeps; one of another user or password it ends and forgets by itself.

use super::{gone, held, secret_owner};
use crate::{
    clock,
    keys::SiteKey,
    service::ServiceError,
    store::{NewSecret, Store},
    text::logged,
};
use async_trait::async_trait;
use bmc::{KeeperAway, SessionKeeper};
use provisioner_api::MachineId;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The name of a BMC's open session among a machine's secrets.
const SESSION: &str = "bmc-session";

/// One machine's open session, as one driver of its BMC sees it.
pub(super) struct StoredSession {
    store: Arc<Store>,
    key: Arc<SiteKey>,
    id: MachineId,
    /// What this driver kept or found last: only that it may forget. After a change of the password the old driver is
    /// closed when the new one has a session already.
    ours: Mutex<Option<NewSecret>>,
}

impl StoredSession {
    pub(super) fn new(store: Arc<Store>, key: Arc<SiteKey>, id: MachineId) -> Self {
        Self { store, key, id, ours: Mutex::default() }
    }

    async fn read(&self) -> Result<Option<Zeroizing<String>>, ServiceError> {
        let owner = secret_owner(self.id);
        let Some(sealed) = self.store.secret_get(&owner, SESSION).await? else { return Ok(None) };
        let session = self.key.open_sealed(&owner, SESSION, &sealed)?;
        self.remember(Some(held(self.id, SESSION, &sealed)));
        Ok(Some(session))
    }

    async fn write(&self, session: Option<&str>) -> Result<(), ServiceError> {
        let Some(session) = session else {
            let Some(ours) = self.remember(None) else { return Ok(()) };
            self.store.secret_settle(&ours, &[gone(self.id, SESSION)], &[], clock::now()).await?;
            return Ok(());
        };
        let owner = secret_owner(self.id);
        let sealed = Some(self.key.seal(&owner, SESSION, session.as_bytes())?);
        let new = NewSecret { owner, name: SESSION, sealed };
        self.remember(Some(new.clone()));
        self.store.secret_put(self.id, &[new], &[], clock::now()).await?;
        Ok(())
    }

    /// Takes down what is kept; answers what was.
    fn remember(&self, kept: Option<NewSecret>) -> Option<NewSecret> {
        std::mem::replace(&mut *self.ours.lock().unwrap_or_else(PoisonError::into_inner), kept)
    }
}

#[async_trait]
impl SessionKeeper for StoredSession {
    async fn load(&self) -> Result<Option<Zeroizing<String>>, KeeperAway> {
        match self.read().await {
            Ok(session) => Ok(session),
            // It is lost: that can't be mended by waiting.
            Err(error) if error.is_damage() || matches!(error, ServiceError::Key(_)) => {
                tracing::warn!(machine = %self.id, error = logged(&error), "its BMC's open session is lost; there will be a new one");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(
                    machine = %self.id,
                    error = logged(&error),
                    "its BMC's open session can't be read; until it can be, one is opened for each exchange"
                );
                Err(KeeperAway)
            }
        }
    }

    async fn save(&self, session: Option<&str>) -> Result<(), KeeperAway> {
        self.write(session).await.map_err(|error| {
            tracing::warn!(
                machine = %self.id,
                error = logged(&error),
                "its BMC's session can't be kept; one that is open is ended after its exchange"
            );
            KeeperAway
        })
    }
}
