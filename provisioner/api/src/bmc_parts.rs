//! What a machine's BMC knows and does beside settings: firmware, tasks, parts, logs, reports.
//!
//! Each answer is what the BMC said just now. Of all this only the tasks of firmware updates are stored.

use crate::BmcSelEntry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/machines/{machine}/bmc/firmware`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFirmwareList {
    /// All that the BMC lists.
    pub items: Vec<BmcFirmwareItem>,
}

/// A piece of firmware.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFirmwareItem {
    /// Its id at the BMC.
    pub id: String,
    /// What it is the firmware of.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it can be updated; absent: the BMC doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updateable: Option<bool>,
    /// How it is, as the BMC says it: `OK`, `Warning`, `Critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// `POST /v1/machines/{machine}/bmc/firmware`: starts an update; answers 202 and its `BmcTask`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcFirmwareUpdate {
    /// URL of the image, as the BMC reaches it.
    pub url: String,
    /// Ids of the items that it is for; empty: the BMC finds out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// When it is applied; as the BMC likes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<BmcApplyTime>,
}

/// When a firmware update is applied.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcApplyTime {
    /// At once.
    Immediate,
    /// At the machine's next boot.
    OnReset,
}

/// `GET /v1/machines/{machine}/bmc/tasks`: what the BMC does that takes long.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcTaskList {
    /// All that it knows, the newest last.
    pub items: Vec<BmcTask>,
}

/// A task: `GET /v1/machines/{machine}/bmc/tasks/{id}`; `DELETE` lets the machine go on without its end.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcTask {
    /// Its id; may hold any character, also `/`.
    pub id: String,
    /// What it is.
    pub name: String,
    /// How far it is.
    pub state: BmcTaskState,
    /// How much of it is done, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What the BMC says of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Whether Billet follows it: until its end it doesn't switch the machine, and refuses to when asked.
    #[serde(default)]
    pub followed: bool,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcTaskState {
    /// It runs, or waits for its turn.
    Running,
    /// It goes on when the machine boots.
    AwaitsBoot,
    /// It is done.
    Done,
    /// It failed, or was stopped.
    Failed,
    /// The BMC doesn't know it any more: look at what it was to bring about.
    Gone,
}

/// `GET /v1/machines/{machine}/bmc/hardware`: the machine's parts as the BMC knows them, also while it is off.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcHardware {
    /// Manufacturer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The maker's order number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// UUID, lower case with dashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Version of its BIOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bios_version: Option<String>,
    /// Memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processors that are present.
    pub processors: Vec<BmcProcessor>,
    /// Memory modules that are present.
    pub memory: Vec<BmcMemoryModule>,
    /// Drives.
    pub drives: Vec<BmcDrive>,
    /// Network ports.
    pub ports: Vec<BmcNetworkPort>,
    /// PCI devices.
    pub pci: Vec<BmcPciDevice>,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A processor.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcProcessor {
    /// Where it sits.
    pub id: String,
    /// `CPU`, `GPU`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Its highest speed in MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mhz: Option<u32>,
    /// `x86-64`, `ARM-A64`, …, as the BMC says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction_set: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A memory module.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcMemoryModule {
    /// Where it sits.
    pub id: String,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// `DDR5`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Speed in MT/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<u32>,
    /// Manufacturer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A drive.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcDrive {
    /// Its id at the BMC.
    pub id: String,
    /// The controller that it is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// `HDD`, `SSD`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// `NVMe`, `SATA`, `SAS`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Version of its firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A network port.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcNetworkPort {
    /// Its id at the BMC.
    pub id: String,
    /// MAC address, lower case with colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether it has a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<bool>,
    /// Its speed in Mbit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mbit: Option<u32>,
    /// Its UEFI device path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uefi_path: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A PCI device.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcPciDevice {
    /// Its id at the BMC.
    pub id: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Manufacturer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Vendor id, such as `0x8086`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// Device id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Its class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Version of its firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
}

/// `GET /v1/machines/{machine}/bmc/logs`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcLogList {
    /// The BMC's logs.
    pub items: Vec<BmcLog>,
}

/// A log of a BMC.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcLog {
    /// Its id, such as `system/SEL`; may hold any character, also `/`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many entries it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Whether it can be emptied.
    pub clearable: bool,
}

/// `GET /v1/machines/{machine}/bmc/logs/{id}?newest=N`: the newest entries of a log.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcLogEntries {
    /// The entries, the oldest first.
    pub items: Vec<BmcSelEntry>,
}

/// What a BMC reports by itself: the data of each server-sent event of `GET /v1/machines/{machine}/bmc/reports`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcReport {
    /// When, as the BMC says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Which message of which registry, such as `ResourceEvent.1.3.ResourceChanged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// In words.
    pub message: String,
    /// `OK`, `Warning`, `Critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The resource that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// `GET /v1/machines/{machine}/bmc/subscriptions`: where the BMC posts its reports to.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSubscriptionList {
    /// All subscriptions.
    pub items: Vec<BmcSubscription>,
}

/// A subscription to a BMC's reports.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSubscription {
    /// Its id at the BMC.
    pub id: String,
    /// Where it posts to.
    pub destination: String,
    /// What it marks reports with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// `POST /v1/machines/{machine}/bmc/subscriptions`; answers the subscription.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcSubscribe {
    /// The `https:` or `http:` URL that the BMC posts its reports to.
    pub destination: String,
    /// What it marks reports with; `billet` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}
