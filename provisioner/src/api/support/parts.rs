//! What goes into a support bundle. Each part has its own time; lists end somewhere. All of it is what the API answers
//! anyhow, or says nothing that a secret could be in: documents are those of the wire, which have none.

use crate::{
    api::{bmc, convert, error::ApiError, machines, networks, overview, ready, replicas, timeline, works},
    clock, logging, metrics,
    service::{Service, ServiceError},
    store::{EventFilter, JobFilter, MachineFilter, StoreError},
    support_bundle::Bundle,
    text::{chain, without_secrets},
};
use axum::{
    Json,
    extract::{Path, State},
};
use jiff::Timestamp;
use provisioner_api::{Instance, ListedJob, Machine};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long a part may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// How long a BMC may take, which may have to be logged in at first.
const OF_BMC: Duration = Duration::from_secs(45);

/// Most machines, instances, events, entries of the audit log.
const MOST: u32 = 1000;

/// Most jobs that run, and most that ended.
const JOBS: u32 = 300;

/// Why there is no such part, as a sentence without a secret.
struct Why(String);

impl From<StoreError> for Why {
    fn from(error: StoreError) -> Self {
        Self(without_secrets(&chain(&error)))
    }
}

impl From<ServiceError> for Why {
    fn from(error: ServiceError) -> Self {
        Self(without_secrets(&chain(&error)))
    }
}

impl From<ApiError> for Why {
    fn from(error: ApiError) -> Self {
        Self(without_secrets(error.detail()))
    }
}

/// A part in its time.
async fn timely<T>(patience: Duration, read: impl Future<Output = Result<T, Why>>) -> Result<T, String> {
    match tokio::time::timeout(patience, read).await {
        Ok(read) => read.map_err(|why| why.0),
        Err(_) => Err(format!("it could not be read in {} s", patience.as_secs())),
    }
}

/// What this process knows without asking anybody.
pub(super) async fn of_process(bundle: &mut Bundle, service: &Arc<Service>, now: Timestamp) {
    bundle.json("about.json", Ok(about(service, now)));
    bundle.json("configuration.json", Ok(service.config.shown()));
    bundle.json("readiness.json", timely(PATIENCE, async { Ok(ready::look(service).await) }).await);
    bundle.text("log.txt", Ok(without_secrets(&logging::recent())));
}

fn about(service: &Service, now: Timestamp) -> Value {
    let up = now.duration_since(service.started).as_secs();
    let running = tokio::runtime::Handle::current().metrics();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "build": {
            "debug": cfg!(debug_assertions), "os": std::env::consts::OS, "architecture": std::env::consts::ARCH,
        },
        "replica": service.replica.owner,
        "process": service.replica.process,
        "leads": service.standing.leads(),
        "term": service.standing.term(),
        "stopping": service.stopping.is_cancelled(),
        "damaged_records": service.damaged.load(std::sync::atomic::Ordering::Relaxed),
        "consoles_connected": service.consoles.connected(),
        "runtime": {"workers": running.num_workers(), "tasks": running.num_alive_tasks()},
        "clock": {
            "now": now, "started": service.started, "up_seconds": up,
            "since_boot_seconds": clock::since_boot().as_secs(),
        },
        "features": service.config.features(),
    })
}

/// What the database knows of the site.
pub(super) async fn of_site(bundle: &mut Bundle, service: &Arc<Service>) {
    let store = &service.store;
    bundle.json("database.json", timely(PATIENCE, async { Ok(store.facts().await?) }).await);
    bundle.json("database_check.json", timely(PATIENCE, async { Ok(store.checked().await?) }).await);
    bundle.json("works.json", timely(PATIENCE, async { Ok(works::works(service).await?) }).await);
    let replicas = async { Ok(replicas::list(State(Arc::clone(service))).await?.0) };
    bundle.json("replicas.json", timely(PATIENCE, replicas).await);
    let networks = async { Ok(networks::list(State(Arc::clone(service))).await?.0) };
    bundle.json("networks.json", timely(PATIENCE, networks).await);
    bundle.json("counts.json", timely(PATIENCE, counts(service)).await);
    bundle.json("machines.json", timely(PATIENCE, machine_lines(service)).await);
    bundle.json("instances.json", timely(PATIENCE, instance_lines(service)).await);
    bundle.json("jobs.json", timely(PATIENCE, jobs(service)).await);
    let events = async { Ok(store.event_newest_of_all(&EventFilter::default(), MOST).await?) };
    bundle.json("events.json", timely(PATIENCE, events).await);
    let audit =
        async { Ok(json!({"head": store.audit_head().await?, "items": store.audit_newest(MOST).await?})) };
    bundle.json("audit.json", timely(PATIENCE, audit).await);
    let metrics = async { Ok(metrics::text(service).await?) };
    bundle.text("metrics.txt", timely(PATIENCE, metrics).await);
}

