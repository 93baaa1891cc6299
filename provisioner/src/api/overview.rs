//! `/v1/jobs`, `/v1/events`, `/v1/zones`: the whole fleet, as far as it is the caller's. Nothing is changed here: jobs are
//! begun and cancelled at their machines, zones are words of the machines. Pools are in `pools`.

use super::{
    caller::Caller,
    convert,
    error::{ApiError, Query},
    pages,
};
use crate::{
    service::Service,
    store::{EventFilter, JobFilter, JobOfMachine},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use provisioner_api::{FleetEventList, GroupList, JobId, JobKind, JobList, ListedJob};
use serde::Deserialize;
use std::sync::Arc;

/// Whether a job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Going {
    /// It runs, or is held.
    Running,
    /// It is over.
    Ended,
}

/// Which jobs, and which page of them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobQuery {
    /// Only those that run, or that ended.
    #[param(inline)]
    state: Option<Going>,
    /// Only those for this.
    kind: Option<JobKind>,
    /// Only those of this machine: its name or id.
    machine: Option<String>,
    /// Only those that began before this one: the `next` of the page before.
    #[param(value_type = Option<uuid::Uuid>)]
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
}

/// Lists the jobs of all machines, newest first.
#[utoipa::path(
    get, path = provisioner_api::paths::JOBS, tag = "fleet",
    operation_id = "jobs",
    params(JobQuery),
    responses((status = 200, body = JobList)),
)]
pub(crate) async fn jobs(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<JobQuery>,
) -> Result<Json<JobList>, ApiError> {
    let limit = pages::limit(query.limit.as_deref())?;
    let before: Option<JobId> = pages::cursor(query.after.as_deref())?;
    let machine = match query.machine.as_deref() {
        None => None,
        Some(key) => {
            let found = caller.machine(&service, key).await?;
            let missing = || {
                let detail =
                    format!("there is no machine `{key}`; `billet machine list` shows what there is");
                ApiError::field("machine", detail)
            };
            Some(found.ok_or_else(missing)?.id())
        }
    };
    let filter = JobFilter {
        running: query.state.map(|state| state == Going::Running),
        kind: query.kind,
        machine,
        id: None,
        pools: caller.pools().map(<[String]>::to_vec),
    };
    let rows = service.store.job_page(&filter, before, pages::rows(limit)).await?;
    let (rows, next) = pages::cut(rows, limit, |row| row.job.id.to_string());
    Ok(Json(JobList { items: rows.iter().map(|row| wire(&service, row)).collect(), next }))
}

/// Shows a job.
#[utoipa::path(
    get, path = provisioner_api::paths::JOB, tag = "fleet",
    operation_id = "job",
    responses((status = 200, body = ListedJob)),
)]
pub(crate) async fn job(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<ListedJob>, ApiError> {
    let missing = || ApiError::not_found("job", &key);
    let id: JobId = key.parse().map_err(|_| missing())?;
    let pools = caller.pools().map(<[String]>::to_vec);
    let filter = JobFilter { id: Some(id), pools, ..JobFilter::default() };
    let rows = service.store.job_page(&filter, None, 1).await?;
    Ok(Json(wire(&service, rows.first().ok_or_else(missing)?)))
}

/// A job on the wire.
pub(super) fn wire(service: &Service, row: &JobOfMachine) -> ListedJob {
    let progress = |step: &provisioner_lifecycle::Step| {
        service.progress.of(&row.job, step).filter(|progress| progress.total > 0)
    };
    ListedJob {
        machine: row.machine,
        machine_name: row.name.clone(),
        pool: row.pool.clone(),
        job: convert::job_with(&row.job, progress),
    }
}

/// Which events, and which page of them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetEventQuery {
    /// Only these kinds, with commas between them: `dhcp,boot`.
    #[param(pattern = "^[a-z-]+(,[a-z-]+)*$")]
    kinds: Option<String>,
    /// Only newer than this event: its id, or the `next` of the page before.
    #[param(value_type = Option<uuid::Uuid>)]
    after: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// The last so many, instead of `after` and `limit`.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    newest: Option<String>,
}

/// Lists the events of all machines and instances, oldest first.
#[utoipa::path(
    get, path = provisioner_api::paths::EVENTS, tag = "fleet",
    operation_id = "events",
    params(FleetEventQuery),
    responses((status = 200, body = FleetEventList)),
)]
pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<FleetEventQuery>,
) -> Result<Json<FleetEventList>, ApiError> {
    let filter =
        EventFilter { kinds: kinds(query.kinds.as_deref())?, pools: caller.pools().map(<[String]>::to_vec) };
    if let Some(newest) = pages::number("newest", query.newest.as_deref())? {
        if query.after.is_some() || query.limit.is_some() {
            let detail = "it goes without `after` and `limit`: give either it or them";
            return Err(ApiError::field("newest", detail));
        }
        let items = service.store.event_newest_of_all(&filter, newest).await?;
        return Ok(Json(FleetEventList { items, next: None }));
    }
    let limit = pages::limit(query.limit.as_deref())?;
    let after = pages::cursor(query.after.as_deref())?;
    let rows = service.store.event_page_of_all(&filter, after, pages::rows(limit)).await?;
    let (items, next) = pages::cut(rows, limit, |event| event.event.id.to_string());
    Ok(Json(FleetEventList { items, next }))
}

/// Reads the words of `kinds`.
fn kinds(text: Option<&str>) -> Result<Vec<String>, ApiError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase() || char == '-');
    match text.split(',').find(|word| !is_word(word)) {
        None => Ok(text.split(',').map(str::to_owned).collect()),
        Some(word) => {
            let detail = format!("`{word}` is no kind of event; kinds are words such as dhcp,boot,step,held");
            Err(ApiError::field("kinds", detail))
        }
    }
}

/// Counts the machines by zone.
#[utoipa::path(
    get, path = provisioner_api::paths::ZONES, tag = "fleet",
    operation_id = "zones",
    responses((status = 200, body = GroupList)),
)]
pub(crate) async fn zones(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<GroupList>, ApiError> {
    let groups = service.store.zone_counts(caller.pools()).await?;
    Ok(Json(GroupList { items: groups.into_values().collect() }))
}
