//! A group of resources that belong together: the system, the sessions, the virtual media, … Each is a file of its own
//! that knows where its resources are (`Places`) and nothing of sockets, logins and faults.
//!
//! A group is asked about every request; it must look at the path first.

use super::answer::{Refusal, object};
use super::state::Shared;
use super::users::Caller;
use crate::ChassisError;
use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde_json::{Map, Value};

/// A request, whole, from somebody who may do it.
pub(super) struct Request {
    /// The method; `HEAD` comes as `GET`.
    pub(super) method: Method,
    /// The path, without a slash at its end and without the query.
    pub(super) path: String,
    /// The query, as it came.
    pub(super) query: String,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Bytes,
    /// Who asks; `None` for what is open to all.
    pub(super) caller: Option<Caller>,
}

impl Request {
    /// The body as an object; an empty body is an empty object, as actions may have it.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Refusal> {
        if self.body.is_empty() { Ok(Map::new()) } else { object(&self.body) }
    }

    /// Whether it is a POST to this path.
    pub(super) fn posts_to(&self, path: &str) -> bool {
        self.method == Method::POST && self.path == path
    }
}

/// What happened, told to every group.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The machine was switched on or off through this BMC.
    Power {
        /// On, now.
        on: bool,
    },
    /// The machine begins to boot: what was pending for that takes effect.
    Boot,
    /// The BMC itself starts anew: what it kept in memory only is gone.
    ManagerRestart,
    /// Something that the BMC reports and logs.
    Report {
        /// Which message of which registry, such as `ResourceEvent.1.3.ResourceChanged`.
        message_id: String,
        /// In words.
        message: String,
        /// `OK`, `Warning`, `Critical`.
        severity: &'static str,
        /// The resource that it is about.
        origin: String,
    },
}

/// Resources about one thing. Every method has a default that does nothing.
#[async_trait]
pub(super) trait Group: Send + Sync {
    /// Fills in what changes by itself in a resource that is about to be shown. Also called for resources of other
    /// groups, so that several can have their say in one: the power in the system, an asset tag in the same.
    ///
    /// `reading`: a client reads it; false: it is only looked at, for its `ETag`.
    async fn show(
        &self,
        _bmc: &Shared,
        _path: &str,
        _resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        Ok(())
    }

    /// A resource that is neither in the profile's tree nor put into the BMC: made when somebody asks for it.
    fn make(&self, _bmc: &Shared, _path: &str) -> Option<Value> {
        None
    }

    /// Sets one property (of the first level) of an existing resource. `None`: not one of this group's.
    /// `If-Match` was looked at.
    async fn patch(
        &self,
        _bmc: &Shared,
        _path: &str,
        _property: &str,
        _value: &Value,
    ) -> Option<Result<(), Refusal>> {
        None
    }

    /// Answers a request itself: actions, POST to collections, DELETE, PUT, a GET of what is no resource, and a PATCH
    /// that is to be taken as a whole (see `State::precondition`). `None`: not one of this group's.
    async fn handle(&self, _bmc: &Shared, _request: &Request) -> Option<Response> {
        None
    }

    /// What else than GET and HEAD a resource takes, for the header `Allow`.
    fn methods(&self, _bmc: &Shared, _path: &str) -> &'static [Method] {
        &[]
    }

    /// Something happened to the machine or the BMC. Must not wait.
    fn happened(&self, _bmc: &Shared, _event: &Event) {}
}
