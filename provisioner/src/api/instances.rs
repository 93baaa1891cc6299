//! `/v1/instances`.

use super::{
    boot_trace,
    caller::Caller,
    convert,
    error::{ApiError, Body, OptionalBody, Query},
    fields::{Selection, Shown},
    image_seed, instance_network,
    instance_update::{check_deadline, check_unprotected},
    machines::{EventQuery, FACTS, event_list},
    pages, timeline, user_data,
    validate::Fields,
    version::{Bare, another_version, is_wanted},
    watch, why,
};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{EventsOf, InstanceRecord, InstanceStanding, ListedInstance, MachineRecord, NewEvent, NewSecret},
    text::word,
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{
    DeleteInstance, EventList, Instance, InstanceAction, InstanceActionRequest, InstanceCreate, InstanceId,
    InstanceList, InstanceState, MachineState, Why, WhyMachine, etag,
};
use provisioner_lifecycle::{Refusal, Request, is_overdue, may_write_over};
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

/// The name of an instance's user data among its secrets.
const USER_DATA: &str = "user-data";

/// The name of the place for the user data of an instance. There are two: while a reinstallation may be cancelled, what the
/// system that runs was made with has to stay.
pub(super) fn user_data_place(second: bool) -> &'static str {
    if second { "user-data-2" } else { USER_DATA }
}

/// Under which name an instance's secrets are kept.
pub(crate) fn secret_owner(id: InstanceId) -> String {
    format!("instance {id}")
}

/// What a list may be narrowed to, and which page of it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// In this state.
    #[param(inline)]
    state: Option<InstanceState>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Whether `resume` says from where on the list can be watched.
    #[serde(default)]
    resume: bool,
    /// Of each only these fields, as paths with dots: `name,status.state`.
    fields: Option<String>,
}

