//! `/v1/machines/{machine}/bmc`: a machine's BMC, asked directly and bounded in time.
//!
//! A GET changes nothing. What changes the machine is told on its timeline before it is done, is refused for a machine
//! that nobody accepted, and, where it would cross a job's work, while one runs.

use super::{
    error::{ApiError, Body},
    validate::Fields,
};
use crate::{
    bmc_calls as calls, bmc_view as view, bmcs, clock, reconcile,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
    text::word,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use bmc::{Bmc, BmcError};
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcDetails, BmcFruList, BmcIdentify, BmcPower, BmcPress, BmcSel, BmcSelUpdate,
    BmcSensorList, BmcSettingsUpdate, BmcUserEntry, BmcUserList, BmcUserUpdate, JobKind, Secret,
};
use provisioner_lifecycle::{Refusal, StepName};
use std::{sync::Arc, time::Duration};

/// How long a BMC may take for all that one request needs. A full event log of a slow BMC takes minutes.
const PATIENCE: Duration = Duration::from_secs(200);

/// A machine and the driver of its BMC.
struct Reached {
    record: MachineRecord,
    bmc: Arc<dyn Bmc>,
    /// `host:port` of the BMC, as it was given.
    address: String,
    service: Arc<Service>,
}

impl Reached {
    /// Asks the BMC, bounded in time. That it doesn't answer is taken down at once, not only at the next look.
    async fn ask<T>(&self, call: impl Future<Output = Result<T, BmcError>>) -> Result<T, ApiError> {
        match bounded_by(PATIENCE, call).await? {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.note(&error).await?;
                Err(error.into())
            }
        }
    }

    async fn note(&self, error: &BmcError) -> Result<(), ServiceError> {
        let silent = matches!(error, BmcError::Unreachable { .. } | BmcError::NotABmc { .. });
        if silent || bmcs::is_refused_login(error) {
            reconcile::note_trouble(&self.service, &self.record, error).await?;
        }
        Ok(())
    }
}

pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcDetails>, ApiError> {
    details(&reach(&service, &key).await?).await
}

async fn details(reached: &Reached) -> Result<Json<BmcDetails>, ApiError> {
    let mut details = reached.ask(calls::details(&*reached.bmc, &reached.address)).await?;
    details.weak = view::weak(reached.record.spec.bmc.as_ref().and_then(|bmc| bmc.cipher_suite));
    Ok(Json(details))
}

pub(crate) async fn update(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSettingsUpdate>,
) -> Result<Json<BmcDetails>, ApiError> {
    let mut fields = Fields::default();
    let tag = body.asset_tag.as_deref().unwrap_or_default();
    fields.check(
        tag.len() <= 63 && !tag.chars().any(char::is_control),
        "asset_tag",
        "at most 63 bytes without control characters fit a BMC",
    );
    fields.check(
        body.watchdog != Some(true),
        "watchdog",
        "it can only be stopped from here: the operating system starts its own",
    );
    fields.done()?;
    let reached = reach(&service, &key).await?;
    let mut said = Vec::new();
    said.extend(body.asset_tag.as_ref().map(|tag| format!("sets the asset tag to `{tag}`")));
    said.extend((body.watchdog == Some(false)).then(|| "stops the watchdog".to_owned()));
    if !said.is_empty() {
        let message = format!("an operator {}", said.join(" and "));
        change(&service, &reached, message, calls::update(&*reached.bmc, &reached.address, &body)).await?;
    }
    details(&reached).await
}

pub(crate) async fn power(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcPower>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(BmcPower { power: view::power(reached.ask(reached.bmc.power()).await?) }))
}

pub(crate) async fn press(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcPress>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    undisturbed(&reached.record)?;
    let message = format!("an operator presses a button: {}", word(&body.button));
    change(&service, &reached, message, reached.bmc.press(view::button(body.button))).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn boot(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcBoot>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::boot(&*reached.bmc)).await?))
}

pub(crate) async fn set_boot(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcBoot>,
) -> Result<Json<BmcBoot>, ApiError> {
    let Some(wanted) = view::boot_override(&body) else {
        return Err(ApiError::field("device", "`other` is only read; choose none, pxe, disk, cdrom or bios"));
    };
    let reached = reach(&service, &key).await?;
    undisturbed(&reached.record)?;
    let device = match body.device {
        BmcBootDevice::None => "in the firmware's own order".to_owned(),
        device => format!("from {}", word(&device)),
    };
    let which = if body.persistent { "every boot" } else { "the next boot" };
    let message = format!("an operator sets {which}: {device}");
    change(&service, &reached, message, reached.bmc.set_boot(wanted)).await?;
    Ok(Json(reached.ask(calls::boot(&*reached.bmc)).await?))
}

