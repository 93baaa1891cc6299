//! Whether a replica can do its work, for load balancers.

use serde::{Deserialize, Serialize};

/// `GET /readyz`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Whether all parts are.
    pub ready: bool,
    /// Whether everything is frozen, if that is known. A frozen service answers, and has to be reached to end that.
    pub frozen: Option<bool>,
    /// Each part.
    pub parts: Vec<ReadyPart>,
}

/// One part of it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyPart {
    /// `process`, `database`, `key`, `leader`, `boot`.
    pub part: String,
    /// Whether it is.
    pub ready: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
