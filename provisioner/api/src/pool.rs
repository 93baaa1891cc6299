//! Pools: machines that share owners and policy. A machine names its pool by a word; what is said of that pool is here.

use crate::{ErasePolicy, Group};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is said of a pool: its policy, all of which acts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolSpec {
    /// What it is for, in people's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The least that is done to a disk of its machines when it is wiped: what is asked for counts only where it is more.
    /// None: as is asked for. It counts for whoever is given a machine, or gives one back, from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<ErasePolicy>,
    /// How many of its machines may have an instance at once; who asks for more waits. None: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_machines: Option<u32>,
}

/// A pool: its machines counted, and what is said of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pool {
    /// Its name, and its machines counted.
    #[serde(flatten)]
    pub group: Group,
    /// How many of its machines have an instance.
    #[serde(default)]
    pub taken: u64,
    /// What is said of it; none: nothing, its machines only name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<PoolSpec>,
    /// What is said of it can't be read: until it is said anew its disks are overwritten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
    /// The id of what is said; with `version` it makes the `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Counts the changes of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When something was first said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When that was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Timestamp>,
}

/// `POST /v1/pools`. There may be machines already that name it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PoolCreate {
    /// A DNS label.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"))]
    pub name: String,
    /// As of `PoolSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub description: Option<String>,
    /// As of `PoolSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<ErasePolicy>,
    /// As of `PoolSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_machines: Option<u32>,
}

/// `PATCH /v1/pools/{pool}`: only what is given changes. `If-Match` is heeded where it is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PoolUpdate {
    /// Another description; `null`: none.
    #[serde(default, deserialize_with = "crate::machine::given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 500))]
    pub description: Option<Option<String>>,
    /// Another least wiping; `null`: as is asked for.
    #[serde(default, deserialize_with = "crate::machine::given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<ErasePolicy>))]
    pub erase: Option<Option<ErasePolicy>>,
    /// Another number of machines that may have an instance at once; `null`: all. What has one keeps it.
    #[serde(default, deserialize_with = "crate::machine::given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub max_machines: Option<Option<u32>>,
}

/// `GET /v1/pools`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolList {
    /// The pools, by name: those of which something is said, and those that a machine names.
    pub items: Vec<Pool>,
}
