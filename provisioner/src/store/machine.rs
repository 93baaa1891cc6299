//! Machines, with their MACs, their job and its steps.

use super::{
    NewEvent, NewSecret, Store, StoreError, Swap, document, event, json, machine_bmc, micros, secret, taken,
    time,
};
use crate::text::word;
use jiff::Timestamp;
use provisioner_api::{InstanceId, JobId, MachineId, MachineSpec};
use provisioner_lifecycle::{Job, Machine, Step};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A machine as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineRecord {
    /// Grows with each write, facts included.
    pub(crate) version: u64,
    /// Grows with each change that a person makes.
    pub(crate) generation: u64,
    /// Its name.
    pub(crate) name: String,
    /// What people said of it. `accepted` and `maintenance` are in `machine.want`, not here.
    pub(crate) spec: MachineSpec,
    /// What the lifecycle knows.
    pub(crate) machine: Machine,
    /// When it was first known.
    pub(crate) created: Timestamp,
}

impl MachineRecord {
    /// Its id.
    pub(crate) fn id(&self) -> MachineId {
        self.machine.id
    }

    /// The instance that owns it.
    pub(crate) fn owner(&self) -> Option<InstanceId> {
        self.machine.want.owner.as_ref().map(|owner| owner.instance)
    }
}

impl Store {
    /// Adds a machine, with its BMC's secrets if it has some.
    pub(crate) async fn machine_insert(
        &self,
        record: &MachineRecord,
        secrets: &[NewSecret],
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _changing = self.boot_index.changing_machine(record, None);
        let mut transaction = self.writer.begin().await?;
        sqlx::query(
            "INSERT INTO machine (id, name, version, generation, state, spec, want, facts, standing, job, created)
             VALUES ($1, $2, $3, $10, $4, $5, $6, $7, $8, NULL, $9)",
        )
        .bind(record.id().to_string())
        .bind(&record.name)
        .bind(record.version as i64)
        .bind(word(&record.machine.state.name))
        .bind(json(&record.spec))
        .bind(json(&record.machine.want))
        .bind(json(&record.machine.facts))
        .bind(json(&record.machine.state))
        .bind(micros(record.created))
        .bind(record.generation as i64)
        .execute(&mut *transaction)
        .await
        .map_err(|error| taken(error, "name", || format!("the machine name `{}`", record.name)))?;
        macs_on_conn(&mut transaction, record).await?;
        machine_bmc::put_on_conn(&mut transaction, record).await?;
        secret::put_on_conn(&mut transaction, secrets).await?;
        event::insert_on_conn(&mut transaction, events, now).await?;
        Ok(transaction.commit().await?)
    }

    /// All machines by name.
    pub(crate) async fn machine_list(&self) -> Result<Vec<MachineRecord>, StoreError> {
        let mut snapshot = self.reader.begin().await?;
        let rows = sqlx::query("SELECT id, name, version, generation, spec, want, facts, standing, job, created FROM machine ORDER BY name")
            .fetch_all(&mut *snapshot)
            .await?;
        let mut machines = Vec::with_capacity(rows.len());
        for row in &rows {
            machines.push(from_row(&mut snapshot, row).await?);
        }
        snapshot.commit().await?;
        Ok(machines)
    }

