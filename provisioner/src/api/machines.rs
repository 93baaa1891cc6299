//! `/v1/machines`.

use super::{
    boot_trace,
    caller::Caller,
    convert,
    error::{ApiError, Body, Query},
    fields::{Selection, Shown},
    instance_update::check_unprotected,
    listed::{Listed, OneByOne},
    pages, timeline,
    validate::Fields,
    version::{Bare, another_version, is_wanted},
    watch, why,
};
use crate::{
    bmcs, clock,
    locks::Held,
    selector::{Selector, selector},
    service::{Change, Service, ServiceError},
    store::{EventsOf, ListedMachine, MachineFilter, MachineRecord, NewEvent, NewSecret, StoreError, Swap},
    text::word,
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use provisioner_api::{
    BmcProtocol, BmcSpec, Choice, ChooseRequest, ErasePolicy, EventList, Machine, MachineAction,
    MachineActionRequest, MachineCreate, MachineId, MachineList, MachineSpec, MachineState, MachineUpdate,
    Secret, Why, etag as etag_of,
};
use provisioner_lifecycle::{
    Fact, Machine as Core, Refusal, Request, admit, may_write_over, observe, unwiped,
};
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

/// What a list may be narrowed to, and which page of it.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// In this state.
    #[param(inline)]
    state: Option<MachineState>,
    /// In this pool.
    pool: Option<String>,
    /// Held, or not held.
    held: Option<bool>,
    /// With such labels, as `kubectl -l` takes it: `rack=r7,disk!=hdd,gpu`.
    labels: Option<String>,
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

/// Which events: those behind one, or the newest.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventQuery {
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

/// How many bytes a machine has in a list, more or less: so much room is made at once.
const BYTES: usize = 1536;

/// How many facts stand behind a "why".
pub(super) const FACTS: u32 = 10;

/// Lists the machines by name.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINES, tag = "machines",
    params(Filter),
    responses((status = 200, body = MachineList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<Filter>,
) -> Result<Response, ApiError> {
    let fields = Selection::of("Machine", query.fields.as_deref())?;
    let limit = pages::limit(query.limit.as_deref())?;
    let pools = caller.pools().map(<[String]>::to_vec);
    let labels = wanted_labels(query.labels.as_deref())?;
    let resume = watch::resume(&service, query.resume).await?;
    let filter = MachineFilter { state: query.state, pool: query.pool, pools, held: query.held, labels };
    let mut rows = service.store.machine_rows(&filter, query.after.as_deref(), pages::rows(limit)).await?;
    let next = rows.cut(limit)?;
    let now = clock::now();
    let wire = |row: ListedMachine| {
        caller.sees(convert::machine(&service, &row.record, row.instance.as_deref(), now))
    };
    let items = OneByOne::new(|| rows.iter().map(|row| row.map(wire)));
    fields.page_of(&Listed { items, next, resume }, rows.count() * BYTES)
}

/// Reads what labels are to be.
pub(super) fn wanted_labels(text: Option<&str>) -> Result<Option<Selector>, ApiError> {
    text.map(selector).transpose().map_err(|detail| ApiError::field("labels", detail))
}

/// A machine on the wire, with its owner's name.
pub(super) async fn wire(service: &Service, record: &MachineRecord) -> Result<Machine, StoreError> {
    let owner = match record.owner() {
        Some(id) => service.store.instance_name(id).await?,
        None => None,
    };
    Ok(convert::machine(service, record, owner.as_deref(), clock::now()))
}

/// Adds a machine.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINES, tag = "machines",
    request_body = MachineCreate,
    responses((status = 201, body = Machine), (status = 409)),
)]
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<MachineCreate>,
) -> Result<Response, ApiError> {
    let pool = caller.pool(body.pool.as_deref()).map_err(|detail| ApiError::field("pool", detail))?;
    let pool = pool.unwrap_or_else(|| "default".into());
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    fields.name("pool", &pool);
    let macs = fields.macs(&body.macs);
    fields.bmc(&body.bmc);
    of_own_pools(&mut fields, &caller, &body.bmc, None);
    fields.bmc_password(body.bmc.protocol, body.bmc_password.reveal());
    if let Some(key) = body.bmc_key.as_ref().filter(|key| !key.reveal().is_empty()) {
        fields.bmc_key(body.bmc.protocol, key.reveal());
    }
    fields.labels("labels", &body.labels);
    body.zone.iter().for_each(|zone| fields.place("zone", zone));
    body.rack.iter().for_each(|rack| fields.place("rack", rack));
    fields.done()?;
    let now = clock::now();
    let id = MachineId(Uuid::now_v7());
    // Added by an operator: accepted at birth, if it is not to be adopted. Neither request can be refused for a machine that
    // nobody owns.
    let mut core = Core::new(id, now);
    if body.accept {
        core = admit(&core, &Request::Accept).map_err(ServiceError::from)?;
    }
    let core = admit(&core, &Request::Bmc(true)).map_err(ServiceError::from)?;
    let spec = MachineSpec {
        pool,
        macs,
        bmc: Some(body.bmc),
        boot_mode: body.boot_mode,
        boot_chain: body.boot_chain,
        accepted: body.accept,
        maintenance: false,
        protected: false,
        retired: false,
        labels: body.labels,
        zone: body.zone,
        rack: body.rack,
    };
    let record =
        MachineRecord { version: 1, generation: 1, name: body.name, spec, machine: core, created: now };
    let secrets = new_secrets(&service, id, Some(&body.bmc_password), body.bmc_key.as_ref())?;
    let events = [NewEvent::machine(id, "request", "added by an operator")];
    let inserted = service.store.machine_insert(&record, &secrets, &events, now).await;
    inserted.map_err(|error| caller.hears(error))?;
    service.poke_machine(&record);
    let machine = convert::machine(&service, &record, None, now);
    Ok((StatusCode::CREATED, tagged(machine)).into_response())
}

