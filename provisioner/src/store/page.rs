//! Lists for people and programs: a page at a time, chosen in SQL, and what they are counted by.
//!
//! A page begins behind a name, not at a number: what is added or deleted meanwhile neither doubles nor hides others.

use super::{
    InstanceRecord, MachineRecord, Store, StoreError,
    damage::{illegible_instance, illegible_machine},
    db::{Row, Statement, sql},
    instance::{self, INSTANCE},
    machine::{self, MACHINE},
};
use crate::{selector::Selector, text::word};
use provisioner_api::{InstanceId, InstanceState, MachineId, MachineState};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Which machines.
#[derive(Debug, Clone, Default)]
pub(crate) struct MachineFilter {
    /// Those in this state.
    pub(crate) state: Option<MachineState>,
    /// Those of this pool.
    pub(crate) pool: Option<String>,
    /// Those of these pools.
    pub(crate) pools: Option<Vec<String>>,
    /// Those whose work waits for a person, or those whose work does not.
    pub(crate) held: Option<bool>,
    /// Those with such labels.
    pub(crate) labels: Option<Selector>,
}

/// A machine with what a list shows of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedMachine {
    /// The machine.
    pub(crate) record: MachineRecord,
    /// The name of the instance that owns it.
    pub(crate) instance: Option<String>,
}

/// Machines as they were read, each made of its row when it is asked for: a thousand of them are some MiB, and are only
/// written out, one after the other.
pub(crate) struct MachineRows(Vec<Row>);

impl MachineRows {
    /// Keeps so many at most. Where others follow, the name of the last that stays.
    pub(crate) fn cut(&mut self, most: u32) -> Result<Option<String>, StoreError> {
        let most = most as usize;
        if self.0.len() <= most {
            return Ok(None);
        }
        self.0.truncate(most);
        Ok(self.0.last().map(|row| row.try_get("m_name")).transpose()?)
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The machines, by name. Of a damaged one what is legible.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<ListedMachine, StoreError>> {
        self.0
            .iter()
            .map(|row| Ok(ListedMachine { record: legible_machine(row)?, instance: row.try_get("o_name")? }))
    }
}

/// An instance with its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedInstance {
    /// The instance.
    pub(crate) record: InstanceRecord,
    /// Its machine.
    pub(crate) machine: Option<MachineRecord>,
}

