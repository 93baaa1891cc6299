//! The resources that we read, with the properties that we use. Names and meaning are those of DSP8010.

use super::lenient::{lenient, lenient_list};
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
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
    /// What the service belongs to.
    #[serde(default, deserialize_with = "lenient")]
    pub product: Option<String>,
    /// The names below `Oem`: makers.
    #[serde(default, deserialize_with = "lenient")]
    pub oem: Option<Names>,
    /// The collection of systems.
    #[serde(default, deserialize_with = "lenient")]
    pub systems: Option<Link>,
    /// The collection of managers.
    #[serde(default, deserialize_with = "lenient")]
    pub managers: Option<Link>,
    /// The collection of chassis.
    #[serde(default, deserialize_with = "lenient")]
    pub chassis: Option<Link>,
    /// The session service.
    #[serde(default, deserialize_with = "lenient")]
    pub session_service: Option<Link>,
    /// What the service can do beyond the least.
    #[serde(default, deserialize_with = "lenient")]
    pub protocol_features_supported: Option<ProtocolFeatures>,
    /// The account service.
    #[serde(default, deserialize_with = "lenient")]
    pub account_service: Option<Link>,
    /// The event service.
    #[serde(default, deserialize_with = "lenient")]
    pub event_service: Option<Link>,
    /// The task service.
    #[serde(default, deserialize_with = "lenient")]
    pub tasks: Option<Link>,
    /// The update service.
    #[serde(default, deserialize_with = "lenient")]
    pub update_service: Option<Link>,
    /// The collection of registries.
    #[serde(default, deserialize_with = "lenient")]
    pub registries: Option<Link>,
    /// Direct links.
    #[serde(default, deserialize_with = "lenient")]
    pub links: Option<RootLinks>,
}

/// `ServiceRoot.ProtocolFeaturesSupported`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProtocolFeatures {
    #[serde(default, deserialize_with = "lenient")]
    expand_query: Option<ExpandQuery>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExpandQuery {
    #[serde(default, deserialize_with = "lenient")]
    no_links: Option<bool>,
}

impl ProtocolFeatures {
    /// The address that shows a collection with its members whole (DSP0266 section 7.3.2); `None` where the service
    /// doesn't say that it can, or can't although it says so.
    pub fn expanded(&self, collection: &ResourcePath, quirks: &Quirks) -> Option<ResourcePath> {
        let says = self.expand_query.as_ref()?.no_links == Some(true);
        let can = says && collection.query().is_none() && !quirks.has(Effect::ExpandDropsProperties);
        can.then(|| ResourcePath::from_link(&format!("{}?$expand=.", collection.path())))?
    }
}

/// The names of an object's properties; what they hold is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object: serde_json::Map<String, serde_json::Value> = Deserialize::deserialize(deserializer)?;
        Ok(Self(object.into_iter().map(|(name, _)| name).take(8).collect()))
    }
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
    /// Where more of them are (DSP0266 section 7.7).
    #[serde(rename = "Members@odata.nextLink", default, deserialize_with = "lenient")]
    pub next_link: Option<String>,
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
    /// Where what shall be is written, if not here.
    #[serde(rename = "@Redfish.Settings", default, deserialize_with = "lenient")]
    pub settings: Option<SettingsLink>,
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
    /// Where UEFI HTTP boot boots from; absent or empty: where DHCP says.
    #[serde(rename = "HttpBootUri", default, deserialize_with = "lenient")]
    pub http_boot_uri: Option<String>,
    /// The UEFI device path that `UefiTarget` means.
    #[serde(rename = "UefiTargetBootSourceOverride", default, deserialize_with = "lenient")]
    pub uefi_target: Option<String>,
}

/// `@Redfish.Settings`: where what shall be is written, where that is not the resource itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SettingsLink {
    /// The settings resource.
    #[serde(rename = "SettingsObject", default, deserialize_with = "lenient")]
    pub object: Option<Link>,
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
    /// The chassis that it is in.
    #[serde(default, deserialize_with = "lenient_list")]
    pub chassis: Vec<Link>,
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
    /// Who made it.
    #[serde(default, deserialize_with = "lenient")]
    pub manufacturer: Option<String>,
}