/// Shows a machine.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE, tag = "machines",
    params(Shown, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already: 304 if it is that still")),
    responses((status = 200, body = Machine), (status = 304)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Query(query): Query<Shown>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let fields = Selection::of("Machine", query.fields.as_deref())?;
    let record = service.machine(&key).await?;
    let machine = caller.sees(wire(&service, &record).await?);
    Ok(fields.shown(&headers, &etag_of(machine.id.0, machine.version), machine))
}

/// Changes what is given of a machine.
#[utoipa::path(
    patch, path = provisioner_api::paths::MACHINE, tag = "machines",
    request_body = MachineUpdate,
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to be changed; another one is refused. `*`: any")),
    responses((status = 200, body = Machine), (status = 409), (status = 412)),
)]
pub(crate) async fn update(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body<MachineUpdate>,
) -> Result<Response, ApiError> {
    let record = service.machine(&name).await?;
    let macs = checked(&caller, &record, &body)?;
    check_version(&headers, &record, Bare::Taken)?;
    // A password is for the BMC that it was given for, and never shown to what comes in its place.
    let logs_in = body.bmc.as_ref().is_some_and(|bmc| bmc.protocol.needs_login());
    let (limited, moved) = (caller.pools().is_some(), moves(&caller, &record, &body));
    let another =
        body.bmc.as_ref().map(|bmc| bmc.protocol) != record.spec.bmc.as_ref().map(|bmc| bmc.protocol);
    let none = (body.bmc.is_some() && (another || moved) && !logs_in).then(Secret::default);
    let password = body.bmc_password.as_ref().or(none.as_ref());
    let no_key = moved.then(Secret::default);
    let key = body.bmc_key.as_ref().or(no_key.as_ref());
    let secrets = new_secrets(&service, record.id(), password, key)?;
    let _turn = match password {
        Some(_) => Some(turn(&service, &record).await?),
        None => None,
    };
    let body = MachineUpdate { macs, ..body };
    let changed = service
        .machine_change(record.id(), |now_it_is, now| {
            check_version(&headers, now_it_is, Bare::Taken)?;
            if limited && body.bmc.is_some() && now_it_is.spec.bmc != record.spec.bmc {
                let detail = "its BMC was changed by somebody else meanwhile; look at it again";
                return Err(ApiError::conflict(detail));
            }
            changed(now_it_is, &body, &secrets, now)
        })
        .await
        .map_err(|error| caller.hears(error))?;
    let changed = changed.ok_or_else(|| ApiError::not_found("machine", &name))?;
    if changed.spec.pool != record.spec.pool {
        // What the console said was said to the pool that had it.
        service.consoles.forget(changed.id()).await;
    }
    Ok(tagged(wire(&service, &changed).await?))
}

