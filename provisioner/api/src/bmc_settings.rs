//! What of a machine its BMC sets: virtual media, Secure Boot, the firmware's setup and its boot order.
//!
//! Each answer is what the BMC said just now. Nothing of it is stored.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /v1/machines/{machine}/bmc/media`: the slots for virtual media.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcMediaList {
    /// All slots.
    pub items: Vec<BmcMediaSlot>,
}

/// A slot for virtual media.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcMediaSlot {
    /// Its id at the BMC, such as `Cd`, `1`, `CD1`.
    pub id: String,
    /// What it can be.
    pub kinds: Vec<BmcMediaKind>,
    /// The image that is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether the machine sees it.
    pub inserted: bool,
    /// Whether the machine can't write to it; absent: the BMC doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_protected: Option<bool>,
}

/// What a slot for virtual media can be.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcMediaKind {
    /// A CD.
    #[default]
    Cd,
    /// A DVD.
    Dvd,
    /// A USB stick.
    Usb,
    /// A floppy disk.
    Floppy,
}

/// `POST /v1/machines/{machine}/bmc/media`: puts an image in; answers the slot.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcMediaInsert {
    /// URL of the image, as the BMC reaches it.
    pub image: String,
    /// Into which slot; the first that is fit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// As what the machine shall see it; a CD when absent.
    #[serde(default)]
    pub kind: BmcMediaKind,
}

/// `GET /v1/machines/{machine}/bmc/secure-boot`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSecureBoot {
    /// Whether it is set to hold from the next boot on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether it held at the last boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<bool>,
    /// `SetupMode`, `UserMode`, `AuditMode`, `DeployedMode`, as the BMC says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// `PATCH /v1/machines/{machine}/bmc/secure-boot`; answers the state.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcSecureBootUpdate {
    /// Whether it shall hold from the next boot on.
    pub enabled: bool,
}

/// `POST /v1/machines/{machine}/bmc/secure-boot/reset-keys`; answers the state.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcSecureBootReset {
    /// Which keys are there then.
    pub keys: BmcSecureBootKeys,
}

/// Which keys of Secure Boot are there after a reset (Redfish `ResetKeysType`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcSecureBootKeys {
    /// Those that the maker put in.
    Default,
    /// None: Setup Mode.
    None,
    /// All but the platform key.
    NoPk,
}

/// `GET /v1/machines/{machine}/bmc/bios`: the firmware's setup.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcBiosList {
    /// All attributes, by name.
    pub items: Vec<BmcBiosAttribute>,
}

/// An attribute of the firmware's setup.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcBiosAttribute {
    /// Its name.
    pub name: String,
    /// What it is called in the setup's menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<BmcBiosValue>,
    /// What it will be after the next boot, if that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<BmcBiosValue>,
    /// What it may be, where the BMC has a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<BmcBiosRule>,
}

/// A value of an attribute.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum BmcBiosValue {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text, or a word of a list.
    Text(String),
}

/// What an attribute may be.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcBiosRule {
    /// `Enumeration`, `String`, `Integer`, `Boolean`, `Password`.
    pub kind: String,
    /// The words of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<i64>,
    /// The largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<i64>,
    /// The step between numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// The shortest text, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortest: Option<u32>,
    /// The longest text, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<u32>,
    /// A pattern for texts, as the maker wrote it; shown, not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether it can't be set.
    #[serde(default)]
    pub read_only: bool,
    /// Whether it needs a boot; absent: the registry doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_reset: Option<bool>,
    /// The maker's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<BmcBiosValue>,
}

/// `PATCH /v1/machines/{machine}/bmc/bios`: only what is given changes; answers a `BmcBiosChange`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcBiosUpdate {
    /// The attributes' new values, by name.
    pub attributes: BTreeMap<String, BmcBiosValue>,
}

/// What came of a change of the firmware's setup.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcBiosChange {
    /// When it holds.
    pub applies: BmcBiosApplies,
    /// The attributes that were named, as they are now.
    pub items: Vec<BmcBiosAttribute>,
}

/// When what was set holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcBiosApplies {
    /// It was so already.
    Already,
    /// It holds now.
    Now,
    /// It is pending, and holds after the next boot.
    NextBoot,
}

/// `GET /v1/machines/{machine}/bmc/boot-order`: the firmware's lasting boot order.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcBootOrder {
    /// The boot options in the order in which they are tried; those that are not tried last.
    pub items: Vec<BmcBootOption>,
}

/// A boot option.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcBootOption {
    /// What the order names it by, such as `Boot0003`.
    pub reference: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is tried; absent: the BMC doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Its UEFI device path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uefi_path: Option<String>,
}

/// `PUT /v1/machines/{machine}/bmc/boot-order`; answers the order.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcBootOrderUpdate {
    /// References of the options that are tried first, in this order; the others keep theirs behind them.
    pub first: Vec<String>,
}
