//! What allocation reads and writes beside the pairs themselves: who waits, which machines are free, and why some go on
//! waiting. And what a restart picks up: who listens again, and what there is to look at.

use super::{
    InstanceRecord, InstanceStanding, MachineRecord, NewEvent, Store, StoreError, Swap, document, event,
    instance, machine,
};
use jiff::Timestamp;
use provisioner_api::{InstanceId, InstanceState, MachineId};
use provisioner_lifecycle::{Fact, observe};
use sqlx::{AssertSqlSafe, Row};

/// How many machines are loaded at once where all of them are gone through.
const PAGE: u32 = 500;

/// Where free machines are, so that the partial index serves.
const FREE: &str = "machine.state = 'available' AND machine.owner IS NULL AND NOT machine.held";

/// One of the instances there are, in short.
pub(crate) struct InstanceRest {
    /// Which.
    pub(crate) id: InstanceId,
    /// Whether it runs and nobody asked for it to be given back.
    pub(crate) rests: bool,
}

impl Store {
    /// The instances that have no machine, in the order in which they were asked for.
    pub(crate) async fn instance_pending(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        let columns = instance::INSTANCE;
        let text = format!("SELECT {columns} FROM instance WHERE machine IS NULL ORDER BY created, id");
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *self.reader.get().await?).await?;
        rows.iter().map(instance::from_row).collect()
    }

    /// Machines of a pool that nobody has and that are not held, by name, after that name.
    pub(crate) async fn machine_free(
        &self,
        pool: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<MachineRecord>, StoreError> {
        let columns = machine::MACHINE;
        let text = format!(
            "SELECT {columns} FROM machine LEFT JOIN job ON job.id = machine.job
             WHERE machine.pool = $1 AND {FREE} AND machine.name > $2 ORDER BY machine.name LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(pool).bind(after).bind(limit);
        query.fetch_all(&mut *self.reader.get().await?).await?.iter().map(machine::from_row).collect()
    }

    /// Shows every machine, by name. Not one moment's picture: what changes meanwhile is seen before or after.
    pub(crate) async fn machine_each(&self, mut see: impl FnMut(&MachineRecord)) -> Result<(), StoreError> {
        let columns = machine::MACHINE;
        let text = format!(
            "SELECT {columns} FROM machine LEFT JOIN job ON job.id = machine.job
             WHERE machine.name > $1 ORDER BY machine.name LIMIT $2"
        );
        let mut after = String::new();
        loop {
            let query = sqlx::query(AssertSqlSafe(text.clone())).bind(&after).bind(PAGE);
            let rows = query.fetch_all(&mut *self.reader.get().await?).await?;
            for row in &rows {
                let record = machine::from_row(row)?;
                see(&record);
                after = record.name;
            }
            if rows.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Writes what is so of instances that get no machine; one that was changed since it was loaded is passed over. One
    /// transaction, because a thousand may wait for the same.
    pub(crate) async fn instances_wait(
        &self,
        instances: &[(InstanceRecord, Option<NewEvent>)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for (record, told) in instances {
            if instance::update_on_conn(&mut transaction, record).await? == Swap::Updated {
                event::insert_on_conn(&mut transaction, told.as_slice(), now).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Takes down, in one transaction, that the service listens again: for each machine on which a job runs, because
    /// nobody could be heard while it was down. Answers which these are.
    pub(crate) async fn machines_listen(&self, now: Timestamp) -> Result<Vec<MachineId>, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let columns = machine::MACHINE;
        let text = format!(
            "SELECT {columns} FROM job JOIN machine ON machine.job = job.id WHERE job.ended IS NULL ORDER BY job.started"
        );
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *transaction).await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            let before = machine::from_row(row)?;
            let after = observe(&before.machine, &Fact::Listening, now);
            let after = MachineRecord { machine: after, ..before.clone() };
            // The only connection that writes has read them: nobody was faster.
            self.recent.forget(before.id());
            machine::update_on_conn(&mut transaction, &before, &after).await?;
            ids.push(before.id());
        }
        transaction.commit().await?;
        Ok(ids)
    }

    /// All instances in short, oldest first.
    pub(crate) async fn instance_rests(&self) -> Result<Vec<InstanceRest>, StoreError> {
        let rows = sqlx::query("SELECT id, state, standing FROM instance ORDER BY created, id")
            .fetch_all(&mut *self.reader.get().await?)
            .await?;
        let rest = |row: &sqlx::sqlite::SqliteRow| {
            let id: String = row.try_get("id")?;
            let place = |column: &str| format!("instance {id}, column {column}");
            let state: String = row.try_get("state")?;
            let state: InstanceState = document(|| place("state"), &format!("\"{state}\""))?;
            let standing: InstanceStanding = document(|| place("standing"), row.try_get("standing")?)?;
            let rests = state == InstanceState::Running && standing.release.is_none();
            Ok(InstanceRest { id: document(|| place("id"), &format!("\"{id}\""))?, rests })
        };
        rows.iter().map(rest).collect()
    }
}
