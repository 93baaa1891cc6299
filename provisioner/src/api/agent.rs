//! `/agent/v1`: claim, orders, reports, manifests and chunks.

use super::{
    error::{ApiError, Body, Query},
    instance_network,
    instances::{secret_owner, user_data_place},
    rescue::checked,
};
use crate::{
    caches, clock, netconfig, progress,
    reads::read_apart,
    rescue::RescueArchive,
    seed,
    service::{Change, Service, ServiceError, TRIES},
    sessions::{self, Session},
    store::{EventsOf, InstanceRecord, MachineRecord, NewEvent, Swap, Window, Work},
    text::{format_mac, parse_mac, parse_mac_bytes},
    windows,
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use provisioner_api::{
    Finish, InstanceId, Inventory, JobId, MachineId, MachineSpec, SeedKind,
    agent::{
        Action, ClaimRequest, ClaimResponse, FENCE_HEADER, Fence, Order, Outcome, Report, ReportResponse,
        SeedFile,
    },
    permit::{self, PermitMethod},
};
use provisioner_lifecycle::{
    AgentReport, Draft, Fact, Job, Leave, Machine as Core, Reported, Rescued, Step, StepName, Task, order,
};
use pxe_proto::trace::{Entry, What};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};
use uuid::Uuid;

/// How long an agent's question may stay open at most.
const LONGEST_POLL: u64 = 50;

/// The job of the one order that a discovery gives.
const NO_JOB: JobId = JobId(Uuid::nil());

/// Why a claim is refused that comes too late.
const OVER: &str = "the work that this boot window was opened for is over";

/// Why a discovery is refused that would say something of a machine that is in service.
const ACCEPTED: &str = "this machine was accepted already, and nothing is to be done on it now";

/// How many claims that can't be read are told of in ten minutes.
const UNREAD: u32 = 10;

/// What stands in the place of the words that an agent without signed permits has not. If the service was upgraded while
/// the machine ran it, another boot brings a new one.
const TOO_OLD: &str = "the agent's build knows no signed permits; if that stays so, give the service a ramdisk of its own version (`boot.ramdisk`)";

fn refused(detail: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "refused", detail)
}

/// Trades a boot window's token for a session, once.
#[utoipa::path(
    post, path = provisioner_api::paths::AGENT_CLAIM, tag = "agent",
    request_body = ClaimRequest,
    security(()),
    responses((status = 200, body = ClaimResponse), (status = 403), (status = 409)),
)]
pub(crate) async fn claim(
    State(service): State<Arc<Service>>,
    body: Result<Body<ClaimRequest>, ApiError>,
) -> Result<Json<ClaimResponse>, ApiError> {
    let Body(body) = body.inspect_err(|error| unread(&service, error))?;
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
    let record = match window.machine {
        Some(machine) => expected(&service, &window, machine, &body.inventory).await?,
        None => discovered(&service, &window, &body.inventory).await?,
    };
    let machine = record.id();
    let now = clock::now();
    let told = format!("the agent {} called in", body.agent_version.chars().take(40).collect::<String>());
    let events = if repeat { Vec::new() } else { vec![NewEvent::machine(machine, "agent", told)] };
    let fact = Fact::Claimed { job: window.job, inventory: body.inventory };
    let record = take_down(&service, &window, &body.nonce, record, &fact, &events).await?;
    if !repeat {
        called_in(&service, &window, &record.spec.macs).await?;
    }
    let token = windows::session_token(&service.key, &window, machine, &body.nonce);
    let claimed = window.claimed.or(Some(now));
    let window = Window { nonce: Some(body.nonce), machine: Some(machine), claimed, ..window };
    sessions::begun(&service, &token, Session { machine, window });
    let session = provisioner_api::Secret::new(token);
    Ok(Json(ClaimResponse { session, machine, machine_name: record.name }))
}

/// Says in the log that a claim can't be read: the machine waits for an agent that asks in vain. Anybody may send one, so
/// only some are told, and nothing of what is in them but a few names of fields.
fn unread(service: &Service, error: &ApiError) {
    if service.audit.may_tell("claims that can't be read".to_owned(), UNREAD, clock::now()).is_none() {
        return;
    }
    let fields: Vec<_> = error.fields().iter().take(4).map(|field| cut(&field.field)).collect();
    let status = error.status();
    tracing::warn!(%status, ?fields, "a claim can't be read, and is refused; the agent's console says why");
}

