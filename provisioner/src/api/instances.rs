//! `/v1/instances`.

use super::{
    boot_trace, convert,
    error::{ApiError, Body, Query},
    machines::{After, EVENTS, FACTS, etag},
    validate::Fields,
};
use crate::{
    clock,
    keys::KeyError,
    service::{Service, ServiceError},
    store::{EventsOf, InstanceRecord, InstanceStanding, NewEvent, NewSecret},
    text::word,
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{
    DeleteInstance, Event, Instance, InstanceCreate, InstanceId, InstanceList, InstanceState, Why,
};
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

/// The name of an instance's user data among its secrets.
pub(crate) const USER_DATA: &str = "user-data";

/// Under which name an instance's secrets are kept.
pub(crate) fn secret_owner(id: InstanceId) -> String {
    format!("instance {id}")
}

/// What a list may be narrowed to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    state: Option<InstanceState>,
}

pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Query(filter): Query<Filter>,
) -> Result<Json<InstanceList>, ApiError> {
    let mut items = Vec::new();
    for record in service.store.instance_list().await? {
        if filter.state.is_none_or(|state| record.state == state) {
            items.push(convert::instance(&service, &record, clock::now()).await?);
        }
    }
    Ok(Json(InstanceList { items }))
}

pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Body(body): Body<InstanceCreate>,
) -> Result<Response, ApiError> {
    let mut spec = body.spec;
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    fields.instance(&spec);
    let image = service.store.image_find(&spec.image).await?;
    let no_image = format!("there is no image `{}`; `billet image list` shows what there is", spec.image);
    fields.check(image.is_some(), "spec.image", no_image);
    if let Some(machine) = &spec.machine {
        let found = service.store.machine_find(machine).await?;
        let no_machine =
            format!("there is no machine `{machine}`; `billet machine list` shows what there is");
        fields.check(found.is_some(), "spec.machine", no_machine);
        // By its id, so that renaming the machine changes nothing.
        spec.machine = found.map(|found| found.id().to_string());
    }
    fields.done()?;
    // `done` refused if there was none.
    let Some(image) = image else { return Err(ApiError::field("spec.image", "there is no such image")) };
    let now = clock::now();
    let id = InstanceId(Uuid::now_v7());
    let user_data = spec.user_data.take();
    let standing = InstanceStanding {
        user_data_bytes: user_data.as_ref().map(|data| data.len() as u64),
        ..Default::default()
    };
    let seal = |data: &String| {
        let sealed = service.key.seal(&secret_owner(id), USER_DATA, data.as_bytes())?;
        Ok(NewSecret { owner: secret_owner(id), name: USER_DATA, sealed: Some(sealed) })
    };
    let user_data =
        user_data.as_ref().map(seal).transpose().map_err(|error: KeyError| ServiceError::from(error))?;
    let record = InstanceRecord {
        id,
        version: 1,
        name: body.name,
        state: InstanceState::Pending,
        since: now,
        machine: None,
        image: image.id,
        spec,
        standing,
        created: now,
    };
    let events = [NewEvent::instance(id, "request", format!("asked for: image {}", image.name))];
    service.store.instance_insert(&record, user_data.as_ref(), &events, now).await?;
    service.hub.poke(crate::hub::Poke::Instance(id));
    let instance = convert::instance(&service, &record, now).await?;
    Ok((StatusCode::CREATED, tagged(instance)).into_response())
}

pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let record = service.instance(&key).await?;
    Ok(tagged(convert::instance(&service, &record, clock::now()).await?))
}

/// Asks for the instance to be given back. Repeating it changes nothing: the first word on erasing stands, unless it
/// came to nothing and the machine is held.
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body: DeleteInstance = if body.is_empty() {
        DeleteInstance::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", error.to_string()))?
    };
    let record = service.instance(&key).await?;
    let own = match record.machine {
        Some(id) => service.store.machine_get(id).await?,
        None => None,
    };
    let held = own.is_some_and(|own| own.machine.state.hold.is_some());
    let changed = service
        .instance_change(record.id, |record, _| {
            let known = record.standing.release;
            if known.is_some() && (!held || body.erase.is_none() || body.erase == known) {
                return None;
            }
            let erase = body.erase.unwrap_or(record.spec.erase);
            let mut next = record.clone();
            next.standing.release = Some(erase);
            let message = format!("given back; its disks are to be wiped by {}", word(&erase));
            Some((next, vec![NewEvent::instance(record.id, "request", message)]))
        })
        .await?;
    let record = changed.ok_or_else(|| ApiError::not_found("instance", &key))?;
    if let (Some(wanted), Some(stands)) = (body.erase, record.standing.release)
        && wanted != stands
    {
        return Err(ApiError::conflict(format!(
            "the disks are to be wiped by {} already; another way may be asked for when that is held",
            word(&stands)
        )));
    }
    let instance = convert::instance(&service, &record, clock::now()).await?;
    Ok((StatusCode::ACCEPTED, tagged(instance)).into_response())
}

pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Query(after): Query<After>,
) -> Result<Json<Vec<Event>>, ApiError> {
    let record = service.instance(&key).await?;
    Ok(Json(service.store.event_list(EventsOf::Instance(record.id), after.after, EVENTS).await?))
}

pub(crate) async fn why(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<Why>, ApiError> {
    let record = service.instance(&key).await?;
    let now = clock::now();
    let instance = convert::instance(&service, &record, now).await?;
    let own = match record.machine {
        Some(id) => service.store.machine_get(id).await?,
        None => None,
    };
    let (job, facts) = match &own {
        Some(own) => (
            convert::machine(&service, own, now).await?.status.job,
            service.store.event_list(EventsOf::Machine(own.id()), None, FACTS).await?,
        ),
        None => (None, service.store.event_list(EventsOf::Instance(record.id), None, FACTS).await?),
    };
    let status = instance.status;
    let state = word(&status.state);
    let diagnoses = match &own {
        Some(own) => boot_trace::of_waiting(&service, own).await?,
        None => Vec::new(),
    };
    Ok(Json(convert::why(
        format!("instance {}", record.name),
        state,
        status.waiting,
        status.held,
        job,
        diagnoses,
        facts,
    )))
}

fn tagged(instance: Instance) -> Response {
    ([(header::ETAG, etag(instance.version))], Json(instance)).into_response()
}
