//! Events: the timeline of a machine or an instance.

use crate::{EventId, InstanceId, MachineId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that was observed or done. Facts make the timeline.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Grows with time.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// The machine that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// The instance that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// A stable word: `dhcp`, `boot`, `agent`, `bmc`, `state`, `step`, `held`, `request`, …
    pub kind: String,
    /// One sentence.
    pub message: String,
}

/// `GET /v1/machines/{machine}/events` and `/v1/instances/{instance}/events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventList {
    /// The events, oldest first.
    pub items: Vec<Event>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