/// Lists the instances by name.
#[utoipa::path(
    get, path = provisioner_api::paths::INSTANCES, tag = "instances",
    params(Filter),
    responses((status = 200, body = InstanceList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<Filter>,
) -> Result<Response, ApiError> {
    let fields = Selection::of("Instance", query.fields.as_deref())?;
    let limit = pages::limit(query.limit.as_deref())?;
    let resume = watch::resume(&service, query.resume).await?;
    let rows = theirs(&service, &caller, query, pages::rows(limit)).await?;
    let (rows, next) = pages::cut(rows, limit, |row| row.record.name.clone());
    let now = clock::now();
    let wire = |row: &ListedInstance| convert::instance(&service, &row.record, row.machine.as_ref(), now);
    Ok(fields.page(InstanceList { items: rows.iter().map(wire).collect(), next, resume }))
}

/// At least so many of the caller's, if there are. The database tells those with a machine apart; where the others may get
/// one is read here.
async fn theirs(
    service: &Service,
    caller: &Caller,
    query: Filter,
    wanted: u32,
) -> Result<Vec<ListedInstance>, ApiError> {
    let (mut found, mut after) = (Vec::new(), query.after);
    loop {
        let page = service.store.instance_page(query.state, caller.pools(), after.as_deref(), wanted).await?;
        let full = page.len() >= wanted as usize;
        after = page.last().map(|row| row.record.name.clone());
        for row in page {
            if caller.has_listed(service, &row).await? {
                found.push(row);
            }
        }
        if !full || found.len() >= wanted as usize {
            return Ok(found);
        }
    }
}

/// An instance by name or id, with its machine.
pub(super) async fn find(service: &Service, key: &str) -> Result<ListedInstance, ApiError> {
    let found = service.store.instance_with_machine(key).await?;
    found.ok_or_else(|| ApiError::not_found("instance", key))
}

/// Asks for an instance.
#[utoipa::path(
    post, path = provisioner_api::paths::INSTANCES, tag = "instances",
    request_body = InstanceCreate,
    responses((status = 201, body = Instance), (status = 409)),
)]
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<InstanceCreate>,
) -> Result<Response, ApiError> {
    let mut spec = body.spec;
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    // A machine that is named may be of any pool, if it is theirs.
    if spec.machine.is_none() || spec.pool.is_some() {
        match caller.pool(spec.pool.as_deref()) {
            Ok(pool) => spec.pool = pool,
            Err(detail) => fields.check(false, "spec.pool", detail),
        }
    }
    fields.instance(&spec);
    let image = service.store.image_find(&spec.image).await?;
    let no_image = format!("there is no image `{}`; `billet image list` shows what there is", spec.image);
    fields.check(image.is_some(), "spec.image", no_image);
    let mut exactly = None;
    let (wanted, preferred) = (&mut spec.machine, &mut spec.prefer_machine);
    for (field, machine) in [("spec.machine", wanted), ("spec.prefer_machine", preferred)] {
        let Some(key) = machine.as_deref() else { continue };
        let found = caller.machine(&service, key).await?;
        let no_machine = format!("there is no machine `{key}`; `billet machine list` shows what there is");
        fields.check(found.is_some(), field, no_machine);
        // By its id, so that renaming the machine changes nothing.
        *machine = found.as_ref().map(|found| found.id().to_string());
        exactly = exactly.or(found.filter(|_| field == "spec.machine"));
    }
    // If it is another pool's by the time that it is free, it is not the caller's any more.
    let held_to = exactly.as_ref().filter(|_| caller.pools().is_some());
    spec.pool = held_to.map(|exactly| exactly.spec.pool.clone()).or(spec.pool.take());
    instance_network::check(&mut fields, (&service, &caller), &spec, exactly.as_ref()).await?;
    let made_for = image.as_ref().and_then(|image| image.spec.architecture.as_deref());
    if let (Some(asked), Some(made_for)) = (spec.architecture.as_deref(), made_for) {
        let other =
            format!("image `{}` is for {made_for}; leave it out or ask for another image", spec.image);
        fields.check(asked == made_for, "spec.architecture", other);
    }
    let from_ram = image.as_ref().is_some_and(|image| image.spec.runs_from_ram());
    image_seed::check(&mut fields, "spec.", &spec, image.as_ref());
    let no_disk =
        format!("image `{}` runs from RAM, and nothing is written to a disk; leave it out", spec.image);
    fields.check(!from_ram || spec.root_disk_serial.is_none(), "spec.root_disk_serial", no_disk.clone());
    fields.check(!from_ram || spec.root_disk.is_none(), "spec.root_disk", no_disk);
    fields.done()?;
    // `done` refused if there was none.
    let Some(image) = image else { return Err(ApiError::field("spec.image", "there is no such image")) };
    let now = clock::now();
    check_deadline("spec.deadline", spec.deadline, now)?;
    let id = InstanceId(Uuid::now_v7());
    let user_data = user_data::take(&mut spec)?;
    let standing = InstanceStanding {
        user_data_bytes: user_data.as_ref().map(|data| data.len() as u64),
        ..Default::default()
    };
    let user_data = user_data.map(|data| sealed_user_data(&service, id, &data)).transpose()?;
    let mut record = InstanceRecord {
        id,
        version: 1,
        name: body.name,
        state: InstanceState::Pending,
        since: now,
        machine: None,
        image: Some(image.id),
        image_before: None,
        spec,
        standing,
        created: now,
    };
    let events = [NewEvent::instance(id, "request", format!("asked for: image {}", image.name))];
    instance_network::insert(&service, &caller, &mut record, user_data.as_ref(), &events, now).await?;
    service.hub.poke(crate::hub::Poke::Instance(id));
    let instance = convert::instance(&service, &record, None, now);
    Ok((StatusCode::CREATED, tagged(instance)).into_response())
}

