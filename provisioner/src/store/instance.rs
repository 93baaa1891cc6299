//! Instances, and the transactions that bind them to machines.

use super::{
    MachineRecord, NewEvent, NewSecret, Store, StoreError, Swap, document, event, json, machine, micros,
    secret, taken, time,
};
use crate::text::word;
use jiff::Timestamp;
use provisioner_api::{ErasePolicy, Held, ImageId, InstanceId, InstanceSpec, InstanceState, MachineId};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// An instance as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceRecord {
    /// Its id.
    pub(crate) id: InstanceId,
    /// Grows with each change.
    pub(crate) version: u64,
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) state: InstanceState,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Its machine.
    pub(crate) machine: Option<MachineId>,
    /// Its image.
    pub(crate) image: ImageId,
    /// What was asked for, without `user_data`, which is a secret.
    pub(crate) spec: InstanceSpec,
    /// The rest of what is so.
    pub(crate) standing: InstanceStanding,
    /// When it was asked for.
    pub(crate) created: Timestamp,
}

/// What is so of an instance beside its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceStanding {
    /// It is to be given back, and its disks wiped so.
    pub(crate) release: Option<ErasePolicy>,
    /// Why it waits for a machine.
    pub(crate) waiting: Option<(String, Timestamp)>,
    /// Why it is held.
    pub(crate) held: Option<Held>,
    /// When its operating system reported in.
    pub(crate) phoned_home: Option<Timestamp>,
    /// SSH host keys that it reported.
    pub(crate) host_keys: Vec<String>,
    /// Bytes of its user data; the data itself is among the secrets.
    pub(crate) user_data_bytes: Option<u64>,
}

const SELECT_ONE: &str =
    "SELECT id, name, version, state, since, machine, image, spec, standing, created FROM instance
    WHERE name = $1 OR id = $1";