fn cut(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Takes down, in one, that the agent with this nonce has the window, and what it showed of the machine.
async fn take_down(
    service: &Service,
    window: &Window,
    nonce: &str,
    mut record: MachineRecord,
    fact: &Fact,
    mut events: &[NewEvent],
) -> Result<MachineRecord, ApiError> {
    for _ in 0..TRIES {
        let now = clock::now();
        let change = service.observed(&record, std::slice::from_ref(fact), events, now);
        let change = change.unwrap_or_else(|| Change::new(record.clone(), Vec::new()));
        let pair = (&record, &change.record);
        if service.store.window_claim(window, nonce, pair, &change.events, now).await? == Swap::Updated {
            return Ok(service.written(&record, change));
        }
        // One of the two was changed by somebody else.
        let known = service.store.window_get(&window.id).await?;
        let claimed = match known.map(|known| known.nonce) {
            Some(None) => false,
            Some(Some(other)) if other == nonce => true,
            _ => return Err(refused("another agent claimed this boot window")),
        };
        let again = service.store.machine_get(record.id()).await?;
        record = again.ok_or_else(|| refused("this machine was forgotten meanwhile"))?;
        if is_over(window, &record) {
            return Err(refused(OVER));
        }
        if claimed {
            // It asked twice at once: the other time told of it.
            events = &[];
        } else if window.machine.is_none() && record.machine.want.accepted {
            return Err(refused(ACCEPTED));
        }
    }
    Err(ServiceError::Contended { what: format!("machine {}", record.name) }.into())
}

/// Ends the boot conversations of a machine: its agent is here.
async fn called_in(service: &Service, window: &Window, macs: &[String]) -> Result<(), ServiceError> {
    let at = u64::try_from(clock::now().as_millisecond()).unwrap_or(0);
    let mut named: Vec<_> =
        std::iter::once(&window.mac).chain(macs).filter_map(|mac| parse_mac_bytes(mac)).collect();
    named.sort_unstable();
    named.dedup();
    // The one that it booted from is the one that was heard; which that is, nobody says.
    let heard = service.traces.of(&named);
    let mut last: BTreeMap<_, _> =
        heard.into_iter().map(|(_, entry)| (entry.mac, entry.network.clone())).collect();
    if last.is_empty() {
        // So many boot at once that it is not in memory any more.
        for mac in named {
            let stored = service.store.boot_trace_list(&format_mac(mac)).await?.pop();
            last.extend(stored.map(|(_, entry)| (mac, entry.network.clone())));
        }
    }
    for (mac, network) in last {
        service.traces.record(Entry { at, mac, network, what: What::Agent });
    }
    Ok(())
}

/// The MAC addresses of an inventory, in canonical form, each once: a bridge or bond shows its port's again.
fn macs_of(inventory: &Inventory) -> Vec<String> {
    let mut macs = Vec::new();
    for mac in inventory.nics.iter().filter_map(|nic| parse_mac(&nic.mac)) {
        if !macs.contains(&mac) {
            macs.push(mac);
        }
    }
    macs
}

/// The machine that a window was opened for, if it is the one that claims it and its work still waits for that.
async fn expected(
    service: &Service,
    window: &Window,
    machine: MachineId,
    inventory: &Inventory,
) -> Result<MachineRecord, ApiError> {
    let record = service.store.machine_get(machine).await?;
    let record = record.ok_or_else(|| refused("this machine was forgotten meanwhile"))?;
    let nics = macs_of(inventory);
    if !record.spec.macs.iter().any(|mac| nics.contains(mac)) {
        let seen = nics.join(", ");
        let message = format!(
            "a machine with other NICs ({seen}) claims this one's boot window and is refused; is the BMC that of another machine?"
        );
        tell_once(service, machine, message).await?;
        return Err(refused(
            "this boot window was opened for another machine: none of the NICs has its MAC address",
        ));
    }
    // Whoever adds a machine by a card that another one has as well would have that one written over.
    let known = service.store.machine_names_by_mac(&nics).await?;
    if let Some(mac) = nics.iter().find(|mac| known.get(*mac).is_some_and(|(id, _)| *id != machine)) {
        let message = format!(
            "the machine that claims this one's boot window has a NIC, {mac}, that is another machine's, and is refused; take the MAC address from the one that it isn't of"
        );
        tell_once(service, machine, message).await?;
        return Err(refused("one of the NICs is another machine's"));
    }
    if is_over(window, &record) {
        return Err(refused(OVER));
    }
    Ok(record)
}

/// Whether a window was opened for work that its machine is not at any more.
fn is_over(window: &Window, record: &MachineRecord) -> bool {
    window.job.is_some() && window.job != record.machine.running_job().map(|job| (job.id, job.epoch))
}

/// Tells of a refusal, but not again and again: the agent goes on asking.
async fn tell_once(service: &Service, machine: MachineId, message: String) -> Result<(), ServiceError> {
    let last = service.store.event_newest(EventsOf::Machine(machine), 1).await?;
    if last.last().is_none_or(|event| event.message != message) {
        tracing::warn!(%machine, message, "a claim is refused");
        service.store.event_insert(&[NewEvent::machine(machine, "agent", message)], clock::now()).await?;
    }
    Ok(())
}

/// The machine that a discovery found: one with its MACs that nobody accepted yet, or a new one. Nothing on it is
/// changed. What is known of an accepted machine comes from its own boot windows only.
async fn discovered(
    service: &Service,
    window: &Window,
    inventory: &Inventory,
) -> Result<MachineRecord, ApiError> {
    let mut macs = macs_of(inventory);
    if !macs.contains(&window.mac) {
        return Err(refused(
            "this boot window was opened for another machine: none of the NICs has its MAC address",
        ));
    }
    macs.retain(|mac| *mac != window.mac);
    macs.insert(0, window.mac.clone());
    for mac in &macs {
        let Some(known) = service.store.machine_by_mac(mac).await? else { continue };
        if !known.machine.want.accepted {
            return Ok(known);
        }
        if !known.spec.macs.contains(&window.mac) {
            let (nic, name) = (&window.mac, &known.name);
            let message = format!(
                "its agent booted from the NIC {nic}, which is not among its MAC addresses, and is refused; if it is to boot from that one: `billet machine set {name} --mac {nic}`"
            );
            tell_once(service, known.id(), message).await?;
        }
        return Err(refused(ACCEPTED));
    }
    let now = clock::now();
    let id = MachineId(Uuid::now_v7());
    let spec = MachineSpec { macs, boot_mode: inventory.boot_mode, ..MachineSpec::in_pool("default") };
    let mut name = format!("found-{}", window.mac.replace(':', ""));
    if service.store.machine_find(&name).await?.is_some() {
        // It was found before and has other MACs now.
        name = format!("{name}-{}", &id.0.simple().to_string()[24..]);
    }
    let record =
        MachineRecord { version: 1, generation: 1, name, spec, machine: Core::new(id, now), created: now };
    let event = NewEvent::machine(id, "agent", "discovered: it netbooted on its own and was inventoried");
    service.store.machine_insert(&record, &[], &[event], now).await?;
    service.poke_machine(&record);
    Ok(record)
}

/// How long to wait for an order.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poll {
    /// Seconds that the answer may take if there is no order.
    #[serde(default)]
    wait: u64,
}