/// Whether what is given is right; the MAC addresses as they are kept.
fn checked(
    caller: &Caller,
    record: &MachineRecord,
    body: &MachineUpdate,
) -> Result<Option<Vec<String>>, ApiError> {
    let mut fields = Fields::default();
    body.name.iter().for_each(|name| fields.name("name", name));
    body.pool.iter().for_each(|pool| {
        fields.name("pool", pool);
        let theirs = caller.pool(Some(pool));
        fields.check(theirs.is_ok(), "pool", theirs.err().unwrap_or_default());
    });
    let macs = body.macs.as_ref().map(|macs| fields.macs(macs));
    body.bmc.iter().for_each(|bmc| fields.bmc(bmc));
    body.labels.iter().for_each(|labels| fields.labels("labels", labels));
    body.zone.iter().flatten().for_each(|zone| fields.place("zone", zone));
    body.rack.iter().flatten().for_each(|rack| fields.place("rack", rack));
    let protocol = body.bmc.as_ref().or(record.spec.bmc.as_ref()).map(|bmc| bmc.protocol);
    if let (Some(password), Some(protocol)) = (&body.bmc_password, protocol) {
        fields.bmc_password(protocol, password.reveal());
    }
    if let (Some(key), Some(protocol)) = (&body.bmc_key, protocol)
        && !key.reveal().is_empty()
    {
        fields.bmc_key(protocol, key.reveal());
    }
    fields.check(
        body.bmc_key.is_none() || protocol.is_some(),
        "bmc_key",
        "give `bmc` too: this machine has none yet",
    );
    fields.check(
        body.bmc_password.is_none() || protocol.is_some(),
        "bmc_password",
        "give `bmc` too: this machine has none yet",
    );
    let had_login = record.spec.bmc.as_ref().is_some_and(|bmc| bmc.protocol.needs_login());
    let logs_in = body.bmc.as_ref().is_some_and(|bmc| bmc.protocol.needs_login());
    let missing = logs_in && !had_login && body.bmc_password.is_none();
    fields.check(!missing, "bmc_password", "a new BMC needs its password");
    body.bmc.iter().for_each(|bmc| of_own_pools(&mut fields, caller, bmc, record.spec.bmc.as_ref()));
    let given = !moves(caller, record, body) || !logs_in || !had_login || body.bmc_password.is_some();
    fields.check(
        given,
        "bmc_password",
        "another BMC, or another proof of who it is, needs its password anew",
    );
    fields.done()?;
    Ok(macs)
}

/// Whether somebody of some pools only names another BMC, or another proof of who it is. Passwords and keys are often the
/// same for many machines: none that is stored may be shown to what they name.
fn moves(caller: &Caller, record: &MachineRecord, body: &MachineUpdate) -> bool {
    let both = body.bmc.as_ref().zip(record.spec.bmc.as_ref());
    let is_free = |old: &Option<String>, new: &Option<String>| old.is_none() || old == new;
    let proof = |old: &BmcSpec, new: &BmcSpec| {
        is_free(&old.tls_sha256, &new.tls_sha256) && is_free(&old.tls_ca, &new.tls_ca)
    };
    caller.pools().is_some() && both.is_some_and(|(new, old)| is_another(old, new) || !proof(old, new))
}

/// Refuses a hypervisor, or a webhook that anybody may ask, as the BMC to who has some pools only: there are machines of
/// all pools behind it, and one that is another's can be named in several ways.
fn of_own_pools(fields: &mut Fields, caller: &Caller, new: &BmcSpec, old: Option<&BmcSpec>) {
    let shared = match new.protocol {
        BmcProtocol::Libvirt | BmcProtocol::Vbox => true,
        BmcProtocol::Webhook => new.username.is_empty(),
        _ => false,
    };
    let stays = old.is_some_and(|old| !is_another(old, new));
    fields.check(
        caller.pools().is_none() || !shared || stays,
        "bmc.protocol",
        "a hypervisor, or a webhook without a user, has machines of all pools; it needs a token for all pools",
    );
}

/// Who is changing the password at the BMC just now has stored it already: another one that is given meanwhile would
/// take the place of the only one that the BMC knows then.
async fn turn(service: &Service, record: &MachineRecord) -> Result<Held, ApiError> {
    service.bmcs.turn(record.id()).try_lock().await.ok_or_else(|| {
        let detail = format!(
            "the password of the BMC of machine `{}` is being changed just now; try again in a minute",
            record.name
        );
        ApiError::new(StatusCode::CONFLICT, "refused", detail)
    })
}