/// Shows an instance.
#[utoipa::path(
    get, path = provisioner_api::paths::INSTANCE, tag = "instances",
    params(Shown, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already: 304 if it is that still")),
    responses((status = 200, body = Instance), (status = 304)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Query(query): Query<Shown>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let fields = Selection::of("Instance", query.fields.as_deref())?;
    let ListedInstance { record, machine } = find(&service, &key).await?;
    let instance = convert::instance(&service, &record, machine.as_ref(), clock::now());
    Ok(fields.shown(&headers, &etag(instance.id.0, instance.version), instance))
}

/// Asks for the instance to be given back. Repeating it changes nothing: the first word on erasing stands, unless it
/// came to nothing and the machine is held.
#[utoipa::path(
    delete, path = provisioner_api::paths::INSTANCE, tag = "instances",
    summary = "Asks for an instance to be given back",
    request_body = Option<DeleteInstance>,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to go; another one is refused. `*`: any")),
    responses((status = 202, body = Instance), (status = 409), (status = 412)),
)]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<DeleteInstance>,
) -> Result<Response, ApiError> {
    let ListedInstance { record, machine: own } = find(&service, &key).await?;
    if record.standing.release.is_none() && own.as_ref().is_some_and(|own| own.machine.want.protected) {
        return Err(ServiceError::from(Refusal::Protected).into());
    }
    let held = own.as_ref().is_some_and(|own| own.machine.state.hold.is_some());
    let mut refusal = Ok(());
    let changed = service
        .instance_change_loaded(&record, |record, _| {
            refusal = if is_wanted(&headers, record.id.0, record.version, Bare::Refused) {
                check_unprotected(record)
            } else {
                Err(another_version("instance", &record.name, record.version))
            };
            if refusal.is_err() {
                return None;
            }
            let known = record.given_back(own.as_ref());
            if known.is_some() && (!held || body.erase.is_none() || body.erase == known) {
                return None;
            }
            let erase = body.erase.unwrap_or(record.spec.erase);
            let mut next = record.clone();
            next.standing.release = Some(erase);
            next.standing.released_by = Some(caller.who());
            let message = format!("given back; its disks are to be wiped by {}", word(&erase));
            Some((next, vec![NewEvent::instance(record.id, "request", message)]))
        })
        .await?;
    refusal?;
    let record = changed.ok_or_else(|| ApiError::not_found("instance", &key))?;
    if let (Some(wanted), Some(stands)) = (body.erase, record.given_back(own.as_ref()))
        && wanted != stands
    {
        return Err(ApiError::conflict(format!(
            "the disks are to be wiped by {} already; another way may be asked for when that is held",
            word(&stands)
        )));
    }
    // Nothing but the release can have changed since its machine was read.
    let own = own.filter(|own| record.machine == Some(own.id()));
    let instance = convert::instance(&service, &record, own.as_ref(), clock::now());
    Ok((StatusCode::ACCEPTED, tagged(instance)).into_response())
}

/// Asks for something to be done with an instance.
#[utoipa::path(
    post, path = provisioner_api::paths::INSTANCE_ACTIONS, tag = "instances",
    request_body = InstanceActionRequest,
    responses((status = 202, body = Instance), (status = 409)),
)]
pub(crate) async fn act(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<InstanceActionRequest>,
) -> Result<Response, ApiError> {
    let ListedInstance { record, machine } = find(&service, &key).await?;
    // Who stops a reinstallation or a rescue takes nothing away.
    let keeps = machine.as_ref().is_some_and(|own| own.machine.reinstalls() || own.machine.is_rescued());
    if body.action == InstanceAction::Cancel && record.standing.release.is_none() && !keeps {
        check_unprotected(&record)?;
    }
    match (body.action, &machine) {
        (InstanceAction::Cancel, _) if record.state == InstanceState::Running && !keeps => {
            let detail =
                format!("instance `{0}` runs; `billet instance delete {0}` gives it back", record.name);
            return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
        }
        (InstanceAction::Cancel, Some(own)) if own.machine.state.name == MachineState::Servicing => {
            let detail = format!(
                "planned work is done on the machine of instance `{}`; `billet machine cancel {}` stops that, and the instance goes on",
                record.name, own.name
            );
            return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
        }
        (InstanceAction::Cancel, Some(own)) => {
            let request = Request::Cancel { erase: record.erase() };
            let event = format!("instance {} is cancelled", record.name);
            service.admit(own.id(), &request, &event).await?;
        }
        (InstanceAction::Cancel, None) => cancel_wish(&service, &record).await?,
        (InstanceAction::Retry, Some(own)) => {
            // By now the machine may be another's: only who names it confirms that it is not.
            if own.machine.state.hold.as_ref().is_some_and(|hold| hold.restored) {
                return Err(ServiceError::from(Refusal::Unconfirmed).into());
            }
            if may_write_over(&own.machine) {
                check_unprotected(&record)?;
            }
            let event = format!("for instance {} it is to be tried again", record.name);
            service.admit(own.id(), &Request::Retry, &event).await?;
        }
        (InstanceAction::Retry, None) if is_overdue(record.spec.deadline, clock::now()) => {
            let detail = format!(
                "the deadline of instance `{0}` passed, and it gets no machine; `billet instance set {0} --deadline 2h` (or `none`) lets it wait on",
                record.name
            );
            return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
        }
        (InstanceAction::Retry, None) => service.hub.poke(crate::hub::Poke::Pending),
    }
    let found = service.store.instance_with_machine(&record.id.to_string()).await?;
    // What had no machine may be gone already: then it is told as it was when it went.
    let ListedInstance { record, machine } = found.unwrap_or_else(|| as_it_went(record));
    let instance = convert::instance(&service, &record, machine.as_ref(), clock::now());
    Ok((StatusCode::ACCEPTED, tagged(instance)).into_response())
}