    /// The MACs of all machines.
    pub(crate) async fn machine_macs(&self) -> Result<Vec<(String, MachineId)>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT mac, machine FROM machine_mac").fetch_all(&self.reader).await?;
        Ok(rows.into_iter().filter_map(|(mac, id)| Some((mac, id.parse().ok()?))).collect())
    }

    /// The ids of all machines.
    pub(crate) async fn machine_ids(&self) -> Result<Vec<MachineId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM machine").fetch_all(&self.reader).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// The ids of the machines on which a job runs.
    pub(crate) async fn machine_working_ids(&self) -> Result<Vec<MachineId>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT machine FROM job WHERE ended IS NULL").fetch_all(&self.reader).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// One machine by id.
    pub(crate) async fn machine_get(&self, id: MachineId) -> Result<Option<MachineRecord>, StoreError> {
        let mut snapshot = self.reader.begin().await?;
        let found = machine_on_conn(&mut snapshot, id).await?;
        snapshot.commit().await?;
        Ok(found)
    }

    /// One machine by name or id.
    pub(crate) async fn machine_find(&self, key: &str) -> Result<Option<MachineRecord>, StoreError> {
        let mut snapshot = self.reader.begin().await?;
        let row = sqlx::query(
            "SELECT id, name, version, generation, spec, want, facts, standing, job, created FROM machine WHERE name = $1 OR id = $1",
        )
        .bind(key)
        .fetch_optional(&mut *snapshot)
        .await?;
        let found = match row {
            Some(row) => Some(from_row(&mut snapshot, &row).await?),
            None => None,
        };
        snapshot.commit().await?;
        Ok(found)
    }

    /// The machine that boots from this MAC.
    pub(crate) async fn machine_by_mac(&self, mac: &str) -> Result<Option<MachineRecord>, StoreError> {
        let mut snapshot = self.reader.begin().await?;
        let id: Option<String> = sqlx::query_scalar("SELECT machine FROM machine_mac WHERE mac = $1")
            .bind(mac)
            .fetch_optional(&mut *snapshot)
            .await?;
        let found = match id.and_then(|id| id.parse().ok()) {
            Some(id) => machine_on_conn(&mut snapshot, id).await?,
            None => None,
        };
        snapshot.commit().await?;
        Ok(found)
    }

    /// Whose a MAC is.
    pub(crate) async fn machine_id_by_mac(&self, mac: &str) -> Result<Option<MachineId>, StoreError> {
        let id: Option<String> = sqlx::query_scalar("SELECT machine FROM machine_mac WHERE mac = $1")
            .bind(mac)
            .fetch_optional(&self.reader)
            .await?;
        Ok(id.and_then(|id| id.parse().ok()))
    }

    /// Writes a machine, and its BMC's new secrets if there are some, if nobody else did since `before` was loaded; its
    /// version grows by one.
    pub(crate) async fn machine_update(
        &self,
        before: &MachineRecord,
        record: &MachineRecord,
        secrets: &[NewSecret],
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let _changing = self.boot_index.changing_machine(record, Some(before));
        let mut transaction = self.writer.begin().await?;
        if update_on_conn(&mut transaction, before, record).await? == Swap::Stale {
            return Ok(Swap::Stale);
        }
        secret::put_on_conn(&mut transaction, secrets).await?;
        event::insert_on_conn(&mut transaction, events, now).await?;
        transaction.commit().await?;
        Ok(Swap::Updated)
    }

    /// Forgets jobs that ended before a time, but for the last one of each machine.
    pub(crate) async fn job_prune(&self, before: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM job WHERE ended < $1 AND id NOT IN (SELECT job FROM machine WHERE job IS NOT NULL)",
        )
        .bind(micros(before))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Forgets a machine, if nobody changed it since it was loaded. Its events stay.
    pub(crate) async fn machine_delete(
        &self,
        record: &MachineRecord,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let _changing = self.boot_index.changing_machine(record, None);
        let mut transaction = self.writer.begin().await?;
        let gone = sqlx::query("DELETE FROM machine WHERE id = $1 AND version = $2")
            .bind(record.id().to_string())
            .bind(record.version as i64)
            .execute(&mut *transaction)
            .await
            .map_err(|error| taken(error, "machine", || format!("machine `{}`", record.name)))?;
        if gone.rows_affected() == 0 {
            return Ok(Swap::Stale);
        }
        sqlx::query("DELETE FROM secret WHERE owner = $1")
            .bind(format!("machine {}", record.id()))
            .execute(&mut *transaction)
            .await?;
        event::insert_on_conn(&mut transaction, events, now).await?;
        transaction.commit().await?;
        Ok(Swap::Updated)
    }
}