/// The order that stands, by long poll.
#[utoipa::path(
    get, path = provisioner_api::paths::AGENT_ORDERS, tag = "agent",
    params(Poll, ("billet-challenge" = Option<String>, Header, description = "32 hex digits, made anew for each question; a permit repeats them")),
    responses(
        (status = 200, body = Order, headers(("billet-fence" = String, description = "`<term>.<epoch>`: an agent obeys nothing lower than the highest that it heard"))),
        (status = 204, description = "Nothing is to be done", headers(("billet-fence" = String, description = "`<term>.<epoch>`: an agent obeys nothing lower than the highest that it heard"))),
        (status = 409)
    ),
)]
pub(crate) async fn orders(
    State(service): State<Arc<Service>>,
    Extension(session): Extension<Session>,
    Query(poll): Query<Poll>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let challenge = challenge(&headers)?;
    // Before the first look: what changes after that look must not be slept through.
    let mut watch = service.hub.watch(session.machine);
    // Who waits for leave to wipe asks again and again, and must not count as silent between two questions.
    let heard_of = Duration::try_from(service.config.limits.agent_silence / 4).unwrap_or_default();
    let wait = Duration::from_secs(poll.wait.min(LONGEST_POLL)).min(heard_of);
    let end = tokio::time::Instant::now() + wait;
    // Before each look: so it is not of a later term than what is read.
    let mut term = service.standing.term();
    let mut record = service.store.machine_get(session.machine).await?;
    if let Some(found) = record {
        record = heard(&service, &session, found).await?;
    }
    loop {
        if let Some(record) = &record
            && let Some(order) = standing_order(&service, &session, record, challenge).await?
        {
            return Ok(fenced(term, Work::of(record).epoch, Json(order)));
        }
        if tokio::time::timeout_at(end, watch.poked()).await.is_err() {
            let Some(record) = &record else { return Ok(StatusCode::NO_CONTENT.into_response()) };
            return Ok(fenced(term, Work::of(record).epoch, StatusCode::NO_CONTENT));
        }
        term = service.standing.term();
        record = service.store.machine_get(session.machine).await?;
    }
}

