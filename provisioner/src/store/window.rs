//! Boot windows: the times in which we expect a machine to netboot our agent.

use super::{
    MachineRecord, NewEvent, Store, StoreError, Swap,
    batch::{Batch, Part},
    db::{Row, again, sql},
    document, event, machine,
    memory::Touched,
    micros, time,
    writer::Write,
};
use jiff::Timestamp;
use provisioner_api::{JobId, MachineId};

/// A boot window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its id, which is also the open half of its token.
    pub(crate) id: String,
    /// The MAC that is expected; for a known machine the first of its own.
    pub(crate) mac: String,
    /// The machine; none for a discovery that no agent has claimed yet.
    pub(crate) machine: Option<MachineId>,
    /// The job and its epoch; none for a discovery.
    pub(crate) job: Option<(JobId, u64)>,
    /// When it was opened.
    pub(crate) opened: Timestamp,
    /// Until when it may be claimed.
    pub(crate) expires: Timestamp,
    /// What the agent that claimed it said; a claim with another nonce is refused.
    pub(crate) nonce: Option<String>,
    /// When it was claimed.
    pub(crate) claimed: Option<Timestamp>,
}

impl Store {
    /// Opens a window, which has an id that no other one ever had.
    pub(crate) async fn window_insert(&self, window: &Window) -> Result<(), StoreError> {
        self.window_put(window, Touched::default().new_window(window)).await
    }

    /// Leaves a window open until it `expires`; one that was forgotten meanwhile is opened anew.
    pub(crate) async fn window_extend(&self, window: &Window) -> Result<(), StoreError> {
        self.window_put(window, Touched::default().changed_window(window)).await
    }

    async fn window_put(&self, window: &Window, touched: Touched) -> Result<(), StoreError> {
        let changing = Some(self.boot_index.changing(window.machine).and_mac(&window.mac));
        let mut batch = Batch::new();
        batch.add(Part::Rest, |text| {
            text.push("INSERT INTO boot_window (id, mac, machine, job, epoch, opened, expires) VALUES ");
            text.push_row([
                window.id.as_str().into(),
                window.mac.as_str().into(),
                window.machine.map(|id| id.to_string()).into(),
                window.job.map(|(job, _)| job.to_string()).into(),
                window.job.map(|(_, epoch)| epoch as i64).into(),
                micros(window.opened).into(),
                micros(window.expires).into(),
            ]);
            text.push(" ON CONFLICT (id) DO UPDATE SET expires = excluded.expires");
        });
        self.writer.write(Write { batch, touched, changing }).await?;
        Ok(())
    }

