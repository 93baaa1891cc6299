//! UEFI Secure Boot over Redfish.

use super::Redfish;
use super::client::Outcome;
use crate::{BmcError, KeysReset, SecureBoot, SecureBootState};
use async_trait::async_trait;
use bmc_proto::redfish::ResourcePath;
use bmc_proto::redfish::secure_boot::{
    Keys, State, keys_are_gone, plan_keys_reset, read_secure_boot, secure_boot_link, secure_boot_patch,
};
use bmc_proto::redfish::settings::{settings_object, with_apply_time};
use serde_json::Value;

const READ: &str = "read Secure Boot";
const SET: &str = "set Secure Boot";
const RESET: &str = "reset the Secure Boot keys";

/// What is read at once.
struct Read {
    path: ResourcePath,
    resource: Value,
    settings: Option<(ResourcePath, Value)>,
}

impl Read {
    fn state(&self) -> State {
        read_secure_boot(&self.resource, self.settings.as_ref().map(|(_, settings)| settings))
    }
}

#[async_trait]
impl SecureBoot for Redfish {
    async fn secure_boot(&self) -> Result<SecureBootState, BmcError> {
        let State { enabled, current, mode } = self.read_secure_boot().await?.state();
        Ok(SecureBootState { enabled, current, mode })
    }

    async fn set_secure_boot(&self, enabled: bool) -> Result<(), BmcError> {
        let read = self.read_secure_boot().await?;
        if read.state().enabled == Some(enabled) {
            return Ok(());
        }
        let quirks = self.quirks().await?;
        let settings = read.settings.as_ref();
        let values = settings.map(|(_, values)| values);
        let body = with_apply_time(secure_boot_patch(enabled), &read.resource, values, &quirks);
        let to = settings.map_or(&read.path, |(path, _)| path);
        let task = self.patch_and_look(to, body, SET).await?;
        self.await_that(self.timing.setting, SET, || async {
            let state = self.read_secure_boot().await?.state();
            if state.enabled == Some(enabled) {
                return Ok(Ok(()));
            }
            // A job does it at the next boot.
            if self.must_not_have_failed(task.as_ref(), SET).await? {
                return Ok(Ok(()));
            }
            let shown = state.enabled.map_or_else(|| "nothing".into(), |enabled| enabled.to_string());
            Ok(Err(format!("SecureBootEnable {shown}")))
        })
        .await
    }

    async fn reset_secure_boot_keys(&self, reset: KeysReset) -> Result<(), BmcError> {
        let read = self.read_secure_boot().await?;
        let keys = match reset {
            KeysReset::Default => Keys::Default,
            KeysReset::DeleteAll => Keys::DeleteAll,
            KeysReset::DeletePk => Keys::DeletePk,
        };
        // Without a platform key it is in Setup Mode; that says nothing about the other keys.
        if keys == Keys::DeletePk && keys_are_gone(&read.state()) {
            return Ok(());
        }
        let (target, body) =
            plan_keys_reset(&read.resource, keys).map_err(|refusal| self.cannot(refusal.to_string()))?;
        // Keys change when the firmware runs next, so that there is nothing to read back yet but a task that failed.
        if let Outcome::Task(task) = self.post(&target, body, RESET).await? {
            self.must_not_have_failed(Some(&task), RESET).await?;
        }
        Ok(())
    }
}

impl Redfish {
    async fn read_secure_boot(&self) -> Result<Read, BmcError> {
        let system = self.system().await?.raw;
        let path = secure_boot_link(&system).map_err(|refusal| self.cannot(refusal.to_string()))?;
        let resource: Value = self.read(&path, READ).await?;
        let settings = self.read_settings(&resource, READ).await?;
        Ok(Read { path, resource, settings })
    }

    /// The settings object of a resource, if it has one that can be read.
    pub(super) async fn read_settings(
        &self,
        resource: &Value,
        during: &'static str,
    ) -> Result<Option<(ResourcePath, Value)>, BmcError> {
        let Some(path) = settings_object(resource) else { return Ok(None) };
        Ok(self.read_optional(&path, during).await?.map(|settings| (path, settings)))
    }
}

#[cfg(test)]
mod tests;
