//! One look at an instance: follow its machine, give it back, forget it. One that has no machine is `allocate`'s.
//!
//! An instance that runs or is held is not looked at by the clock: ten thousand that run cost nothing. What it goes by is
//! poked by whoever changes it:
//!
//! * itself: created, asked to be given back, phoned home (by the API, which writes each of these);
//! * its machine's state, hold or owner (`poke_changed`, at each change of a machine), and that it was given a machine
//!   (`allocate`);
//! * that its machine is gone from the records: only one that nobody owns can be deleted, so none has to be told;
//! * that its image is deleted: refused while an instance is made of it;
//! * for one that waits: that a machine came to fit, by its state, hold, owner, pool, labels, BMC, inventory,
//!   maintenance or acceptance (`poke_changed`), was added or deleted (`poke_machine`).
//!
//! Only the deadline of one that waits is a time of its own.
//!
//! What is poked by nobody, because a request was cut off between its write and its poke, is found by a look each ten
//! minutes, and by the one at each start.

use super::{Next, allocate::hold};
use crate::{
    clock,
    hub::Poke,
    service::{Service, ServiceError},
    store::{Before, InstanceRecord, MachineRecord, NewEvent},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{Held, InstanceId, InstanceSpec, InstanceState};
use provisioner_lifecycle::{Instance, InstanceDecision, Request, admit, decide_instance};

/// How often an instance is looked at even if nothing happens.
const AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// Looks at an instance once.
pub(super) async fn reconcile(service: &Service, id: InstanceId) -> Result<Next, ServiceError> {
    let Some(record) = service.store.instance_get(id).await? else { return Ok(Next::Gone) };
    let now = clock::now();
    let own = match record.machine {
        Some(id) => service.store.machine_get(id).await?,
        None => None,
    };
    let again = now.saturating_add(AGAIN).unwrap_or(now);
    let rest = Next::At(again);
    if service.frozen().await?.is_some() {
        return Ok(rest);
    }
    match decide_instance(&view(&record), own.as_ref().map(|own| &own.machine), now) {
        InstanceDecision::Allocate => {
            service.hub.poke(Poke::Pending);
            Ok(record.spec.deadline.map_or(rest, |deadline| Next::At(deadline.min(again))))
        }
        InstanceDecision::Overdue => {
            overdue(service, &record, now).await?;
            Ok(rest)
        }
        InstanceDecision::GiveBack { machine, erase } => {
            let request = Request::Release { instance: id, erase, by: record.standing.released_by.clone() };
            service.admit(machine, &request, &format!("instance {} gives it back", record.name)).await?;
            if record.standing.held.is_some() {
                let event = NewEvent::instance(id, "held", "what held it is over");
                change(service, &record, not_held, event).await?;
            }
            Ok(Next::Now)
        }
        InstanceDecision::Cancelled { erase } => {
            let event = NewEvent::instance(id, "request", "its deployment was cancelled: it is given back");
            let given_back = |mut record: InstanceRecord| {
                record.standing.release.get_or_insert(erase);
                record
            };
            change(service, &record, given_back, event).await?;
            Ok(Next::Now)
        }
        InstanceDecision::Move(state) => {
            let event = NewEvent::instance(id, "state", format!("{} → {}", word(record.state), word(state)));
            change(service, &record, |record| enter(record, state, now), event).await?;
            Ok(Next::Now)
        }
        InstanceDecision::Restore => {
            let why =
                "its reinstallation was cancelled before anything was written: its old system runs again";
            let event = NewEvent::instance(id, "state", why);
            change(service, &record, |record| enter(restored(record), InstanceState::Running, now), event)
                .await?;
            Ok(Next::Now)
        }
        InstanceDecision::Gone => {
            forget(service, &record, own.as_ref(), now).await?;
            Ok(Next::Now)
        }
        InstanceDecision::Hold(why) => {
            if record.standing.held.as_ref().is_none_or(|held| held.why != why) {
                let event = NewEvent::instance(record.id, "held", why.clone());
                let put = |mut record: InstanceRecord| {
                    hold(&mut record, why.clone(), now);
                    record
                };
                change(service, &record, put, event).await?;
            }
            Ok(rest)
        }
        InstanceDecision::Done => Ok(rest),
    }
}

/// What deciding needs to know of it.
fn view(record: &InstanceRecord) -> Instance {
    Instance {
        id: record.id,
        state: record.state,
        machine: record.machine,
        release: record.standing.release,
        installation: record.standing.installation,
        reinstalls: record.standing.before.is_some(),
        deadline: record.spec.deadline,
    }
}

/// Holds an instance that got no machine in time, with the reason why it got none.
async fn overdue(service: &Service, record: &InstanceRecord, now: Timestamp) -> Result<(), ServiceError> {
    let Some(deadline) = record.spec.deadline else { return Ok(()) };
    let since = format!("no machine by {deadline}");
    if record.standing.held.as_ref().is_some_and(|held| held.why.starts_with(&since)) {
        return Ok(());
    }
    let waited = record.standing.waiting.as_ref().map(|(why, _)| format!(": {why}")).unwrap_or_default();
    let why = format!("{since}{waited}");
    let name = &record.name;
    let choices = vec![
        format!("wait on with `billet instance set {name} --deadline 2h`, or `--deadline none` for ever"),
        format!("give up with `billet instance delete {name}`"),
    ];
    let event = NewEvent::instance(record.id, "held", why.clone());
    let put = |mut record: InstanceRecord| {
        (record.standing.waiting, record.standing.mend) = (None, None);
        record.standing.held =
            Some(Held { why: why.clone(), since: now, choices: choices.clone(), ..Held::default() });
        record
    };
    change(service, record, put, event).await
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

/// Writes a change that was decided on exactly this version; if somebody was faster, it is decided anew.
async fn change(
    service: &Service,
    decided: &InstanceRecord,
    apply: impl Fn(InstanceRecord) -> InstanceRecord,
    event: NewEvent,
) -> Result<(), ServiceError> {
    let version = decided.version;
    service
        .instance_change_loaded(decided, |record, _| {
            (record.version == version).then(|| (apply(record.clone()), vec![event.clone()]))
        })
        .await?;
    Ok(())
}

fn not_held(mut record: InstanceRecord) -> InstanceRecord {
    record.standing.held = None;
    record
}

/// What it was before a reinstallation that came to nothing.
fn restored(mut record: InstanceRecord) -> InstanceRecord {
    let Some(before) = record.standing.before.take() else { return record };
    let Before { spec, phoned_home, host_keys, user_data_bytes, second_user_data } = *before;
    // What was changed of it meanwhile stays changed.
    let InstanceSpec { protected, deadline, .. } = record.spec;
    record.spec = InstanceSpec { protected, deadline, ..spec };
    record.image = record.image_before.take();
    let standing = &mut record.standing;
    (standing.phoned_home, standing.host_keys) = (phoned_home, host_keys);
    (standing.user_data_bytes, standing.second_user_data) = (user_data_bytes, second_user_data);
    record
}

fn enter(mut record: InstanceRecord, state: InstanceState, now: Timestamp) -> InstanceRecord {
    if state == InstanceState::Running {
        // What it was before can't come back any more.
        (record.standing.before, record.image_before) = (None, None);
    }
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
        InstanceState::Reinstalling => "reinstalling",
        InstanceState::Releasing => "releasing",
        InstanceState::Servicing => "servicing",
        InstanceState::Rescue => "rescue",
    }
}
