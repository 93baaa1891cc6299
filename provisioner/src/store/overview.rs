//! The whole fleet at a glance: its jobs and events, and machines counted by pool and zone. Deliberately not here: the
//! lists of machines and instances (`page`).

use super::{
    Store, StoreError,
    damage::legible,
    db::{Row, Statement, sql},
    document, event,
    machine::{JOB, job_from_row},
    page::push_pools,
};
use crate::text::word;
use provisioner_api::{EventId, FleetEvent, Group, JobId, JobKind, MachineId, MachineSpec};
use provisioner_lifecycle::Job;
use std::collections::{BTreeMap, BTreeSet};

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobFilter {
    /// Those that run, or those that ended.
    pub(crate) running: Option<bool>,
    /// Those for this.
    pub(crate) kind: Option<JobKind>,
    /// Those of this machine.
    pub(crate) machine: Option<MachineId>,
    /// This one.
    pub(crate) id: Option<JobId>,
    /// Those of machines of these pools.
    pub(crate) pools: Option<Vec<String>>,
}

/// A job with what is shown of its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobOfMachine {
    /// The job.
    pub(crate) job: Job,
    /// The machine.
    pub(crate) machine: MachineId,
    /// Its name.
    pub(crate) name: String,
    /// Its pool.
    pub(crate) pool: String,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFilter {
    /// Those of one of these kinds; empty: all.
    pub(crate) kinds: Vec<String>,
    /// Those of machines of these pools, and of the instances on them.
    pub(crate) pools: Option<Vec<String>>,
}

