//! When somebody last listened: what agents, machines and BMCs said between then and the next process's start, nobody
//! could hear.
//!
//! Each replica's beat writes it once the reconciler runs, not before: a process that dies while it starts has heard
//! nobody. What an earlier process wrote is read when the database is opened, before this one writes anything.

use super::{
    Store, StoreError,
    db::{Conn, sql},
};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of it.
pub(super) struct Alive {
    /// When another process last listened before this one began, in milliseconds of the database's clock.
    before: Option<i64>,
    /// Whether this one listens.
    listens: AtomicBool,
}

impl Alive {
    pub(super) async fn open(conn: &mut Conn) -> Result<Self, StoreError> {
        let before = sql("SELECT last FROM alive").scalar_optional(conn).await?;
        Ok(Self { before, listens: AtomicBool::new(false) })
    }
}

impl Store {
    /// This process listens as soon as this is committed, and [`Store::listens`] says so: answers when somebody last did
    /// before it, by the service's clock.
    pub(super) async fn begins_to_listen(
        &self,
        conn: &mut Conn,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let database = self.database_now(conn).await?;
        listened(conn, database).await?;
        // The two clocks need not agree; how long it is ago by one of them is all that is taken.
        let ago = self.alive.before.map(|before| database.saturating_sub(before).max(0));
        Ok(ago.and_then(|ago| now.checked_sub(SignedDuration::from_millis(ago)).ok()))
    }

    /// It is committed that this process listens. Not before: a beat would write over when somebody last did, which the
    /// next try needs.
    pub(super) fn listens(&self) {
        self.alive.listens.store(true, Ordering::SeqCst);
    }

    /// Takes down that this process listens, once it does.
    pub(super) async fn still_listening(&self, conn: &mut Conn, database: i64) -> Result<(), StoreError> {
        if self.alive.listens.load(Ordering::SeqCst) {
            listened(conn, database).await?;
        }
        Ok(())
    }
}

async fn listened(conn: &mut Conn, database: i64) -> Result<(), StoreError> {
    let text = "INSERT INTO alive (one, last) VALUES (1, $1)
                ON CONFLICT (one) DO UPDATE SET last = excluded.last";
    sql(text).bind(database).execute(conn).await?;
    Ok(())
}
