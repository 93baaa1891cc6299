//! What every part of the service shares: store, keys, BMCs, settings, and the two changes that others may make to a
//! machine: a request (`admit`) and a fact (`observe`), with which goes what follows from it in the books alone (`books`).
//! Only the reconciler settles what was done.

use crate::{
    api,
    audit::Audit,
    bmcs::Bmcs,
    books, clock,
    config::Config,
    console::Consoles,
    deeds::Deeds,
    feed::Feed,
    hardware,
    hub::{Hub, Poke},
    key_rotation::KeyRotation,
    keys::{KeyError, SiteKey},
    leader::Standing,
    locks::Lock,
    logins::Logins,
    permits::{PermitError, PermitSigner},
    progress::ProgressBoard,
    rate::Rates,
    replicas::Replica,
    rescue::RescueArchives,
    sessions::Sessions,
    slow::SlowSteps,
    store::{InstanceRecord, LeastWiping, MachineRecord, NewEvent, NewSecret, Store, StoreError, Swap},
    telemetry::Telemetry,
    text::word,
    trace::Traces,
    used_tokens::UsedTokens,
    works::{Gate, Works},
};
use jiff::Timestamp;
use provisioner_api::{ErasePolicy, MachineId, MachineState};
use provisioner_lifecycle::{Erasing, Fact, Machine, Refusal, Reported, Request, admit_in_pool};
use std::{
    ops::Deref,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicUsize},
    },
};
use tokio_util::sync::CancellationToken;

/// Why the service did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A key or secret failed.
    #[error("a secret failed")]
    Key(#[from] KeyError),
    /// A permit failed.
    #[error("a permit failed")]
    Permit(#[from] PermitError),
    /// The lifecycle refuses.
    #[error("refused")]
    Refused(#[from] Refusal),
    /// There is no such object.
    #[error("there is no {kind} `{key}`")]
    NotFound {
        /// `machine`, `instance`, …
        kind: &'static str,
        /// What was asked for.
        key: String,
    },
    /// Others changed the object all the time.
    #[error("{what} is being changed by others all the time; try again")]
    Contended {
        /// What.
        what: String,
    },
}

/// What every part of the service shares. A clone is the same service; the leader's (`leader::Led`) has a store of its own,
/// which writes nothing once it leads no more.
#[derive(Clone)]
pub(crate) struct Service {
    /// The database.
    pub(crate) store: Arc<Store>,
    parts: Arc<Parts>,
}

/// What is there once in a process.
pub(crate) struct Parts {
    /// Who this replica is.
    pub(crate) replica: Replica,
    /// What is known of whose turn it is.
    pub(crate) standing: Standing,
    /// The site key.
    pub(crate) key: Arc<SiteKey>,
    /// What signs permits.
    pub(crate) permits: PermitSigner,
    /// The drivers of the machines' BMCs.
    pub(crate) bmcs: Arc<Bmcs>,
    /// The machines' serial consoles.
    pub(crate) consoles: Consoles,
    /// What machines in rescue run.
    pub(crate) rescue: RescueArchives,
    /// The chunk store.
    pub(crate) images: Arc<images::import::Store>,
    /// Held while a name is given to a manifest, and while one that has no name any more is removed.
    pub(crate) image_names: Lock,
    /// Held while a subnet is searched for BMCs: one search at a time.
    pub(crate) scanning: tokio::sync::Mutex<()>,
    /// Where uploads rest until they are imported.
    pub(crate) uploads: PathBuf,
    /// The configuration.
    pub(crate) config: Config,
    /// The port of the API, once bound.
    pub(crate) api_port: u16,
    /// The port of the boot server's HTTP, once bound.
    pub(crate) http_port: OnceLock<u16>,
    /// What the boot server knows of its networks.
    pub(crate) boot: BootServer,
    /// Boot conversations.
    pub(crate) traces: Traces,
    /// Sessions of agents.
    pub(crate) sessions: Sessions,
    /// What is on its way into the audit log.
    pub(crate) audit: Audit,
    /// What requests that change something are at.
    pub(crate) deeds: Deeds,
    /// When the use of API tokens was taken down.
    pub(crate) used_tokens: UsedTokens,
    /// What log-ins of users go through.
    pub(crate) logins: Logins,
    /// How often each asks.
    pub(crate) rates: Rates,
    /// How far agents are.
    pub(crate) progress: ProgressBoard,
    /// Where traces are told.
    pub(crate) telemetry: Telemetry,
    /// How many steps took longer than usual.
    pub(crate) slow: SlowSteps,
    /// How many machines and instances can't be looked at because of damaged records.
    pub(crate) damaged: AtomicUsize,
    /// Pokes.
    pub(crate) hub: Hub,
    /// What changes, for those who watch.
    pub(crate) feed: Feed,
    /// Whether anybody may work.
    pub(crate) works: Works,
    /// Whether the site key is being rotated.
    pub(crate) rotation: KeyRotation,
    /// Whether this replica was ready a moment ago.
    pub(crate) ready: api::ready::Found,
    /// When this process began.
    pub(crate) started: Timestamp,
    /// How many machines this process has planned its first look at the power of.
    pub(crate) first_polls: AtomicU32,
    /// Cancelled when the service stops: answers that would never end by themselves end then.
    pub(crate) stopping: CancellationToken,
}

/// What the boot server keeps that others look at.
pub(crate) struct BootServer {
    /// Who has which address.
    pub(crate) leases: pxe::leases::Leases,
    /// Other DHCP servers and undeclared relays.
    pub(crate) status: Arc<pxe::Status>,
    /// What is counted.
    pub(crate) counters: Arc<pxe::Counters>,
}

/// A new version of a machine, and what to tell of it.
pub(crate) struct Change {
    /// The machine as it is to be.
    pub(crate) record: MachineRecord,
    /// What to tell.
    pub(crate) events: Vec<NewEvent>,
    /// What becomes of the BMC's secrets.
    pub(crate) secrets: Vec<NewSecret>,
    /// Nobody has to look at it.
    pub(crate) quiet: bool,
    /// The reconciler made it and goes on from it at once: it need not be told.
    pub(crate) followed: bool,
}

impl Change {
    /// A change that somebody has to look at.
    pub(crate) fn new(record: MachineRecord, events: Vec<NewEvent>) -> Self {
        Self { record, events, secrets: Vec::new(), quiet: false, followed: false }
    }
}

/// How often a compare-and-set is tried before somebody is told.
pub(crate) const TRIES: u32 = 20;

impl ServiceError {
    /// Whether another process leads by now.
    pub(crate) fn is_not_leading(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_not_leading())
    }

    /// Whether records can't be read, while the database works.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_damage())
    }
}

