//! Timelines: all that is known of a machine or an instance, from every source, in the order in which it happened.

use crate::{InstanceId, MachineId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that was observed or done.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelineEntry {
    /// Grows along the timeline; for "only what comes after" (`?after=`).
    pub id: String,
    /// When it happened, which may be a moment before it was written down.
    pub at: Timestamp,
    /// The machine that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// The instance that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// A stable word: `dhcp`, `boot` (TFTP, HTTP, boot scripts), `agent`, `bmc`, `os`, `request` (the API), `state`, `step`,
    /// `waiting`, `asks`, `held`, …
    pub kind: String,
    /// One sentence.
    pub message: String,
}

/// `GET /v1/machines/{machine}/timeline` and `/v1/instances/{instance}/timeline`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timeline {
    /// The entries, oldest first.
    pub items: Vec<TimelineEntry>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
