//! One look at a machine: load, decide, perform, settle, write.

use super::{
    Next, Slots, Turn, effects,
    effects::{Done, Shown},
    erase, firmware,
};
use crate::{
    books::{self, position},
    clock,
    hub::Poke,
    leader::Led,
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
    works::Gate,
};
use bmc::PowerState;
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{BmcSpec, JobId, MachineId};
use provisioner_lifecycle::{
    Decision, Effect, Erasing, Move, Outcome, decide_while, observe, silent_in_line,
};
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// How often the power of a machine is looked at when nothing else asks.
const POLL: SignedDuration = SignedDuration::from_secs(60);

/// How often a machine is looked at in full, even if nobody poked.
const IN_FULL: SignedDuration = SignedDuration::from_mins(10);

/// How many machines' first looks at the power share a minute.
const FIRSTS: u32 = 10_000;

/// How soon a BMC that did not answer is asked again for the first time; then after twice as long each time, up to
/// [`POLL`]. Until it answers nobody gets its machine. The drivers let a BMC rest that stays silent.
const POLL_SILENT: SignedDuration = SignedDuration::from_secs(5);

/// How often a BMC that refuses our credentials is asked again: many lock the account after a few wrong passwords.
const POLL_REFUSED: SignedDuration = SignedDuration::from_mins(30);

/// How soon a deed is tried again that another one at the same machine stands in the way of.
const BUSY: SignedDuration = SignedDuration::from_secs(1);

/// How soon a deed is tried again that might outlast the lease.
const PUT_OFF: SignedDuration = SignedDuration::from_millis(100);

/// How often a machine is considered anew in one turn, with what was just written of it.
const ROUNDS: usize = 8;

/// What this process remembers of its looks at a machine. No decision hangs on it but when to look again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Glance {
    /// When the BMC was last asked for its power, and the machine's generation then.
    power: Option<(Timestamp, u64)>,
    /// When the BMC was last asked how far a firmware update is.
    firmware: Option<Timestamp>,
    /// Where it was with its wiping at the last look.
    erasing: Option<Erasing>,
    /// There while nothing but its power is to be looked at.
    idle: Option<Idle>,
}

/// A machine with which nothing is to be done. Whoever changes it pokes, and then it is looked at in full.
#[derive(Debug, Clone, Copy)]
struct Idle {
    /// Its power.
    on: bool,
    /// When it has to be looked at in full all the same.
    until: Timestamp,
}

/// Looks at a machine until there is nothing to do at once.
pub(super) async fn reconcile(
    service: &Led,
    id: MachineId,
    slots: &Slots,
    glance: &mut Option<Glance>,
) -> Result<Next, ServiceError> {
    let mut record = match service.store.machine_get(id).await? {
        Some(record) => record,
        None => return gone(service, id).await,
    };
    let glance = glance.get_or_insert_default();
    glance.idle = None;
    // Another replica may have written it, and only poked.
    if glance.erasing != Erasing::of_machine(&record.machine) {
        service.works.erase_news(id);
        service.hub.poke(Poke::Wiping);
    }
    for _ in 0..ROUNDS {
        glance.erasing = Erasing::of_machine(&record.machine);
        match look(service, record, slots, glance).await? {
            // What was just written need not be read: if others changed it since, the next write says so.
            Looked::Written(after) => record = *after,
            Looked::Over(next) => return Ok(next),
        }
    }
    Ok(Next::Now)
}

async fn gone(service: &Service, id: MachineId) -> Result<Next, ServiceError> {
    // If it was in the line of wipings, it is there no more.
    service.works.erase_news(id);
    service.hub.poke(Poke::Wiping);
    service.consoles.forget(id).await;
    service.bmcs.forget(id).await;
    Ok(Next::Gone)
}

/// What came of one look.
enum Looked {
    /// The machine is so now; there may be more to do.
    Written(Box<MachineRecord>),
    /// Nothing more to do at once.
    Over(Next),
}

impl Looked {
    /// On with what was written; when it is not known, with what is read.
    fn after(written: Option<MachineRecord>) -> Self {
        written.map_or(Self::Over(Next::Now), |after| Self::Written(Box::new(after)))
    }
}

