//! Changes as they come: the events of `GET /v1/watch`, which are server-sent events (HTML Living Standard, section 9.2).
//!
//! | event | data | what it says |
//! |---|---|---|
//! | `began` | [`WatchBegan`] | the first one: from here on nothing is left out |
//! | `changed` | [`WatchChange`] with the object | it is new, or another than before |
//! | `left` | [`WatchChange`] | it is there, but does not match the filter any more |
//! | `deleted` | [`WatchChange`] | it is gone, or is the caller's no more |
//! | `reset` | [`WatchReset`] | changes were missed: list again; the stream goes on from here |
//! | `ended` | [`WatchEnded`] | the last one, where the service ends the stream: come again behind the last id |
//!
//! The id of an event is where it stands: given back as `Last-Event-ID`, or as `?since=`, the stream goes on behind it. An
//! object may be told again as it is known already; what is told last is how it is.

use crate::{Image, Instance, Machine};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of the event with which a stream begins.
pub const WATCH_BEGAN: &str = "began";
/// The name of the event of an object that is new or changed.
pub const WATCH_CHANGED: &str = "changed";
/// The name of the event of an object that does not match the filter any more.
pub const WATCH_LEFT: &str = "left";
/// The name of the event of an object that is gone.
pub const WATCH_DELETED: &str = "deleted";
/// The name of the event after which one has to list again.
pub const WATCH_RESET: &str = "reset";

/// The name of the event with which the service ends a stream.
pub const WATCH_ENDED: &str = "ended";

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WatchKind {
    /// A machine.
    Machine,
    /// An instance.
    Instance,
    /// An image.
    Image,
}

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchBegan {
    /// Where that is, as `?since=` takes it.
    pub since: String,
}

/// An object that changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchChange {
    /// What it is.
    pub kind: WatchKind,
    /// Its id, which it keeps when it is renamed.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// A machine as it is now. Of a record that can't be read there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Box<Machine>>,
    /// An instance as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Box<Instance>>,
    /// An image as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Box<Image>>,
}

/// Changes were missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchReset {
    /// Why, and what to do.
    pub detail: String,
}

/// The service ends the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchEnded {
    /// Why, and what to do.
    pub detail: String,
}
