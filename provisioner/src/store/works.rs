//! The row `works`, as far as it says whether anybody may work; and who is being wiped, for the limit of that.
//!
//! Its columns of whose turn it is are not read here. What is known of the row in memory is not here either (`works`).

use super::{
    NewEvent, Store, StoreError,
    damage::legible,
    db::{Row, again, now_text, sql},
    document, event, time,
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{JobId, MachineId};
use provisioner_lifecycle::{AtErase, EraseLimit, EraseLine, Erasing, Erasures, Freeze, Step};

impl Store {
    /// Whether everything is frozen.
    pub(crate) async fn works(&self) -> Result<Option<Freeze>, StoreError> {
        let row = sql(FREEZE).fetch_optional(&mut *self.reader.get().await?).await?;
        row.as_ref().map_or(Err(StoreError::NoWorks), freeze)
    }

    /// The term of the last that had the turn.
    pub(crate) async fn works_term(&self) -> Result<u64, StoreError> {
        let mut lent = self.reader.get().await?;
        let term: Option<i64> = sql("SELECT term FROM works").scalar_optional(&mut lent).await?;
        Ok(term.and_then(|term| u64::try_from(term).ok()).unwrap_or(0))
    }

    /// Freezes everything, unless it is. Answers the freeze that there is then, and whether it is this one.
    pub(crate) async fn works_freeze(
        &self,
        by: &str,
        why: Option<&str>,
    ) -> Result<(Freeze, bool), StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let now = now_text(transaction.is_postgres());
            let text = format!(
                "UPDATE works SET frozen = {now}, frozen_by = $2, frozen_why = $3 WHERE one = 1 AND frozen IS NULL"
            );
            let changed =
                sql(text).bind(self.test_clock()).bind(by).bind(why).execute(&mut transaction).await?;
            let row = sql(FREEZE).fetch_optional(&mut transaction).await?;
            // Nobody but this transaction wrote it since.
            let freeze = row.as_ref().map_or(Ok(None), freeze)?.ok_or(StoreError::NoWorks)?;
            transaction.commit().await?;
            Ok((freeze, changed > 0))
        })
    }

    /// Ends the freeze, if there is one, and forgives in the same transaction what nobody could do or say meanwhile.
    /// `tell` makes the event of a machine at work. Answers the freeze that there was.
    pub(crate) async fn works_thaw(
        &self,
        tell: impl Fn(MachineId, &Freeze) -> NewEvent,
        now: Timestamp,
    ) -> Result<Option<Freeze>, StoreError> {
        again!({
            let mut transaction = self.writer.begin_machines_alone().await?;
            let row = sql(FREEZE).fetch_optional(&mut transaction).await?;
            let Some(was) = row.as_ref().map_or(Err(StoreError::NoWorks), freeze)? else { return Ok(None) };
            let database = self.database_now(&mut transaction).await?;
            // The two clocks need not agree; how long it is ago by one of them is all that is taken.
            let lasted = database.saturating_sub(was.since.as_millisecond()).max(0);
            let last = now.checked_sub(SignedDuration::from_millis(lasted)).ok();
            let at_work = self.forgive(&mut transaction, last, now).await?;
            let events: Vec<_> = at_work.into_iter().map(|id| tell(id, &was)).collect();
            event::insert_on_conn(&mut transaction, &events, now).await?;
            sql("UPDATE works SET frozen = NULL, frozen_by = NULL, frozen_why = NULL WHERE one = 1")
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(Some(was))
        })
    }

    /// The machines on which a job runs.
    pub(crate) async fn machines_at_work(&self) -> Result<Vec<MachineId>, StoreError> {
        let text = "SELECT machine.id FROM job JOIN machine ON machine.job = job.id WHERE job.ended IS NULL";
        let ids: Vec<String> = sql(text).scalars(&mut *self.reader.get().await?).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Who is being wiped and who waits for that, by what is stored: all jobs that may wipe are read. A damaged job counts
    /// as one that wipes: too few at once does no harm.
    pub(crate) async fn erasures(&self, limit: EraseLimit) -> Result<Erasures, StoreError> {
        let (machines, at, _) = self.at_erase().await?;
        Ok(Erasures::new(limit, machines, at))
    }

    /// The same, to be kept up to date ([`Store::erasing`]). Answers also how many jobs were read.
    pub(crate) async fn erase_line(&self, limit: EraseLimit) -> Result<(EraseLine, usize), StoreError> {
        let (machines, at, read) = self.at_erase().await?;
        Ok((EraseLine::new(limit, machines, at), read))
    }

    /// How many machines there are that can be wiped. One that was never inspected can't be, and anybody may make up such.
    pub(crate) async fn machines_to_wipe(&self) -> Result<u64, StoreError> {
        let text = "SELECT COUNT(*) FROM machine WHERE state <> 'discovered'";
        let machines: i64 = sql(text).scalar(&mut *self.reader.get().await?).await?;
        Ok(u64::try_from(machines).unwrap_or(0))
    }

    /// How many machines there are that can be wiped, who is at that, and how many jobs were read for it.
    async fn at_erase(&self) -> Result<(u64, Vec<AtErase>, usize), StoreError> {
        let machines = self.machines_to_wipe().await?;
        let mut lent = self.reader.get().await?;
        let rows = sql(AT_ERASE).fetch_all(&mut lent).await?;
        let mut at = Vec::new();
        for row in &rows {
            at.extend(at_erase(row)?);
        }
        Ok((machines, at, rows.len()))
    }

    /// Where one machine is with its wiping.
    pub(crate) async fn erasing(&self, id: MachineId) -> Result<Option<AtErase>, StoreError> {
        let text = format!("{AT_ERASE} AND machine.id = $1");
        let mut lent = self.reader.get().await?;
        let row = sql(text).bind(id.to_string()).fetch_optional(&mut lent).await?;
        Ok(row.as_ref().map(at_erase).transpose()?.flatten())
    }
}

/// What [`at_erase`] reads, of all running jobs that may wipe.
const AT_ERASE: &str =
    "SELECT machine.id AS machine, machine.held AS held, job.id AS id, job.started AS started,
     job.steps AS steps FROM job JOIN machine ON machine.job = job.id
     WHERE job.ended IS NULL AND job.kind IN ('release', 'service')";

const FREEZE: &str = "SELECT frozen, frozen_by, frozen_why FROM works WHERE one = 1";

/// Reads [`FREEZE`].
fn freeze(row: &Row) -> Result<Option<Freeze>, StoreError> {
    let Some(since) = row.try_get::<Option<i64>>("frozen")? else { return Ok(None) };
    let by: Option<String> = row.try_get("frozen_by")?;
    Ok(Some(Freeze {
        since: Timestamp::from_millisecond(since).unwrap_or(Timestamp::UNIX_EPOCH),
        by: by.unwrap_or_else(|| "somebody".into()),
        why: row.try_get("frozen_why")?,
    }))
}

fn at_erase(row: &Row) -> Result<Option<AtErase>, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("job {id}, column {column}");
    let (machine, started): (String, i64) = (row.try_get("machine")?, row.try_get("started")?);
    let (Ok(machine), Ok(job)) = (machine.parse::<MachineId>(), id.parse::<JobId>()) else { return Ok(None) };
    let steps = row.try_get("steps").map_err(StoreError::from);
    let steps = steps.and_then(|text| document::<Vec<Step>>(|| place("steps"), text));
    let erasing = match legible(steps)? {
        Some(steps) => Erasing::of(&steps, row.try_get("held")?),
        None => Some(Erasing::Runs),
    };
    Ok(erasing.map(|erasing| AtErase { machine, job, started: time(started), erasing }))
}
