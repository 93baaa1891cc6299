//! The whole fleet at a glance: jobs, and what machines are counted by.

use crate::{Event, Job, MachineId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A job with the machine that it works on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedJob {
    /// The machine.
    pub machine: MachineId,
    /// Its name.
    pub machine_name: String,
    /// Its pool.
    pub pool: String,
    /// The job.
    #[serde(flatten)]
    pub job: Job,
}

/// `GET /v1/jobs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobList {
    /// The jobs, newest first.
    pub items: Vec<ListedJob>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An event with the names of what it concerns.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetEvent {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// The machine's name; none: it concerns none, or one that is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// The instance's name; none: it concerns none, or one that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
}

/// `GET /v1/events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetEventList {
    /// The events, oldest first.
    pub items: Vec<FleetEvent>,
    /// Where the next page begins (`?after=`); none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Machines that have something in common: a pool, or a zone.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    /// The name of the pool or zone.
    pub name: String,
    /// How many machines there are.
    pub machines: u64,
    /// How many of them wait for a person.
    pub held: u64,
    /// How many are in which state; a state that none is in is left out.
    pub states: BTreeMap<String, u64>,
    /// The racks of a zone, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub racks: Vec<String>,
}

/// `GET /v1/zones`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupList {
    /// The zones, by name.
    pub items: Vec<Group>,
}