/// Loads a machine on a connection or transaction.
pub(super) async fn machine_on_conn(
    conn: &mut SqliteConnection,
    id: MachineId,
) -> Result<Option<MachineRecord>, StoreError> {
    let row = sqlx::query("SELECT id, name, version, generation, spec, want, facts, standing, job, created FROM machine WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    match row {
        Some(row) => Ok(Some(from_row(conn, &row).await?)),
        None => Ok(None),
    }
}

/// Writes what is different of a machine, its MACs, its job and its steps on a transaction, by compare-and-set.
///
/// Most changes are facts, a progress report a second among them: they don't write ten rows more.
pub(super) async fn update_on_conn(
    conn: &mut SqliteConnection,
    before: &MachineRecord,
    record: &MachineRecord,
) -> Result<Swap, StoreError> {
    let machine = &record.machine;
    let changed = sqlx::query(
        "UPDATE machine SET name = $1, version = version + 1, state = $2, spec = $3, want = $4, facts = $5,
         standing = $6, job = $7, generation = $10 WHERE id = $8 AND version = $9",
    )
    .bind(&record.name)
    .bind(word(&machine.state.name))
    .bind(json(&record.spec))
    .bind(json(&machine.want))
    .bind(json(&machine.facts))
    .bind(json(&machine.state))
    .bind(machine.job.as_ref().map(|job| job.id.to_string()))
    .bind(machine.id.to_string())
    .bind(record.version as i64)
    .bind(record.generation as i64)
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, "name", || format!("the machine name `{}`", record.name)))?;
    if changed.rows_affected() == 0 {
        return Ok(Swap::Stale);
    }
    if before.spec.macs != record.spec.macs {
        macs_on_conn(conn, record).await?;
    }
    if before.spec.bmc != record.spec.bmc {
        machine_bmc::put_on_conn(conn, record).await?;
    }
    if let Some(job) = machine.job.as_ref().filter(|_| before.machine.job != machine.job) {
        job_on_conn(conn, machine.id, job).await?;
    }
    Ok(Swap::Updated)
}

