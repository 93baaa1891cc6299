//! One look at an instance: give it a machine, follow that machine, give it back, forget it.

use super::Next;
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{InstanceRecord, MachineRecord, NewEvent},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{Held, InstanceId, InstanceState, MachineId};
use provisioner_lifecycle::{Candidate, Instance, InstanceDecision, Request, admit, decide_instance};

/// How often a pending instance is looked at even if nothing happens.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// Looks at an instance once.
pub(super) async fn reconcile(service: &Service, id: InstanceId) -> Result<Next, ServiceError> {
    let Some(record) = service.store.instance_get(id).await? else { return Ok(Next::Gone) };
    let now = clock::now();
    let own = match record.machine {
        Some(id) => service.store.machine_get(id).await?,
        None => None,
    };
    let all = if record.machine.is_none() { service.store.machine_list().await? } else { Vec::new() };
    let view = view(service, &record).await?;
    let candidates: Vec<_> = all.iter().map(candidate).collect();
    match decide_instance(&view, own.as_ref().map(|own| &own.machine), &candidates) {
        InstanceDecision::Allocate { machine, owner } => {
            let Some(chosen) = all.iter().find(|one| one.id() == machine) else { return Ok(Next::Now) };
            allocate(service, &record, chosen, &Request::Assign(owner), now).await?;
            Ok(Next::Now)
        }
        InstanceDecision::GiveBack { machine, erase } => {
            let request = Request::Release { instance: id, erase };
            service.admit(machine, &request, &format!("instance {} gives it back", record.name)).await?;
            Ok(Next::Now)
        }
        InstanceDecision::Move(state) => {
            let event = NewEvent::instance(id, "state", format!("{} → {}", word(record.state), word(state)));
            change(service, &record, |record| enter(record, state, now), event).await?;
            Ok(Next::Now)
        }
        InstanceDecision::Gone => {
            forget(service, &record, own.as_ref(), now).await?;
            Ok(Next::Now)
        }
        InstanceDecision::Wait(why) => wait(service, &record, why, now).await,
        InstanceDecision::Hold(why) => hold(service, &record, why, now).await,
        InstanceDecision::Done => Ok(Next::At(now.saturating_add(AGAIN).unwrap_or(now))),
    }
}

async fn view(service: &Service, record: &InstanceRecord) -> Result<Instance, ServiceError> {
    let image = service.store.image_find(&record.image.to_string()).await?;
    let image =
        image.ok_or_else(|| ServiceError::NotFound { kind: "image", key: record.spec.image.clone() })?;
    // The name was resolved when the instance was made; an id stays good when the machine is renamed.
    let wanted: Option<MachineId> = record.spec.machine.as_ref().and_then(|id| id.parse().ok());
    Ok(Instance {
        id: record.id,
        state: record.state,
        machine: record.machine,
        wanted,
        pool: record.spec.pool.clone(),
        selector: record.spec.selector.clone(),
        manifest: image.status.manifest_sha256,
        disk_bytes: image.status.disk_bytes,
        architecture: image.spec.architecture,
        root_disk_serial: record.spec.root_disk_serial.clone(),
        release: record.standing.release,
    })
}

fn candidate(record: &MachineRecord) -> Candidate<'_> {
    Candidate {
        machine: &record.machine,
        name: &record.name,
        pool: &record.spec.pool,
        labels: &record.spec.labels,
    }
}

/// Instance and machine change in one transaction; who comes second finds one of them changed and decides anew.
async fn allocate(
    service: &Service,
    record: &InstanceRecord,
    chosen: &MachineRecord,
    request: &Request,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let Ok(machine) = admit(&chosen.machine, request) else { return Ok(()) };
    let machine = MachineRecord { machine, ..chosen.clone() };
    let mut instance = enter(record.clone(), InstanceState::Deploying, now);
    instance.machine = Some(chosen.id());
    instance.standing.waiting = None;
    instance.standing.held = None;
    let events = [
        NewEvent::instance(record.id, "state", format!("gets machine {}", chosen.name)),
        NewEvent::machine(chosen.id(), "request", format!("is given to instance {}", record.name)),
    ];
    service.store.instance_and_machine_update(&instance, (chosen, &machine), &events, now).await?;
    service.poke_machine(&machine);
    Ok(())
}

async fn forget(
    service: &Service,
    record: &InstanceRecord,
    own: Option<&MachineRecord>,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let disowned = match own {
        Some(own) => Some(MachineRecord {
            machine: admit(&own.machine, &Request::Disown { instance: record.id })?,
            ..own.clone()
        }),
        None => None,
    };
    let mut events = vec![NewEvent::instance(record.id, "state", "gone")];
    events.extend(
        own.map(|own| NewEvent::machine(own.id(), "request", format!("instance {} is gone", record.name))),
    );
    service.store.instance_delete(record, own.zip(disowned.as_ref()), &events, now).await?;
    if let Some(machine) = &disowned {
        service.poke_machine(machine);
    }
    Ok(())
}

async fn wait(
    service: &Service,
    record: &InstanceRecord,
    why: String,
    now: Timestamp,
) -> Result<Next, ServiceError> {
    let known = record.standing.waiting.as_ref();
    if known.is_none_or(|(known, _)| *known != why) || record.standing.held.is_some() {
        let since = known.map_or(now, |(_, since)| *since);
        let event = NewEvent::instance(record.id, "waiting", why.clone());
        let put = |mut record: InstanceRecord| {
            record.standing.waiting = Some((why.clone(), since));
            record.standing.held = None;
            record
        };
        change(service, record, put, event).await?;
    }
    Ok(Next::At(now.saturating_add(AGAIN).unwrap_or(now)))
}

async fn hold(
    service: &Service,
    record: &InstanceRecord,
    why: String,
    now: Timestamp,
) -> Result<Next, ServiceError> {
    if record.standing.held.as_ref().is_none_or(|held| held.why != why) {
        let event = NewEvent::instance(record.id, "held", why.clone());
        let choices = vec![format!(
            "`billet instance delete {}` and ask for another image, machine or disk",
            record.name
        )];
        let put = |mut record: InstanceRecord| {
            record.standing.waiting = None;
            record.standing.held = Some(Held { why: why.clone(), since: now, choices: choices.clone() });
            record
        };
        change(service, record, put, event).await?;
    }
    Ok(Next::At(now.saturating_add(AGAIN).unwrap_or(now)))
}

/// Writes a change that was decided on exactly this version; if somebody was faster, it is decided anew.
async fn change(
    service: &Service,
    decided: &InstanceRecord,
    apply: impl Fn(InstanceRecord) -> InstanceRecord,
    event: NewEvent,
) -> Result<(), ServiceError> {
    let version = decided.version;
    service
        .instance_change(decided.id, |record, _| {
            (record.version == version).then(|| (apply(record.clone()), vec![event.clone()]))
        })
        .await?;
    Ok(())
}

fn enter(mut record: InstanceRecord, state: InstanceState, now: Timestamp) -> InstanceRecord {
    if record.state != state {
        record.state = state;
        record.since = now;
    }
    record
}

fn word(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "pending",
        InstanceState::Deploying => "deploying",
        InstanceState::Running => "running",
        InstanceState::Releasing => "releasing",
    }
}