impl Deref for Service {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Service {
    /// A service with this database.
    pub(crate) fn new(store: Arc<Store>, parts: Parts) -> Self {
        Self { store, parts: Arc::new(parts) }
    }

    /// The parts, while nobody else has them.
    #[cfg(test)]
    pub(crate) fn parts_mut(&mut self) -> Option<&mut Parts> {
        Arc::get_mut(&mut self.parts)
    }

    /// The same in the hands of the leader of this term.
    pub(crate) fn led(&self, term: u64) -> Self {
        Self { store: Arc::new(self.store.led(term)), parts: Arc::clone(&self.parts) }
    }

    /// A machine by name or id.
    pub(crate) async fn machine(&self, key: &str) -> Result<MachineRecord, ServiceError> {
        let found = self.store.machine_find(key).await?;
        found.ok_or_else(|| ServiceError::NotFound { kind: "machine", key: key.to_owned() })
    }

    /// An instance by name or id.
    pub(crate) async fn instance(&self, key: &str) -> Result<InstanceRecord, ServiceError> {
        let found = self.store.instance_find(key).await?;
        found.ok_or_else(|| ServiceError::NotFound { kind: "instance", key: key.to_owned() })
    }

    /// Loads, changes and writes a machine until nobody interferes, then pokes. `change` answers `None` when there is
    /// nothing to change; it may be called several times.
    pub(crate) async fn machine_change<E: From<ServiceError>>(
        &self,
        id: MachineId,
        change: impl FnMut(&MachineRecord, Timestamp) -> Result<Option<Change>, E>,
    ) -> Result<Option<MachineRecord>, E> {
        match self.store.machine_get(id).await.map_err(ServiceError::from)? {
            Some(record) => self.machine_change_loaded(&record, change).await,
            None => Ok(None),
        }
    }

