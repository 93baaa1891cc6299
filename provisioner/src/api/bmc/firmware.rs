//! Firmware, its updates, and the BMC's tasks.
//!
//! An update is a thing to do once: that it is asked for is stored before the BMC is told, its task after. From then on
//! the reconciler follows it (`reconcile::firmware`), and nobody switches the machine.

use super::{ApiError, Reached, accepted, bounded_by, reach, reach_alone, still_held, undisturbed};
use crate::{
    api::{error::Body, machines::is_another, validate::Fields},
    bmc_calls as calls, bmc_view as view, clock,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
    text::without_secrets,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use bmc::{BmcError, TaskHandle};
use jiff::Timestamp;
use provisioner_api::{BmcFirmwareList, BmcFirmwareUpdate, BmcTask, BmcTaskList, BmcTaskState};
use provisioner_lifecycle::{Fact, FirmwareTask, observe};
use std::{sync::Arc, time::Duration};

/// How long a BMC may take to list its tasks before it is asked for an update all the same.
const LOOK: Duration = Duration::from_secs(30);

/// The most pieces of firmware of one update.
const TARGETS_MAX: usize = 64;

/// By what an update is shown whose task nobody knows.
const UNKNOWN: &str = "-";

/// Lists the firmware.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_FIRMWARE, tag = "bmc",
    responses((status = 200, body = BmcFirmwareList)),
)]
pub(in crate::api) async fn firmware(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcFirmwareList>, ApiError> {
    let reached = reach(&service, &key).await?;
    Ok(Json(reached.ask(calls::firmware(&*reached.bmc, &reached.address)).await?))
}

/// Starts an update of firmware.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_FIRMWARE, tag = "bmc",
    request_body = BmcFirmwareUpdate,
    responses((status = 202, body = BmcTask)),
)]
pub(in crate::api) async fn start_update(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcFirmwareUpdate>,
) -> Result<(StatusCode, Json<BmcTask>), ApiError> {
    let mut fields = Fields::default();
    fields.url("url", &body.url);
    let most = format!("at most {TARGETS_MAX} pieces of firmware can be named");
    fields.check(body.targets.len() <= TARGETS_MAX, "targets", most);
    for (index, target) in body.targets.iter().take(TARGETS_MAX).enumerate() {
        let good = (1..=200).contains(&target.len());
        fields.check(
            good,
            &format!("targets[{index}]"),
            "a piece of firmware has an id, of at most 200 bytes",
        );
    }
    fields.done()?;
    // As long as it is held, whoever follows updates knows that this one is being asked for.
    let reached = reach_alone(&service, &key).await?;
    let started = clock::now();
    let what = described(&body);
    let others = others(&reached).await;
    still_held().await?;
    intend(&service, &reached, &what, others, started).await?;
    let update = view::firmware_update(&body);
    let call = calls::firmware_start(&*reached.bmc, &reached.address, &update);
    match bounded_by(super::PATIENCE, call).await? {
        Ok(handle) => {
            taken(&service, &reached.record, started, &handle).await?;
            Ok((StatusCode::ACCEPTED, Json(looked_at(&reached, handle, what).await)))
        }
        Err(error) => {
            reached.note(&error).await?;
            refused(&service, &reached.record, started, &error).await?;
            Err(error.into())
        }
    }
}

fn described(body: &BmcFirmwareUpdate) -> String {
    let url = without_secrets(&body.url);
    if body.targets.is_empty() { url } else { format!("{} from {url}", body.targets.join(", ")) }
}

/// What the BMC is at already: should its answer be lost, none of these is the update. That it can't be asked now, or
/// shows no tasks, stands in no way of an update.
async fn others(reached: &Reached) -> Vec<String> {
    let all = bounded_by(LOOK, calls::tasks(&*reached.bmc, &reached.address)).await;
    let Ok(Ok(all)) = all else { return Vec::new() };
    all.items.into_iter().map(|task| task.id).collect()
}

/// Stores that the BMC is about to be asked, unless something stands against it at that very moment.
async fn intend(
    service: &Service,
    reached: &Reached,
    what: &str,
    others: Vec<String>,
    started: Timestamp,
) -> Result<(), ApiError> {
    let task = FirmwareTask {
        handle: None,
        what: what.to_owned(),
        others,
        started,
        percent: None,
        awaits_boot: false,
        seen: started,
        moved: started,
    };
    let record = &reached.record;
    let stored = service.machine_change(record.id(), |record, now| {
        accepted(record)?;
        undisturbed(record)?;
        let bmcs = reached.record.spec.bmc.as_ref().zip(record.spec.bmc.as_ref());
        if bmcs.is_none_or(|(asked, now)| is_another(asked, now)) {
            return Err(ApiError::conflict("the machine was given another BMC just now; ask again"));
        }
        if let Some(other) = &record.machine.facts.firmware {
            let what = &other.what;
            return Err(ApiError::conflict(format!(
                "the BMC is at another firmware update ({what}), which waits for the machine's next boot; let that end first"
            )));
        }
        let machine = observe(&record.machine, &Fact::Firmware(Some(task.clone())), now);
        let events =
            vec![NewEvent::machine(record.id(), "bmc", format!("an operator has firmware updated: {what}"))];
        Ok(Some(Change::new(MachineRecord { machine, ..record.clone() }, events)))
    });
    stored.await?.ok_or_else(|| ApiError::not_found("machine", &record.name)).map(drop)
}