/// A BMC's new secrets, those that are given.
fn new_secrets(
    service: &Service,
    id: MachineId,
    password: Option<&Secret>,
    bmc_key: Option<&Secret>,
) -> Result<Vec<NewSecret>, ServiceError> {
    let mut secrets = Vec::new();
    if let Some(password) = password {
        secrets.extend(bmcs::new_password(&service.key, id, password.reveal())?);
    }
    if let Some(key) = bmc_key {
        secrets.push(bmcs::new_bmc_key(&service.key, id, key.reveal())?);
    }
    Ok(secrets)
}

fn changed(
    record: &MachineRecord,
    body: &MachineUpdate,
    secrets: &[NewSecret],
    now: Timestamp,
) -> Result<Option<Change>, ApiError> {
    let mut record = record.clone();
    record.generation += 1;
    let mut said = Vec::new();
    if let Some(name) = &body.name {
        record.name.clone_from(name);
        said.push("name");
    }
    if let Some(pool) = &body.pool {
        record.spec.pool.clone_from(pool);
        said.push("pool");
    }
    if let Some(macs) = &body.macs {
        record.spec.macs.clone_from(macs);
        said.push("MAC addresses");
    }
    if let Some(labels) = &body.labels {
        record.spec.labels.clone_from(labels);
        said.push("labels");
    }
    if let Some(zone) = &body.zone {
        record.spec.zone.clone_from(zone);
        said.push("zone");
    }
    if let Some(rack) = &body.rack {
        record.spec.rack.clone_from(rack);
        said.push("rack");
    }
    if let Some(chain) = body.boot_chain {
        record.spec.boot_chain = chain;
        said.push("boot chain");
    }
    if let Some(bmc) = &body.bmc {
        if record.spec.bmc.as_ref().is_some_and(|old| is_another(old, bmc)) {
            // What its BMC is at would go on unseen, and the machine be switched in the middle of it.
            let updating = record.machine.facts.firmware.as_ref().filter(|task| task.locks());
            if let Some(task) = updating {
                return Err(ServiceError::from(Refusal::Updating { what: task.what.clone() }).into());
            }
            record.machine = observe(&record.machine, &Fact::BmcChanged, now);
        }
        record.spec.bmc = Some(bmc.clone());
        record.machine = admit(&record.machine, &Request::Bmc(true)).map_err(ServiceError::from)?;
        said.push("BMC");
    }
    if body.bmc_password.is_some() {
        said.push("BMC password");
    }
    if body.bmc_key.is_some() {
        said.push("BMC key");
    }
    if let Some(on) = body.maintenance {
        record.machine = admit(&record.machine, &Request::Maintenance(on)).map_err(ServiceError::from)?;
        said.push("maintenance");
    }
    if let Some(on) = body.protected {
        record.machine = admit(&record.machine, &Request::Protected(on)).map_err(ServiceError::from)?;
        said.push(if on { "protected" } else { "no longer protected" });
    }
    if let Some(on) = body.retired {
        record.machine = admit(&record.machine, &Request::Retired(on)).map_err(ServiceError::from)?;
        said.push(if on { "retired" } else { "no longer retired" });
    }
    if said.is_empty() {
        return Ok(None);
    }
    let message = format!("changed by an operator: {}", said.join(", "));
    let events = vec![NewEvent::machine(record.id(), "request", message)];
    Ok(Some(Change { secrets: secrets.to_vec(), ..Change::new(record, events) }))
}

/// Whether settings mean another BMC, rather than another way to log in to the same.
pub(super) fn is_another(old: &BmcSpec, new: &BmcSpec) -> bool {
    let place = |bmc: &BmcSpec| (bmc.protocol, bmc.address.clone(), bmc.domain.clone(), bmc.mac.clone());
    place(old) != place(new)
}

/// `If-Match`, where it is given, must name the version that there is.
fn check_version(headers: &HeaderMap, record: &MachineRecord, bare: Bare) -> Result<(), ApiError> {
    if is_wanted(headers, record.id().0, record.generation, bare) {
        return Ok(());
    }
    Err(another_version("machine", &record.name, record.generation))
}

