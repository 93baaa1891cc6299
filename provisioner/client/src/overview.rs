//! The whole fleet at a glance: jobs, events, zones.

use crate::{Client, ClientError, answer, rest::Listed};
use provisioner_api::{
    EventId, FleetEvent, FleetEventList, Group, GroupList, JobKind, JobList, ListedJob, paths,
};
use reqwest::Method;

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Those that run (`true`), or those that ended.
    pub running: Option<bool>,
    /// Those for this.
    pub kind: Option<JobKind>,
    /// Those of this machine: its name or id.
    pub machine: Option<String>,
}

impl Listed for FleetEventList {
    type Item = FleetEvent;
    fn parts(self) -> (Vec<FleetEvent>, Option<String>) {
        (self.items, self.next)
    }
}

impl Client {
    /// The newest jobs, newest first: at most so many, up to [`provisioner_api::PAGE_MOST`].
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn jobs(&self, filter: &JobFilter, number: u32) -> Result<Vec<ListedJob>, ClientError> {
        let kind = filter.kind.map(|kind| serde_json::to_value(kind).unwrap_or_default());
        let limit = number.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(filter.running.map(|running| ("state", if running { "running" } else { "ended" })));
        query.extend(kind.as_ref().and_then(|kind| Some(("kind", kind.as_str()?))));
        query.extend(filter.machine.as_deref().map(|machine| ("machine", machine)));
        let request = self.request_with(Method::GET, paths::JOBS, &[], &query)?;
        Ok(answer::json::<JobList>(request).await?.items)
    }

    /// A job by its id.
    pub async fn job(&self, id: &str) -> Result<ListedJob, ClientError> {
        self.get(paths::JOB, &[id]).await
    }

    /// The events of all machines and instances of these kinds (none: all), oldest first; only what is newer than `after`.
    pub async fn events(
        &self,
        kinds: &[String],
        after: Option<EventId>,
    ) -> Result<Vec<FleetEvent>, ClientError> {
        self.all::<FleetEventList>(paths::EVENTS, &[], &of(kinds), after.map(|id| id.to_string())).await
    }

    /// The newest of them, oldest first: at most so many, up to [`provisioner_api::PAGE_MOST`].
    pub async fn newest_events_of_all(
        &self,
        kinds: &[String],
        number: u32,
    ) -> Result<Vec<FleetEvent>, ClientError> {
        let (kinds, newest) = (of(kinds), number.to_string());
        let mut query: Vec<_> = kinds.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.push(("newest", &newest));
        let request = self.request_with(Method::GET, paths::EVENTS, &[], &query)?;
        Ok(answer::json::<FleetEventList>(request).await?.items)
    }

    /// The zones by name, with their machines counted.
    pub async fn zones(&self) -> Result<Vec<Group>, ClientError> {
        Ok(self.get::<GroupList>(paths::ZONES, &[]).await?.items)
    }
}

fn of(kinds: &[String]) -> Vec<(&'static str, String)> {
    if kinds.is_empty() { Vec::new() } else { vec![("kinds", kinds.join(","))] }
}
