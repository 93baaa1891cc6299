//! A machine's BMC, asked directly: what it says of itself, power and boot, sensors, event log, parts, users.
//!
//! Each answer is what the BMC said just now. Nothing of it is stored.

use crate::{BmcHealth, BootMode, Power, Secret};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/machines/{machine}/bmc`: what the BMC says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcDetails {
    /// `host:port`.
    pub address: String,
    /// Manufacturer; for IPMI the IANA enterprise number's name or the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Firmware version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// The UUID of the machine as the BMC knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_uuid: Option<String>,
    /// SHA-256 of the TLS certificate that it showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_sha256: Option<String>,
    /// Whether it answers, as the service sees it.
    pub health: BmcHealth,
    /// What it can do: `boot`, `console`, `event-log`, `identify`, …
    pub capabilities: Vec<String>,
    /// What of its settings is weak.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weak: Vec<String>,
    /// Its network settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<BmcNetwork>,
    /// Its asset tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Power drawn by the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_reading: Option<BmcPowerReading>,
    /// Its watchdog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<BmcWatchdog>,
}

/// A BMC's own network settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcNetwork {
    /// `static`, `dhcp`, `system` or `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its netmask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netmask: Option<String>,
    /// Its gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Its MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Its VLAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The IPMI cipher suites that it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<u8>,
}

/// Power drawn, in watts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcPowerReading {
    /// Now.
    pub now_watts: u16,
    /// The least over the period.
    pub minimum_watts: u16,
    /// The most over the period.
    pub maximum_watts: u16,
    /// On average over the period.
    pub average_watts: u16,
    /// The period, in seconds.
    pub period_seconds: u64,
    /// Whether it is being measured.
    pub active: bool,
}

/// A watchdog timer.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcWatchdog {
    /// Whether it runs.
    pub running: bool,
    /// Who uses it.
    pub used_by: String,
    /// What it does at the end.
    pub action: String,
    /// What it was set to, in seconds.
    pub set_to_seconds: u64,
    /// What is left, in seconds.
    pub left_seconds: u64,
}

/// `GET /v1/machines/{machine}/bmc/power`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcPower {
    /// What the BMC says.
    pub power: Power,
}

/// `POST /v1/machines/{machine}/bmc/confirm`: somebody did it at the machine, or looked. Where nothing else tells how
/// its power is (`manual`, `wake-on-lan`), this is what counts as observed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcConfirm {
    /// How the power is now: `on` or `off`.
    pub power: Power,
}

/// `POST /v1/machines/{machine}/bmc/power`: presses a button. On and off are machine actions.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcPress {
    /// Which.
    pub button: BmcButton,
}

/// A button.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcButton {
    /// Off and, a little later, on.
    Cycle,
    /// Hard reset.
    Reset,
    /// Asks the operating system to shut down.
    Soft,
    /// Diagnostic interrupt (NMI).
    Diag,
    /// Asks the operating system to start anew.
    Restart,
    /// The power button as a finger presses it: what it does depends on the state.
    Push,
    /// Takes standby power away, too, for a while: the BMC may go with it.
    FullCycle,
    /// Suspends the system to RAM.
    Suspend,
    /// Halts the processors.
    Pause,
    /// Lets a suspended or halted system go on.
    Resume,
}

/// `GET` and `PUT /v1/machines/{machine}/bmc/boot`: what the next boot, or every boot, comes from.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcBoot {
    /// From what.
    pub device: BmcBootDevice,
    /// For every boot, not only the next.
    #[serde(default)]
    pub persistent: bool,
    /// In which mode; when it is set and absent, the mode stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BootMode>,
    /// With `http`: from this address; from the one that DHCP tells when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// With `uefi-device`: its UEFI device path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A device to boot from, in ipmitool's words where it has one.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcBootDevice {
    /// No override: the firmware's own order.
    #[default]
    None,
    /// The network.
    Pxe,
    /// The disk.
    Disk,
    /// An optical drive, real or virtual.
    Cdrom,
    /// The firmware's setup.
    Bios,
    /// A USB device.
    Usb,
    /// UEFI HTTP boot.
    Http,
    /// The device with a UEFI device path.
    UefiDevice,
    /// Something that has no word here (only read).
    Other,
}

/// `GET /v1/machines/{machine}/bmc/sensors`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSensorList {
    /// The sensors.
    pub items: Vec<BmcSensor>,
}

/// A sensor.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSensor {
    /// Its name.
    pub name: String,
    /// Its number at the BMC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
    /// What it is at.
    pub entity: String,
    /// What it measures.
    pub kind: String,
    /// The reading, if it is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<f64>,
    /// Unit of reading and thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// States that hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// How it is.
    pub health: BmcSensorHealth,
    /// Its limits.
    #[serde(default)]
    pub thresholds: BmcThresholds,
}

