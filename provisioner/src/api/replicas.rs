//! `/v1/replicas`: who serves from the same database, and who of them leads.

use super::error::ApiError;
use crate::service::{Service, ServiceError};
use axum::{Json, extract::State};
use provisioner_api::{Replica, ReplicaList};
use std::sync::Arc;
use uuid::Uuid;

/// Lists the replicas.
#[utoipa::path(
    get, path = provisioner_api::paths::REPLICAS, tag = "service",
    operation_id = "replicas",
    responses((status = 200, body = ReplicaList)),
)]
pub(crate) async fn list(State(service): State<Arc<Service>>) -> Result<Json<ReplicaList>, ApiError> {
    let leader = leader(&service).await?;
    let rows = service.store.replica_list().await.map_err(ServiceError::from)?;
    let items = rows.into_iter().map(|row| {
        let (host, url, since) = match row.about {
            Some(about) => (Some(about.host), Some(about.url), Some(about.since)),
            None => (None, None, None),
        };
        Replica {
            host,
            url,
            since,
            leads: row.process.is_some() && row.process == leader,
            alive: row.alive,
            beat: row.beat,
            answers: row.owner == service.replica.owner,
            id: row.owner,
        }
    });
    Ok(Json(ReplicaList { items: items.collect() }))
}

/// The process whose turn it is.
pub(super) async fn leader(service: &Service) -> Result<Option<Uuid>, ServiceError> {
    if let Some(seen) = service.store.turn_look().await? {
        return Ok(seen.turn.holder.filter(|_| seen.turn.until > seen.clock));
    }
    Ok(service.standing.leads().then_some(service.replica.process))
}