/// Changes what is stored of the update that was begun then, if it is still there.
async fn settle(
    service: &Service,
    record: &MachineRecord,
    started: Timestamp,
    change: impl Fn(&FirmwareTask) -> Option<FirmwareTask>,
    told: String,
) -> Result<(), ServiceError> {
    let id = record.id();
    service
        .machine_change(id, |record, now| {
            let task = record.machine.facts.firmware.as_ref().filter(|task| task.started == started);
            let Some(task) = task else { return Ok::<_, ServiceError>(None) };
            let machine = observe(&record.machine, &Fact::Firmware(change(task)), now);
            let events = vec![NewEvent::machine(id, "bmc", told.clone())];
            Ok(Some(Change::new(MachineRecord { machine, ..record.clone() }, events)))
        })
        .await
        .map(drop)
}

async fn taken(
    service: &Service,
    record: &MachineRecord,
    started: Timestamp,
    handle: &TaskHandle,
) -> Result<(), ServiceError> {
    let with_handle =
        |task: &FirmwareTask| Some(FirmwareTask { handle: Some(handle.0.clone()), ..task.clone() });
    let told = format!("the BMC took the firmware update as task {}", handle.0);
    settle(service, record, started, with_handle, told).await
}

/// The BMC did not do it, or nobody knows: then it stays to be found out.
async fn refused(
    service: &Service,
    record: &MachineRecord,
    started: Timestamp,
    error: &BmcError,
) -> Result<(), ServiceError> {
    let unknown = matches!(error, BmcError::Unknown { .. });
    let keep = |task: &FirmwareTask| unknown.then(|| task.clone());
    let error = without_secrets(&error.to_string());
    let told = if unknown { error } else { format!("the firmware update was not begun: {error}") };
    settle(service, record, started, keep, told).await
}

/// The task as the BMC shows it; as we know it, when it doesn't.
async fn looked_at(reached: &Reached, handle: TaskHandle, what: String) -> BmcTask {
    let seen = bounded_by(super::PATIENCE, calls::task(&*reached.bmc, &reached.address, &handle.0)).await;
    match seen {
        Ok(Ok(task)) => BmcTask { followed: true, ..task },
        _ => BmcTask { id: handle.0, name: what, ..unknown_task() },
    }
}

fn unknown_task() -> BmcTask {
    BmcTask {
        id: UNKNOWN.into(),
        name: String::new(),
        state: BmcTaskState::Running,
        percent: None,
        messages: Vec::new(),
        followed: true,
    }
}

/// The update that is followed, where the BMC was asked and nobody knows whether it took it.
fn open_update(record: &MachineRecord) -> Option<BmcTask> {
    let task = record.machine.facts.firmware.as_ref().filter(|task| task.handle.is_none())?;
    let messages = vec!["the BMC was asked for it; whether it took it is not known yet".into()];
    Some(BmcTask { name: task.what.clone(), messages, ..unknown_task() })
}

fn marked(record: &MachineRecord, mut task: BmcTask) -> BmcTask {
    let followed = record.machine.facts.firmware.as_ref().and_then(|task| task.handle.as_ref());
    task.followed = followed == Some(&task.id);
    task
}

/// Lists the BMC's tasks.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_TASKS, tag = "bmc",
    responses((status = 200, body = BmcTaskList)),
)]
pub(in crate::api) async fn tasks(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Json<BmcTaskList>, ApiError> {
    let reached = reach(&service, &key).await?;
    let listed = reached.ask(calls::tasks(&*reached.bmc, &reached.address)).await?.items.into_iter();
    let items =
        listed.map(|task| marked(&reached.record, task)).chain(open_update(&reached.record)).collect();
    Ok(Json(BmcTaskList { items }))
}

/// Shows a task of the BMC.
#[utoipa::path(
    get, path = provisioner_api::paths::MACHINE_BMC_TASK, tag = "bmc",
    responses((status = 200, body = BmcTask)),
)]
pub(in crate::api) async fn task(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
) -> Result<Json<BmcTask>, ApiError> {
    let reached = reach(&service, &key).await?;
    if let Some(task) = open_update(&reached.record).filter(|task| task.id == id) {
        return Ok(Json(task));
    }
    let task = reached.ask(calls::task(&*reached.bmc, &reached.address, &id)).await?;
    Ok(Json(marked(&reached.record, task)))
}

/// Follows an update no longer. The BMC is not told: what it is at goes on.
#[utoipa::path(
    delete, path = provisioner_api::paths::MACHINE_BMC_TASK, tag = "bmc",
    summary = "Follows an update no longer",
    responses((status = 204)),
)]
pub(in crate::api) async fn forget_task(
    State(service): State<Arc<Service>>,
    Path((key, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let record = service.machine(&key).await?;
    let missing = || {
        let detail = format!("Billet does not follow task `{id}` of machine `{}`", record.name);
        ApiError::new(StatusCode::NOT_FOUND, "not-found", detail)
    };
    let changed = service.machine_change(record.id(), |record, now| {
        let task = record.machine.facts.firmware.as_ref();
        let task = task.filter(|task| task.handle.as_deref().unwrap_or(UNKNOWN) == id).ok_or_else(missing)?;
        let message = format!(
            "an operator has Billet follow the firmware update ({}) no longer: the machine may be switched again, whether the BMC is done or not",
            task.what
        );
        let machine = observe(&record.machine, &Fact::Firmware(None), now);
        let events = vec![NewEvent::machine(record.id(), "bmc", message)];
        Ok::<_, ApiError>(Some(Change::new(MachineRecord { machine, ..record.clone() }, events)))
    });
    changed.await?.ok_or_else(missing)?;
    Ok(StatusCode::NO_CONTENT)
}