    /// The same for a machine that was loaded a moment ago: it is read again only when somebody changed it since.
    pub(crate) async fn machine_change_loaded<E: From<ServiceError>>(
        &self,
        loaded: &MachineRecord,
        mut change: impl FnMut(&MachineRecord, Timestamp) -> Result<Option<Change>, E>,
    ) -> Result<Option<MachineRecord>, E> {
        let id = loaded.id();
        let mut again = None;
        for _ in 0..TRIES {
            let record = again.as_ref().unwrap_or(loaded);
            let now = clock::now();
            let Some(changed) = change(record, now)? else { return Ok(Some(record.clone())) };
            let Change { record: next, events, secrets, .. } = &changed;
            let swap = self.store.machine_update(record, next, secrets, events, now).await;
            if swap.as_ref().is_err_and(StoreError::is_unknown) {
                // If it was written, whoever it concerns has to look.
                self.poke_changed(record, &changed);
            }
            if swap.map_err(ServiceError::from)? == Swap::Updated {
                return Ok(Some(self.written(record, changed)));
            }
            again = self.store.machine_get(id).await.map_err(ServiceError::from)?;
            if again.is_none() {
                return Ok(None);
            }
        }
        Err(ServiceError::Contended { what: format!("machine {id}") }.into())
    }

    /// A change of a machine was written: wakes whom it concerns. Answers the machine as it is now.
    pub(crate) fn written(&self, before: &MachineRecord, change: Change) -> MachineRecord {
        if !change.quiet {
            self.poke_changed(before, &change);
        }
        let after = &change.record;
        self.telemetry.machine_changed(&after.name, &before.machine, &after.machine);
        let version = after.version + 1;
        MachineRecord { version, ..change.record }
    }

    /// Wakes whom the change of a machine concerns: itself always, its instance only by what that one goes by, and
    /// those that wait for a machine only by what makes it fit.
    fn poke_changed(&self, before: &MachineRecord, change: &Change) {
        let after = &change.record;
        if change.followed {
            self.hub.rouse(after.id());
        } else {
            self.hub.poke(Poke::Machine(after.id()));
        }
        let followed = |record: &MachineRecord| {
            let machine = &record.machine;
            let standing = (machine.state.name, machine.state.hold.is_some(), machine.want.protected);
            (machine.want.owner.clone(), standing)
        };
        if followed(before) != followed(after) {
            for owner in [before.owner(), after.owner()].into_iter().flatten() {
                self.hub.poke(Poke::Instance(owner));
            }
        }
        let free = after.owner().is_none() && after.machine.state.name == MachineState::Available;
        if free && offered(before) != offered(after) {
            self.hub.poke(Poke::Pending);
        }
        // Somebody waits for leave, or made room.
        if Erasing::of_machine(&before.machine) != Erasing::of_machine(&after.machine) {
            self.works.erase_news(after.id());
            self.hub.poke(Poke::Wiping);
        }
    }

    /// Wakes whoever waits for this machine.
    pub(crate) fn poke_machine(&self, record: &MachineRecord) {
        self.hub.poke(Poke::Machine(record.id()));
        match record.owner() {
            Some(instance) => self.hub.poke(Poke::Instance(instance)),
            None if record.machine.state.name == MachineState::Available => self.hub.poke(Poke::Pending),
            None => {}
        }
    }

    /// Puts a request to the lifecycle, under the policy of the machine's pool. `event` tells of it when it changes
    /// something.
    pub(crate) async fn admit(
        &self,
        id: MachineId,
        request: &Request,
        event: &str,
    ) -> Result<Option<MachineRecord>, ServiceError> {
        let least = match (self.store.pool_least_wiping().await, request) {
            // What goes on must be able to be stopped; it is wiped as strictly as any pool could ask.
            (Err(error), Request::Cancel { .. }) if !error.is_lost() => {
                tracing::error!(error = crate::text::logged(&error), "what pools ask for can't be read");
                LeastWiping::unknown()
            }
            (read, _) => read?,
        };
        self.machine_change(id, |record, _| {
            let pool = &record.spec.pool;
            let machine = admit_in_pool(&record.machine, request, least.of(pool))?;
            Ok((machine != record.machine).then(|| {
                let mut events = vec![NewEvent::machine(id, "request", event)];
                events.extend(raised(&record.machine, &machine).map(|erase| {
                    let told = format!("its disks are wiped by {}, as pool {pool} asks", word(&erase));
                    NewEvent::machine(id, "request", told)
                }));
                Change::new(MachineRecord { machine, ..record.clone() }, events)
            }))
        })
        .await
    }

