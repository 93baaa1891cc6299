//! `/agent/v1`: claim, orders, reports, manifests and chunks.

use super::{
    auth::Session,
    error::{ApiError, Body, Query},
    instances::{USER_DATA, secret_owner},
    validate::parse_mac,
};
use crate::{
    clock,
    hub::Poke,
    seed,
    service::{Service, ServiceError},
    store::{MachineRecord, NewEvent, Window},
    windows,
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{
    InstanceId, Inventory, MachineId, MachineSpec,
    agent::{Action, ClaimRequest, ClaimResponse, Order, Outcome, Report, ReportResponse, SeedFile},
};
use provisioner_lifecycle::{AgentReport, Draft, Fact, Machine as Core, Reported, Task, order};
use serde::Deserialize;
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// How long an agent's question may stay open at most.
const LONGEST_POLL: u64 = 50;

/// How often "the agent was heard" is written down when it says nothing else.
const HEARD: jiff::SignedDuration = jiff::SignedDuration::from_secs(20);

/// Trades a boot window's token for a session, once.
pub(crate) async fn claim(
    State(service): State<Arc<Service>>,
    Body(body): Body<ClaimRequest>,
) -> Result<Json<ClaimResponse>, ApiError> {
    let refused = |detail: &str| ApiError::new(StatusCode::FORBIDDEN, "refused", detail);
    let window = windows::window_of_claim(&service, body.token.reveal()).await?;
    let window = window.ok_or_else(|| refused("this token names no boot window"))?;
    let repeat = window.nonce.as_ref() == Some(&body.nonce);
    if body.nonce.len() < 32 || body.nonce.len() > 128 {
        return Err(ApiError::field("nonce", "32 to 128 hex digits are needed"));
    }
    if window.nonce.is_some() && !repeat {
        tracing::warn!(
            window = window.id,
            mac = window.mac,
            "a second agent claims a boot window; it is refused"
        );
        return Err(refused("another agent claimed this boot window"));
    }
    if !repeat && window.expires < clock::now() {
        return Err(refused("this boot window has closed"));
    }
    let seen = body.inventory.nics.iter().any(|nic| parse_mac(&nic.mac).as_ref() == Some(&window.mac));
    if !seen && window.machine.is_none() {
        return Err(refused(
            "this boot window was opened for another machine: none of the NICs has its MAC address",
        ));
    }
    let machine = match window.machine {
        Some(machine) => machine,
        None => discovered(&service, &window, &body.inventory).await?,
    };
    if !service.store.window_claim(&window.id, &body.nonce, machine, clock::now()).await? {
        return Err(refused("another agent claimed this boot window"));
    }
    let told = format!("the agent {} called in", body.agent_version.chars().take(40).collect::<String>());
    let events = if repeat { Vec::new() } else { vec![NewEvent::machine(machine, "agent", told)] };
    let fact = Fact::Claimed { job: window.job, inventory: body.inventory };
    let record = service.observe(machine, &fact, &events).await?;
    let record = record.ok_or_else(|| refused("this machine was forgotten meanwhile"))?;
    let session = windows::session_token(&service.key, &window.id, &body.nonce);
    let session = provisioner_api::Secret::new(session);
    Ok(Json(ClaimResponse { session, machine, machine_name: record.name }))
}

/// The machine that a discovery found: the one with that MAC, or a new one, not accepted. Nothing on it is changed.
async fn discovered(
    service: &Service,
    window: &Window,
    inventory: &Inventory,
) -> Result<MachineId, ServiceError> {
    if let Some(known) = service.store.machine_by_mac(&window.mac).await? {
        return Ok(known.id());
    }
    let now = clock::now();
    let id = MachineId(Uuid::now_v7());
    let mut macs = vec![window.mac.clone()];
    for mac in inventory.nics.iter().filter_map(|nic| parse_mac(&nic.mac)) {
        if !macs.contains(&mac) && service.store.machine_by_mac(&mac).await?.is_none() {
            macs.push(mac);
        }
    }
    let spec = MachineSpec {
        pool: "default".into(),
        macs,
        bmc: None,
        boot_mode: inventory.boot_mode,
        accepted: false,
        maintenance: false,
        labels: Default::default(),
    };
    let name = format!("found-{}", window.mac.replace(':', ""));
    let record =
        MachineRecord { version: 1, generation: 1, name, spec, machine: Core::new(id, now), created: now };
    let event = NewEvent::machine(id, "agent", "discovered: it netbooted on its own and was inventoried");
    service.store.machine_insert(&record, &[event], now).await?;
    service.poke_machine(&record);
    Ok(id)
}

/// How long to wait for an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poll {
    #[serde(default)]
    wait: u64,
}

