//! Whose turn it is, in the row of `works`: read, taken, renewed, given up. What may be done is decided by
//! `provisioner_lifecycle` (`turn.rs`); here are the statements, each on a connection that nobody else uses, so that a
//! lease is not lost because many wait to read.
//!
//! Deliberately not here: what compares the term with each write of the leader (`writer`).

use super::{
    Store, StoreError,
    db::{DbError, DbErrorKind, Ears, Statement, now_text, say, sql},
};
use jiff::Timestamp;
use provisioner_lifecycle::{Taking, Turn};
use std::time::Duration;
use uuid::Uuid;

/// How long the database may take to answer: less than a third of a lease.
const ANSWER: Duration = Duration::from_secs(3);

/// The turn, and the database's clock when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnSeen {
    /// Whose it is.
    pub(crate) turn: Turn<Uuid>,
    /// The clock.
    pub(crate) clock: Timestamp,
}

impl Store {
    /// Whether other processes may serve from the same database: then a turn has to be taken.
    pub(crate) fn is_shared(&self) -> bool {
        self.server.is_some()
    }

    /// Reads the turn; none on a file, where there is nobody else.
    pub(crate) async fn turn_look(&self) -> Result<Option<TurnSeen>, StoreError> {
        let Some(server) = &self.server else { return Ok(None) };
        let text = format!("SELECT term, holder, until, {} AS clock FROM works", now_text(true));
        let row = server.turn.row(sql(text).bind(self.test_clock()), ANSWER).await?;
        let Some(row) = row else { return Ok(None) };
        let holder: Option<String> = row.try_get("holder")?;
        let turn = Turn {
            term: row.try_get::<i64>("term")? as u64,
            holder: holder.and_then(|holder| holder.parse().ok()),
            until: moment(row.try_get("until")?),
        };
        Ok(Some(TurnSeen { turn, clock: moment(row.try_get("clock")?) }))
    }

    /// Takes the turn, if it is as it was read. It waits for writes of the last holder that are being committed.
    pub(crate) async fn turn_take(&self, taking: &Taking<Uuid>) -> Result<bool, StoreError> {
        let text = "UPDATE works SET term = $1, holder = $2, until = $3 WHERE term = $4 AND until = $5";
        let statement = sql(text)
            .bind(taking.turn.term as i64)
            .bind(taking.turn.holder.map(|holder| holder.to_string()))
            .bind(taking.turn.until.as_millisecond())
            .bind(taking.seen as i64)
            .bind(taking.seen_until.as_millisecond());
        self.turn_write(statement).await
    }

    /// Makes the lease of this term longer, if it is this holder's still.
    pub(crate) async fn turn_renew(&self, longer: &Turn<Uuid>) -> Result<bool, StoreError> {
        let text = "UPDATE works SET until = CASE WHEN until > $1 THEN until ELSE $1 END
                    WHERE term = $2 AND holder = $3";
        let holder = longer.holder.map(|holder| holder.to_string());
        let until = longer.until.as_millisecond();
        self.turn_write(sql(text).bind(until).bind(longer.term as i64).bind(holder)).await
    }

    /// Ends the lease of this term now, so that another process need not wait. The term stays.
    pub(crate) async fn turn_give_up(&self, term: u64, holder: Uuid) -> Result<bool, StoreError> {
        let text = format!(
            "UPDATE works SET holder = NULL, until = {} WHERE term = $2 AND holder = $3",
            now_text(true)
        );
        let statement = sql(text).bind(self.test_clock()).bind(term as i64).bind(holder.to_string());
        self.turn_write(statement).await
    }

    async fn turn_write(&self, statement: Statement) -> Result<bool, StoreError> {
        match &self.server {
            Some(server) => Ok(server.turn.execute(statement, ANSWER).await? == 1),
            None => Ok(false),
        }
    }

    /// The same store for the leader of this term: what it writes lands while the term lasts, or is
    /// [`StoreError::NotLeading`].
    pub(crate) fn led(&self, term: u64) -> Self {
        Self { writer: self.writer.led(term), ..self.clone() }
    }

    /// Tells all processes that listen, this one too.
    pub(crate) async fn tell(&self, payload: &str) -> Result<(), StoreError> {
        if let Some(server) = &self.server {
            server.voice.row(say(payload), ANSWER).await?;
        }
        Ok(())
    }

    /// Listens to what is told from now on. On a file nobody tells anything, and it is an error.
    pub(crate) async fn listen(&self) -> Result<Ears, StoreError> {
        match &self.server {
            Some(server) => Ok(Ears::open(&server.options).await?),
            None => Err(DbError::new(DbErrorKind::Other, "there is nobody to listen to").into()),
        }
    }

    /// Takes a lock that other processes see, unless one has it; true on a file, where there is nobody else.
    pub(crate) async fn lock_elsewhere(&self, name: &str) -> Result<bool, StoreError> {
        match &self.server {
            Some(server) => Ok(server.locks.try_lock(name).await?),
            None => Ok(true),
        }
    }

    /// Lets such a lock go.
    pub(crate) async fn unlock_elsewhere(&self, name: &str) -> Result<(), DbError> {
        match &self.server {
            Some(server) => server.locks.unlock(name).await,
            None => Ok(()),
        }
    }
}

/// A time in milliseconds since 1970; one that is out of range reads as the largest.
fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}
