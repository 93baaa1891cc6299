//! What allocation reads and writes beside the pairs themselves: who waits, which machines are free, and why some go on
//! waiting. And what a restart picks up: who listens again, and what there is to look at.

use super::{
    InstanceRecord, InstanceStanding, MachineRecord, NewEvent, Store, StoreError, Swap,
    damage::legible,
    db::{Conn, Row, again, sql},
    document,
    erasure::Ended,
    event, instance, machine,
    memory::Touched,
};
use jiff::Timestamp;
use provisioner_api::{InstanceId, InstanceState, MachineId};
use provisioner_lifecycle::{Fact, observe};

/// How many machines are loaded at once where all of them are gone through.
const PAGE: u32 = 500;

/// Where free machines are, so that the partial index serves.
const FREE: &str = "machine.state = 'available' AND machine.owner IS NULL AND NOT machine.held";

/// A page of free machines.
pub(crate) struct FreeMachines {
    /// Those that can be read.
    pub(crate) records: Vec<MachineRecord>,
    /// The name behind which the next page begins; none: this is the last one.
    pub(crate) next: Option<String>,
}

/// One of the instances there are, in short.
pub(crate) struct InstanceRest {
    /// Which.
    pub(crate) id: InstanceId,
    /// Whether it runs and nobody asked for it to be given back.
    pub(crate) rests: bool,
}

impl Store {
    /// The instances that have no machine, in the order in which they were asked for. A damaged one goes on waiting.
    pub(crate) async fn instance_pending(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        let columns = instance::INSTANCE;
        let text = format!("SELECT {columns} FROM instance WHERE machine IS NULL ORDER BY created, id");
        let rows = sql(text).fetch_all(&mut *self.reader.get().await?).await?;
        rows.iter().filter_map(|row| legible(instance::from_row(row)).transpose()).collect()
    }

    /// Machines of a pool that nobody has and that are not held, by name, after that name. A damaged one is given to
    /// nobody.
    pub(crate) async fn machine_free(
        &self,
        pool: &str,
        after: &str,
        limit: u32,
    ) -> Result<FreeMachines, StoreError> {
        let columns = machine::MACHINE;
        let text = format!(
            "SELECT {columns} FROM machine LEFT JOIN job ON job.id = machine.job
             WHERE machine.pool = $1 AND {FREE} AND machine.name > $2 ORDER BY machine.name LIMIT $3 + 0"
        );
        let query = sql(text).bind(pool).bind(after).bind(limit);
        let rows = query.fetch_all(&mut *self.reader.get().await?).await?;
        let next = match rows.last() {
            Some(last) if rows.len() == limit as usize => Some(last.try_get("m_name")?),
            _ => None,
        };
        let records = rows
            .iter()
            .filter_map(|row| legible(machine::from_row(row)).transpose())
            .collect::<Result<_, _>>()?;
        Ok(FreeMachines { records, next })
    }