/// An answer with what an agent compares, so that it obeys nobody who read earlier than another one that it heard.
fn fenced(term: u64, epoch: u64, answer: impl IntoResponse) -> Response {
    ([(FENCE_HEADER, Fence { term, epoch }.to_string())], answer).into_response()
}

/// What a report of a machine that nobody knows any more is answered: nothing stands, and nothing comes later.
fn forgotten() -> Response {
    Json(ReportResponse { stands: false }).into_response()
}

/// An agent of an earlier boot that still asks must not hide that the one that is waited for fell silent.
async fn heard(
    service: &Service,
    session: &Session,
    record: MachineRecord,
) -> Result<Option<MachineRecord>, ServiceError> {
    let attended = record.machine.attended();
    let ours = attended.is_some() && session.window.job == attended;
    if ours && to_be_noted(service, record.machine.facts.agent_seen) {
        return service.observe_loaded(&record, &[Fact::AgentSeen], &[]).await;
    }
    Ok(Some(record))
}

/// Whether it is time to write down again that the agent was heard; it is written down that it was at `heard`.
fn to_be_noted(service: &Service, heard: Option<jiff::Timestamp>) -> bool {
    let limits = &service.config.limits;
    // What is written so seldom must not look like silence, nor like no progress.
    let shortest = limits.agent_silence.min(limits.write_stall).min(limits.erase_stall);
    progress::is_due(heard, shortest, clock::now())
}

async fn standing_order(
    service: &Service,
    session: &Session,
    record: &MachineRecord,
    challenge: Option<&str>,
) -> Result<Option<Order>, ServiceError> {
    let now = clock::now();
    if session.window.job.is_none() {
        return Ok(Some(leave(record, now)));
    }
    let Some(draft) = order(&record.machine, now) else { return Ok(None) };
    // An agent of an earlier boot gets nothing.
    if session.window.job != Some((draft.job.id, draft.job.epoch)) {
        return Ok(None);
    }
    // What destroys is ordered only after a look at the row itself.
    let destroys = draft.step.name.destroys();
    let freeze = if destroys { service.frozen_by_row().await? } else { service.frozen().await? };
    if freeze.is_some() {
        return Ok(None);
    }
    let Draft { job, step, task } = draft;
    let Some(challenge) = challenge.or((!destroys).then_some("")) else {
        too_old(service, record, job, step).await?;
        return Ok(None);
    };
    let sign = |leave: Leave, method| service.permits.sign(&leave.permit(method, challenge.to_owned()));
    let action = match task {
        Task::Inspect => Action::Inspect,
        Task::WriteImage { manifest, leave } => {
            let permit = sign(leave, PermitMethod::WriteImage { manifest: manifest.clone() })?;
            Action::WriteImage { manifest, permit }
        }
        Task::WriteSeed { instance, leave } => {
            let Some(instance) = service.store.instance_get(instance).await? else { return Ok(None) };
            let finish = finish(service, &instance).await?;
            let files = seed_files(service, record, &instance, finish.seed).await?;
            let sha256 = hex::encode(Sha256::digest(permit::seed_bytes(&files, finish)));
            let permit = sign(leave, PermitMethod::WriteSeed { files: sha256 })?;
            // Best effort must not repeat what killed a firmware.
            let boot_entry = (step.attempt == 1).then(|| seed::hostname(&instance).to_owned());
            Action::WriteSeed { files, finish, boot_entry, permit }
        }
        Task::BootRam { manifest, instance } => {
            let Some(action) = boot_ram(service, record, manifest, instance).await? else { return Ok(None) };
            action
        }
        Task::Erase { policy, leave } => {
            Action::Erase { policy, permit: sign(leave, PermitMethod::Erase { policy })? }
        }
        Task::Rescue { authorized_keys } => {
            match service.rescue.of(record.machine.facts.inventory.as_deref()) {
                Ok(RescueArchive { sha256, bytes, .. }) => {
                    Action::Rescue { authorized_keys, archive: sha256.clone(), bytes: *bytes }
                }
                Err(none) => {
                    // It was there when the rescue was asked for.
                    in_its_place(service, record, job, step, Reported::Refused(none.to_string())).await?;
                    return Ok(None);
                }
            }
        }
        Task::Reboot => Action::Reboot,
    };
    let caches = near_caches(service, record, &action);
    let (step, attempt) = (step.name.to_string(), step.attempt);
    Ok(Some(Order {
        machine: record.id(),
        job: job.id,
        epoch: job.epoch,
        step,
        attempt,
        now,
        action,
        caches,
    }))
}

