//! What concerns all machines at once: the freeze, and how many are wiped at a time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether anybody may work, and what destroys just now.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Works {
    /// There while everything is frozen: nothing is switched, written, wiped or given to anybody.
    pub frozen: Option<Frozen>,
    /// The machines that are being wiped, or are about to.
    pub erasing: Wiping,
}

/// Somebody stopped everything.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Frozen {
    /// Since when, by the database's clock.
    pub since: Timestamp,
    /// Who: the name of an API token, ``user `NAME` ``, or `billet` itself.
    pub by: String,
    /// Why, if that was said.
    #[serde(default)]
    pub why: Option<String>,
}

/// How many machines are wiped, and how many wait for that.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Wiping {
    /// How many have leave and are not done.
    pub running: u64,
    /// How many wait for leave.
    pub queued: u64,
    /// How many may be wiped at once.
    pub limit: u64,
}

/// `POST /v1/works/freeze`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FreezeRequest {
    /// Why, for whoever wonders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