pub(crate) async fn sensors(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcSensorList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::sensors(&*reached.bmc, &reached.address)).await?))
}

pub(crate) async fn sel(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcSel>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::sel(&*reached.bmc, &reached.address)).await?))
}

pub(crate) async fn clear_sel(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let message = "an operator empties the hardware's event log".to_owned();
    change(&service, &reached, message, calls::sel_clear(&*reached.bmc, &reached.address)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn set_sel_clock(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcSelUpdate>,
) -> Result<StatusCode, ApiError> {
    let seconds = body.clock.as_second();
    // IPMI counts 32 bits of seconds, and takes the first 2^29 for time since its own start (table 37-1).
    if !(0x2000_0000..0xffff_ffff).contains(&seconds) {
        return Err(ApiError::field("clock", "a BMC's clock holds times from 1987 to 2106"));
    }
    let reached = reach(&service, &key).await?;
    let message = format!("an operator sets the clock of the hardware's event log to {}", body.clock);
    change(&service, &reached, message, calls::sel_clock(&*reached.bmc, &reached.address, body.clock))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn fru(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcFruList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::fru(&*reached.bmc, &reached.address)).await?))
}

pub(crate) async fn identify(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcIdentify>,
) -> Result<StatusCode, ApiError> {
    let reached = reach(&service, &key).await?;
    let message = match body.seconds {
        None => "an operator switches the lamp on".to_owned(),
        Some(0) => "an operator switches the lamp off".to_owned(),
        Some(seconds) => format!("an operator lets the lamp shine for {seconds} s"),
    };
    change(&service, &reached, message, calls::identify(&*reached.bmc, &reached.address, &body)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn users(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcUserList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::users(&*reached.bmc, &reached.address)).await?))
}

pub(crate) async fn update_user(
    State(service): State<Arc<Service>>,
    Path((key, slot)): Path<(String, String)>,
    Body(body): Body<BmcUserUpdate>,
) -> Result<Json<BmcUserEntry>, ApiError> {
    let mut reached = reach(&service, &key).await?;
    let Some(spec) = &reached.record.spec.bmc else { return Err(no_bmc(&reached.record.name)) };
    let username = spec.username.clone();
    let mut fields = Fields::default();
    fields.bmc_user(spec.protocol, &body);
    fields.done()?;
    let slot: u8 = slot.parse().map_err(|_| no_slot(&slot))?;
    let user = reached.ask(calls::user(&*reached.bmc, &reached.address, slot)).await?;
    let user = user.ok_or_else(|| no_slot(&slot.to_string()))?;
    let ours = !username.is_empty() && user.name == username;
    if ours {
        may_change_ours(&body, &user)?;
    }
    let message = format!("an operator changes BMC user {slot} `{}`: {}", user.name, changes(&body));
    match &body.password {
        Some(password) if ours => {
            change_ours(&service, &reached, slot, password, message).await?;
            // The next call logs in with the new password, and thereby tries it.
            reached = reach(&service, &key).await?;
        }
        _ => {
            let call = calls::user_update(&*reached.bmc, &reached.address, slot, &body);
            change(&service, &reached, message, call).await?;
        }
    }
    let user = reached.ask(calls::user(&*reached.bmc, &reached.address, slot)).await?;
    user.map(Json).ok_or_else(|| no_slot(&slot.to_string()))
}

/// What is to be changed of a user, in words; never the password itself.
fn changes(body: &BmcUserUpdate) -> String {
    let mut said = Vec::new();
    said.extend(body.name.as_ref().map(|name| format!("name `{name}`")));
    said.extend(body.password.as_ref().map(|_| "password".to_owned()));
    said.extend(body.privilege.map(|privilege| format!("privilege {}", word(&privilege))));
    said.extend(body.enabled.map(|on| if on { "enabled" } else { "disabled" }.to_owned()));
    said.join(", ")
}

/// Of the user that Billet itself logs in as nothing may change but the password: it would lock itself out.
fn may_change_ours(body: &BmcUserUpdate, user: &BmcUserEntry) -> Result<(), ApiError> {
    let renamed = body.name.as_ref().is_some_and(|name| *name != user.name);
    let limited = body.privilege.is_some_and(|privilege| privilege != user.privilege);
    if !renamed && !limited && body.enabled != Some(false) {
        return Ok(());
    }
    let detail = format!(
        "Billet itself logs in as `{}`: make another user, give it to Billet with `billet machine set --bmc`, then change this one",
        user.name
    );
    Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
}