/// How a sensor is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcSensorHealth {
    /// Nothing to be read now.
    Unavailable,
    /// Fine.
    Ok,
    /// Beyond a non-critical limit.
    Warning,
    /// Beyond a critical limit.
    Critical,
    /// Beyond a non-recoverable limit.
    NonRecoverable,
}

/// A sensor's limits.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcThresholds {
    /// Lower non-recoverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_non_recoverable: Option<f64>,
    /// Lower critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_critical: Option<f64>,
    /// Lower non-critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_non_critical: Option<f64>,
    /// Upper non-critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_non_critical: Option<f64>,
    /// Upper critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_critical: Option<f64>,
    /// Upper non-recoverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_non_recoverable: Option<f64>,
}

/// `GET /v1/machines/{machine}/bmc/sel`: the hardware's event log. `DELETE` empties it, `PATCH` sets its clock.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSel {
    /// How many entries it has.
    pub entries: u32,
    /// How many more fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u32>,
    /// Whether entries were lost because it was full.
    pub overflow: bool,
    /// What its clock says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Timestamp>,
    /// The entries, the oldest first.
    pub items: Vec<BmcSelEntry>,
}

/// An entry of a log.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcSelEntry {
    /// Its id at the BMC; a number in IPMI.
    pub id: String,
    /// When; absent when the BMC's clock was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The sensor.
    pub sensor: String,
    /// What the sensor measures.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// False: it is no longer so.
    pub asserted: bool,
    /// The record as the BMC gave it, hex.
    pub raw: String,
}

/// `PATCH /v1/machines/{machine}/bmc/sel`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcSelUpdate {
    /// What its clock is set to.
    pub clock: Timestamp,
}

/// `GET /v1/machines/{machine}/bmc/fru`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFruList {
    /// The units.
    pub items: Vec<BmcFru>,
}

/// A field replaceable unit.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFru {
    /// Its number at the BMC.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// Its areas: chassis, board, product.
    pub areas: Vec<BmcFruArea>,
    /// What was wrong with its data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// An area of a unit's data.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFruArea {
    /// `chassis`, `board`, `product`.
    pub kind: String,
    /// Its fields.
    pub fields: Vec<BmcFruField>,
}

/// A field of an area.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcFruField {
    /// Its name: `manufacturer`, `serial`, …
    pub name: String,
    /// Its text.
    pub value: String,
}

/// `POST /v1/machines/{machine}/bmc/identify`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcIdentify {
    /// How long the lamp shines, 1 to 255 seconds; 0: it goes out; absent: until switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u8>,
}

/// `GET /v1/machines/{machine}/bmc/users`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcUserList {
    /// All of them, with the empty slots where there are such.
    pub items: Vec<BmcUserEntry>,
}

/// A user of a BMC, or a slot for one.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BmcUserEntry {
    /// Its id: the number of a slot (IPMI), or of an account, or the user's name (Redfish).
    pub id: String,
    /// Its user name; empty for a free slot.
    pub name: String,
    /// Whether the user may log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether the BMC locked the user out after wrong passwords; absent: it doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// What the user may do over the network.
    pub privilege: BmcUserPrivilege,
}

/// What a BMC's user may do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BmcUserPrivilege {
    /// Nothing.
    NoAccess,
    /// Ask to be called back.
    Callback,
    /// Read.
    User,
    /// Read, and switch the power.
    Operator,
    /// Everything.
    Administrator,
    /// What the manufacturer thought of.
    Oem,
}

/// `POST /v1/machines/{machine}/bmc/users`: adds a user, enabled; answers the user.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcUserAdd {
    /// The user name.
    pub name: String,
    /// The password, write-only.
    pub password: Secret,
    /// What the user may do.
    pub privilege: BmcUserPrivilege,
}

/// `PATCH /v1/machines/{machine}/bmc/users/{id}`: only what is given changes, in the order of the fields.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcUserUpdate {
    /// A new name; empty frees the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new password, write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// What the user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privilege: Option<BmcUserPrivilege>,
    /// Whether the user may log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `PATCH /v1/machines/{machine}/bmc`: small settings of the BMC. Only what is given changes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BmcSettingsUpdate {
    /// A new asset tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// `false` stops the watchdog; it can't be started from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<bool>,
}

/// The header of `GET /v1/machines/{machine}/console` that tells the position of the body's first byte.
///
/// Positions count the bytes that were ever recorded of that machine's console, from 0; they survive restarts.
pub const CONSOLE_POSITION: &str = "billet-console-position";

/// How many bytes may be typed with one `POST /v1/machines/{machine}/console`.
pub const CONSOLE_TYPED: usize = 4096;

/// `GET /v1/machines/{machine}/console/status`: the machine's serial console and its record.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleStatus {
    /// Whether it is connected now.
    pub connected: bool,
    /// How many read it now.
    pub readers: u32,
    /// Position of the first byte that is still recorded.
    pub first: u64,
    /// Position behind the last recorded byte.
    pub end: u64,
    /// Why it is not connected, or what went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
