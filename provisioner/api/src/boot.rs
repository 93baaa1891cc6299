//! How machines boot, what was seen of it, and what that means.

use crate::MachineId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a machine gets from its UEFI firmware to our agent. A BIOS always goes by iPXE.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BootChain {
    /// Whatever works: the usual way first, another one after it failed.
    #[default]
    Auto,
    /// iPXE on the firmware's own network driver.
    Snponly,
    /// iPXE with its own network drivers.
    Ipxe,
    /// One file with kernel and ramdisk, without iPXE.
    Uki,
}

/// `GET /v1/boot-traces/{machine|mac}`: the conversation of a machine, or of one MAC address, with the boot server.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BootTrace {
    /// The machine, if it is one that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// The MAC addresses of which this tells.
    pub macs: Vec<String>,
    /// What was seen, oldest first.
    pub entries: Vec<TraceEntry>,
    /// What that means; the likeliest cause of the trouble first, nothing when there is none.
    #[serde(default)]
    pub diagnoses: Vec<Diagnosis>,
}

/// One packet or file request, and what it was answered. Fields that don't apply are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TraceEntry {
    /// Grows with each entry of the service that answers; for "only what is newer" (`?after=`).
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Of which MAC address.
    pub mac: String,
    /// On which network.
    pub network: String,
    /// `dhcp`, `tftp`, `http`, `script` or `conflict`.
    pub kind: String,
    /// What was asked, as a phrase: `DISCOVER from UEFI PXE (x64)`.
    pub asked: String,
    /// What came of it, as a phrase: `OFFER 10.77.0.100, boots by snponly`.
    pub answered: String,
    /// The DHCP message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The DHCP reply; none for silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Why there was no reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// The address that the client was told, or that a conflict is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The relay through which it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// Another DHCP server that the client named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The file's name or path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// `begun`, `refused`, `size-probe`, `done`, `broken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes that arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The file's size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
}

/// What a conversation means.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    /// A stable word, such as `no-loader-request`, `loader-loop`, `outside-window`.
    pub kind: String,
    /// One sentence: what was seen.
    pub sentence: String,
    /// What mostly mends it.
    pub mend: String,
}