/// Forgets a machine that nobody owns.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE, tag = "machines",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version that is to go; another one is refused. `*`: any")),
    responses((status = 204), (status = 409), (status = 412)),
)]
pub(crate) async fn delete(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let record = service.machine(&key).await?;
    // Nobody changes it between this and its end: that compares the version.
    check_version(&headers, &record, Bare::Refused)?;
    if record.owner().is_some() {
        let detail = "an instance owns this machine; `billet instance delete` gives it back first, and if it is too dead to be wiped, `billet why NAME` has the command that forgets it as scrap (`--scrap`)";
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
    }
    if record.machine.want.protected {
        return Err(ServiceError::from(Refusal::Protected).into());
    }
    // What is on that disk would be forgotten, and the machine be given to anybody when it is added again.
    if let Some(disk) = unwiped(&record.machine) {
        return Err(ServiceError::from(Refusal::Unwiped { disk: disk.clone() }).into());
    }
    if record.machine.running_job().is_some() {
        let detail = format!(
            "a job runs on this machine; wait for its end, or `billet machine cancel {}`",
            record.name
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", detail));
    }
    let events = [NewEvent::machine(record.id(), "request", format!("machine {} is forgotten", record.name))];
    match service.store.machine_delete(&record, &events, clock::now()).await? {
        // The reconciler ends the session with its BMC.
        Swap::Updated => {
            service.poke_machine(&record);
            Ok(StatusCode::NO_CONTENT)
        }
        Swap::Stale => Err(ApiError::conflict("the machine was changed meanwhile; try again")),
    }
}

/// Asks for something to be done with a machine.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_ACTIONS, tag = "machines",
    request_body = MachineActionRequest,
    responses((status = 200, body = Machine), (status = 409)),
)]
pub(crate) async fn act(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<MachineActionRequest>,
) -> Result<Response, ApiError> {
    let record = service.machine(&key).await?;
    if body.action == MachineAction::Retry {
        check_known(&service, &record).await?;
    }
    if body.action == MachineAction::Retry && may_write_over(&record.machine) {
        erase_of(&service, &record, true).await?;
    }
    let (request, event) = match body.action {
        MachineAction::Accept => (Request::Accept, "accepted by an operator"),
        MachineAction::Inspect => (Request::Inspect, "an operator asks for an inspection"),
        MachineAction::Retry => (Request::Retry, "an operator asks to try again"),
        MachineAction::Cancel => (
            Request::Cancel { erase: erase_of(&service, &record, !keeps(&record.machine)).await? },
            "an operator cancels what runs",
        ),
        MachineAction::PowerOn => (Request::Power { on: true }, "an operator asks for power on"),
        MachineAction::PowerOff => (Request::Power { on: false }, "an operator asks for power off"),
    };
    let record = service
        .admit(record.id(), &request, event)
        .await?
        .ok_or_else(|| ApiError::not_found("machine", &key))?;
    Ok(tagged(wire(&service, &record).await?))
}

/// Answers a hold.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_CHOOSE, tag = "machines",
    request_body = ChooseRequest,
    responses((status = 200, body = Machine), (status = 409)),
)]
pub(crate) async fn choose(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<ChooseRequest>,
) -> Result<Response, ApiError> {
    let record = service.machine(&key).await?;
    let ChooseRequest { hold, choice, disk } = body;
    let about = disk.as_ref().map(|disk| format!(" {disk}")).unwrap_or_default();
    let event = format!("an operator chooses `{}{about}` for hold {hold}", choice.word());
    let request = match (choice, disk) {
        (Choice::SkipDisk, Some(disk)) => Request::SkipDisk { hold, disk },
        (Choice::SkipDisk, None) => {
            return Err(ApiError::field("disk", "give the serial number of the disk that is to be left out"));
        }
        (Choice::UseDisk, Some(disk)) => Request::UseDisk { hold, disk },
        (Choice::UseDisk, None) => {
            return Err(ApiError::field("disk", "give the serial number of the disk that gets the system"));
        }
        (_, Some(_)) => return Err(ApiError::field("disk", "only `skip-disk` and `use-disk` take a disk")),
        (_, None) => {
            if choice == Choice::Retry {
                check_known(&service, &record).await?;
            }
            let ends = choice == Choice::GiveBack
                || choice == Choice::Abandon
                    && !matches!(record.machine.state.name, MachineState::Servicing | MachineState::Rescue)
                || choice == Choice::Retry && may_write_over(&record.machine);
            Request::Choose { hold, choice, erase: erase_of(&service, &record, ends).await? }
        }
    };
    let record = service
        .admit(record.id(), &request, &event)
        .await?
        .ok_or_else(|| ApiError::not_found("machine", &key))?;
    Ok(tagged(wire(&service, &record).await?))
}