async fn look(
    service: &Led,
    record: MachineRecord,
    slots: &Slots,
    glance: &mut Glance,
) -> Result<Looked, ServiceError> {
    let now = clock::now();
    match considered(service, &record).await? {
        decision if erase::is_begin(&decision) => {
            // Told anew at each look: news of it may have come before what it tells of.
            service.works.erase_news(record.id());
            service.hub.poke(Poke::Wiping);
            let silent = silent_in_line(&record.machine, &service.config.limits);
            Ok(Looked::Over(idle(service, &record, slots, glance, silent, now).await?))
        }
        Decision::Move(change) => {
            if matches!(change, Move::Start { .. } | Move::Lift | Move::Now) {
                // A person waits for it: a BMC that is let alone is asked once more.
                service.bmcs.ask_again(record.id()).await;
            }
            let slow = if let Move::Slow { step, .. } = change { Some(step) } else { None };
            let outcome = Outcome::Moved { change, fresh: JobId(Uuid::now_v7()) };
            let written = settle_if_same(service, &record, &outcome).await?;
            let told = written.as_ref().is_some_and(|after| after.version != record.version);
            if let Some(step) = slow.filter(|_| told) {
                service.slow.count(step);
            }
            Ok(Looked::after(written))
        }
        Decision::Hold { why, advice } => {
            Ok(Looked::after(settle_if_same(service, &record, &Outcome::Held { why, advice }).await?))
        }
        Decision::Act(_) => act_alone(service, record.id(), slots, now).await,
        // What has to be done at once goes before.
        Decision::Wait(patience) => {
            Ok(Looked::Over(idle(service, &record, slots, glance, patience.wakes(), now).await?))
        }
        Decision::Done => Ok(Looked::Over(idle(service, &record, slots, glance, None, now).await?)),
    }
}