    /// Shows every machine, or each of a pool, by name, and answers which are damaged. Not one moment's picture: what changes
    /// meanwhile is seen before or after.
    pub(crate) async fn machine_each(
        &self,
        pool: Option<&str>,
        mut see: impl FnMut(&MachineRecord),
    ) -> Result<Vec<MachineId>, StoreError> {
        let columns = machine::MACHINE;
        let (mut after, mut damaged) = (String::new(), Vec::new());
        loop {
            let mut query = sql(format!(
                "SELECT {columns} FROM machine LEFT JOIN job ON job.id = machine.job WHERE machine.name > "
            ));
            query.push_bind(after);
            if let Some(pool) = pool {
                query.push(" AND machine.pool = ").push_bind(pool);
            }
            query.push(" ORDER BY machine.name").push_limit(PAGE);
            let rows = query.fetch_all(&mut *self.reader.get().await?).await?;
            for row in &rows {
                match legible(machine::from_row(row))? {
                    Some(record) => see(&record),
                    None => damaged.extend(row.try_get::<&str>("m_id")?.parse::<MachineId>().ok()),
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = last.try_get("m_name")?,
                _ => return Ok(damaged),
            }
        }
    }

    /// How many machines there are in other pools than these.
    pub(crate) async fn machine_count_outside(&self, pools: &[String]) -> Result<usize, StoreError> {
        let mut query = sql("SELECT COUNT(*) FROM machine");
        if !pools.is_empty() {
            query.push(" WHERE pool NOT IN (");
            for (place, pool) in pools.iter().enumerate() {
                query.push(if place > 0 { ", " } else { "" }).push_bind(pool.clone());
            }
            query.push(")");
        }
        let count: i64 = query.scalar(&mut *self.reader.get().await?).await?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Writes what is so of instances that get no machine; one that was changed since it was loaded is passed over. One
    /// transaction, because a thousand may wait for the same.
    pub(crate) async fn instances_wait(
        &self,
        instances: &[(InstanceRecord, Option<NewEvent>)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            for (record, told) in instances {
                self.recent.begin(&Touched::default().changed_instance(record.id));
                if instance::update_on_conn(&mut transaction, record).await? == Swap::Updated {
                    event::insert_on_conn(&mut transaction, told.as_slice(), now).await?;
                }
            }
            Ok(transaction.commit().await?)
        })
    }

    /// Takes down, in one transaction, that the service listens again: for each machine on which a job runs, because
    /// nobody could be heard while it was down. Answers which these are; a damaged one is left as it is.
    pub(crate) async fn machines_listen(&self, now: Timestamp) -> Result<Vec<MachineId>, StoreError> {
        again!({
            let mut transaction = self.writer.begin_machines_alone().await?;
            let last = self.begins_to_listen(&mut transaction, now).await?;
            let ids = self.forgive(&mut transaction, last, now).await?;
            transaction.commit().await?;
            self.listens();
            Ok(ids)
        })
    }

    /// The same when this process was stopped since `last`, or the clock was set forward by that.
    pub(crate) async fn machines_missed(&self, last: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin_machines_alone().await?;
            self.forgive(&mut transaction, Some(last), now).await?;
            Ok(transaction.commit().await?)
        })
    }

    pub(super) async fn forgive(
        &self,
        conn: &mut Conn,
        last: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Vec<MachineId>, StoreError> {
        let listening = Fact::Listening { last };
        let columns = machine::MACHINE;
        let text = format!(
            "SELECT {columns} FROM job JOIN machine ON machine.job = job.id WHERE job.ended IS NULL ORDER BY job.started"
        );
        let rows = sql(text).fetch_all(conn).await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(before) = legible(machine::from_row(row))? else { continue };
            let after = observe(&before.machine, &listening, now);
            let after = MachineRecord { machine: after, ..before.clone() };
            // Nobody else writes machines meanwhile: nobody was faster.
            let touched = Touched::default().changed_machine(before.id());
            self.recent.begin(&touched);
            let ended = Ended::none(&before, &after)?;
            machine::update_on_conn(conn, &before, &after, &ended).await?;
            ids.push(before.id());
        }
        Ok(ids)
    }

    /// All instances in short, oldest first. A damaged one has no rest.
    pub(crate) async fn instance_rests(&self) -> Result<Vec<InstanceRest>, StoreError> {
        let rows = sql("SELECT id, state, standing FROM instance ORDER BY created, id")
            .fetch_all(&mut *self.reader.get().await?)
            .await?;
        let rest = |row: &Row| {
            let id: String = row.try_get("id")?;
            let place = |column: &str| format!("instance {id}, column {column}");
            let rests = || {
                let state: String = row.try_get("state")?;
                let state: InstanceState = document(|| place("state"), &format!("\"{state}\""))?;
                let standing: InstanceStanding = document(|| place("standing"), row.try_get("standing")?)?;
                Ok(state == InstanceState::Running && standing.release.is_none())
            };
            let rests = legible(rests())?.unwrap_or(false);
            Ok(InstanceRest { id: document(|| place("id"), &format!("\"{id}\""))?, rests })
        };
        rows.iter().filter_map(|row| legible(rest(row)).transpose()).collect()
    }
}
