//! How the BMC says that it is guarded: its rules for accounts, the services that are on, who made it.

use super::Redfish;
use super::sensors::link;
use crate::capability::{Security, SecurityFacts};
use crate::driver::{BmcError, Endpoint};
use async_trait::async_trait;
use bmc_proto::audit::ServiceFacts;
use bmc_proto::redfish::{Identity, Manager, path_of, printable};
use serde_json::Value;

const READING: &str = "read how it is guarded";

#[async_trait]
impl Security for Redfish {
    async fn security(&self) -> Result<SecurityFacts, BmcError> {
        let root = self.root().await?;
        let system = self.system().await?.system;
        let manager: Option<Value> = match self.manager_path().await? {
            Some(path) => self.read_optional(&path, READING).await?,
            None => None,
        };
        let services = match manager.as_ref().and_then(|manager| link(manager, "NetworkProtocol")) {
            Some(path) => {
                self.read_optional(&path, READING).await?.map(|resource| ServiceFacts::of(&resource))
            }
            None => None,
        };
        let services = services.unwrap_or_default();
        let rules = match self.account_service(READING).await {
            Ok(rules) => rules,
            Err(BmcError::Unsupported { .. } | BmcError::Refused { .. }) => Default::default(),
            Err(error) => return Err(error),
        };
        let manager = manager.as_ref().and_then(|manager| self.model::<Manager>(manager, READING).ok());
        let identity = Identity::of(&root, Some(&system), manager.as_ref());
        let clean = |text: &String| printable(text, 80);
        Ok(SecurityFacts {
            makers: identity.vendors.iter().map(clean).collect(),
            models: identity.manager_model.iter().chain(&identity.model).map(clean).collect(),
            firmware: identity.firmware.as_ref().map(clean),
            lock_out_after: rules.account_lockout_threshold,
            shortest_password: rules.min_password_length,
            telnet: services.telnet,
            old_snmp: services.old_snmp,
        })
    }
}

/// Whether a BMC lets somebody in: one login, ended at once. The endpoint's own user is used for nothing but a service
/// root that is behind the login.
pub(crate) async fn lets_in(endpoint: &Endpoint, name: &str, password: &str) -> Result<bool, BmcError> {
    let redfish = Redfish::new(endpoint);
    let root = redfish.root().await?;
    let Some(systems) = path_of(root.systems.as_ref()) else {
        return Err(redfish.cannot("it lists no systems, so no login can be tried"));
    };
    redfish.lets_in(name, password, &systems).await
}
