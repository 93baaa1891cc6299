//! `/v1/pools`: what is said of pools, beside their machines counted. Who has a pool reads it, administrators write.
//! Deliberately not here: what a policy does, which is decided where wiping and giving are (`lifecycle`).

use super::{
    caller::Caller,
    error::{ApiError, Body},
    validate::Fields,
    version::{Bare, another_version, is_wanted},
};
use crate::{
    clock,
    hub::Poke,
    service::{Service, ServiceError, TRIES},
    store::{PoolGone, PoolRecord, Swap},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{Group, Pool, PoolCreate, PoolList, PoolSpec, PoolUpdate, etag};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Most characters of a description.
const DESCRIPTION: usize = 500;

/// How many of those that still name a pool are told.
const TOLD: usize = 5;

/// Lists the pools by name, with their machines counted.
#[utoipa::path(
    get, path = provisioner_api::paths::POOLS, tag = "fleet",
    operation_id = "pools",
    responses((status = 200, body = PoolList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<PoolList>, ApiError> {
    let mut pools = counted(&service).await?;
    for (record, damaged) in service.store.pool_list().await? {
        tell(pools.entry(record.name.clone()).or_default(), record, damaged);
    }
    pools.retain(|pool, _| caller.has(pool));
    // One of theirs that nothing names yet is there all the same.
    for pool in caller.pools().into_iter().flatten() {
        pools.entry(pool.clone()).or_default();
    }
    let named = |(name, pool): (String, Pool)| Pool { group: Group { name, ..pool.group }, ..pool };
    Ok(Json(PoolList { items: pools.into_iter().map(named).collect() }))
}

/// Says something of a pool. Machines may name it already.
#[utoipa::path(
    post, path = provisioner_api::paths::POOLS, tag = "fleet",
    operation_id = "create_pool",
    summary = "Says something of a pool",
    request_body = PoolCreate,
    responses((status = 201, body = Pool), (status = 409)),
)]
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Body(body): Body<PoolCreate>,
) -> Result<Response, ApiError> {
    let PoolCreate { name, description, erase, max_machines } = body;
    let spec = PoolSpec { description, erase, max_machines };
    let mut fields = Fields::default();
    fields.name("name", &name);
    check(&mut fields, &spec);
    fields.done()?;
    let now = clock::now();
    let record = PoolRecord { id: Uuid::now_v7(), name, spec, version: 1, created: now, changed: now };
    service.store.pool_insert(&record).await?;
    tracing::info!(pool = record.name, "a pool was made");
    // A pass under way does not know it yet; the next one does.
    service.hub.poke(Poke::Pending);
    Ok((StatusCode::CREATED, shown(&service, record, false).await?).into_response())
}

/// Shows a pool.
#[utoipa::path(
    get, path = provisioner_api::paths::POOL, tag = "fleet",
    operation_id = "pool",
    responses((status = 200, body = Pool)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    if !caller.has(&name) {
        return Err(ApiError::not_found("pool", &name));
    }
    if let Some((record, damaged)) = service.store.pool_to_mend(&name).await? {
        return shown(&service, record, damaged).await;
    }
    // One of theirs is there, as in the list, and so is one that machines name.
    let theirs = caller.pools().is_some();
    let pool = counted(&service).await?.remove(&name).or_else(|| theirs.then(Pool::default));
    let mut pool = pool.ok_or_else(|| ApiError::not_found("pool", &name))?;
    pool.group.name = name;
    Ok(Json(pool).into_response())
}

/// Changes what is said of a pool.
#[utoipa::path(
    patch, path = provisioner_api::paths::POOL, tag = "fleet",
    operation_id = "update_pool",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to be changed; another one is refused. `*`: any")),
    request_body = PoolUpdate,
    responses((status = 200, body = Pool), (status = 409), (status = 412)),
)]
pub(crate) async fn update(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body<PoolUpdate>,
) -> Result<Response, ApiError> {
    for _ in 0..TRIES {
        let (before, damaged) = found(&service, &name).await?;
        if !is_wanted(&headers, before.id, before.version, Bare::Refused) {
            return Err(another_version("pool", &name, before.version));
        }
        // What can't be read is said anew, all that protects: nobody knows what it was.
        if damaged && (body.erase.is_none() || body.max_machines.is_none()) {
            return Err(ApiError::conflict(format!(
                "the policy of pool `{name}` can't be read; give both `erase` and `max_machines` (`null`: none) to say it anew, or take it away with `billet pool delete {name}`"
            )));
        }
        let (spec, now) = (changed(&before.spec, &body)?, clock::now());
        if !damaged && spec == before.spec {
            return shown(&service, before, false).await;
        }
        if service.store.pool_update(&before, &spec, now).await? == Swap::Updated {
            tracing::info!(pool = name, "a pool was changed");
            service.hub.poke(Poke::Pending);
            let after = PoolRecord { spec, version: before.version + 1, changed: now, ..before };
            return shown(&service, after, false).await;
        }
    }
    Err(ServiceError::Contended { what: format!("pool {name}") }.into())
}

