//! Machines, with their MACs and their job.
//!
//! A machine is read by one statement, its job and what an agent found in it with it. Deliberately not here: lists of
//! them (`page`).

use super::{
    InstanceRecord, NewEvent, NewSecret, Store, StoreError, Swap,
    batch::{Batch, Failed, Part},
    damage::legible,
    db::{Conn, DbError, DbErrorKind, Row, Statement, again, sql},
    document,
    erasure::Ended,
    event, json, machine_bmc, machine_inventory,
    memory::{Touched, Work},
    micros, secret, taken, time,
    writer::Write,
};
use crate::text::word;
use jiff::Timestamp;
use provisioner_api::{InstanceId, MachineId, MachineSpec};
use provisioner_lifecycle::{Facts, Job, Machine};

macro_rules! job_columns {
    () => {
        "job.id AS j_id, job.kind AS j_kind, job.epoch AS j_epoch, job.restarts AS j_restarts, job.started AS j_started,
    job.ended AS j_ended, job.steps AS j_steps"
    };
}

/// The columns of a job, as [`job_from_row`] reads them.
pub(super) const JOB: &str = job_columns!();

/// The columns of a machine and its job, as [`from_row`] reads them, and where they come from.
pub(super) const MACHINE: &str = concat!(
    "machine.id AS m_id, machine.name AS m_name, machine.version AS m_version,
    machine.generation AS m_generation, machine.spec AS m_spec, machine.want AS m_want, machine.facts AS m_facts,
    machine.standing AS m_standing, machine.created AS m_created, ",
    job_columns!(),
    ", (SELECT document FROM machine_inventory WHERE machine_inventory.machine = machine.id) AS m_inventory"
);

