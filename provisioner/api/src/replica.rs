//! The replicas: processes that serve from the same database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A replica.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Replica {
    /// Its id, which is in its data folder and stays.
    pub id: String,
    /// The host that it runs on; none: it is of an older version, and told nothing of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where its API is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it decides and acts. At most one does; all answer.
    pub leads: bool,
    /// Whether its beat came in the last 20 seconds. One that is stopped in good order is not listed any more.
    pub alive: bool,
    /// Since when it runs, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Its last beat, by the database's clock.
    pub beat: Timestamp,
    /// Whether it is the one that answers this.
    pub answers: bool,
}

/// `GET /v1/replicas`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplicaList {
    /// The replicas, by id.
    pub items: Vec<Replica>,
}