async fn macs_on_conn(conn: &mut SqliteConnection, record: &MachineRecord) -> Result<(), StoreError> {
    let id = record.id().to_string();
    let known: Vec<String> = sqlx::query_scalar("SELECT mac FROM machine_mac WHERE machine = $1")
        .bind(&id)
        .fetch_all(&mut *conn)
        .await?;
    for mac in known.iter().filter(|mac| !record.spec.macs.contains(mac)) {
        sqlx::query("DELETE FROM machine_mac WHERE mac = $1").bind(mac).execute(&mut *conn).await?;
    }
    for mac in record.spec.macs.iter().filter(|mac| !known.contains(mac)) {
        let other: Option<String> = sqlx::query_scalar(
            "SELECT machine.name FROM machine_mac JOIN machine ON machine.id = machine_mac.machine WHERE mac = $1",
        )
        .bind(mac)
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(other) = other {
            let what = format!("the MAC address {mac}");
            let mend = format!(
                "machine `{other}` has it: accept that one and set its BMC, or forget it with `billet machine delete {other}`"
            );
            return Err(StoreError::Taken { what, field: "macs", mend });
        }
        sqlx::query("INSERT INTO machine_mac (mac, machine) VALUES ($1, $2)")
            .bind(mac)
            .bind(&id)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

async fn job_on_conn(conn: &mut SqliteConnection, machine: MachineId, job: &Job) -> Result<(), StoreError> {
    // A job that another one takes the place of ends with it.
    sqlx::query("UPDATE job SET ended = $1 WHERE machine = $2 AND id <> $3 AND ended IS NULL")
        .bind(micros(job.started))
        .bind(machine.to_string())
        .bind(job.id.to_string())
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO job (id, machine, kind, epoch, restarts, started, ended) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, restarts = excluded.restarts, ended = excluded.ended",
    )
    .bind(job.id.to_string())
    .bind(machine.to_string())
    .bind(word(&job.kind))
    .bind(job.epoch as i64)
    .bind(i64::from(job.restarts))
    .bind(micros(job.started))
    .bind(job.ended.map(micros))
    .execute(&mut *conn)
    .await?;
    for (seq, step) in job.steps.iter().enumerate() {
        step_on_conn(conn, job.id, seq, step).await?;
    }
    // A job that a newer program starts anew may have other steps.
    sqlx::query("DELETE FROM step WHERE job = $1 AND seq >= $2")
        .bind(job.id.to_string())
        .bind(job.steps.len() as i64)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

async fn step_on_conn(
    conn: &mut SqliteConnection,
    job: JobId,
    seq: usize,
    step: &Step,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO step (job, seq, name, attempt, phase, started, ended, not_before, result, asked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (job, seq) DO UPDATE SET name = excluded.name, attempt = excluded.attempt, phase = excluded.phase,
         started = excluded.started, ended = excluded.ended, not_before = excluded.not_before, result = excluded.result,
         asked = excluded.asked",
    )
    .bind(job.to_string())
    .bind(seq as i64)
    .bind(step.name.word())
    .bind(i64::from(step.attempt))
    .bind(word(&step.phase))
    .bind(step.started.map(micros))
    .bind(step.ended.map(micros))
    .bind(step.not_before.map(micros))
    .bind(&step.result)
    .bind(step.asked.map(micros))
    .execute(&mut *conn)
    .await?;
    Ok(())
}

async fn from_row(conn: &mut SqliteConnection, row: &SqliteRow) -> Result<MachineRecord, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("machine {id}, column {column}");
    let job: Option<String> = row.try_get("job")?;
    let job = match job {
        Some(job) => job_get(conn, &job).await?,
        None => None,
    };
    let machine = Machine {
        id: document(|| place("id"), &format!("\"{id}\""))?,
        want: document(|| place("want"), row.try_get("want")?)?,
        facts: document(|| place("facts"), row.try_get("facts")?)?,
        state: document(|| place("standing"), row.try_get("standing")?)?,
        job,
    };
    let version: i64 = row.try_get("version")?;
    Ok(MachineRecord {
        version: version as u64,
        generation: row.try_get::<i64, _>("generation")? as u64,
        name: row.try_get("name")?,
        spec: document(|| place("spec"), row.try_get("spec")?)?,
        machine,
        created: time(row.try_get("created")?),
    })
}

async fn job_get(conn: &mut SqliteConnection, id: &str) -> Result<Option<Job>, StoreError> {
    let row = sqlx::query("SELECT kind, epoch, restarts, started, ended FROM job WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let rows = sqlx::query(
        "SELECT name, attempt, phase, started, ended, not_before, result, asked FROM step WHERE job = $1 ORDER BY seq",
    )
    .bind(id)
    .fetch_all(&mut *conn)
    .await?;
    let steps = rows.iter().map(|row| step_from_row(id, row)).collect::<Result<_, _>>()?;
    let quoted = |text: String| format!("\"{text}\"");
    let ended: Option<i64> = row.try_get("ended")?;
    Ok(Some(Job {
        id: document(|| format!("job {id}"), &quoted(id.to_owned()))?,
        kind: document(|| format!("job {id}, column kind"), &quoted(row.try_get("kind")?))?,
        epoch: row.try_get::<i64, _>("epoch")? as u64,
        restarts: row.try_get::<i64, _>("restarts")? as u32,
        started: time(row.try_get("started")?),
        ended: ended.map(time),
        steps,
    }))
}

fn step_from_row(job: &str, row: &SqliteRow) -> Result<Step, StoreError> {
    let place = |column: &str| format!("step of job {job}, column {column}");
    let at = |column: &str| row.try_get::<Option<i64>, _>(column).map(|at| at.map(time));
    let quoted = |column: &str| row.try_get::<String, _>(column).map(|text| format!("\"{text}\""));
    Ok(Step {
        name: document(|| place("name"), &quoted("name")?)?,
        attempt: row.try_get::<i64, _>("attempt")? as u32,
        phase: document(|| place("phase"), &quoted("phase")?)?,
        started: at("started")?,
        ended: at("ended")?,
        not_before: at("not_before")?,
        result: row.try_get("result")?,
        asked: at("asked")?,
    })
}