impl Store {
    /// At most so many jobs that began before one, newest first. A damaged one is left out.
    pub(crate) async fn job_page(
        &self,
        filter: &JobFilter,
        before: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<JobOfMachine>, StoreError> {
        let mut query = sql(format!(
            "SELECT {JOB}, machine.id AS m_id, machine.name AS m_name, machine.pool AS m_pool
             FROM job JOIN machine ON machine.id = job.machine WHERE "
        ));
        match before {
            Some(before) => query.push("job.id < ").push_bind(before.to_string()),
            None => query.push("1 = 1"),
        };
        match filter.running {
            Some(true) => _ = query.push(" AND job.ended IS NULL"),
            Some(false) => _ = query.push(" AND job.ended IS NOT NULL"),
            None => {}
        }
        if let Some(kind) = &filter.kind {
            query.push(" AND job.kind = ").push_bind(word(kind));
        }
        if let Some(machine) = filter.machine {
            query.push(" AND job.machine = ").push_bind(machine.to_string());
        }
        if let Some(id) = filter.id {
            query.push(" AND job.id = ").push_bind(id.to_string());
        }
        if let Some(pools) = &filter.pools {
            query.push(" AND machine.pool IN (");
            push_pools(&mut query, pools);
            query.push(")");
        }
        query.push(" ORDER BY job.id DESC").push_limit(limit);
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        rows.iter().filter_map(|row| legible(job(row)).map(Option::flatten).transpose()).collect()
    }

    /// At most so many events of the whole fleet that come after one, oldest first.
    pub(crate) async fn event_page_of_all(
        &self,
        filter: &EventFilter,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<FleetEvent>, StoreError> {
        let mut query = events(filter, &after.map(|id| id.to_string()).unwrap_or_default());
        query.push(" ORDER BY event.id").push_limit(limit);
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        rows.iter().map(fleet_event).collect()
    }

    /// The newest events of the whole fleet, oldest first.
    pub(crate) async fn event_newest_of_all(
        &self,
        filter: &EventFilter,
        limit: u32,
    ) -> Result<Vec<FleetEvent>, StoreError> {
        let mut query = events(filter, "");
        query.push(" ORDER BY event.id DESC").push_limit(limit);
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        rows.iter().rev().map(fleet_event).collect()
    }

    /// The machines counted by pool.
    pub(crate) async fn pool_counts(&self) -> Result<BTreeMap<String, Group>, StoreError> {
        let text = "SELECT pool, state, held, COUNT(*) AS machines FROM machine GROUP BY pool, state, held";
        let rows = sql(text).fetch_all(&mut *self.api_reader.get().await?).await?;
        let mut groups = BTreeMap::new();
        for row in &rows {
            let (pool, machines): (String, i64) = (row.try_get("pool")?, row.try_get("machines")?);
            count(&mut groups, pool, row, u64::try_from(machines).unwrap_or(0))?;
        }
        Ok(groups)
    }

    /// The machines of these pools counted by zone; those without one are left out, and damaged ones. Zones are in
    /// documents, so that all are read.
    pub(crate) async fn zone_counts(
        &self,
        pools: Option<&[String]>,
    ) -> Result<BTreeMap<String, Group>, StoreError> {
        // The text only narrows it down, so that no database has to know JSON; what is found is read.
        let mut query = sql("SELECT id, spec, state, held FROM machine WHERE spec LIKE '%\"zone\":\"%'");
        if let Some(pools) = pools {
            query.push(" AND pool IN (");
            push_pools(&mut query, pools);
            query.push(")");
        }
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut racks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in &rows {
            let id: String = row.try_get("id")?;
            let spec = document(|| format!("machine {id}, column spec"), row.try_get("spec")?);
            let Some(MachineSpec { zone: Some(zone), rack, .. }) = legible(spec)? else { continue };
            racks.entry(zone.clone()).or_default().extend(rack);
            count(&mut groups, zone, row, 1)?;
        }
        for (zone, racks) in racks {
            groups.entry(zone).or_default().racks = racks.into_iter().collect();
        }
        Ok(groups)
    }
}

fn job(row: &Row) -> Result<Option<JobOfMachine>, StoreError> {
    let Some(job) = job_from_row(row)? else { return Ok(None) };
    let machine: String = row.try_get("m_id")?;
    let machine = document(|| format!("machine {machine}, column id"), &format!("\"{machine}\""))?;
    Ok(Some(JobOfMachine { job, machine, name: row.try_get("m_name")?, pool: row.try_get("m_pool")? }))
}

fn fleet_event(row: &Row) -> Result<FleetEvent, StoreError> {
    Ok(FleetEvent {
        event: event::from_row(row)?,
        machine_name: row.try_get("machine_name")?,
        instance_name: row.try_get("instance_name")?,
    })
}

fn events(filter: &EventFilter, after: &str) -> Statement {
    let mut query = sql(
        "SELECT event.id AS id, event.at AS at, event.machine AS machine, event.instance AS instance,
         event.kind AS kind, event.message AS message, machine.name AS machine_name, instance.name AS instance_name
         FROM event LEFT JOIN machine ON machine.id = event.machine LEFT JOIN instance ON instance.id = event.instance
         WHERE event.id > ",
    );
    query.push_bind(after.to_owned());
    if !filter.kinds.is_empty() {
        query.push(" AND event.kind IN (");
        push_pools(&mut query, &filter.kinds);
        query.push(")");
    }
    if let Some(pools) = &filter.pools {
        query.push(" AND (machine.pool IN (");
        push_pools(&mut query, pools);
        query.push(") OR instance.machine IN (SELECT id FROM machine AS its WHERE its.pool IN (");
        push_pools(&mut query, pools);
        query.push(")))");
    }
    query
}

/// Adds machines in one state to their group.
fn count(
    groups: &mut BTreeMap<String, Group>,
    name: String,
    row: &Row,
    machines: u64,
) -> Result<(), StoreError> {
    let held: bool = row.try_get("held")?;
    let group = groups.entry(name.clone()).or_insert_with(|| Group { name, ..Group::default() });
    group.machines += machines;
    group.held += if held { machines } else { 0 };
    *group.states.entry(row.try_get("state")?).or_default() += machines;
    Ok(())
}