impl Store {
    /// At most so many machines whose names come after one, by name. One statement. Of a damaged one what is legible.
    pub(crate) async fn machine_page(
        &self,
        filter: &MachineFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ListedMachine>, StoreError> {
        self.machine_rows(filter, after, limit).await?.iter().collect()
    }

    /// The same, none of them made yet.
    pub(crate) async fn machine_rows(
        &self,
        filter: &MachineFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<MachineRows, StoreError> {
        let Some(selector) = &filter.labels else { return self.machine_rows_of(filter, after, limit).await };
        // Labels are in documents, which are held against the selector here: of what the database finds few or many stay.
        let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
        let part = limit.max(PART);
        loop {
            let MachineRows(rows) = self.machine_rows_of(filter, after.as_deref(), part).await?;
            let full = rows.len() >= part as usize;
            after = rows.last().map(|row| row.try_get("m_name")).transpose()?;
            found.extend(rows.into_iter().filter(|row| selector.fits(&labels_of(row, "m_spec"))));
            if !full || found.len() >= limit as usize {
                found.truncate(limit as usize);
                return Ok(MachineRows(found));
            }
        }
    }

    async fn machine_rows_of(
        &self,
        filter: &MachineFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<MachineRows, StoreError> {
        let mut query = sql(format!(
            "SELECT {MACHINE}, {LEGIBLE}, instance.name AS o_name FROM machine LEFT JOIN job ON job.id = machine.job
             LEFT JOIN instance ON instance.id = machine.owner WHERE machine.name > "
        ));
        query.push_bind(after.unwrap_or_default().to_owned());
        if let Some(state) = &filter.state {
            query.push(" AND machine.state = ").push_bind(word(state));
        }
        if let Some(pool) = &filter.pool {
            query.push(" AND machine.pool = ").push_bind(pool.clone());
        }
        if let Some(pools) = &filter.pools {
            query.push(" AND machine.pool IN (");
            push_pools(&mut query, pools);
            query.push(")");
        }
        match filter.held {
            Some(true) => _ = query.push(" AND machine.held"),
            Some(false) => _ = query.push(" AND NOT machine.held"),
            None => {}
        }
        // This only narrows it down, so that no database has to know JSON.
        for key in filter.labels.iter().flat_map(Selector::needed) {
            query.push(" AND machine.spec LIKE ").push_bind(format!("%\"{key}\":%"));
        }
        query.push(" ORDER BY machine.name").push_limit(limit);
        Ok(MachineRows(query.fetch_all(&mut *self.api_reader.get().await?).await?))
    }

    /// At most so many instances whose names come after one, by name, with their machines. One statement. Of a damaged
    /// one what is legible. With `pools` only those with a machine of these, and all that have none.
    pub(crate) async fn instance_page(
        &self,
        state: Option<InstanceState>,
        pools: Option<&[String]>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ListedInstance>, StoreError> {
        let mut query = sql(format!("{} WHERE instance.name > ", joined()));
        query.push_bind(after.unwrap_or_default().to_owned());
        if let Some(state) = &state {
            query.push(" AND instance.state = ").push_bind(word(state));
        }
        if let Some(pools) = pools {
            query.push(" AND (instance.machine IS NULL OR machine.pool IN (");
            push_pools(&mut query, pools);
            query.push("))");
        }
        query.push(" ORDER BY instance.name").push_limit(limit);
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        rows.iter().map(legible_instance).collect()
    }

    /// One instance by name or id with its machine, for people.
    pub(crate) async fn instance_with_machine(
        &self,
        key: &str,
    ) -> Result<Option<ListedInstance>, StoreError> {
        let text = format!("{} WHERE instance.name = $1 OR instance.id = $1", joined());
        let row = sql(text).bind(key).fetch_optional(&mut *self.api_reader.get().await?).await?;
        row.as_ref().map(listed_instance).transpose()
    }

    /// An instance's name.
    pub(crate) async fn instance_name(&self, id: InstanceId) -> Result<Option<String>, StoreError> {
        let query = sql("SELECT name FROM instance WHERE id = $1").bind(id.to_string());
        Ok(query.scalar_optional(&mut *self.api_reader.get().await?).await?)
    }

    /// The ids and names of the machines with these MACs.
    pub(crate) async fn machine_names_by_mac(
        &self,
        macs: &[String],
    ) -> Result<HashMap<String, (MachineId, String)>, StoreError> {
        let mut query = sql("SELECT mac, machine.id AS id, machine.name AS name FROM machine_mac
             JOIN machine ON machine.id = machine_mac.machine WHERE mac IN (");
        // With a few lengths there are few texts to prepare.
        for place in 0..macs.len().next_power_of_two() {
            query.push(if place > 0 { ", " } else { "" }).push_bind(macs.get(place));
        }
        query.push(")");
        let rows = query.fetch_all(&mut *self.api_reader.get().await?).await?;
        let mut names = HashMap::with_capacity(rows.len());
        for row in &rows {
            let id: String = row.try_get("id")?;
            if let Ok(id) = id.parse() {
                names.insert(row.try_get("mac")?, (id, row.try_get("name")?));
            }
        }
        Ok(names)
    }

    /// How many machines are in each state, by the state's word.
    pub(crate) async fn machine_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.counts("SELECT state, COUNT(*) AS count FROM machine GROUP BY state ORDER BY state").await
    }

    /// Of how many machines the work waits for a person.
    pub(crate) async fn machine_held_count(&self) -> Result<i64, StoreError> {
        let text = "SELECT COUNT(*) FROM machine WHERE held";
        Ok(sql(text).scalar(&mut *self.api_reader.get().await?).await?)
    }

    /// How many instances are in each state, by the state's word.
    pub(crate) async fn instance_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.counts("SELECT state, COUNT(*) AS count FROM instance GROUP BY state ORDER BY state").await
    }

    async fn counts(&self, text: &'static str) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sql(text).fetch_all(&mut *self.api_reader.get().await?).await?;
        rows.iter().map(|row| Ok((row.try_get("state")?, row.try_get("count")?))).collect()
    }
}

/// How many rows are read at once where not all of them are shown.
const PART: u32 = 500;

/// The labels of a machine by its document; none of one that can't be read.
pub(super) fn labels_of(row: &Row, column: &str) -> BTreeMap<String, String> {
    #[derive(Default, Deserialize)]
    struct Labelled {
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }
    let spec = row.try_get::<String>(column).ok();
    let read = spec.and_then(|spec| serde_json::from_str::<Labelled>(&spec).ok());
    read.unwrap_or_default().labels
}

/// Places for pools. With a few lengths there are few texts to prepare; what is absent is equal to nothing.
pub(super) fn push_pools(query: &mut Statement, pools: &[String]) {
    for place in 0..pools.len().next_power_of_two() {
        query.push(if place > 0 { ", " } else { "" }).push_bind(pools.get(place));
    }
}

/// What [`illegible_machine`] reads more.
const LEGIBLE: &str = "machine.state AS m_state, machine.pool AS m_pool";

/// A machine, or what is legible of it.
fn legible_machine(row: &Row) -> Result<MachineRecord, StoreError> {
    machine::from_row(row)
        .or_else(|error| if error.is_damage() { Ok(illegible_machine(row, &error)) } else { Err(error) })
}

/// An instance with its machine, or what is legible of either.
fn legible_instance(row: &Row) -> Result<ListedInstance, StoreError> {
    let record = instance::from_row(row)
        .or_else(|error| if error.is_damage() { Ok(illegible_instance(row, &error)) } else { Err(error) })?;
    let machine = record.machine.map(|_| legible_machine(row)).transpose()?;
    Ok(ListedInstance { record, machine })
}

/// Instances with their machines, up to the conditions.
fn joined() -> String {
    format!(
        "SELECT {INSTANCE}, {MACHINE}, {LEGIBLE} FROM instance LEFT JOIN machine ON machine.id = instance.machine
         LEFT JOIN job ON job.id = machine.job"
    )
}

fn listed_instance(row: &Row) -> Result<ListedInstance, StoreError> {
    let record = instance::from_row(row)?;
    let machine = record.machine.map(|_| machine::from_row(row)).transpose()?;
    Ok(ListedInstance { record, machine })
}
