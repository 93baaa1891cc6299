//! `/v1/machines/{machine}/bmc`: a machine's BMC, asked directly and bounded in time.
//!
//! A GET changes nothing. What changes the machine is told on its timeline before it is done, is refused for a machine
//! that nobody accepted, and, where it would cross a job's work or a firmware update, while one runs.

pub(super) mod audit;
pub(super) mod basics;
pub(super) mod confirm;
pub(super) mod firmware;
pub(super) mod parts;
pub(super) mod record;
pub(super) mod reports;
pub(super) mod settings;
pub(super) mod users;

pub(super) use audit::audit;
pub(super) use basics::{boot, power, press, set_boot, show, update};
pub(super) use confirm::confirm;
pub(super) use firmware::{firmware, forget_task, start_update, task, tasks};
pub(super) use parts::{
    clear_log, clear_sel, fru, hardware, identify, log, logs, sel, sensors, set_sel_clock,
};
pub(super) use record::record;
pub(super) use reports::{reports, subscribe, subscriptions, unsubscribe};
pub(super) use settings::{
    bios, boot_order, eject_all, eject_media, insert_media, media, reset_bios, reset_keys, restart,
    secure_boot, set_bios, set_boot_order, set_secure_boot,
};
pub(super) use users::{add_user, remove_user, rotate_password, update_user, users};

use super::{auth::still_held, error::ApiError, works::check_open};
use crate::{
    bmcs, clock,
    locks::Held,
    reconcile,
    service::{Service, ServiceError},
    store::{MachineRecord, NewEvent},
    text::{without_secrets, word},
};
use axum::http::StatusCode;
use bmc::{Bmc, BmcError};
use provisioner_api::JobKind;
use provisioner_lifecycle::{Refusal, StepName};
use std::{sync::Arc, time::Duration};

/// How long a BMC may take for all that one request needs. A full event log of a slow BMC takes minutes.
const PATIENCE: Duration = Duration::from_secs(200);

/// How long a request waits for another deed at the same machine.
const TURN: Duration = Duration::from_secs(30);

/// A machine and the driver of its BMC.
struct Reached {
    record: MachineRecord,
    bmc: Arc<dyn Bmc>,
    /// `host:port` of the BMC, as it was given.
    address: String,
    service: Arc<Service>,
    /// Held where nobody else may switch the machine meanwhile.
    _alone: Option<Held>,
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

/// The machine and its BMC's driver.
async fn reach(service: &Arc<Service>, key: &str) -> Result<Reached, ApiError> {
    let record = service.machine(key).await?;
    let address = record.spec.bmc.as_ref().map(|bmc| bmc.address.clone());
    match (address, service.bmcs.driver(&record).await?) {
        (Some(address), Some(bmc)) => {
            Ok(Reached { record, bmc, address, service: Arc::clone(service), _alone: None })
        }
        _ => Err(no_bmc(&record.name)),
    }
}

/// As `reach`, for what a job's work or a firmware update must not cross: neither begins a deed until it is dropped.
async fn reach_alone(service: &Arc<Service>, key: &str) -> Result<Reached, ApiError> {
    let record = service.machine(key).await?;
    check_open(service).await?;
    // Whoever would be refused anyhow doesn't wait.
    undisturbed(&record)?;
    let deed = service.bmcs.deed(record.id());
    let alone = tokio::time::timeout(TURN, deed.lock()).await.map_err(|_| {
        let detail =
            format!("machine `{}` is being switched or set just now; ask again in a minute", record.name);
        ApiError::new(StatusCode::CONFLICT, "refused", detail)
    })??;
    // What was so before the wait may be otherwise now.
    still_held().await?;
    let reached = reach(service, &record.id().to_string()).await?;
    undisturbed(&reached.record)?;
    check_open(service).await?;
    Ok(Reached { _alone: Some(alone), ..reached })
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

/// Whether no firmware update and no job needs the machine's power and boot device now. While a job is held nothing is
/// done, and while the new system boots the power is the operator's.
fn undisturbed(record: &MachineRecord) -> Result<(), ApiError> {
    if let Some(task) = record.machine.facts.firmware.as_ref().filter(|task| task.locks()) {
        let refusal = Refusal::Updating { what: task.what.clone() };
        return Err(ServiceError::from(refusal).into());
    }
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
        JobKind::Service => format!("wait for its end, or `billet machine cancel {name}`"),
        JobKind::Reinstall => format!("wait for its end, or stop it with `billet machine cancel {name}`"),
        JobKind::Rescue => format!("wait for its end, or end it with `billet machine cancel {name}`"),
        JobKind::Release => "wait for its end".to_owned(),
    };
    let kind = word(&job.kind);
    let detail = format!("job {kind} runs on machine `{name}` (step {step}): {way_out}");
    Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
}

/// Does what changes the machine: told before it is done, so that it is known after a crash, too. As the BMC's matter: what
/// is set there is none of a tenant's.
async fn change<T>(
    service: &Service,
    reached: &Reached,
    message: String,
    call: impl Future<Output = Result<T, BmcError>>,
) -> Result<T, ApiError> {
    accepted(&reached.record)?;
    still_held().await?;
    let message = cut(message);
    let event = NewEvent::machine(reached.record.id(), "bmc", message.clone());
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
    let event = NewEvent::machine(
        reached.record.id(),
        "bmc",
        format!("{message}; but: {}", without_secrets(&error.to_string())),
    );
    reached.note(error).await?;
    Ok(service.store.event_insert(&[event], clock::now()).await?)
}

/// A message of bounded length: names that were given stand in it, and a timeline is kept.
fn cut(message: String) -> String {
    const MOST: usize = 500;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
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