impl Store {
    /// Adds an instance, with its user data if it brought its own.
    pub(crate) async fn instance_insert(
        &self,
        record: &InstanceRecord,
        user_data: Option<&NewSecret>,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query(
            "INSERT INTO instance (id, name, version, state, since, machine, image, spec, standing, created)
             VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9)",
        )
        .bind(record.id.to_string())
        .bind(&record.name)
        .bind(record.version as i64)
        .bind(word(&record.state))
        .bind(micros(record.since))
        .bind(record.image.to_string())
        .bind(json(&record.spec))
        .bind(json(&record.standing))
        .bind(micros(record.created))
        .execute(&mut *transaction)
        .await
        .map_err(|error| {
            match taken(error, "name", || format!("the instance name `{}`", record.name)) {
                // The only row that it refers to.
                StoreError::InUse { .. } => StoreError::ImageGone { image: record.spec.image.clone() },
                other => other,
            }
        })?;
        secret::put_on_conn(&mut transaction, user_data.map_or(&[], std::slice::from_ref)).await?;
        event::insert_on_conn(&mut transaction, events, now).await?;
        Ok(transaction.commit().await?)
    }

    /// The ids of all instances.
    pub(crate) async fn instance_ids(&self) -> Result<Vec<InstanceId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM instance").fetch_all(&self.reader).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// The ids of the instances that have no machine.
    pub(crate) async fn instance_pending_ids(&self) -> Result<Vec<InstanceId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM instance WHERE machine IS NULL")
            .fetch_all(&self.reader)
            .await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// All instances by name.
    pub(crate) async fn instance_list(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, version, state, since, machine, image, spec, standing, created FROM instance ORDER BY name",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// One instance by name or id.
    pub(crate) async fn instance_find(&self, key: &str) -> Result<Option<InstanceRecord>, StoreError> {
        let row = sqlx::query(SELECT_ONE).bind(key).fetch_optional(&self.reader).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// One instance by id.
    pub(crate) async fn instance_get(&self, id: InstanceId) -> Result<Option<InstanceRecord>, StoreError> {
        self.instance_find(&id.to_string()).await
    }

    /// Writes an instance by compare-and-set.
    pub(crate) async fn instance_update(
        &self,
        record: &InstanceRecord,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let mut transaction = self.writer.begin().await?;
        if update_on_conn(&mut transaction, record).await? == Swap::Stale {
            return Ok(Swap::Stale);
        }
        event::insert_on_conn(&mut transaction, events, now).await?;
        transaction.commit().await?;
        Ok(Swap::Updated)
    }

    /// Writes an instance and its machine together: an allocation, or a giving back. Both or neither.
    pub(crate) async fn instance_and_machine_update(
        &self,
        instance: &InstanceRecord,
        (before, machine): (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let _changing = self.boot_index.changing_machine(machine, Some(before));
        let mut transaction = self.writer.begin().await?;
        if update_on_conn(&mut transaction, instance).await? == Swap::Stale
            || machine::update_on_conn(&mut transaction, before, machine).await? == Swap::Stale
        {
            return Ok(Swap::Stale);
        }
        event::insert_on_conn(&mut transaction, events, now).await?;
        transaction.commit().await?;
        Ok(Swap::Updated)
    }

    /// Forgets an instance; its machine, if it had one, forgets it in the same transaction.
    pub(crate) async fn instance_delete(
        &self,
        instance: &InstanceRecord,
        machine: Option<(&MachineRecord, &MachineRecord)>,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let _changing =
            machine.map(|(before, machine)| self.boot_index.changing_machine(machine, Some(before)));
        let mut transaction = self.writer.begin().await?;
        if let Some((before, machine)) = machine
            && machine::update_on_conn(&mut transaction, before, machine).await? == Swap::Stale
        {
            return Ok(Swap::Stale);
        }
        let gone = sqlx::query("DELETE FROM instance WHERE id = $1 AND version = $2")
            .bind(instance.id.to_string())
            .bind(instance.version as i64)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(Swap::Stale);
        }
        sqlx::query("DELETE FROM secret WHERE owner = $1")
            .bind(format!("instance {}", instance.id))
            .execute(&mut *transaction)
            .await?;
        event::insert_on_conn(&mut transaction, events, now).await?;
        transaction.commit().await?;
        Ok(Swap::Updated)
    }
}

async fn update_on_conn(conn: &mut SqliteConnection, record: &InstanceRecord) -> Result<Swap, StoreError> {
    let changed = sqlx::query(
        "UPDATE instance SET version = version + 1, state = $1, since = $2, machine = $3, spec = $4, standing = $5
         WHERE id = $6 AND version = $7",
    )
    .bind(word(&record.state))
    .bind(micros(record.since))
    .bind(record.machine.map(|id| id.to_string()))
    .bind(json(&record.spec))
    .bind(json(&record.standing))
    .bind(record.id.to_string())
    .bind(record.version as i64)
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, "machine", || "the machine".into()))?;
    Ok(if changed.rows_affected() == 0 { Swap::Stale } else { Swap::Updated })
}

fn from_row(row: &SqliteRow) -> Result<InstanceRecord, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("instance {id}, column {column}");
    let quoted = |column: &str| row.try_get::<String, _>(column).map(|text| format!("\"{text}\""));
    let machine: Option<String> = row.try_get("machine")?;
    let machine = machine.map(|id| document(|| place("machine"), &format!("\"{id}\""))).transpose()?;
    let version: i64 = row.try_get("version")?;
    Ok(InstanceRecord {
        id: document(|| place("id"), &quoted("id")?)?,
        version: version as u64,
        name: row.try_get("name")?,
        state: document(|| place("state"), &quoted("state")?)?,
        since: time(row.try_get("since")?),
        machine,
        image: document(|| place("image"), &quoted("image")?)?,
        spec: document(|| place("spec"), row.try_get("spec")?)?,
        standing: document(|| place("standing"), row.try_get("standing")?)?,
        created: time(row.try_get("created")?),
    })
}
