//! The error body: problem+json (RFC 9457) that names the field and the mend.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What every failed request answers, as `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable word for programs, such as `not-found`, `conflict`, `invalid`, `refused`, `unauthorized`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status again (RFC 9457 section 3.1.2).
    pub status: u16,
    /// One sentence for people: what is wrong and what mends it.
    pub detail: String,
    /// Which fields of the body are wrong, all of them at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
}

/// One wrong field.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Where in the body, dotted: `bmc.address`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        for field in &self.fields {
            write!(f, "\n  {}: {}", field.field, field.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