/// Whether its instance stays when what runs on it is cancelled: a reinstallation, a servicing or a rescue.
fn keeps(machine: &Core) -> bool {
    machine.reinstalls()
        || matches!(
            machine.state.name,
            MachineState::Servicing | MachineState::Rescue | MachineState::Deployed
        )
}

/// How the disks are to be wiped if the machine's deployment ends now: as was said when its instance was given back, or
/// as that says for itself. A request that `ends` the instance, or writes over it while it may run, is refused while
/// that is protected.
async fn erase_of(service: &Service, record: &MachineRecord, ends: bool) -> Result<ErasePolicy, ApiError> {
    let Some(owner) = record.owner() else { return Ok(ErasePolicy::default()) };
    let instance = service.store.instance_get(owner).await.map_err(ServiceError::from)?;
    let Some(instance) = instance else { return Ok(ErasePolicy::default()) };
    if ends && instance.standing.release.is_none() {
        check_unprotected(&instance)?;
    }
    Ok(instance.erase())
}

/// Lists the events of a machine.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_EVENTS, tag = "machines",
    params(EventQuery),
    responses((status = 200, body = EventList)),
)]
pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Query(query): Query<EventQuery>,
) -> Result<Json<EventList>, ApiError> {
    let record = service.machine(&key).await?;
    event_list(&service, EventsOf::Machine(record.id()), &query).await
}

/// A page of a timeline, or its end.
pub(super) async fn event_list(
    service: &Service,
    of: EventsOf,
    query: &EventQuery,
) -> Result<Json<EventList>, ApiError> {
    if let Some(newest) = pages::number("newest", query.newest.as_deref())? {
        if query.after.is_some() || query.limit.is_some() {
            let detail = "it goes without `after` and `limit`: give either it or them";
            return Err(ApiError::field("newest", detail));
        }
        let items = service.store.event_newest(of, newest).await?;
        return Ok(Json(EventList { items, next: None }));
    }
    let limit = pages::limit(query.limit.as_deref())?;
    let after = pages::cursor(query.after.as_deref())?;
    let rows = service.store.event_page(of, after, pages::rows(limit)).await?;
    let (items, next) = pages::cut(rows, limit, |event| event.id.to_string());
    Ok(Json(EventList { items, next }))
}

/// Says what a machine waits for.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_WHY, tag = "machines",
    responses((status = 200, body = Why)),
)]
pub(crate) async fn why(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<Why>, ApiError> {
    let record = service.machine(&key).await?;
    let machine = wire(&service, &record).await?;
    let facts =
        timeline::facts(&service, Some(record.id()), record.owner(), timeline::Begin::default(), FACTS)
            .await?;
    let status = machine.status;
    Ok(Json(convert::why(Why {
        object: format!("machine {}", record.name),
        state: word(&status.state),
        sentence: String::new(),
        waiting: status.waiting,
        held: status.held,
        machine: None,
        job: status.job,
        diagnoses: boot_trace::of_waiting(&service, &record).await?,
        choices: why::of_machine(&record, status.instance_name.as_deref()),
        facts,
    })))
}

/// A machine as an answer.
pub(super) async fn shown(service: &Service, record: &MachineRecord) -> Result<Response, ApiError> {
    Ok(tagged(wire(service, record).await?))
}

fn tagged(machine: Machine) -> Response {
    ([(header::ETAG, etag_of(machine.id.0, machine.version))], Json(machine)).into_response()
}

/// Whether a machine of a restored database knows already that its instance is to be given back: who confirms that it runs
/// must not have it wiped by that.
async fn check_known(service: &Service, record: &MachineRecord) -> Result<(), ApiError> {
    let restored = record.machine.state.hold.as_ref().is_some_and(|hold| hold.restored);
    let owner = record.machine.want.owner.as_ref().filter(|owner| restored && owner.release.is_none());
    let Some(owner) = owner else { return Ok(()) };
    match service.store.instance_get(owner.instance).await.map_err(ServiceError::from)? {
        Some(instance) if instance.standing.release.is_some() => {
            let detail = format!(
                "instance `{0}` was asked to be given back, which its machine does not know yet; `billet unfreeze` if everything is frozen (it is held all the same), then `billet why machine/{1}` says what comes of trying again",
                instance.name, record.name
            );
            Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
        }
        _ => Ok(()),
    }
}