/// An instance that was cancelled before it had a machine, and is gone.
fn as_it_went(mut record: InstanceRecord) -> ListedInstance {
    record.standing.release.get_or_insert(record.spec.erase);
    record.state = InstanceState::Releasing;
    ListedInstance { record, machine: None }
}

fn sealed_user_data(service: &Service, id: InstanceId, data: &[u8]) -> Result<NewSecret, ServiceError> {
    let sealed = service.key.seal(&secret_owner(id), USER_DATA, data)?;
    Ok(NewSecret { owner: secret_owner(id), name: USER_DATA, sealed: Some(sealed) })
}

/// Takes back what was asked for, before it came to a machine. If it got one just now, that one is given back.
async fn cancel_wish(service: &Service, record: &InstanceRecord) -> Result<(), ServiceError> {
    let cancelled = |record: &InstanceRecord, _| {
        let mut next = record.clone();
        next.standing.release.get_or_insert(record.spec.erase);
        let event = NewEvent::instance(record.id, "request", "cancelled, before it had a machine");
        (next.standing.release != record.standing.release).then(|| (next, vec![event]))
    };
    service.instance_change_loaded(record, cancelled).await.map(drop)
}

/// Lists the events of an instance.
#[utoipa::path(
    get, path = provisioner_api::paths::INSTANCE_EVENTS, tag = "instances",
    params(EventQuery),
    responses((status = 200, body = EventList)),
)]
pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Query(query): Query<EventQuery>,
) -> Result<Json<EventList>, ApiError> {
    let record = service.instance(&key).await?;
    let Json(mut list) = event_list(&service, EventsOf::Instance(record.id), &query).await?;
    list.items.retain(|event| caller.hears_of(&event.kind));
    Ok(Json(list))
}

/// Says what an instance waits for.
#[utoipa::path(
    get, path = provisioner_api::paths::INSTANCE_WHY, tag = "instances",
    responses((status = 200, body = Why)),
)]
pub(crate) async fn why(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<Why>, ApiError> {
    let ListedInstance { record, machine: own } = find(&service, &key).await?;
    let now = clock::now();
    let status = convert::instance(&service, &record, own.as_ref(), now).status;
    let on = own.as_ref().map(|own| convert::machine(&service, own, Some(&record.name), now));
    let mut facts = timeline::facts(
        &service,
        own.as_ref().map(MachineRecord::id),
        Some(record.id),
        timeline::Begin::of(&record),
        FACTS,
    )
    .await?;
    facts.retain(|fact| caller.hears_of(&fact.kind));
    let diagnoses = match &own {
        Some(own) => boot_trace::of_waiting(&service, own).await?,
        None => Vec::new(),
    };
    Ok(Json(convert::why(Why {
        object: format!("instance {}", record.name),
        state: word(&status.state),
        sentence: String::new(),
        waiting: status.waiting,
        held: status.held,
        job: on.as_ref().and_then(|on| on.status.job.clone()),
        machine: on.map(|on| WhyMachine {
            name: on.name,
            state: word(&on.status.state),
            waiting: on.status.waiting,
            held: on.status.held,
        }),
        diagnoses,
        choices: why::of_instance(&record, own.as_ref()),
        facts,
    })))
}

pub(super) fn tagged(instance: Instance) -> Response {
    ([(header::ETAG, etag(instance.id.0, instance.version))], Json(instance)).into_response()
}
