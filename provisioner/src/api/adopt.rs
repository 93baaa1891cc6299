//! `POST /v1/machines/{machine}/adopt`: what runs on a machine becomes an instance, and nothing of it is touched.
//!
//! The machine is `deployed` and its instance `running` with that; the instance has no image until it is installed anew,
//! and is protected unless it is said that it is not.

use super::{
    convert,
    error::{ApiError, Body},
    instances::tagged,
    validate::Fields,
};
use crate::{
    clock,
    hub::Poke,
    service::{Change, Service, ServiceError, TRIES},
    store::{InstanceRecord, InstanceStanding, MachineRecord, NewEvent, Swap},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use provisioner_api::{InstanceId, InstanceSpec, InstanceState, MachineAdopt};
use provisioner_lifecycle::{Owner, OwnerName, Request, admit_in_pool};
use std::sync::Arc;
use uuid::Uuid;

/// Makes what runs on a machine an instance.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_ADOPT, tag = "machines",
    request_body = MachineAdopt,
    responses((status = 201, body = provisioner_api::Instance), (status = 409)),
)]
pub(crate) async fn adopt(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<MachineAdopt>,
) -> Result<Response, ApiError> {
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    fields.done()?;
    for _ in 0..TRIES {
        let (own, now) = (service.machine(&key).await?, clock::now());
        let record = adopted(&own, &body, now);
        let least = service.store.pool_least_wiping().await?.of(&own.spec.pool);
        let request = Request::Adopt(owner(&record));
        let machine = admit_in_pool(&own.machine, &request, least).map_err(ServiceError::from)?;
        let mut after = MachineRecord { machine, ..own.clone() };
        after.spec.accepted = true;
        let events = [
            NewEvent::instance(record.id, "request", format!("adopted: it runs on machine {}", own.name)),
            NewEvent::machine(
                own.id(),
                "request",
                format!("adopted by an operator as instance {}", record.name),
            ),
        ];
        if service.store.instance_adopt(&record, (&own, &after), &events, now).await? == Swap::Updated {
            let own = service.written(&own, Change::new(after, Vec::new()));
            service.hub.poke(Poke::Instance(record.id));
            let instance = convert::instance(&service, &record, Some(&own), now);
            return Ok((StatusCode::CREATED, tagged(instance)).into_response());
        }
    }
    Err(ServiceError::Contended { what: format!("machine {key}") }.into())
}

fn adopted(own: &MachineRecord, body: &MachineAdopt, now: Timestamp) -> InstanceRecord {
    let spec = InstanceSpec {
        machine: Some(own.id().to_string()),
        protected: body.protected,
        erase: body.erase,
        ..InstanceSpec::new("")
    };
    InstanceRecord {
        id: InstanceId(Uuid::now_v7()),
        version: 1,
        name: body.name.clone(),
        state: InstanceState::Running,
        since: now,
        machine: Some(own.id()),
        image: None,
        image_before: None,
        spec,
        standing: InstanceStanding { got: Some(now), ..InstanceStanding::default() },
        created: now,
    }
}

fn owner(record: &InstanceRecord) -> Owner {
    Owner {
        instance: record.id,
        name: OwnerName { name: record.name.clone(), group: None },
        manifest: String::new(),
        disk_bytes: 0,
        ram: None,
        installation: 0,
        adopted: true,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        release: None,
        least: None,
    }
}