/// What is done while there is nothing to do: follows a firmware update, looks at the power. `until` is when there may be
/// something to do. Answers when to look again.
async fn idle(
    service: &Service,
    record: &MachineRecord,
    slots: &Slots,
    glance: &mut Glance,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Next, ServiceError> {
    let followed = match record.machine.facts.firmware {
        Some(_) => {
            let Some(_slot) = slots.poll() else { return Ok(Next::Crowded(Turn::Poll, later(now, POLL))) };
            firmware::follow(service, record, &mut glance.firmware, now).await?
        }
        None => None,
    };
    let polled = poll(service, record, slots, &mut glance.power, now).await?;
    // What a person changed since it was asked, maybe its password, is for a driver that is made anew by a full look.
    let as_asked = glance.power.is_some_and(|(_, generation)| generation == record.generation);
    if followed.is_none() && as_asked {
        glance.idle = Idle::of(record, until, now);
    }
    let earlier = |at: Timestamp| [until, followed].into_iter().flatten().fold(at, Timestamp::min);
    Ok(match polled {
        Next::At(at) => Next::At(earlier(at)),
        Next::Crowded(turn, at) => Next::Crowded(turn, earlier(at)),
        next => next,
    })
}

impl Idle {
    /// None while there is more to do than to ask whether the power is what it was.
    fn of(record: &MachineRecord, until: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let (on, _) = record.machine.facts.power?;
        // Of a machine at work it is written down that it was seen.
        let works = record.machine.running_job().is_some() && record.machine.state.hold.is_none();
        let calm = record.machine.facts.bmc_trouble.is_none() && !effects::is_unpinned(record) && !works;
        let latest = later(now, IN_FULL);
        calm.then(|| Self { on, until: until.map_or(latest, |until| until.min(latest)) })
    }
}

/// Looks at the power of a machine with which nothing else is to be done, without reading the machine. Nothing: it has to
/// be looked at in full. For when only the time asks for a look, and nobody poked.
pub(super) async fn glance(
    service: &Service,
    id: MachineId,
    slots: &Slots,
    glance: &mut Option<Glance>,
) -> Option<Next> {
    let now = clock::now();
    let glance = glance.as_mut()?;
    let idle = glance.idle.filter(|idle| idle.until > now)?;
    let (asked, generation) = glance.power?;
    let due = next_poll(asked);
    if due > now {
        return Some(Next::At(due.min(idle.until)));
    }
    let Some(_slot) = slots.poll() else { return Some(Next::Crowded(Turn::Poll, idle.until)) };
    // While the password is being changed one of the two is wrong.
    if service.bmcs.is_changing(id) {
        return None;
    }
    let bmc = service.bmcs.kept(id)?;
    match bmc.power().await {
        Ok(state) if (state == PowerState::On) == idle.on => {
            glance.power = Some((now, generation));
            Some(Next::At(next_poll(now).min(idle.until)))
        }
        // It is looked at in full, and asked once more: this answer may be that of a BMC that it has no more.
        _ => {
            glance.power = None;
            None
        }
    }
}

/// Performs what is to be done, if nobody else is at the BMC.
async fn act_alone(
    service: &Led,
    id: MachineId,
    slots: &Slots,
    now: Timestamp,
) -> Result<Looked, ServiceError> {
    let Some(_slot) = slots.deed() else {
        return Ok(Looked::Over(Next::Crowded(Turn::Deed, later(now, POLL))));
    };
    // An operator switches it just now, or has its firmware updated.
    let Some(_alone) = service.bmcs.deed(id).try_lock().await else {
        return Ok(Looked::Over(Next::At(later(now, BUSY))));
    };
    // An update that was begun until a moment ago is not to be switched into.
    let Some(record) = service.store.machine_get(id).await? else { return Ok(Looked::Over(Next::Now)) };
    match considered(service, &record).await? {
        Decision::Act(effect) => {
            // It would have to be over before the lease; which is renewed in a moment, or another one's.
            if let Err(why) = service.may_begin() {
                tracing::debug!(machine = record.name, %why, "a deed is put off");
                return Ok(Looked::Over(Next::At(later(now, PUT_OFF))));
            }
            Ok(Looked::after(act(service, &record, effect).await?))
        }
        _ => Ok(Looked::after(Some(record))),
    }
}

/// What is to be done with a machine: nothing, while everything is frozen. The consoles are told on the way whether it
/// works.
async fn considered(service: &Service, record: &MachineRecord) -> Result<Decision, ServiceError> {
    let freeze = service.frozen().await?;
    let may = record.machine.want.accepted && record.spec.bmc.is_some();
    let works = record.machine.running_job().is_some() && record.machine.state.hold.is_none();
    service.consoles.look(record.id(), may, works, record.generation);
    Ok(decide_while(freeze.as_deref(), &record.machine, &service.config.limits, clock::now()))
}

/// Performs an effect, and settles what came of it. Answers what the machine is like then, if that is known.
async fn act(
    service: &Led,
    record: &MachineRecord,
    effect: Effect,
) -> Result<Option<MachineRecord>, ServiceError> {
    let (done, shown) = effects::perform(service, record, effect).await?;
    let outcome = match (effect, done) {
        (Effect::Power { wish: Some(number), on }, done) if !matches!(done, Done::PutOff) => {
            if let Some(message) = unfulfilled(&record.name, on, &done) {
                let event = NewEvent::machine(record.id(), "bmc", message);
                service.store.event_insert(&[event], clock::now()).await?;
            }
            Outcome::WishDone { number }
        }
        (_, Done::So(result)) => Outcome::Performed(Ok(result)),
        (_, Done::Failed(failure)) => Outcome::Performed(Err(failure)),
        (_, Done::Asked) => Outcome::Asked,
        // It is decided anew.
        (_, Done::PutOff) => return Ok(None),
    };
    settle_step(service, record, shown, &outcome).await
}

/// What an operator is told whose wish to switch a machine did not come true.
fn unfulfilled(name: &str, on: bool, done: &Done) -> Option<String> {
    let word = if on { "on" } else { "off" };
    match done {
        Done::So(_) | Done::PutOff => None,
        Done::Failed(failure) => {
            Some(format!("power was asked to be {word}, but that failed: {}", failure.why))
        }
        Done::Asked => Some(format!(
            "power was asked to be {word}: somebody has to switch {name} {word}, and then run `billet bmc confirm {name} {word}`"
        )),
    }
}

/// Settles what was decided on exactly this version. If somebody was faster, it is decided anew: nothing is answered.
async fn settle_if_same(
    service: &Service,
    decided: &MachineRecord,
    outcome: &Outcome,
) -> Result<Option<MachineRecord>, ServiceError> {
    let version = decided.version;
    let after = service
        .machine_change_loaded(decided, |record, now| {
            let same = record.version == version;
            Ok::<_, ServiceError>(same.then(|| settled(service, record, None, outcome, now)))
        })
        .await?;
    Ok(after)
}

/// Settles a deed that took time, with what it showed: facts may have come in meanwhile, but step, try and epoch must be
/// the same, and the BMC too: what another one did says nothing of this machine.
async fn settle_step(
    service: &Service,
    decided: &MachineRecord,
    shown: Option<Shown>,
    outcome: &Outcome,
) -> Result<Option<MachineRecord>, ServiceError> {
    let before = position(&decided.machine);
    service
        .machine_change_loaded(decided, |record, now| {
            let shown = shown.as_ref().filter(|_| same_bmc(decided, record));
            let same = position(&record.machine) == before && same_bmc(decided, record)
                || matches!(outcome, Outcome::WishDone { .. });
            Ok::<_, ServiceError>(match (same, shown) {
                (true, shown) => Some(settled(service, record, shown, outcome, now)),
                // What was seen is so all the same.
                (false, Some(shown)) => Some(noted(record, shown, now)),
                (false, None) => None,
            })
        })
        .await
}

/// Whether a BMC was not changed; that its certificate was pinned meanwhile is no change.
fn same_bmc(before: &MachineRecord, after: &MachineRecord) -> bool {
    let bmc = |record: &MachineRecord| record.spec.bmc.clone().map(|bmc| BmcSpec { tls_sha256: None, ..bmc });
    bmc(before) == bmc(after)
}

fn noted(record: &MachineRecord, shown: &Shown, now: Timestamp) -> Change {
    let machine = observe(&record.machine, &shown.fact, now);
    Change { followed: true, ..Change::new(record.with(machine), shown.events.clone()) }
}

/// The machine with what was shown, and with an outcome.
fn settled(
    service: &Service,
    record: &MachineRecord,
    shown: Option<&Shown>,
    outcome: &Outcome,
    now: Timestamp,
) -> Change {
    let seen = shown.map(|shown| observe(&record.machine, &shown.fact, now));
    let seen = seen.as_ref().unwrap_or(&record.machine);
    let (machine, told) = match service.works.gate() {
        Gate::Open => books::settled(seen, outcome, &service.config.limits, now),
        _ => books::settled_alone(seen, outcome, now),
    };
    let mut events = shown.map_or_else(Vec::new, |shown| shown.events.clone());
    events.extend(told);
    Change { followed: true, ..Change::new(record.with(machine), events) }
}

/// Looks at the machine's power if that is due; answers when it is due next.
async fn poll(
    service: &Service,
    record: &MachineRecord,
    slots: &Slots,
    glance: &mut Option<(Timestamp, u64)>,
    now: Timestamp,
) -> Result<Next, ServiceError> {
    let next = later(now, POLL);
    // Nobody but a person could say.
    let silent = record.spec.bmc.as_ref().is_none_or(|bmc| bmc.protocol.asks_person());
    if silent || !record.machine.want.accepted {
        return Ok(Next::At(later(now, IN_FULL)));
    }
    let facts = &record.machine.facts;
    if glance.is_none() && (facts.power.is_some() || facts.bmc_trouble.is_some()) {
        let number = service.first_polls.fetch_add(1, Ordering::Relaxed);
        *glance = Some((first(record, service.started, number), record.generation));
    }
    if let Some(due) = due(record, *glance).filter(|due| *due > now) {
        return Ok(Next::At(due));
    }
    let Some(_slot) = slots.poll() else { return Ok(Next::Crowded(Turn::Poll, next)) };
    *glance = Some((now, record.generation));
    effects::look_at_power(service, record).await?;
    // What that showed pokes if it is news; what is in trouble still is asked again sooner.
    Ok(Next::At(due(record, *glance).unwrap_or(next).max(later(now, POLL_SILENT)).min(next)))
}

fn later(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// When a machine that rests is asked for its power again: at a full second. Those of the same second are asked together,
/// where each alone would wake a thread a dozen times.
fn next_poll(asked: Timestamp) -> Timestamp {
    at_full_second(later(asked, POLL))
}

fn at_full_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// When to ask for the power again; `None`: now. Lasting trouble is asked after as seldom as health, however often others
/// poke; but at once when a person changed the machine.
fn due(record: &MachineRecord, glance: Option<(Timestamp, u64)>) -> Option<Timestamp> {
    let facts = &record.machine.facts;
    let seen = facts.power.map(|(_, at)| at).filter(|_| facts.bmc_trouble.is_none());
    let asked = glance.filter(|(_, generation)| *generation == record.generation).map(|(at, _)| at);
    let last = seen.max(asked)?;
    let due = last.saturating_add(pause(record, last)).ok()?;
    Some(if facts.bmc_trouble.is_none() { at_full_second(due) } else { due })
}

/// How long to wait after a look at the power.
fn pause(record: &MachineRecord, last: Timestamp) -> SignedDuration {
    match &record.machine.facts.bmc_trouble {
        Some(trouble) if trouble.authentication => POLL_REFUSED,
        Some(trouble) => last.duration_since(trouble.since).clamp(POLL_SILENT, POLL),
        None => POLL,
    }
}

/// When a machine that an earlier process asked counts as asked, so that this one asks anew within a minute of its
/// start, one after the other: ten thousand at once would be a storm.
fn first(record: &MachineRecord, started: Timestamp, number: u32) -> Timestamp {
    let turn = POLL * i32::try_from(number % FIRSTS).unwrap_or(0) / FIRSTS as i32;
    started.saturating_add(turn - pause(record, started)).unwrap_or(started)
}

#[cfg(test)]
mod tests;
