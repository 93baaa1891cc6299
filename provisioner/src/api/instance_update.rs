//! What can be changed of an instance that there is, and what stands in the way of taking it away.

use super::{
    convert,
    error::{ApiError, Body},
    instances::{find, tagged},
    version::{Bare, another_version, is_wanted},
};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{InstanceRecord, ListedInstance, NewEvent},
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jiff::Timestamp;
use provisioner_api::InstanceUpdate;
use provisioner_lifecycle::{Refusal, is_overdue, is_to_erase};
use std::sync::Arc;

/// Changes what is given of an instance.
#[utoipa::path(
    patch, path = provisioner_api::paths::INSTANCE, tag = "instances",
    request_body = InstanceUpdate,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to be changed; another one is refused. `*`: any")),
    responses((status = 200, body = provisioner_api::Instance), (status = 409), (status = 412)),
)]
pub(crate) async fn update(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Body(body): Body<InstanceUpdate>,
) -> Result<Response, ApiError> {
    if body == InstanceUpdate::default() {
        return Err(ApiError::field("protected", "give at least one thing to change: protected, deadline"));
    }
    check_deadline("deadline", body.deadline.flatten(), clock::now())?;
    let ListedInstance { record, machine: own } = find(&service, &key).await?;
    if body.protected == Some(true) && own.as_ref().is_some_and(|own| is_to_erase(&own.machine)) {
        return Err(ServiceError::from(Refusal::ToBeErased).into());
    }
    let (mut stale, mut late) = (false, false);
    let changed = service.instance_change_loaded(&record, |record, now| {
        stale = !is_wanted(&headers, record.id.0, record.version, Bare::Taken);
        late = body.protected == Some(true) && record.given_back(own.as_ref()).is_some();
        if stale || late { None } else { changed(record, &body, now) }
    });
    let record = changed.await?.ok_or_else(|| ApiError::not_found("instance", &key))?;
    if stale {
        return Err(another_version("instance", &record.name, record.version));
    }
    if late {
        return Err(ServiceError::from(Refusal::GivenBack).into());
    }
    let own = own.filter(|own| record.machine == Some(own.id()));
    Ok(tagged(convert::instance(&service, &record, own.as_ref(), clock::now())))
}

fn changed(
    record: &InstanceRecord,
    body: &InstanceUpdate,
    now: Timestamp,
) -> Option<(InstanceRecord, Vec<NewEvent>)> {
    let mut next = record.clone();
    let mut said = Vec::new();
    if let Some(protected) = body.protected.filter(|protected| *protected != record.spec.protected) {
        next.spec.protected = protected;
        said.push(if protected { "protected" } else { "not protected any more" }.to_owned());
    }
    if let Some(deadline) = body.deadline.filter(|deadline| *deadline != record.spec.deadline) {
        next.spec.deadline = deadline;
        said.push(deadline.map_or_else(|| "no deadline".to_owned(), |at| format!("deadline {at}")));
        // It waits on: what it was held for is over.
        if record.machine.is_none() && is_overdue(record.spec.deadline, now) && !is_overdue(deadline, now) {
            next.standing.held = None;
        }
    }
    if said.is_empty() {
        return None;
    }
    let message = format!("changed by an operator: {}", said.join(", "));
    Some((next, vec![NewEvent::instance(record.id, "request", message)]))
}

/// A deadline lies ahead.
pub(super) fn check_deadline(
    field: &str,
    deadline: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), ApiError> {
    match deadline.filter(|deadline| is_overdue(Some(*deadline), now)) {
        Some(deadline) => Err(ApiError::field(
            field,
            format!("{deadline} is past, it is {now:.0}; give a time that is to come"),
        )),
        None => Ok(()),
    }
}

/// Whoever takes an instance away, or writes its disks anew, has to take its protection away first, by a request of its
/// own.
pub(super) fn check_unprotected(record: &InstanceRecord) -> Result<(), ApiError> {
    if !record.spec.protected {
        return Ok(());
    }
    let detail = format!(
        "instance `{0}` is protected; `billet instance set {0} --protected off` takes that away first",
        record.name
    );
    Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
}

#[cfg(test)]
mod tests;
