//! `/v1/works`: stops everything, lets it go on, and says whether it is stopped and how much is being wiped.

use super::{
    caller::Caller,
    error::{ApiError, Body},
};
use crate::service::{Service, ServiceError};
use axum::{Extension, Json, extract::State, http::StatusCode};
use provisioner_api::{FreezeRequest, Frozen, Wiping, Works};
use provisioner_lifecycle::Freeze;
use std::sync::Arc;

/// Most characters of a reason: it stands in the answer of everything that waits.
const WHY: usize = 200;

/// Says whether everything is frozen, and how many machines are being wiped.
#[utoipa::path(
    get, path = provisioner_api::paths::WORKS, tag = "works",
    responses((status = 200, body = Works)),
)]
pub(crate) async fn show(State(service): State<Arc<Service>>) -> Result<Json<Works>, ApiError> {
    Ok(Json(works(&service).await?))
}

/// Stops everything.
#[utoipa::path(
    post, path = provisioner_api::paths::WORKS_FREEZE, tag = "works",
    request_body = FreezeRequest,
    responses((status = 200, body = Works)),
)]
pub(crate) async fn freeze(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<FreezeRequest>,
) -> Result<Json<Works>, ApiError> {
    let why = body.why.as_deref().map(str::trim).filter(|why| !why.is_empty());
    if why.is_some_and(|why| why.chars().count() > WHY || why.chars().any(char::is_control)) {
        return Err(ApiError::field("why", format!("give one line of at most {WHY} characters")));
    }
    service.freeze(&by(&caller), why).await?;
    Ok(Json(works(&service).await?))
}

/// Lets everything go on.
#[utoipa::path(
    post, path = provisioner_api::paths::WORKS_UNFREEZE, tag = "works",
    responses((status = 200, body = Works)),
)]
pub(crate) async fn unfreeze(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Works>, ApiError> {
    service.unfreeze(&by(&caller)).await?;
    Ok(Json(works(&service).await?))
}

/// A token by its name, as ever; a user said to be one, since a token may have the same name.
fn by(caller: &Caller) -> String {
    if caller.is_login() { caller.who() } else { caller.name().to_owned() }
}

pub(super) async fn works(service: &Service) -> Result<Works, ServiceError> {
    let frozen = service.frozen_by_row().await?;
    let erasures = service.store.erasures(service.config.limits.erase_limit).await?;
    let wire =
        |freeze: &Freeze| Frozen { since: freeze.since, by: freeze.by.clone(), why: freeze.why.clone() };
    let erasing =
        Wiping { running: erasures.running(), queued: erasures.queue().len() as u64, limit: erasures.most() };
    Ok(Works { frozen: frozen.as_deref().map(wire), erasing })
}

/// Refuses what would begin something while everything is frozen.
pub(super) async fn check_open(service: &Service) -> Result<(), ApiError> {
    match service.frozen().await? {
        None => Ok(()),
        Some(freeze) => {
            let detail = format!(
                "{freeze}; `billet unfreeze` ends that. `billet bmc -H ADDRESS` asks a BMC without the service"
            );
            Err(ApiError::new(StatusCode::CONFLICT, "frozen", detail))
        }
    }
}
