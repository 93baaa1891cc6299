//! The BMC's own restart.

use super::Redfish;
use crate::{BmcError, Restart};
use async_trait::async_trait;
use bmc_proto::redfish::action;
use serde_json::{Value, json};

const RESTART: &str = "restart the BMC";

#[async_trait]
impl Restart for Redfish {
    async fn restart(&self) -> Result<(), BmcError> {
        let Some(path) = self.manager_path().await? else {
            return Err(
                self.cannot("it shows no manager, which is the BMC itself; take its power away instead")
            );
        };
        let manager: Value = self.read(&path, "read the manager").await?;
        let Some(reset) = action(&manager, "#Manager.Reset") else {
            return Err(self.cannot("its manager has no Reset action; take its power away instead"));
        };
        let allowed = self.allowable(&reset, "ResetType").await?;
        let words = ["GracefulRestart", "ForceRestart"];
        let word =
            words.into_iter().find(|word| allowed.is_empty() || allowed.iter().any(|known| known == word));
        let Some(word) = word else {
            let offered = bmc_proto::redfish::printable(&allowed.join(", "), 200);
            return Err(self.cannot(format!("no reset type restarts it, only {offered}")));
        };
        match self.post(&reset.target, json!({ "ResetType": word }), RESTART).await {
            // One that tells no types may want none.
            Err(BmcError::Refused { .. }) if allowed.is_empty() => {
                self.post(&reset.target, json!({}), RESTART).await.map(|_| ())
            }
            done => done.map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests;
