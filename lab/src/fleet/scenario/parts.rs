//! The parts of a scenario that are plain values: machines, disks, limits, spans of time.

use serde::{Deserialize, Serialize, de};
use std::{fmt, str::FromStr, time::Duration};

/// The longest span: a year.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// How long: `20s`, `1h30m`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a span of time; write it like 500ms, 20s or 1h30m");
        let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
        let span = Duration::try_from(span).map_err(|_| wrong())?;
        // Far beyond any use, and far below what clocks can count to.
        if span > LONGEST {
            return Err(format!("`{text}` is longer than a year; write it shorter"));
        }
        Ok(Self(span))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Between two spans: `2s..6s`, or one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The least.
    pub from: Duration,
    /// The most.
    pub to: Duration,
}

impl FromStr for Spread {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (Span(from), Span(to)) = (from.trim().parse()?, to.trim().parse()?);
        if from > to {
            return Err(format!("`{text}` ends before it begins; write the shorter span first"));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", Span(self.from), Span(self.to))
    }
}

impl Serialize for Spread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Spread {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Which machines there are. Shares are weights: 80 and 20 are the same as 4 and 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Share of machines whose BMC speaks IPMI.
    pub ipmi: u32,
    /// Share of machines whose BMC speaks Redfish.
    pub redfish: u32,
    /// How they boot.
    pub firmware: FirmwareMix,
    /// How many machines a rack has.
    pub rack: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self { ipmi: 80, redfish: 20, firmware: FirmwareMix::default(), rack: 40 }
    }
}

/// How machines boot, as weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FirmwareMix {
    /// PXE of a BIOS: TFTP, then iPXE.
    pub bios_pxe: u32,
    /// PXE of UEFI: TFTP, then iPXE.
    pub uefi_pxe: u32,
    /// UEFI's HTTP boot.
    pub uefi_http: u32,
}

impl Default for FirmwareMix {
    fn default() -> Self {
        Self { bios_pxe: 50, uefi_pxe: 20, uefi_http: 30 }
    }
}

/// The image that is deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSize {
    /// MiB of it. 3 is a partition table and zeroes, whose bytes cost next to nothing to serve.
    pub mib: u64,
}

impl Default for ImageSize {
    fn default() -> Self {
        Self { mib: 4 }
    }
}

/// The machines' disks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSize {
    /// MiB of each.
    pub mib: u64,
    /// MiB a second that one writes, in the machines' own time: `compress` comes on top.
    pub mib_per_second: f64,
    /// Data disks beside the root disk; nothing may ever write to them.
    pub data_disks: u32,
    /// Disks for the data of whoever has the machine: wiped when it is given back, untouched when it is installed anew.
    pub tenant_disks: u32,
}

impl Default for DiskSize {
    fn default() -> Self {
        Self { mib: 64, mib_per_second: 500.0, data_disks: 1, tenant_disks: 0 }
    }
}

/// The service's time limits, `[limits]` of its configuration. What is left out is as in the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A power change or boot device.
    pub bmc: Span,
    /// From power on to the agent's claim.
    pub agent_call_in: Span,
    /// An order without a word from the agent.
    pub agent_silence: Span,
    /// An inspection.
    pub inspect: Span,
    /// Writing an image, as long as there is progress.
    pub write: Span,
    /// Writing while the agent speaks, but gets no further.
    pub write_stall: Span,
    /// Wiping, as long as there is progress.
    pub erase: Span,
    /// Wiping without getting further.
    pub erase_stall: Span,
    /// From reboot to the operating system's report.
    pub phone_home: Span,
    /// How often a job is started anew from power off before a person is asked.
    pub restarts: u32,
    /// How often one order is tried before a person is asked.
    pub order_attempts: u32,
    /// How many machines are wiped at once; none: as many as the service has it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase_limit: Option<EraseLimit>,
}

/// How many machines are wiped at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EraseLimit {
    /// So many.
    Number(u32),
    /// A share of all: `5%`.
    Share(String),
}

impl EraseLimit {
    /// Whether the service would take it.
    #[must_use]
    pub fn is_right(&self) -> bool {
        match self {
            Self::Number(number) => *number > 0,
            Self::Share(text) => {
                let percent = text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok());
                percent.is_some_and(|percent| (1..=100).contains(&percent))
            }
        }
    }
}

impl fmt::Display for EraseLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Share(text) => f.write_str(text),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bmc: Span::seconds(5 * 60),
            agent_call_in: Span::seconds(15 * 60),
            agent_silence: Span::seconds(3 * 60),
            inspect: Span::seconds(20 * 60),
            write: Span::seconds(6 * 3600),
            write_stall: Span::seconds(15 * 60),
            erase: Span::seconds(24 * 3600),
            erase_stall: Span::seconds(2 * 3600),
            phone_home: Span::seconds(30 * 60),
            restarts: 2,
            order_attempts: 3,
            erase_limit: None,
        }
    }
}

/// The rest of the service's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// Where it keeps its records.
    pub database: DatabaseKind,
    /// When serial consoles are recorded: `jobs`, `always`, `never`.
    pub console: String,
    /// What it logs: `info`, `warn,provisioner=debug`.
    pub log: String,
    /// KiB of kernel, ramdisk and loaders each: nothing in them is ever run.
    pub boot_kib: u64,
    /// How long leases of firmware and agent run.
    pub firmware_lease: Span,
    /// How long leases of systems run.
    pub system_lease: Span,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            database: DatabaseKind::default(),
            console: "jobs".into(),
            log: "info".into(),
            boot_kib: 64,
            firmware_lease: Span::seconds(15 * 60),
            system_lease: Span::seconds(12 * 3600),
        }
    }
}

/// Where the service keeps its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// In a file.
    #[default]
    Sqlite,
    /// On a PostgreSQL server, which the run starts unless one is named to it.
    Postgres,
}

/// What the network does to datagrams and to the agent's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkFaults {
    /// Chance that one is lost, 0 to 1.
    pub drop: f64,
    /// Chance that one arrives twice, 0 to 1.
    pub duplicate: f64,
    /// Up to this many milliseconds late, at random.
    pub jitter_ms: u32,
}

pub(super) const fn compress() -> f64 {
    60.0
}

pub(super) const fn yes() -> bool {
    true
}