/// Whom the agent may ask for chunks before us, if the order has it fetch some.
fn near_caches(service: &Service, record: &MachineRecord, action: &Action) -> Vec<String> {
    match action {
        Action::WriteImage { .. } | Action::BootRam { .. } => {
            caches::nearest(&service.config.images.caches, &record.spec)
        }
        _ => Vec::new(),
    }
}

/// The order to boot an instance's image from RAM. None: instance or image were forgotten meanwhile.
async fn boot_ram(
    service: &Service,
    record: &MachineRecord,
    manifest: String,
    instance: InstanceId,
) -> Result<Option<Action>, ServiceError> {
    let Some(instance) = service.store.instance_get(instance).await? else { return Ok(None) };
    let Some(image) = instance.image else { return Ok(None) };
    let Some(image) = service.store.image_get(image).await? else { return Ok(None) };
    let files = seed_files(service, record, &instance, SeedKind::NoCloud).await?;
    let kernel_bytes = image.spec.kernel_bytes.filter(|_| image.status.manifest_sha256 == manifest);
    let cmdline = image.spec.cmdline.unwrap_or_default();
    Ok(kernel_bytes.map(|kernel_bytes| Action::BootRam { manifest, kernel_bytes, cmdline, files }))
}

/// The challenge of an agent's question; none of an agent that knows no signed permits.
fn challenge(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(permit::CHALLENGE_HEADER) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if permit::is_challenge(text) => Ok(Some(text)),
        _ => {
            let why = format!("{} hex digits are needed", permit::CHALLENGE_DIGITS);
            Err(ApiError::field(permit::CHALLENGE_HEADER, why))
        }
    }
}

/// An agent that can't read a signed permit would ask for ever: it is to be booted anew.
async fn too_old(
    service: &Service,
    record: &MachineRecord,
    job: &Job,
    step: &Step,
) -> Result<(), ServiceError> {
    in_its_place(service, record, job, step, Reported::Outdated(TOO_OLD.into())).await
}

/// Takes down what the service says in the place of an agent.
async fn in_its_place(
    service: &Service,
    record: &MachineRecord,
    job: &Job,
    step: &Step,
    said: Reported,
) -> Result<(), ServiceError> {
    let report = AgentReport {
        job: job.id,
        epoch: job.epoch,
        step: step.name,
        attempt: step.attempt,
        said,
        at: clock::now(),
    };
    service.observe_loaded(record, &[Fact::Reported(report)], &[]).await?;
    Ok(())
}

/// A discovered machine was inventoried by the claim itself: it goes on to its disk, whatever is there.
fn leave(record: &MachineRecord, now: jiff::Timestamp) -> Order {
    let step = StepName::Reboot.to_string();
    Order {
        machine: record.id(),
        job: NO_JOB,
        epoch: 0,
        step,
        attempt: 1,
        now,
        action: Action::RebootToDisk,
        caches: Vec::new(),
    }
}