async fn counts(service: &Service) -> Result<Value, Why> {
    let store = &service.store;
    let states = |counts: Vec<(String, i64)>| -> Value {
        counts
            .into_iter()
            .map(|(state, count)| (state, Value::from(count)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let pools: Vec<_> = store.pool_counts().await?.into_values().collect();
    Ok(json!({
        "machines": states(store.machine_counts().await?),
        "held": store.machine_held_count().await?,
        "instances": states(store.instance_counts().await?),
        "machines_at_work": store.machines_at_work().await?.len(),
        "pools": pools,
        "slow_steps": service.slow.counts().map(|(step, count)| json!({"step": step, "count": count})).collect::<Vec<_>>(),
    }))
}

/// The machines in short: those that are held first, since the list ends somewhere.
async fn machine_lines(service: &Service) -> Result<Value, Why> {
    let now = clock::now();
    let mut items = Vec::new();
    for held in [true, false] {
        let filter = MachineFilter { held: Some(held), ..MachineFilter::default() };
        let rows = service.store.machine_page(&filter, None, MOST).await?;
        let wire = |record, owner| line(&convert::machine(service, record, owner, now));
        items.extend(rows.iter().map(|row| wire(&row.record, row.instance.as_deref())));
    }
    items.truncate(MOST as usize);
    Ok(json!({"most": MOST, "items": items}))
}

fn line(machine: &Machine) -> Value {
    let Machine { spec, status, .. } = machine;
    let job = status.job.as_ref().map(|job| json!({"id": job.id, "kind": job.kind, "ended": job.ended}));
    json!({
        "id": machine.id, "name": machine.name, "pool": spec.pool, "zone": spec.zone, "state": status.state,
        "since": status.since, "held": status.held, "waiting": status.waiting, "power": status.power,
        "bmc": status.bmc, "job": job, "instance": status.instance_name,
    })
}

async fn instance_lines(service: &Service) -> Result<Value, Why> {
    let now = clock::now();
    let rows = service.store.instance_page(None, None, None, MOST).await?;
    let line =
        |instance: Instance| json!({"id": instance.id, "name": instance.name, "status": instance.status});
    let items: Vec<_> = rows
        .iter()
        .map(|row| line(convert::instance(service, &row.record, row.machine.as_ref(), now)))
        .collect();
    Ok(json!({"most": MOST, "items": items}))
}

async fn jobs(service: &Service) -> Result<Vec<ListedJob>, Why> {
    let mut items = Vec::new();
    for running in [true, false] {
        let filter = JobFilter { running: Some(running), ..JobFilter::default() };
        let rows = service.store.job_page(&filter, None, JOBS).await?;
        items.extend(rows.iter().map(|row| overview::wire(service, row)));
    }
    Ok(items)
}

/// What is known of a machine, and what its BMC says now.
pub(super) async fn of_machine(bundle: &mut Bundle, service: &Arc<Service>, key: &str) {
    let store = &service.store;
    let document = async {
        let record = service.machine(key).await?;
        Ok(machines::wire(service, &record).await?)
    };
    bundle.json("machine/machine.json", timely(PATIENCE, document).await);
    let told = async { Ok(timeline::newest_of_machine(service, &service.machine(key).await?, MOST).await?) };
    bundle.json("machine/timeline.json", timely(PATIENCE, told).await);
    let jobs = async {
        let filter = JobFilter { machine: Some(service.machine(key).await?.id()), ..JobFilter::default() };
        let rows = store.job_page(&filter, None, JOBS).await?;
        Ok(rows.iter().map(|row| overview::wire(service, row)).collect::<Vec<_>>())
    };
    bundle.json("machine/jobs.json", timely(PATIENCE, jobs).await);
    let why = async { Ok(machines::why(State(Arc::clone(service)), Path(key.to_owned())).await?.0) };
    bundle.json("machine/why.json", timely(PATIENCE, why).await);
    let said = async {
        let Json(details) = bmc::show(State(Arc::clone(service)), Path(key.to_owned())).await?;
        Ok(details)
    };
    bundle.json("machine/bmc.json", timely(OF_BMC, said).await);
}
