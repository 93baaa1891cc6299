//! The site key, as far as anybody is told of it.

use serde::{Deserialize, Serialize};

/// `GET /v1/key`: the keys, and what is sealed with them.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// The keys in the key file, oldest first.
    pub items: Vec<SiteKeyPrint>,
    /// How many secrets are stored.
    pub secrets: u64,
    /// How many of them an older key sealed; none when a rotation is done.
    pub older: u64,
    /// How many no key opens: they have to be set anew.
    pub unreadable: u64,
}

/// One key. Nothing here gives it away.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteKeyPrint {
    /// Its number, which grows with each rotation.
    pub generation: u32,
    /// What tells it from others; backups name it.
    pub fingerprint: String,
    /// Whether new secrets are sealed with it.
    pub current: bool,
}