/// The order that stands, by long poll.
pub(crate) async fn orders(
    State(service): State<Arc<Service>>,
    Extension(session): Extension<Session>,
    Query(poll): Query<Poll>,
) -> Result<Response, ApiError> {
    let mut pokes = service.hub.listen();
    heard(&service, session.machine).await?;
    let end = tokio::time::Instant::now() + Duration::from_secs(poll.wait.min(LONGEST_POLL));
    loop {
        if let Some(order) = standing_order(&service, &session).await? {
            return Ok(Json(order).into_response());
        }
        loop {
            match tokio::time::timeout_at(end, pokes.recv()).await {
                Err(_) => return Ok(StatusCode::NO_CONTENT.into_response()),
                Ok(Ok(Poke::Machine(id))) if id == session.machine => break,
                Ok(Err(RecvError::Lagged(_))) => break,
                Ok(Err(RecvError::Closed)) => return Ok(StatusCode::NO_CONTENT.into_response()),
                Ok(Ok(_)) => {}
            }
        }
    }
}

async fn heard(service: &Service, id: MachineId) -> Result<(), ServiceError> {
    let Some(record) = service.store.machine_get(id).await? else { return Ok(()) };
    let stale = |at: jiff::Timestamp| clock::now().duration_since(at) > HEARD;
    if record.machine.facts.agent_seen.is_none_or(stale) {
        service.observe(id, &Fact::AgentSeen, &[]).await?;
    }
    Ok(())
}

async fn standing_order(service: &Service, session: &Session) -> Result<Option<Order>, ServiceError> {
    let Some(record) = service.store.machine_get(session.machine).await? else { return Ok(None) };
    let now = clock::now();
    let Some(draft) = order(&record.machine, now) else { return Ok(None) };
    // An agent of an earlier boot gets nothing.
    if session.window.job != Some((draft.job.id, draft.job.epoch)) {
        return Ok(None);
    }
    let Draft { job, step, task } = draft;
    let action = match task {
        Task::Inspect => Action::Inspect,
        Task::WriteImage { manifest, permit } => Action::WriteImage { manifest, permit },
        Task::WriteSeed { instance, permit } => {
            let Some(files) = seed_files(service, &record, instance).await? else { return Ok(None) };
            Action::WriteSeed { files, permit }
        }
        Task::Erase { policy, permit } => Action::Erase { policy, permit },
        Task::Reboot => Action::Reboot,
    };
    let step_name = step.name.to_string();
    Ok(Some(Order {
        machine: record.id(),
        job: job.id,
        epoch: job.epoch,
        step: step_name,
        attempt: step.attempt,
        now,
        action,
    }))
}

async fn seed_files(
    service: &Service,
    record: &MachineRecord,
    instance: InstanceId,
) -> Result<Option<Vec<SeedFile>>, ServiceError> {
    let Some(instance) = service.store.instance_get(instance).await? else { return Ok(None) };
    let owner = secret_owner(instance.id);
    let user_data = match service.store.secret_get(&owner, USER_DATA).await? {
        Some(sealed) => Some(service.key.open_sealed(&owner, USER_DATA, &sealed)?),
        None => None,
    };
    let mac = record.spec.macs.first().map_or("", String::as_str);
    let address = our_address(service, mac).await?;
    let token = windows::phone_home_token(&service.key, instance.id);
    let port = service.http_port.get().copied().unwrap_or(service.config.boot.http_port);
    let phone_home = format!("http://{address}:{port}/boot/phone-home/{token}");
    let seed = seed::Seed {
        instance: &instance,
        user_data: user_data.as_ref().map(|data| data.as_str()),
        mac,
        phone_home: &phone_home,
    };
    Ok(Some(seed::files(&seed)))
}