/// Takes away what is said of a pool that nothing names.
#[utoipa::path(
    delete, path = provisioner_api::paths::POOL, tag = "fleet",
    operation_id = "delete_pool",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to go; another one is refused. `*`: any")),
    responses((status = 204), (status = 409), (status = 412)),
)]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    for _ in 0..TRIES {
        let (before, _) = found(&service, &name).await?;
        if !is_wanted(&headers, before.id, before.version, Bare::Refused) {
            return Err(another_version("pool", &name, before.version));
        }
        match service.store.pool_delete(&before).await? {
            PoolGone::Done => {
                tracing::info!(pool = name, "a pool was taken away");
                return Ok(StatusCode::NO_CONTENT);
            }
            PoolGone::Used(users) => return Err(used(&name, &users)),
            PoolGone::Stale => {}
        }
    }
    Err(ServiceError::Contended { what: format!("pool {name}") }.into())
}

/// The machines of each pool counted, by its name.
async fn counted(service: &Service) -> Result<BTreeMap<String, Pool>, ApiError> {
    let groups = service.store.pool_counts().await?;
    let mut taken = service.store.pool_taken().await?;
    let pool = |(name, group): (String, Group)| {
        let taken = taken.remove(&name).unwrap_or(0);
        (name, Pool { group, taken, ..Pool::default() })
    };
    Ok(groups.into_iter().map(pool).collect())
}

/// The pool, and whether what is said of it can't be read.
async fn found(service: &Service, name: &str) -> Result<(PoolRecord, bool), ApiError> {
    service.store.pool_to_mend(name).await?.ok_or_else(|| {
        let detail = format!(
            "nothing is said of a pool `{name}`; `billet pool create {name}` does that, and `billet pool list` shows what there is"
        );
        ApiError::new(StatusCode::NOT_FOUND, "not-found", detail)
    })
}

/// What is said, as it is to be.
fn changed(before: &PoolSpec, body: &PoolUpdate) -> Result<PoolSpec, ApiError> {
    let mut spec = before.clone();
    if let Some(description) = &body.description {
        spec.description.clone_from(description);
    }
    spec.erase = body.erase.unwrap_or(before.erase);
    spec.max_machines = body.max_machines.unwrap_or(before.max_machines);
    let mut fields = Fields::default();
    check(&mut fields, &spec);
    fields.done()?;
    Ok(spec)
}

fn check(fields: &mut Fields, spec: &PoolSpec) {
    let text = spec.description.as_deref().unwrap_or("-");
    let right = (1..=DESCRIPTION).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fields.check(
        right,
        "description",
        format!("give one line of 1 to {DESCRIPTION} characters, or leave it out"),
    );
}

fn used(name: &str, users: &[String]) -> ApiError {
    let mut told = users.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    if users.len() > TOLD {
        told += &format!(" and {} more", users.len() - TOLD);
    }
    let detail = format!(
        "pool `{name}` is still named by {told}; move machines with `billet machine set NAME --pool OTHER`, and give instances back, before its policy goes"
    );
    ApiError::new(StatusCode::CONFLICT, "refused", detail)
}

/// Puts beside the counts what is said.
fn tell(pool: &mut Pool, record: PoolRecord, damaged: bool) {
    pool.group.name = record.name;
    pool.damaged = damaged;
    pool.spec = (!damaged).then_some(record.spec);
    (pool.id, pool.version) = (Some(record.id), Some(record.version));
    (pool.created, pool.changed) = (Some(record.created), Some(record.changed));
}

async fn shown(service: &Service, record: PoolRecord, damaged: bool) -> Result<Response, ApiError> {
    let tag = etag(record.id, record.version);
    let mut pool = counted(service).await?.remove(&record.name).unwrap_or_default();
    tell(&mut pool, record, damaged);
    Ok(([(header::ETAG, tag)], Json(pool)).into_response())
}
