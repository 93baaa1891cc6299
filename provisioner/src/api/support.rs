//! `/v1/support`: what whoever helps with a service wants to know of it, in one file and without a secret.
//!
//! It is made in memory, each part with a bound of its own, so that whoever is told of a failure has no half of it. A part that
//! can't be read is named, with why; the others are there.

mod parts;

use super::{
    auth::still_held,
    error::{ApiError, Query},
};
use crate::{
    clock,
    service::{Service, ServiceError},
    support_bundle::Bundle,
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// One is made at a time; the next waits.
static MAKING: Semaphore = Semaphore::const_new(1);

/// What else goes into it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// A machine, by name or id: its document, timeline, jobs, what it waits for, and what its BMC says of itself.
    machine: Option<String>,
}

/// Makes a support bundle.
#[utoipa::path(
    get, path = provisioner_api::paths::SUPPORT, tag = "service",
    operation_id = "support",
    params(Asked),
    responses((status = 200, body = inline(crate::api::openapi::File), content_type = "application/gzip"), (status = 404)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    // Nobody closes it.
    let _making = MAKING.acquire().await.ok();
    still_held().await?;
    made(&service, &asked).await
}

/// Makes it, for whoever may have it.
async fn made(service: &Arc<Service>, asked: &Asked) -> Result<Response, ApiError> {
    // One that is not there is a mistake; one that can't be read is what the bundle is for.
    if let Some(key) = &asked.machine
        && let looked = tokio::time::timeout(parts::PATIENCE, service.machine(key)).await
        && let Ok(Err(error @ ServiceError::NotFound { .. })) = looked
    {
        return Err(error.into());
    }
    let now = clock::now();
    let mut bundle = Bundle::default();
    parts::of_process(&mut bundle, service, now).await;
    parts::of_site(&mut bundle, service).await;
    if let Some(key) = &asked.machine {
        parts::of_machine(&mut bundle, service, key).await;
    }
    let folder = format!("billet-support-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    let name = format!("attachment; filename=\"{folder}.tar.gz\"");
    let packing = tokio::task::spawn_blocking(move || bundle.packed(&folder, env!("CARGO_PKG_VERSION"), now));
    let packed = packing.await.map_err(|error| ApiError::internal(&error))?;
    let packed = packed.map_err(|error| ApiError::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, packed).into_response())
}

#[cfg(test)]
mod tests;