/// Changes the password that Billet logs in with: kept first, set then, and used only when the BMC took it. After a
/// crash in between the drivers find out which one the BMC knows.
async fn change_ours(
    service: &Service,
    reached: &Reached,
    slot: u8,
    password: &Secret,
    message: String,
) -> Result<(), ApiError> {
    let id = reached.record.id();
    accepted(&reached.record)?;
    let turn = service.bmcs.turn(id).lock_owned().await;
    let next = bmcs::next_password(&service.key, id, password.reveal()).map_err(ServiceError::from)?;
    let kept = service
        .machine_change(id, |record, _| {
            let events = vec![NewEvent::machine(id, "request", message.clone())];
            let record = record.clone();
            Ok::<_, ServiceError>(Some(Change { secrets: vec![next.clone()], ..Change::new(record, events) }))
        })
        .await?;
    kept.ok_or_else(|| ApiError::not_found("machine", &reached.record.name))?;
    let call = calls::user_password(&*reached.bmc, &reached.address, slot, password.reveal());
    match bounded_by(PATIENCE, call).await? {
        Ok(()) => Ok(service.bmcs.took(id, password.reveal()).await?),
        Err(error) => {
            // Whatever it says, it may have taken the password: only a login tells.
            drop(turn);
            bounded_by(PATIENCE, service.bmcs.driver(&reached.record)).await??;
            if service.bmcs.is_password(id, password.reveal()).await? {
                return Ok(());
            }
            failed(service, reached, &message, &error).await?;
            Err(error.into())
        }
    }
}

fn no_slot(slot: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not-found", format!("the BMC has no user slot {slot}"))
}

/// The machine and its BMC's driver.
async fn reach(service: &Arc<Service>, key: &str) -> Result<Reached, ApiError> {
    let record = service.machine(key).await?;
    let address = record.spec.bmc.as_ref().map(|bmc| bmc.address.clone());
    match (address, service.bmcs.driver(&record).await?) {
        (Some(address), Some(bmc)) => Ok(Reached { record, bmc, address, service: Arc::clone(service) }),
        _ => Err(no_bmc(&record.name)),
    }
}

pub(super) fn no_bmc(name: &str) -> ApiError {
    let detail = format!(
        "machine `{name}` has no BMC, or its password is missing: `billet machine set {name} --bmc … --bmc-password-file …`"
    );
    ApiError::new(StatusCode::CONFLICT, "refused", detail)
}

/// Whether somebody took the machine in: until then nothing on it is changed.
pub(super) fn accepted(record: &MachineRecord) -> Result<(), ApiError> {
    if record.machine.want.accepted { Ok(()) } else { Err(ServiceError::from(Refusal::NotAccepted).into()) }
}

/// Whether no job needs the machine's power and boot device now. While a job is held nothing is done, and while the
/// new system boots the power is the operator's.
fn undisturbed(record: &MachineRecord) -> Result<(), ApiError> {
    let Some(job) = record.machine.running_job() else { return Ok(()) };
    let Some(step) = job.current().map(|step| step.name) else { return Ok(()) };
    if record.machine.state.hold.is_some() || step == StepName::PhoneHome {
        return Ok(());
    }
    let name = &record.name;
    let way_out = match job.kind {
        JobKind::Inspect => format!("wait for its end, or `billet machine cancel {name}`"),
        JobKind::Deploy => {
            "wait for its end, or give the machine back with `billet instance delete`".to_owned()
        }
        JobKind::Release => "wait for its end".to_owned(),
    };
    let kind = word(&job.kind);
    let detail = format!("job {kind} runs on machine `{name}` (step {step}): {way_out}");
    Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
}

/// Does what changes the machine: told before it is done, so that it is known after a crash, too.
async fn change<T>(
    service: &Service,
    reached: &Reached,
    message: String,
    call: impl Future<Output = Result<T, BmcError>>,
) -> Result<T, ApiError> {
    accepted(&reached.record)?;
    let event = NewEvent::machine(reached.record.id(), "request", message.clone());
    service.store.event_insert(&[event], clock::now()).await?;
    match bounded_by(PATIENCE, call).await? {
        Ok(done) => Ok(done),
        Err(error) => {
            failed(service, reached, &message, &error).await?;
            Err(error.into())
        }
    }
}

async fn failed(
    service: &Service,
    reached: &Reached,
    message: &str,
    error: &BmcError,
) -> Result<(), ApiError> {
    let event = NewEvent::machine(reached.record.id(), "bmc", format!("{message}; but: {error}"));
    reached.note(error).await?;
    Ok(service.store.event_insert(&[event], clock::now()).await?)
}

/// Bounds what a BMC is asked in time.
pub(super) async fn bounded_by<T>(patience: Duration, call: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(patience, call).await.map_err(|_| slow(patience))
}

fn slow(patience: Duration) -> ApiError {
    let detail = format!(
        "the BMC is too slow: it was not done after {} s; look before you repeat it",
        patience.as_secs()
    );
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "bmc-slow", detail)
}
