//! Connections to the database: lent out, and taken back as they are.
//!
//! Each question to SQLite goes to a thread of its own and back, which costs more than most statements. sqlx's pool asks
//! a connection each time it is given back whether it still lives, in a task of its own: a second hop for each statement.
//! A file doesn't go away, so that is not done here. A server may: a connection that was idle for a while is asked before
//! it is lent out, and one that broke is made anew. Deliberately not here: what is asked (the other files), and what is
//! written all the time (`writer`).

use super::{Conn, DbError, DbErrorKind, Target};
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// How long a connection to a server is believed to live without a word.
const BELIEVED: Duration = Duration::from_secs(1);

/// Some connections to the same database.
#[derive(Clone)]
pub(in crate::store) struct Lanes {
    shared: Arc<Shared>,
    count: u32,
}

struct Shared {
    target: Target,
    /// Each with the time at which it was given back.
    free: Mutex<Vec<(Conn, Instant)>>,
    /// One for each connection that is not lent out.
    turns: Arc<Semaphore>,
}

impl Shared {
    fn free(&self) -> MutexGuard<'_, Vec<(Conn, Instant)>> {
        // Each change of the list is one call: a panic can't leave it half written.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection back. When one broke, the others of that time did most likely, too.
    fn give_back(&self, conn: Conn) {
        if conn.is_broken() {
            self.free().clear();
        } else {
            self.free().push((conn, Instant::now()));
        }
    }

    /// Takes out the connection that was used last and would answer at once; if there is none, the one that was used first.
    fn take(&self) -> Option<(Conn, Instant)> {
        let mut free = self.free();
        if free.is_empty() {
            return None;
        }
        let place = free.iter().rposition(|(conn, _)| conn.is_free()).unwrap_or(0);
        Some(free.remove(place))
    }

    /// A connection that works: the one that was used last, because its cache is the freshest.
    async fn connection(&self) -> Result<Conn, DbError> {
        loop {
            let free = self.take();
            // Nothing: the one that would be here was found broken, or was never needed.
            let Some((mut conn, since)) = free else { return Conn::open(self.target.clone()).await };
            if !self.target.is_server() || since.elapsed() < BELIEVED || conn.ping().await.is_ok() {
                return Ok(conn);
            }
        }
    }
}

/// What a transaction sees of others.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Isolation {
    /// As if it were alone: else it is a [`DbErrorKind::Conflict`], and to be done again.
    Alone,
    /// What was committed before each of its statements: enough for compare-and-set.
    Committed,
    /// What was committed before its first statement, all the time; it only reads.
    Snapshot,
}

impl Lanes {
    /// So many connections. Of a server's, only one is opened before it is needed.
    pub(in crate::store) async fn open(target: Target, count: u32) -> Result<Self, DbError> {
        let first = if target.is_server() { count.min(1) } else { count };
        let mut free = Vec::with_capacity(count as usize);
        for _ in 0..first {
            free.push((Conn::open(target.clone()).await?, Instant::now()));
        }
        let turns = Arc::new(Semaphore::new(count as usize));
        Ok(Self { shared: Arc::new(Shared { target, free: Mutex::new(free), turns }), count })
    }

    /// A connection of its own to the same database, for what takes so long that nobody else should wait for it.
    pub(in crate::store) async fn apart(&self) -> Result<Self, DbError> {
        Self::open(self.shared.target.clone(), 1).await
    }

    /// A connection, as soon as one is free.
    pub(in crate::store) async fn get(&self) -> Result<Lent, DbError> {
        let turns = Arc::clone(&self.shared.turns);
        let closed = |_| DbError::new(DbErrorKind::Lost, "the database is being closed");
        let turn = turns.acquire_owned().await.map_err(closed)?;
        let conn = self.shared.connection().await?;
        let shared = Arc::clone(&self.shared);
        Ok(Lent { conn: Some(conn), shared, turn: Some(turn), midway: false })
    }

    /// Begins a transaction that takes several questions. It is taken back unless it is committed.
    pub(in crate::store) async fn begin(&self, isolation: Isolation) -> Result<Lent, DbError> {
        let mut lent = self.get().await?;
        lent.midway = true;
        let word = match (self.shared.target.is_server(), isolation) {
            (false, Isolation::Snapshot) => "BEGIN",
            (true, Isolation::Snapshot) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            (false, _) => "BEGIN IMMEDIATE",
            (true, Isolation::Alone) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            (true, Isolation::Committed) => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        lent.conn().say(word).await?;
        Ok(lent)
    }

    /// Ends all connections, once nobody has one.
    pub(in crate::store) async fn close(&self) {
        let all = self.shared.turns.acquire_many(self.count).await;
        self.shared.turns.close();
        drop(all);
        let conns = std::mem::take(&mut *self.shared.free());
        for (conn, _) in conns {
            if let Err(error) = conn.close().await {
                tracing::warn!(
                    error = crate::text::logged(&error),
                    "a connection to the database did not end well"
                );
            }
        }
    }
}

/// A connection that is lent out until this is dropped; then what was begun on it and not committed is taken back before
/// anybody else gets it.
pub(in crate::store) struct Lent {
    /// There until this is dropped.
    conn: Option<Conn>,
    shared: Arc<Shared>,
    turn: Option<OwnedSemaphorePermit>,
    /// A transaction may be open.
    midway: bool,
}

impl Lent {
    /// The connection.
    pub(in crate::store) fn conn(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("it is only taken away when this is dropped")
    }

    /// Commits what [`Lanes::begin`] began.
    pub(in crate::store) async fn commit(mut self) -> Result<(), DbError> {
        self.commit_held().await
    }

    /// The same, and nobody else gets the connection yet.
    pub(in crate::store) async fn commit_held(&mut self) -> Result<(), DbError> {
        self.conn().say("COMMIT").await.map_err(DbError::at_commit)?;
        self.midway = false;
        Ok(())
    }
}

impl Deref for Lent {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn.as_ref().expect("it is only taken away when this is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        if !self.midway || conn.is_broken() {
            // Before the turn is given back, which happens after this.
            self.shared.give_back(conn);
            return;
        }
        // Without a runtime there is nobody left who could ask for it: then it is closed.
        let Ok(runtime) = Handle::try_current() else { return };
        let (shared, turn) = (Arc::clone(&self.shared), self.turn.take());
        runtime.spawn(async move {
            if take_back(&mut conn).await {
                shared.give_back(conn);
            }
            drop(turn);
        });
    }
}

/// Takes back what was not committed; false: there is no connection any more.
async fn take_back(conn: &mut Conn) -> bool {
    match conn.say("ROLLBACK").await {
        Err(error) if error.kind() == DbErrorKind::Lost => false,
        // SQLite's only other reason is that nothing is open: some errors take everything back by themselves.
        Ok(()) => true,
        Err(_) => !conn.is_postgres(),
    }
}
