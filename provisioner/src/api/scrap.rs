//! `POST /v1/machines/{machine}/scrap`: a machine whose hardware is dead is forgotten, with the instance that was giving it
//! back. Whether it may be is the lifecycle's to say.

use super::error::{ApiError, Body};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{NewEvent, Swap},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use provisioner_api::MachineScrap;
use std::sync::Arc;

/// Forgets a machine whose hardware is dead, and its instance.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_SCRAP, tag = "machines",
    request_body = MachineScrap,
    responses((status = 204), (status = 409)),
)]
pub(crate) async fn scrap(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<MachineScrap>,
) -> Result<StatusCode, ApiError> {
    let record = service.machine(&key).await?;
    let unwiped = provisioner_lifecycle::scrap(&record.machine, body.hold, &body.unwiped)
        .map_err(|error| ApiError::new(StatusCode::CONFLICT, "refused", error.to_string()))?;
    let instance = match record.owner() {
        Some(id) => service.store.instance_get(id).await.map_err(ServiceError::from)?,
        None => None,
    };
    let disks = match &*unwiped {
        [] => "all its disks are wiped".to_owned(),
        disks => format!("NOT wiped: disk `{}`", disks.join("`, `")),
    };
    let said = format!("an operator has machine {} forgotten as scrap; {disks}", record.name);
    let mut events = vec![NewEvent::machine(record.id(), "request", said.clone())];
    events.extend(instance.iter().map(|own| NewEvent::instance(own.id, "state", format!("gone: {said}"))));
    match service.store.machine_and_instance_delete(&record, instance.as_ref(), &events, clock::now()).await?
    {
        Swap::Updated => {
            tracing::warn!(machine = record.name, id = %record.id(), "{said}");
            // The reconciler ends the session with its BMC.
            service.poke_machine(&record);
            Ok(StatusCode::NO_CONTENT)
        }
        Swap::Stale => Err(ApiError::conflict("the machine was changed meanwhile; look at it again")),
    }
}
