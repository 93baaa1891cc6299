//! Boot windows: the times in which we expect a machine to netboot our agent.

use super::{Store, StoreError, document, micros, time};
use jiff::Timestamp;
use provisioner_api::{JobId, MachineId};
use sqlx::{Row, sqlite::SqliteRow};

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
    /// Opens a window.
    pub(crate) async fn window_insert(&self, window: &Window) -> Result<(), StoreError> {
        let _changing = self.boot_index.changing(window.machine).and_mac(&window.mac);
        sqlx::query(
            "INSERT INTO boot_window (id, mac, machine, job, epoch, opened, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
        )
        .bind(&window.id)
        .bind(&window.mac)
        .bind(window.machine.map(|id| id.to_string()))
        .bind(window.job.map(|(job, _)| job.to_string()))
        .bind(window.job.map(|(_, epoch)| epoch as i64))
        .bind(micros(window.opened))
        .bind(micros(window.expires))
        .execute(&mut *self.writer.get().await?)
        .await?;
        Ok(())
    }

    /// A window by its id.
    pub(crate) async fn window_get(&self, id: &str) -> Result<Option<Window>, StoreError> {
        let row = sqlx::query(
            "SELECT id, mac, machine, job, epoch, opened, expires, nonce, claimed FROM boot_window WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&mut *self.reader.get().await?)
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The window of a job and epoch.
    pub(crate) async fn window_of_job(&self, job: JobId, epoch: u64) -> Result<Option<Window>, StoreError> {
        let row = sqlx::query(
            "SELECT id, mac, machine, job, epoch, opened, expires, nonce, claimed FROM boot_window
             WHERE job = $1 AND epoch = $2 ORDER BY opened DESC LIMIT 1",
        )
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
        let row = sqlx::query(
            "SELECT id, mac, machine, job, epoch, opened, expires, nonce, claimed FROM boot_window
             WHERE mac = $1 AND job IS NULL AND claimed IS NULL AND expires > $2 ORDER BY opened DESC LIMIT 1",
        )
        .bind(mac)
        .bind(micros(now))
        .fetch_optional(&mut *self.reader.get().await?)
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Claims a window for the agent with this nonce and this machine. False: another agent was first.
    pub(crate) async fn window_claim(
        &self,
        id: &str,
        nonce: &str,
        machine: MachineId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // A window never changes its MAC.
        let mac: Option<String> = sqlx::query_scalar("SELECT mac FROM boot_window WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.reader.get().await?)
            .await?;
        let _changing = self.boot_index.changing(Some(machine)).and_mac(mac.as_deref().unwrap_or_default());
        let claimed = sqlx::query(
            "UPDATE boot_window SET nonce = $1, machine = $2, claimed = COALESCE(claimed, $3)
             WHERE id = $4 AND (nonce IS NULL OR nonce = $1)",
        )
        .bind(nonce)
        .bind(machine.to_string())
        .bind(micros(now))
        .bind(id)
        .execute(&mut *self.writer.get().await?)
        .await?;
        Ok(claimed.rows_affected() > 0)
    }

    /// How many discovery windows are open.
    pub(crate) async fn window_discoveries(&self, now: Timestamp) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT COUNT(*) FROM boot_window WHERE job IS NULL AND claimed IS NULL AND expires > $1",
        )
        .bind(micros(now))
        .fetch_one(&mut *self.reader.get().await?)
        .await?)
    }

    /// Forgets windows that closed before `closed` without a claim, those whose job ended before `closed` (no agent gets
    /// an order in them any more), and those whose session began before `began`.
    pub(crate) async fn window_prune(&self, closed: Timestamp, began: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM boot_window WHERE (expires < $1 AND (claimed IS NULL OR claimed < $2))
             OR EXISTS (SELECT 1 FROM job WHERE job.id = boot_window.job AND job.ended < $1)",
        )
        .bind(micros(closed))
        .bind(micros(began))
        .execute(&mut *self.writer.get().await?)
        .await?;
        Ok(())
    }
}

fn from_row(row: &SqliteRow) -> Result<Window, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("boot_window {id}, column {column}");
    let parse_id = |column: &'static str, text: Option<String>| {
        text.map(|text| document(|| place(column), &format!("\"{text}\""))).transpose()
    };
    let machine: Option<MachineId> = match row.try_get::<Option<String>, _>("machine")? {
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
