//! The audit log: who asked for what, when, from where, and what came of it.
//!
//! Its entries are chained: each has the SHA-256 over the one before and itself, so that nobody can change, remove or
//! reorder one without all that follow showing it.

use crate::Role;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    /// It was done, or noted to be done.
    Done,
    /// Who asked may ask that, but it was wrong or came at the wrong time; or it failed.
    Failed,
    /// Who asked may not, or could not show who they are.
    Denied,
    /// The service stopped before it was over; nobody knows whether it was done.
    Unknown,
}

/// An entry. Its JSON, with the fields in this order and without those that are absent, is what is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its number: the first is 1, and none is left out.
    pub seq: u64,
    /// When it was answered.
    pub at: Timestamp,
    /// The name of the token; none: there was none, or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The name of the user who is logged in, or whose name was given to log in; then there is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The role of the token or the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The address of who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The route: a path with places for names.
    pub route: String,
    /// The path as it was asked for, at most 200 characters.
    pub path: String,
    /// What something new was called, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The names of the fields that were given, never what was in them; `?` for what can't be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// The HTTP status of the answer; 0 when there was none.
    pub status: u16,
    /// How many of the same kind were left out before, because there were too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRecord {
    /// The JSON of an [`AuditEntry`], byte for byte as it was hashed.
    pub content: String,
    /// SHA-256, hex, of the hash before it (64 zeros for the first), a line feed, and the content.
    pub hash: String,
}

/// Where the log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditHead {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the last; 64 zeros when there is none.
    pub hash: String,
}

/// `GET /v1/audit`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditList {
    /// The entries, oldest first.
    pub items: Vec<AuditRecord>,
    /// What the next page begins behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where the log ended when the page was read.
    pub head: AuditHead,
}