/// The columns of [`MACHINE`] of machines that are given by the rest of the statement.
fn select(rest: &str) -> Statement {
    sql(format!("SELECT {MACHINE} FROM machine LEFT JOIN job ON job.id = machine.job {rest}"))
}

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

    /// The same with something else known of the machine.
    pub(crate) fn with(&self, machine: Machine) -> Self {
        let Self { version, generation, created, .. } = *self;
        Self { version, generation, name: self.name.clone(), spec: self.spec.clone(), machine, created }
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
        let changing = self.boot_index.changing_machine(record, None);
        let touched = Touched::default().new_machine(record).secrets(secrets);
        let mut batch = Batch::new();
        add_insert(&mut batch, record);
        secret::add(&mut batch, secrets);
        event::add(&mut batch, events, now);
        let done = self.writer.write(Write { batch, touched, changing: Some(changing) }).await;
        match done {
            Ok(_) => Ok(()),
            Err(Failed { part: Part::Machine, error }) => Err(name_taken(error, record)),
            Err(Failed { part: Part::Place, error }) => Err(self.place_taken(error, record).await),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Whose a MAC or a BMC is for which a machine could not be written.
    async fn place_taken(&self, error: DbError, record: &MachineRecord) -> StoreError {
        if error.kind() != DbErrorKind::Unique {
            return error.into();
        }
        let whose = async {
            let mut conn = self.reader.get().await?;
            for mac in &record.spec.macs {
                if let Some(taken) = mac_taken(&mut conn, mac).await? {
                    return Ok(Some(taken));
                }
            }
            machine_bmc::taken(&mut conn, record).await
        };
        match whose.await {
            Ok(Some(taken)) => taken,
            // Whoever had it has let it go since.
            Ok(None) => taken(error, "macs", || "a MAC address or the BMC".to_owned()),
            Err(error) => error,
        }
    }

    /// All machines by name, but for those whose rows are damaged.
    pub(crate) async fn machine_list(&self) -> Result<Vec<MachineRecord>, StoreError> {
        let rows = (select("ORDER BY machine.name")).fetch_all(&mut *self.reader.get().await?).await?;
        rows.iter().filter_map(|row| legible(from_row(row)).transpose()).collect()
    }

    /// The MACs of all machines.
    pub(crate) async fn machine_macs(&self) -> Result<Vec<(String, MachineId)>, StoreError> {
        let rows =
            sql("SELECT mac, machine FROM machine_mac").fetch_all(&mut *self.reader.get().await?).await?;
        let mut macs = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Ok(id) = row.try_get::<&str>("machine")?.parse() {
                macs.push((row.try_get("mac")?, id));
            }
        }
        Ok(macs)
    }

    /// The ids of all machines.
    pub(crate) async fn machine_ids(&self) -> Result<Vec<MachineId>, StoreError> {
        let ids: Vec<String> = sql("SELECT id FROM machine").scalars(&mut *self.reader.get().await?).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// One machine by id.
    pub(crate) async fn machine_get(&self, id: MachineId) -> Result<Option<MachineRecord>, StoreError> {
        if let Some(record) = self.recent.machines.get(&id) {
            return Ok(Some(record));
        }
        let query = (select("WHERE machine.id = $1")).bind(id.to_string());
        query.fetch_optional(&mut *self.reader.get().await?).await?.as_ref().map(from_row).transpose()
    }

    /// What an agent's reports are held against; none: there is no such machine.
    pub(crate) async fn machine_work(&self, id: MachineId) -> Result<Option<Work>, StoreError> {
        if let Some(work) = self.recent.works.get(&id) {
            return Ok(Some(work));
        }
        let reading = self.recent.works.reading();
        let Some(record) = self.machine_get(id).await? else { return Ok(None) };
        let work = Work::of(&record);
        self.recent.works.keep_read(reading, id, work);
        Ok(Some(work))
    }

    /// One machine by name or id, for people.
    pub(crate) async fn machine_find(&self, key: &str) -> Result<Option<MachineRecord>, StoreError> {
        let query = (select("WHERE machine.name = $1 OR machine.id = $1")).bind(key);
        query.fetch_optional(&mut *self.api_reader.get().await?).await?.as_ref().map(from_row).transpose()
    }

    /// The machine that boots from this MAC.
    pub(crate) async fn machine_by_mac(&self, mac: &str) -> Result<Option<MachineRecord>, StoreError> {
        let of = "WHERE machine.id = (SELECT machine FROM machine_mac WHERE mac = $1)";
        let row = (select(of)).bind(mac).fetch_optional(&mut *self.reader.get().await?).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Whose a MAC is.
    pub(crate) async fn machine_id_by_mac(&self, mac: &str) -> Result<Option<MachineId>, StoreError> {
        let id: Option<String> = sql("SELECT machine FROM machine_mac WHERE mac = $1")
            .bind(mac)
            .scalar_optional(&mut *self.reader.get().await?)
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
        let ended = self.ended(before, record, now)?;
        again!({
            let changing = self.boot_index.changing_machine(record, Some(before));
            let touched = Touched::default().machine(before, record).secrets(secrets);
            #[cfg(debug_assertions)]
            crate::die::before_write(before, record);
            if !secrets.is_empty() || places_change(before, record) {
                let mut transaction = self.writer.begin().await?;
                self.recent.begin(&touched);
                if update_on_conn(&mut transaction, before, record, &ended).await? == Swap::Stale {
                    self.recent.end(touched, false);
                    return Ok(Swap::Stale);
                }
                secret::put_on_conn(&mut transaction, secrets).await?;
                event::insert_on_conn(&mut transaction, events, now).await?;
                transaction.commit_held().await?;
                self.recent.end(touched, true);
                return Ok(Swap::Updated);
            }
            let mut batch = Batch::new();
            add_update(&mut batch, before, record, &ended);
            event::add(&mut batch, events, now);
            let done = self.writer.write(Write { batch, touched, changing: Some(changing) }).await;
            #[cfg(debug_assertions)]
            crate::die::after_write(before, record, done.as_ref().map(|written| written.swap).ok());
            done.map(|written| written.swap).map_err(|failed| match failed.part {
                Part::Machine => name_taken(failed.error, record),
                _ => failed.error.into(),
            })
        })
    }

    /// Forgets jobs that ended before a time, but for the last one of each machine.
    pub(crate) async fn job_prune(&self, before: Timestamp) -> Result<(), StoreError> {
        let old =
            "DELETE FROM job WHERE ended < $1 AND id NOT IN (SELECT job FROM machine WHERE job IS NOT NULL)";
        self.writer.run(sql(old).bind(micros(before))).await?;
        Ok(())
    }

    /// Forgets a machine, if nobody changed it since it was loaded. Its events stay.
    pub(crate) async fn machine_delete(
        &self,
        record: &MachineRecord,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        self.machine_and_instance_delete(record, None, events, now).await
    }

    /// The same together with the instance that has it.
    pub(crate) async fn machine_and_instance_delete(
        &self,
        record: &MachineRecord,
        instance: Option<&InstanceRecord>,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        again!({
            let _changing = self.boot_index.changing_machine(record, None);
            let mut touched = Touched::default().gone_machine(record.id());
            if let Some(instance) = instance {
                touched = touched.gone_instance(instance.id);
            }
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            if let Some(instance) = instance
                && super::instance::delete_on_conn(&mut transaction, instance).await? == Swap::Stale
            {
                self.recent.end(touched, false);
                return Ok(Swap::Stale);
            }
            let gone = sql("DELETE FROM machine WHERE id = $1 AND version = $2")
                .bind(record.id().to_string())
                .bind(record.version as i64)
                .execute(&mut transaction)
                .await
                .map_err(|error| taken(error, "machine", || format!("machine `{}`", record.name)))?;
            if gone == 0 {
                self.recent.end(touched, false);
                return Ok(Swap::Stale);
            }
            sql("DELETE FROM secret WHERE owner = $1")
                .bind(format!("machine {}", record.id()))
                .execute(&mut transaction)
                .await?;
            event::insert_on_conn(&mut transaction, events, now).await?;
            transaction.commit_held().await?;
            self.recent.end(touched, true);
            Ok(Swap::Updated)
        })
    }
}

/// One machine by id, on a transaction.
pub(super) async fn on_conn(conn: &mut Conn, id: &str) -> Result<Option<MachineRecord>, StoreError> {
    let query = select("WHERE machine.id = $1").bind(id);
    query.fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// Writes what is different of a machine, its MACs and its job on a transaction, by compare-and-set; and the record of a wiping
/// that ended with it.
///
/// Most changes are of facts alone: what they leave as it was is neither made into text nor looked up in an index.
pub(super) async fn update_on_conn(
    conn: &mut Conn,
    before: &MachineRecord,
    record: &MachineRecord,
    ended: &Ended,
) -> Result<Swap, StoreError> {
    let mut statement = Statement::default();
    push_update(&mut statement, before, record);
    if statement.execute(conn).await.map_err(|error| name_taken(error, record))? == 0 {
        return Ok(Swap::Stale);
    }
    if before.spec.macs != record.spec.macs {
        macs_on_conn(conn, record).await?;
    }
    if before.spec.bmc != record.spec.bmc {
        machine_bmc::put_on_conn(conn, record).await?;
    }
    inventory_on_conn(conn, before, record).await?;
    for (push, job) in job_pushes(before, record) {
        let mut statement = Statement::default();
        push(&mut statement, record, job);
        statement.execute(conn).await?;
    }
    ended.insert_on_conn(conn).await?;
    Ok(Swap::Updated)
}

/// The same of a machine whose [`places_change`] not, in a batch.
pub(super) fn add_update(batch: &mut Batch, before: &MachineRecord, record: &MachineRecord, ended: &Ended) {
    batch.swap(Part::Machine, |text| push_update(text, before, record));
    if machine_inventory::is_changed(Some(before), record) {
        batch.add(Part::Rest, |text| machine_inventory::push(text, record));
    }
    for (push, job) in job_pushes(before, record) {
        batch.add(Part::Rest, |text| push(text, record, job));
    }
    ended.add(batch);
}

/// The statements that add a machine without a job.
fn add_insert(batch: &mut Batch, record: &MachineRecord) {
    batch.add(Part::Machine, |text| {
        text.push(
            "INSERT INTO machine (id, name, version, generation, state, spec, want, facts, standing, created, pool,
             owner, held) VALUES ",
        );
        text.push_row([
            record.id().to_string().into(),
            (&record.name).into(),
            (record.version as i64).into(),
            (record.generation as i64).into(),
            word(&record.machine.state.name).into(),
            json(&record.spec).into(),
            json(&record.machine.want).into(),
            json(&record.machine.facts).into(),
            json(&record.machine.state).into(),
            micros(record.created).into(),
            (&record.spec.pool).into(),
            record.owner().map(|owner| owner.to_string()).into(),
            record.machine.state.hold.is_some().into(),
        ]);
    });
    for mac in &record.spec.macs {
        batch.add(Part::Place, |text| push_mac(text, mac, record));
    }
    let mut bmc = Statement::default();
    if machine_bmc::push(&mut bmc, record) {
        batch.add(Part::Place, |text| *text = bmc);
    }
    if machine_inventory::is_changed(None, record) {
        batch.add(Part::Rest, |text| machine_inventory::push(text, record));
    }
}

fn push_mac(query: &mut Statement, mac: &str, record: &MachineRecord) {
    query.push("INSERT INTO machine_mac (mac, machine) VALUES ");
    query.push_row([mac.into(), record.id().to_string().into()]);
}

/// Whether what others may have already, and that is looked up first, becomes another.
pub(super) fn places_change(before: &MachineRecord, record: &MachineRecord) -> bool {
    before.spec.macs != record.spec.macs || before.spec.bmc != record.spec.bmc
}

pub(super) fn name_taken(error: DbError, record: &MachineRecord) -> StoreError {
    taken(error, "name", || format!("the machine name `{}`", record.name))
}

/// The statement that writes the columns that are others than before, if nobody else wrote since.
fn push_update(query: &mut Statement, before: &MachineRecord, record: &MachineRecord) {
    let (was, is) = (&before.machine, &record.machine);
    query.push("UPDATE machine SET version = version + 1");
    if before.name != record.name {
        query.push(", name = ").push_bind(record.name.clone());
    }
    if before.generation != record.generation {
        query.push(", generation = ").push_bind(record.generation as i64);
    }
    if before.spec != record.spec {
        query.push(", spec = ").push_bind(json(&record.spec));
    }
    if before.spec.pool != record.spec.pool {
        query.push(", pool = ").push_bind(record.spec.pool.clone());
    }
    if was.want != is.want {
        query.push(", want = ").push_bind(json(&is.want));
    }
    if before.owner() != record.owner() {
        query.push(", owner = ").push_bind(record.owner().map(|owner| owner.to_string()));
    }
    if was.facts != is.facts {
        query.push(", facts = ").push_bind(json(&is.facts));
    }
    if was.state != is.state {
        query.push(", standing = ").push_bind(json(&is.state));
    }
    if was.state.name != is.state.name {
        query.push(", state = ").push_bind(word(&is.state.name));
    }
    if was.state.hold.is_some() != is.state.hold.is_some() {
        query.push(", held = ").push_bind(is.state.hold.is_some());
    }
    let job = |machine: &Machine| machine.job.as_ref().map(|job| job.id);
    if job(was) != job(is) {
        query.push(", job = ").push_bind(job(is).map(|job| job.to_string()));
    }
    query.push(" WHERE id = ").push_bind(is.id.to_string());
    query.push(" AND version = ").push_bind(record.version as i64);
}

async fn inventory_on_conn(
    conn: &mut Conn,
    before: &MachineRecord,
    record: &MachineRecord,
) -> Result<(), StoreError> {
    if machine_inventory::is_changed(Some(before), record) {
        let mut statement = Statement::default();
        machine_inventory::push(&mut statement, record);
        statement.execute(conn).await?;
    }
    Ok(())
}

async fn macs_on_conn(conn: &mut Conn, record: &MachineRecord) -> Result<(), StoreError> {
    let id = record.id().to_string();
    let known: Vec<String> =
        sql("SELECT mac FROM machine_mac WHERE machine = $1").bind(&id).scalars(&mut *conn).await?;
    for mac in known.iter().filter(|mac| !record.spec.macs.contains(mac)) {
        sql("DELETE FROM machine_mac WHERE mac = $1").bind(mac).execute(&mut *conn).await?;
    }
    for mac in record.spec.macs.iter().filter(|mac| !known.contains(mac)) {
        if let Some(taken) = mac_taken(conn, mac).await? {
            return Err(taken);
        }
        let mut statement = Statement::default();
        push_mac(&mut statement, mac, record);
        let done = statement.execute(&mut *conn).await;
        done.map_err(|error| taken(error, "macs", || format!("the MAC address {mac}")))?;
    }
    Ok(())
}

/// That a MAC is a machine's already, if it is.
async fn mac_taken(conn: &mut Conn, mac: &str) -> Result<Option<StoreError>, StoreError> {
    let text = "SELECT machine.name FROM machine_mac JOIN machine ON machine.id = machine_mac.machine WHERE mac = $1";
    let other: Option<String> = sql(text).bind(mac).scalar_optional(conn).await?;
    Ok(other.map(|other| StoreError::Taken {
        what: format!("the MAC address {mac}"),
        field: "macs",
        mend: format!(
            "machine `{other}` has it: accept that one and set its BMC, or forget it with `billet machine delete {other}`"
        ),
    }))
}

/// A statement about a job of a machine.
type PushJob = fn(&mut Statement, &MachineRecord, &Job);

/// The statements that write a machine's job if it is another than before; a new one ends those that it takes the place
/// of.
fn job_pushes<'a>(
    before: &MachineRecord,
    record: &'a MachineRecord,
) -> impl Iterator<Item = (PushJob, &'a Job)> {
    let (was, is) = (&before.machine.job, &record.machine.job);
    let job = is.as_ref().filter(|_| was != is);
    let new = job.filter(|job| was.as_ref().is_none_or(|known| known.id != job.id));
    let end = new.map(|job| (push_end_of_others as PushJob, job));
    end.into_iter().chain(job.map(|job| (push_job as PushJob, job)))
}

fn push_end_of_others(query: &mut Statement, record: &MachineRecord, job: &Job) {
    query.push("UPDATE job SET ended = ").push_bind(micros(job.started));
    query.push(" WHERE machine = ").push_bind(record.id().to_string());
    query.push(" AND id <> ").push_bind(job.id.to_string()).push(" AND ended IS NULL");
}

/// With its steps.
fn push_job(query: &mut Statement, record: &MachineRecord, job: &Job) {
    query.push("INSERT INTO job (id, machine, kind, epoch, restarts, started, ended, steps) VALUES ");
    query.push_row([
        job.id.to_string().into(),
        record.id().to_string().into(),
        word(&job.kind).into(),
        (job.epoch as i64).into(),
        i64::from(job.restarts).into(),
        micros(job.started).into(),
        job.ended.map(micros).into(),
        json(&job.steps).into(),
    ]);
    query.push(
        " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, restarts = excluded.restarts,
         ended = excluded.ended, steps = excluded.steps",
    );
}

/// Reads [`MACHINE`].
pub(super) fn from_row(row: &Row) -> Result<MachineRecord, StoreError> {
    let id: String = row.try_get("m_id")?;
    let place = |column: &str| format!("machine {id}, column {column}");
    let parsed = document(|| place("id"), &format!("\"{id}\""))?;
    let mut facts: Facts = document(|| place("facts"), row.try_get("m_facts")?)?;
    facts.inventory = machine_inventory::from_row(row, parsed)?;
    let machine = Machine {
        id: parsed,
        want: document(|| place("want"), row.try_get("m_want")?)?,
        facts,
        state: document(|| place("standing"), row.try_get("m_standing")?)?,
        job: job_from_row(row)?,
    };
    Ok(MachineRecord {
        version: row.try_get::<i64>("m_version")? as u64,
        generation: row.try_get::<i64>("m_generation")? as u64,
        name: row.try_get("m_name")?,
        spec: document(|| place("spec"), row.try_get("m_spec")?)?,
        machine,
        created: time(row.try_get("m_created")?),
    })
}

/// A job; none where a machine has none.
pub(super) fn job_from_row(row: &Row) -> Result<Option<Job>, StoreError> {
    let Some(id) = row.try_get::<Option<String>>("j_id")? else { return Ok(None) };
    let place = |column: &str| format!("job {id}, column {column}");
    let quoted = |text: &str| format!("\"{text}\"");
    let ended: Option<i64> = row.try_get("j_ended")?;
    Ok(Some(Job {
        id: document(|| place("id"), &quoted(&id))?,
        kind: document(|| place("kind"), &quoted(row.try_get("j_kind")?))?,
        epoch: row.try_get::<i64>("j_epoch")? as u64,
        restarts: row.try_get::<i64>("j_restarts")? as u32,
        started: time(row.try_get("j_started")?),
        ended: ended.map(time),
        steps: document(|| place("steps"), row.try_get("j_steps")?)?,
    }))
}