    /// A window by its id.
    pub(crate) async fn window_get(&self, id: &str) -> Result<Option<Window>, StoreError> {
        if let Some(window) = self.recent.windows.get(id) {
            return Ok(Some(window));
        }
        let row = sql(
            "SELECT id, mac, machine, job, epoch, opened, expires, nonce, claimed FROM boot_window WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&mut *self.reader.get().await?)
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The window of a job and epoch.
    pub(crate) async fn window_of_job(&self, job: JobId, epoch: u64) -> Result<Option<Window>, StoreError> {
        let id = self.recent.windows_of_jobs.get(&(job, epoch));
        if let Some(window) = id.and_then(|id| self.recent.windows.get(&id)) {
            return Ok(Some(window));
        }
        let row = sql("SELECT id, mac, machine, job, epoch, opened, expires, nonce, claimed FROM boot_window
             WHERE job = $1 AND epoch = $2 ORDER BY opened DESC LIMIT 1")
        .bind(job.to_string())
        .bind(epoch as i64)
        .fetch_optional(&mut *self.reader.get().await?)
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The newest unclaimed discovery window of a MAC.
    pub(crate) async fn window_discovery(
        &self,
        mac: &str,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        let row = sql(
            "SELECT id, mac, machine, job, epoch, opened, expires, nonce, claimed FROM boot_window
             WHERE mac = $1 AND job IS NULL AND claimed IS NULL AND expires > $2 ORDER BY opened DESC LIMIT 1",
        )
        .bind(mac)
        .bind(micros(now))
        .fetch_optional(&mut *self.reader.get().await?)
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Claims a window for the agent with this nonce, and writes its machine with what the agent showed, together.
    /// `Stale`: another agent was first, or the machine was changed since `before` was loaded.
    pub(crate) async fn window_claim(
        &self,
        window: &Window,
        nonce: &str,
        (before, machine): (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        debug_assert!(!machine::places_change(before, machine), "a claim changes neither MACs nor BMC");
        // A window never changes its MAC.
        let changing = Some(self.boot_index.changing_machine(machine, Some(before)).and_mac(&window.mac));
        let touched = Touched::default().machine(before, machine).changed_window(window);
        let ended = self.ended(before, machine, now)?;
        let mut batch = Batch::new();
        machine::add_update(&mut batch, before, machine, &ended);
        batch.swap(Part::Rest, |text| {
            text.push("UPDATE boot_window SET nonce = ").push_bind(nonce);
            text.push(", machine = ").push_bind(machine.id().to_string());
            text.push(", claimed = COALESCE(claimed, ").push_bind(micros(now));
            text.push(") WHERE id = ").push_bind(window.id.as_str());
            text.push(" AND (nonce IS NULL OR nonce = ").push_bind(nonce).push(")");
        });
        event::add(&mut batch, events, now);
        #[cfg(debug_assertions)]
        crate::die::before_write(before, machine);
        let swap = self.writer.write(Write { batch, touched, changing }).await?.swap;
        #[cfg(debug_assertions)]
        crate::die::after_write(before, machine, Some(swap));
        Ok(swap)
    }

    /// How many discovery windows are open.
    pub(crate) async fn window_discoveries(&self, now: Timestamp) -> Result<i64, StoreError> {
        Ok(sql("SELECT COUNT(*) FROM boot_window WHERE job IS NULL AND claimed IS NULL AND expires > $1")
            .bind(micros(now))
            .scalar(&mut *self.reader.get().await?)
            .await?)
    }

    /// Forgets windows that closed before `closed` without a claim, those whose job ended before `closed` (no agent gets
    /// an order in them any more, but one in rescue is still heard), and those whose session began before `began`.
    pub(crate) async fn window_prune(&self, closed: Timestamp, began: Timestamp) -> Result<(), StoreError> {
        again!({
            let touched = Touched::default().any_window();
            let mut transaction = self.writer.begin().await?;
            self.recent.begin(&touched);
            sql("DELETE FROM boot_window WHERE (expires < $1 AND (claimed IS NULL OR claimed < $2))
                 OR EXISTS (SELECT 1 FROM job WHERE job.id = boot_window.job AND job.ended < $1
                     AND NOT EXISTS (SELECT 1 FROM machine
                         WHERE machine.job = job.id AND machine.state = 'rescue'))")
            .bind(micros(closed))
            .bind(micros(began))
            .execute(&mut transaction)
            .await?;
            transaction.commit_held().await?;
            self.recent.end(touched, true);
            Ok(())
        })
    }
}

fn from_row(row: &Row) -> Result<Window, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("boot_window {id}, column {column}");
    let parse_id = |column: &'static str, text: Option<String>| {
        text.map(|text| document(|| place(column), &format!("\"{text}\""))).transpose()
    };
    let machine: Option<MachineId> = match row.try_get::<Option<String>>("machine")? {
        Some(text) => Some(document(|| place("machine"), &format!("\"{text}\""))?),
        None => None,
    };
    let job: Option<JobId> = parse_id("job", row.try_get("job")?)?;
    let epoch: Option<i64> = row.try_get("epoch")?;
    let claimed: Option<i64> = row.try_get("claimed")?;
    Ok(Window {
        mac: row.try_get("mac")?,
        machine,
        job: job.zip(epoch.map(|epoch| epoch as u64)),
        opened: time(row.try_get("opened")?),
        expires: time(row.try_get("expires")?),
        nonce: row.try_get("nonce")?,
        claimed: claimed.map(time),
        id,
    })
}