/// Our address on the network on which this MAC has its lease.
async fn our_address(service: &Service, mac: &str) -> Result<Ipv4Addr, ServiceError> {
    let lease = service.store.lease_address(mac).await?;
    let networks = &service.config.networks;
    let on = lease.and_then(|lease| networks.iter().find(|network| network.contains(lease)));
    Ok(on.or(networks.first()).map_or(Ipv4Addr::LOCALHOST, |network| network.address))
}

/// What came of an order.
pub(crate) async fn report(
    State(service): State<Arc<Service>>,
    Extension(session): Extension<Session>,
    Body(report): Body<Report>,
) -> Result<Json<ReportResponse>, ApiError> {
    let record = service.store.machine_get(session.machine).await?;
    let Some(record) = record else { return Ok(Json(ReportResponse { stands: false })) };
    let step = report.step.parse().map_err(|why: String| ApiError::field("step", why))?;
    if session.window.job != Some((report.job, report.epoch)) {
        return Ok(Json(ReportResponse { stands: false }));
    }
    let (said, inventory) = match report.outcome {
        Outcome::Progress { progress } => (Reported::Progress(progress), None),
        Outcome::Done { evidence, disks } => (Reported::Done { evidence, disks }, None),
        Outcome::Inventory { inventory } => {
            let evidence = summary(&inventory);
            (Reported::Done { evidence, disks: Vec::new() }, Some(inventory))
        }
        Outcome::Failed { why } => (Reported::Failed(why), None),
        Outcome::Refused { why } => (Reported::Refused(why), None),
    };
    let stands = stands(&record, &report.job, report.epoch);
    let at = clock::now();
    let report =
        AgentReport { job: report.job, epoch: report.epoch, step, attempt: report.attempt, said, at };
    if let Some(inventory) = inventory {
        service.observe(record.id(), &Fact::Inventory(inventory), &[]).await?;
    }
    service.observe(record.id(), &Fact::Reported(report), &[]).await?;
    Ok(Json(ReportResponse { stands }))
}

/// Whether the job is still the running one, in the same epoch, and not held.
fn stands(record: &MachineRecord, job: &provisioner_api::JobId, epoch: u64) -> bool {
    let running = record.machine.running_job();
    running.is_some_and(|running| running.id == *job && running.epoch == epoch)
        && record.machine.state.hold.is_none()
}

fn summary(inventory: &Inventory) -> String {
    format!(
        "{} threads, {} MiB of memory, {} disks, {} NICs",
        inventory.cpu.threads,
        inventory.memory_bytes / (1024 * 1024),
        inventory.disks.len(),
        inventory.nics.len()
    )
}

/// A manifest by its SHA-256.
pub(crate) async fn manifest(
    State(service): State<Arc<Service>>,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    let store = Arc::clone(&service.images);
    let name = sha256.clone();
    let read = tokio::task::spawn_blocking(move || store.read_manifest(&name)).await;
    match read {
        Ok(Ok(manifest)) => {
            Ok(([(header::CONTENT_TYPE, "application/json")], manifest.to_bytes()).into_response())
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, sha256, "a manifest was asked for that can't be read");
            Err(ApiError::not_found("image", &sha256))
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// A chunk by the SHA-256 of its stored bytes.
pub(crate) async fn chunk(
    State(service): State<Arc<Service>>,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    let store = Arc::clone(&service.images);
    let name = sha256.clone();
    let read = tokio::task::spawn_blocking(move || store.read_chunk(&name)).await;
    match read {
        Ok(Ok(bytes)) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        Ok(Err(error)) => {
            tracing::warn!(%error, sha256, "a chunk was asked for that can't be read");
            Err(ApiError::not_found("image", &sha256))
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}