/// What follows an instance's image on its disk.
async fn finish(service: &Service, instance: &InstanceRecord) -> Result<Finish, ServiceError> {
    let Some(image) = instance.image else { return Ok(Finish::default()) };
    let image = service.store.image_get(image).await?;
    Ok(image.map(|image| image.spec.finish()).unwrap_or_default())
}

async fn seed_files(
    service: &Service,
    record: &MachineRecord,
    instance: &InstanceRecord,
    kind: SeedKind,
) -> Result<Vec<SeedFile>, ServiceError> {
    let owner = secret_owner(instance.id);
    let place = user_data_place(instance.standing.second_user_data);
    let sealed = match instance.standing.user_data_bytes {
        Some(_) => service.store.secret_get(&owner, place).await?,
        None => None,
    };
    let user_data = sealed.map(|sealed| service.key.open_sealed_bytes(&owner, place, &sealed)).transpose()?;
    let mac = record.spec.macs.first().map_or("", String::as_str);
    let address = our_address(service, mac).await?;
    let token = windows::phone_home_token(&service.key, instance.id, instance.standing.installation);
    let port = service.http_port.get().copied().unwrap_or(service.config.boot.http_port);
    let phone_home = format!("http://{address}:{port}/boot/phone-home/{token}");
    let network = instance_network::rendered(instance, record)?;
    let seed = seed::Seed {
        instance,
        network: network.as_ref().map(|network| network.config.as_str()),
        network_data: network
            .as_ref()
            .map_or_else(|| netconfig::dhcp_on(mac), |network| network.data.clone()),
        user_data: user_data.as_ref().map(|data| data.as_slice()),
        mac,
        phone_home: &phone_home,
        place: seed::Place {
            machine: record.id(),
            pool: &record.spec.pool,
            zone: record.spec.zone.as_deref(),
        },
    };
    Ok(seed::files(&seed, kind))
}

/// Our address on the network on which this MAC has its lease.
async fn our_address(service: &Service, mac: &str) -> Result<Ipv4Addr, ServiceError> {
    let lease = crate::leases::address_of(service, mac);
    let networks = &service.config.networks;
    let on = lease.and_then(|lease| networks.iter().find(|network| network.contains(lease)));
    Ok(on.or(networks.first()).map_or(Ipv4Addr::LOCALHOST, |network| network.address))
}

/// What came of an order.
#[utoipa::path(
    post, path = provisioner_api::paths::AGENT_REPORTS, tag = "agent",
    summary = "Says what came of an order, or how far it is",
    request_body = Report,
    responses(
        (status = 200, body = ReportResponse, headers(("billet-fence" = String, description = "`<term>.<epoch>`: an agent obeys nothing lower than the highest that it heard"))),
        (status = 409)
    ),
)]
pub(crate) async fn report(
    State(service): State<Arc<Service>>,
    Extension(session): Extension<Session>,
    Body(report): Body<Report>,
) -> Result<Response, ApiError> {
    let term = service.standing.term();
    let Some(work) = service.store.machine_work(session.machine).await? else { return Ok(forgotten()) };
    let answer = |stands| Ok(fenced(term, work.epoch, Json(ReportResponse { stands })));
    let step: StepName = report.step.parse().map_err(|why: String| ApiError::field("step", why))?;
    if session.window.job.is_none() && report.job == NO_JOB {
        return answer(true);
    }
    let of = Some((report.job, report.epoch));
    if session.window.job != of {
        return answer(false);
    }
    let mut rescued = None;
    let (said, inventory) = match report.outcome {
        Outcome::Progress { progress } => (Reported::Progress(progress), None),
        Outcome::Done { evidence, disks } => (Reported::Done { evidence, disks }, None),
        Outcome::Inventory { inventory } => {
            let evidence = summary(&inventory);
            (Reported::Done { evidence, disks: Vec::new() }, Some(inventory))
        }
        Outcome::Rescued { access } => {
            let access = checked(access)?;
            let evidence = format!(
                "the rescue system runs; `ssh root@{}`, host key {}",
                access.addresses.join("` or `ssh root@"),
                access.host_key
            );
            rescued = Some(Rescued { job: report.job, epoch: report.epoch, access });
            (Reported::Done { evidence, disks: Vec::new() }, None)
        }
        Outcome::Failed { why } => (Reported::Failed(why), None),
        Outcome::Refused { why } => (Reported::Refused(why), None),
    };
    let is_progress = matches!(said, Reported::Progress(_));
    // What came to an end is so, whoever stopped it since.
    let stopped = is_progress && step.destroys() && service.frozen().await?.is_some();
    let stands = work.job == of && !stopped;
    let at = clock::now();
    let report =
        AgentReport { job: report.job, epoch: report.epoch, step, attempt: report.attempt, said, at };
    if stands {
        service.progress.put(&report);
    }
    // Each second, while it writes: that is for memory, and seldom for the disk.
    if is_progress && !to_be_noted(&service, work.heard) {
        return answer(stands);
    }
    let Some(record) = service.store.machine_get(session.machine).await? else { return Ok(forgotten()) };
    let stands = (Work::of(&record).job == of || was_last(&record, of, step)) && !stopped;
    let inventory = inventory.filter(|_| stands).map(Fact::Inventory);
    let rescued = rescued.filter(|_| stands).map(Fact::Rescued);
    let facts: Vec<_> = inventory.into_iter().chain(rescued).chain([Fact::Reported(report)]).collect();
    service.observe_loaded(&record, &facts, &[]).await?;
    answer(stands)
}

