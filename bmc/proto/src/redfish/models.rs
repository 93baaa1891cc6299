//! The resources that we read, with the properties that we use. Names and meaning are those of DSP8010.

use super::lenient::{lenient, lenient_list};
use serde::Deserialize;

/// A reference to another resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Link {
    /// Where it is, as the BMC wrote it; goes through `ResourcePath` before use.
    #[serde(rename = "@odata.id", default, deserialize_with = "lenient")]
    pub odata_id: Option<String>,
}

/// `ServiceRoot`: the entry, readable without login.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceRoot {
    /// Version of the protocol.
    #[serde(default, deserialize_with = "lenient")]
    pub redfish_version: Option<String>,
    /// Who made the service.
    #[serde(default, deserialize_with = "lenient")]
    pub vendor: Option<String>,
    /// The collection of systems.
    #[serde(default, deserialize_with = "lenient")]
    pub systems: Option<Link>,
    /// The collection of managers.
    #[serde(default, deserialize_with = "lenient")]
    pub managers: Option<Link>,
    /// The session service.
    #[serde(default, deserialize_with = "lenient")]
    pub session_service: Option<Link>,
    /// Direct links.
    #[serde(default, deserialize_with = "lenient")]
    pub links: Option<RootLinks>,
}

/// `ServiceRoot.Links`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootLinks {
    /// The collection that sessions are posted to.
    #[serde(default, deserialize_with = "lenient")]
    pub sessions: Option<Link>,
}

/// `SessionService`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionService {
    /// The collection that sessions are posted to.
    #[serde(default, deserialize_with = "lenient")]
    pub sessions: Option<Link>,
}

/// `Session`: the answer to a login.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Session {
    /// Where it is; the `Location` header says it too.
    #[serde(rename = "@odata.id", default, deserialize_with = "lenient")]
    pub odata_id: Option<String>,
}

/// Any collection.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Collection {
    /// Its members.
    #[serde(default, deserialize_with = "lenient_list")]
    pub members: Vec<Link>,
}

/// `ComputerSystem`: the machine that the BMC controls.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ComputerSystem {
    /// Where it is.
    #[serde(rename = "@odata.id", default, deserialize_with = "lenient")]
    pub odata_id: Option<String>,
    /// Its version, where the `ETag` header doesn't tell.
    #[serde(rename = "@odata.etag", default, deserialize_with = "lenient")]
    pub odata_etag: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// `Physical`, `Virtual`, `OS`, `Composed`, …
    #[serde(default, deserialize_with = "lenient")]
    pub system_type: Option<String>,
    /// The SMBIOS UUID.
    #[serde(rename = "UUID", default, deserialize_with = "lenient")]
    pub uuid: Option<String>,
    /// Who made it.
    #[serde(default, deserialize_with = "lenient")]
    pub manufacturer: Option<String>,
    /// The model.
    #[serde(default, deserialize_with = "lenient")]
    pub model: Option<String>,
    /// `On`, `Off`, `PoweringOn`, `PoweringOff`, `Paused`; see `read_power`.
    #[serde(default, deserialize_with = "lenient")]
    pub power_state: Option<String>,
    /// The boot override.
    #[serde(default, deserialize_with = "lenient")]
    pub boot: Option<Boot>,
    /// What it can do.
    #[serde(default, deserialize_with = "lenient")]
    pub actions: Option<SystemActions>,
    /// Other resources that belong to it.
    #[serde(default, deserialize_with = "lenient")]
    pub links: Option<SystemLinks>,
}

impl ComputerSystem {
    /// The action that switches it, if the BMC offers that.
    pub fn reset(&self) -> Option<&ResetAction> {
        self.actions.as_ref()?.reset.as_ref()
    }
}

/// `ComputerSystem.Boot`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Boot {
    /// `Disabled`, `Once`, `Continuous`.
    #[serde(rename = "BootSourceOverrideEnabled", default, deserialize_with = "lenient")]
    pub enabled: Option<String>,
    /// What `enabled` may be set to; empty: not told.
    #[serde(
        rename = "BootSourceOverrideEnabled@Redfish.AllowableValues",
        default,
        deserialize_with = "lenient_list"
    )]
    pub enabled_allowable: Vec<String>,
    /// `None`, `Pxe`, `Hdd`, `Cd`, `UefiHttp`, `BiosSetup`, …
    #[serde(rename = "BootSourceOverrideTarget", default, deserialize_with = "lenient")]
    pub target: Option<String>,
    /// What `target` may be set to; empty: not told.
    #[serde(
        rename = "BootSourceOverrideTarget@Redfish.AllowableValues",
        default,
        deserialize_with = "lenient_list"
    )]
    pub target_allowable: Vec<String>,
    /// `UEFI` or `Legacy`; absent where the BMC has no say in it.
    #[serde(rename = "BootSourceOverrideMode", default, deserialize_with = "lenient")]
    pub mode: Option<String>,
    /// What `mode` may be set to; empty: not told.
    #[serde(
        rename = "BootSourceOverrideMode@Redfish.AllowableValues",
        default,
        deserialize_with = "lenient_list"
    )]
    pub mode_allowable: Vec<String>,
}

/// `ComputerSystem.Actions`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SystemActions {
    /// Power.
    #[serde(rename = "#ComputerSystem.Reset", default, deserialize_with = "lenient")]
    pub reset: Option<ResetAction>,
}

/// `#ComputerSystem.Reset`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ResetAction {
    /// Where to post it.
    #[serde(default, deserialize_with = "lenient")]
    pub target: Option<String>,
    /// The `ResetType`s that it takes; empty: not told here.
    #[serde(rename = "ResetType@Redfish.AllowableValues", default, deserialize_with = "lenient_list")]
    pub allowable: Vec<String>,
    /// Where an `ActionInfo` tells them instead.
    #[serde(rename = "@Redfish.ActionInfo", default, deserialize_with = "lenient")]
    pub action_info: Option<String>,
}

/// `ActionInfo`: the parameters of an action.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ActionInfo {
    /// The parameters.
    #[serde(default, deserialize_with = "lenient_list")]
    pub parameters: Vec<ActionParameter>,
}

impl ActionInfo {
    /// The values that a parameter may have; empty when it doesn't tell.
    pub fn allowable(&self, parameter: &str) -> &[String] {
        self.parameters
            .iter()
            .find(|candidate| candidate.name.as_deref() == Some(parameter))
            .map_or(&[], |found| &found.allowable_values)
    }
}

/// One parameter of an action.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ActionParameter {
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// The values that it may have.
    #[serde(default, deserialize_with = "lenient_list")]
    pub allowable_values: Vec<String>,
}

/// `ComputerSystem.Links`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemLinks {
    /// The managers (BMCs) of it.
    #[serde(default, deserialize_with = "lenient_list")]
    pub managed_by: Vec<Link>,
}

/// `Manager`: the BMC itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Manager {
    /// Version of its firmware.
    #[serde(default, deserialize_with = "lenient")]
    pub firmware_version: Option<String>,
    /// Its model.
    #[serde(default, deserialize_with = "lenient")]
    pub model: Option<String>,
}