    /// Takes a fact down, with the events that tell of it.
    pub(crate) async fn observe(
        &self,
        id: MachineId,
        fact: &Fact,
        events: &[NewEvent],
    ) -> Result<Option<MachineRecord>, ServiceError> {
        match self.store.machine_get(id).await? {
            Some(record) => self.observe_loaded(&record, std::slice::from_ref(fact), events).await,
            None => Ok(None),
        }
    }

    /// Takes facts down of a machine that was loaded a moment ago, in their order and all at once.
    pub(crate) async fn observe_loaded(
        &self,
        loaded: &MachineRecord,
        facts: &[Fact],
        events: &[NewEvent],
    ) -> Result<Option<MachineRecord>, ServiceError> {
        self.machine_change_loaded(loaded, |record, now| Ok(self.observed(record, facts, events, now))).await
    }

    /// The change of a machine by facts, with what follows from them in the books alone, unless everything is frozen or
    /// that is not known. None: they are no news.
    pub(crate) fn observed(
        &self,
        record: &MachineRecord,
        facts: &[Fact],
        events: &[NewEvent],
        now: Timestamp,
    ) -> Option<Change> {
        let (machine, told) = match self.works.gate() {
            Gate::Open => books::observed(&record.machine, facts, &self.config.limits, now),
            _ => (books::seen(&record.machine, facts, now), Vec::new()),
        };
        if machine == record.machine && events.is_empty() {
            return None;
        }
        let told = told.into_iter().chain(hardware::told(&record.machine, &machine)).collect::<Vec<_>>();
        let quiet = told.is_empty() && facts.iter().all(|fact| quiet(&record.machine, fact));
        let events = events.iter().cloned().chain(told).collect();
        Some(Change { quiet, ..Change::new(record.with(machine), events) })
    }

    /// Changes and writes an instance that was loaded a moment ago until nobody interferes, then pokes: it is read again
    /// only when somebody changed it since.
    pub(crate) async fn instance_change_loaded(
        &self,
        loaded: &InstanceRecord,
        mut change: impl FnMut(&InstanceRecord, Timestamp) -> Option<(InstanceRecord, Vec<NewEvent>)>,
    ) -> Result<Option<InstanceRecord>, ServiceError> {
        let id = loaded.id;
        let mut record = loaded.clone();
        for _ in 0..TRIES {
            let now = clock::now();
            let Some((changed, events)) = change(&record, now) else { return Ok(Some(record)) };
            let swap = self.store.instance_update(&changed, &events, now).await;
            if swap.as_ref().is_err_and(StoreError::is_unknown) {
                self.hub.poke(Poke::Instance(id));
            }
            if swap? == Swap::Updated {
                self.hub.poke(Poke::Instance(id));
                return Ok(Some(InstanceRecord { version: changed.version + 1, ..changed }));
            }
            let Some(again) = self.store.instance_get(id).await? else { return Ok(None) };
            record = again;
        }
        Err(ServiceError::Contended { what: format!("instance {id}") })
    }
}

/// What makes a machine fit for an instance.
fn offered(record: &MachineRecord) -> impl PartialEq + '_ {
    let Machine { want, facts, state, .. } = &record.machine;
    let resting = (state.name, state.hold.is_some(), state.inspect);
    (&record.spec, want, resting, &facts.inventory, facts.bmc_trouble.is_some())
}

/// Whether a fact changes no decision. There are many of these: a progress report a second from each machine that is
/// written, a look at the power of each a minute.
fn quiet(machine: &Machine, fact: &Fact) -> bool {
    let facts = &machine.facts;
    match fact {
        Fact::AgentSeen | Fact::Netboot => true,
        Fact::Reported(report) => matches!(report.said, Reported::Progress(_)),
        Fact::Power { on } => facts.bmc_trouble.is_none() && facts.power.is_some_and(|(was, _)| was == *on),
        _ => false,
    }
}

/// How the disks are wiped of a machine that is given back now, if that is more than was asked for.
fn raised(before: &Machine, after: &Machine) -> Option<ErasePolicy> {
    let asked = |machine: &Machine| machine.want.owner.as_ref().and_then(|owner| owner.release);
    let least = after.want.owner.as_ref()?.least?;
    (asked(before) != asked(after) && asked(after)? < least).then_some(least)
}

#[cfg(test)]
mod tests;