/// Whether this reboot ended its job. Whoever tells of it again, because the answer was lost, has not rebooted yet.
fn was_last(record: &MachineRecord, of: Option<(JobId, u64)>, step: StepName) -> bool {
    let job = record.machine.job.as_ref().filter(|job| job.ended.is_some());
    step == StepName::Reboot && job.map(|job| (job.id, job.epoch)) == of
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
#[utoipa::path(
    get, path = provisioner_api::paths::AGENT_MANIFEST, tag = "agent",
    responses((status = 200, body = Object)),
)]
pub(crate) async fn manifest(
    State(service): State<Arc<Service>>,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    let store = Arc::clone(&service.images);
    let name = sha256.clone();
    // Writing it out takes long too when it is large.
    let read = move || store.read_manifest(&name).map(|manifest| manifest.to_bytes());
    match read_apart(read).await {
        Ok(Ok(bytes)) => Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response()),
        Ok(Err(error)) => {
            tracing::warn!(
                error = crate::text::logged(&error),
                sha256,
                "a manifest was asked for that can't be read"
            );
            Err(ApiError::not_found("image", &sha256))
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// A chunk by the SHA-256 of its stored bytes.
#[utoipa::path(
    get, path = provisioner_api::paths::AGENT_CHUNK, tag = "agent",
    responses(
        (status = 200, body = inline(crate::api::openapi::File), content_type = "application/octet-stream")
    ),
)]
pub(crate) async fn chunk(
    State(service): State<Arc<Service>>,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    let store = Arc::clone(&service.images);
    let name = sha256.clone();
    match read_apart(move || store.read_chunk(&name)).await {
        Ok(Ok(bytes)) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        Ok(Err(error)) => {
            tracing::warn!(
                error = crate::text::logged(&error),
                sha256,
                "a chunk was asked for that can't be read"
            );
            Err(ApiError::not_found("image", &sha256))
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// A rescue archive by its SHA-256.
#[utoipa::path(
    get, path = provisioner_api::paths::AGENT_RESCUE, tag = "agent",
    responses(
        (status = 200, body = inline(crate::api::openapi::File), content_type = "application/octet-stream")
    ),
)]
pub(crate) async fn rescue(
    State(service): State<Arc<Service>>,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    let Some(archive) = service.rescue.with_digest(&sha256) else {
        return Err(ApiError::not_found("rescue archive", &sha256));
    };
    let path = archive.path.clone();
    match read_apart(move || std::fs::read(path)).await {
        Ok(Ok(bytes)) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        Ok(Err(error)) => {
            tracing::warn!(error = crate::text::logged(&error), path = %archive.path.display(), "a rescue archive was asked for that can't be read");
            Err(ApiError::not_found("rescue archive", &sha256))
        }
        Err(error) => Err(ApiError::internal(&error)),
    }
}

#[cfg(test)]
mod tests;
