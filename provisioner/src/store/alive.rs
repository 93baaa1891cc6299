//! When somebody last decided: what agents, machines and BMCs said between then and the next leader's beginning, nobody
//! could go by.
//!
//! The leader's beat writes it once its reconciler runs, not before: a process that dies while it starts has heard
//! nobody. Who takes the turn reads it before it writes anything. Of several replicas the others hear agents meanwhile, so
//! that a few seconds too much are forgiven when one takes over from another.

use super::{
    Store, StoreError,
    db::{Conn, sql},
};
use jiff::{SignedDuration, Timestamp};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether this process listens, and leads.
#[derive(Clone, Default)]
pub(super) struct Alive(Arc<AtomicBool>);

impl Store {
    /// This process listens as soon as this is committed, and [`Store::listens`] says so: answers when somebody last did
    /// before it, by the service's clock.
    pub(super) async fn begins_to_listen(
        &self,
        conn: &mut Conn,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let database = self.database_now(conn).await?;
        let before: Option<i64> = sql("SELECT last FROM alive").scalar_optional(&mut *conn).await?;
        listened(conn, database).await?;
        // The two clocks need not agree; how long it is ago by one of them is all that is taken.
        let ago = before.map(|before| database.saturating_sub(before).max(0));
        Ok(ago.and_then(|ago| now.checked_sub(SignedDuration::from_millis(ago)).ok()))
    }

    /// It is committed that this process listens. Not before: a beat would write over when somebody last did, which the
    /// next try needs.
    pub(super) fn listens(&self) {
        self.alive.0.store(true, Ordering::SeqCst);
    }

    /// It leads no more: what it hears is another one's to go by.
    pub(crate) fn listens_no_more(&self) {
        self.alive.0.store(false, Ordering::SeqCst);
    }

    /// Takes down that this process listens, once it does.
    pub(super) async fn still_listening(&self, conn: &mut Conn, database: i64) -> Result<(), StoreError> {
        if self.alive.0.load(Ordering::SeqCst) {
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
