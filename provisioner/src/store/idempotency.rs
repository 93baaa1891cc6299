//! Requests that are to be done once, by the name that their sender gave them (`Idempotency-Key`).
//!
//! A claim is committed before anything is done, and is never taken twice; so whatever happens in between, nothing is done
//! twice. Deliberately not here: which requests, and what is answered (`api::once`).

use super::{
    Store, StoreError,
    db::{Row, sql},
    micros, time,
};
use jiff::Timestamp;
use uuid::Uuid;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptAnswer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The version of what it shows.
    pub(crate) etag: Option<String>,
    /// What the body is.
    pub(crate) content_type: Option<String>,
    /// The body.
    pub(crate) body: String,
}

/// A request that was claimed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownRequest {
    /// The keyed hash of what was asked.
    pub(crate) request: String,
    /// When.
    pub(crate) began: Timestamp,
    /// What was answered; none: it is under way, or was cut off.
    pub(crate) answer: Option<KeptAnswer>,
}

impl Store {
    /// Claims a name of a caller's for what is asked, unless it is taken: then what is known of it. What was claimed before
    /// `oldest` is forgotten.
    pub(crate) async fn idempotency_claim(
        &self,
        (caller, name): (&str, &str),
        request: &str,
        now: Timestamp,
        oldest: Timestamp,
    ) -> Result<Option<KnownRequest>, StoreError> {
        let forget = sql("DELETE FROM idempotency WHERE caller = $1 AND name = $2 AND began < $3")
            .bind(caller)
            .bind(name)
            .bind(micros(oldest));
        self.writer.run(forget).await?;
        // Until there is an answer, its place says whose claim this is, so that none but this one is ever taken back.
        let mine = Uuid::new_v4().to_string();
        let insert =
            sql("INSERT INTO idempotency (caller, name, request, began, answer) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (caller, name) DO NOTHING")
            .bind(caller)
            .bind(name)
            .bind(request)
            .bind(micros(now))
            .bind(&mine);
        match self.writer.run(insert).await {
            Ok(0) => {}
            Ok(_) => return Ok(None),
            Err(error) => {
                // It may stand there all the same, and nothing is done under it.
                let unclaim = sql("DELETE FROM idempotency
                     WHERE caller = $1 AND name = $2 AND status IS NULL AND answer = $3");
                let _ = self.writer.run(unclaim.bind(caller).bind(name).bind(&mine)).await;
                return Err(error.into());
            }
        }
        let row = sql("SELECT request, began, status, etag, content_type, answer FROM idempotency
             WHERE caller = $1 AND name = $2")
        .bind(caller)
        .bind(name)
        .fetch_optional(&mut *self.api_reader.get().await?)
        .await?;
        // Given up between the two: as if it were under way still, so that it is asked again.
        let given_up = || KnownRequest { request: request.to_owned(), began: now, answer: None };
        row.as_ref().map_or_else(|| Ok(given_up()), known).map(Some)
    }

    /// Keeps what was answered.
    pub(crate) async fn idempotency_keep(
        &self,
        (caller, name): (&str, &str),
        answer: &KeptAnswer,
    ) -> Result<(), StoreError> {
        let keep = sql("UPDATE idempotency SET status = $1, etag = $2, content_type = $3, answer = $4
             WHERE caller = $5 AND name = $6")
        .bind(i64::from(answer.status))
        .bind(answer.etag.clone())
        .bind(answer.content_type.clone())
        .bind(&answer.body)
        .bind(caller)
        .bind(name);
        self.writer.run(keep).await?;
        Ok(())
    }

    /// Gives a name up: what was asked was refused, and may be asked again.
    pub(crate) async fn idempotency_release(&self, (caller, name): (&str, &str)) -> Result<(), StoreError> {
        let release = sql("DELETE FROM idempotency WHERE caller = $1 AND name = $2").bind(caller).bind(name);
        self.writer.run(release).await?;
        Ok(())
    }

    /// How many names a caller has.
    pub(crate) async fn idempotency_count(&self, caller: &str) -> Result<u64, StoreError> {
        let row = sql("SELECT count(*) AS names FROM idempotency WHERE caller = $1")
            .bind(caller)
            .fetch_optional(&mut *self.api_reader.get().await?)
            .await?;
        let names: i64 = row.map_or(Ok(0), |row| row.try_get("names"))?;
        Ok(names.unsigned_abs())
    }

    /// Forgets what was asked before.
    pub(crate) async fn idempotency_prune(&self, before: Timestamp) -> Result<(), StoreError> {
        self.writer.run(sql("DELETE FROM idempotency WHERE began < $1").bind(micros(before))).await?;
        Ok(())
    }
}

fn known(row: &Row) -> Result<KnownRequest, StoreError> {
    let status: Option<i64> = row.try_get("status")?;
    let answer = match status {
        // One that is no status reads as none.
        Some(status) => Some(KeptAnswer {
            status: u16::try_from(status).unwrap_or_default(),
            etag: row.try_get("etag")?,
            content_type: row.try_get("content_type")?,
            body: row.try_get::<Option<String>>("answer")?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(KnownRequest { request: row.try_get("request")?, began: time(row.try_get("began")?), answer })
}
