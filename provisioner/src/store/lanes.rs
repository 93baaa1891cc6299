//! Connections to the database: lent out, and taken back as they are.
//!
//! Each question to SQLite goes to a thread of its own and back, which costs more than most statements. sqlx's pool asks
//! a connection each time it is given back whether it still lives, in a task of its own: a second hop for each statement.
//! A file doesn't go away, so that is not done here. Deliberately not here: what is asked (the other files), and what is
//! written all the time (`writer`).

use futures::future::BoxFuture;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Some connections with the same options.
#[derive(Clone)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
    count: u32,
}

struct Shared {
    options: SqliteConnectOptions,
    free: Mutex<Vec<SqliteConnection>>,
    /// One for each connection that is not lent out.
    turns: Arc<Semaphore>,
}

impl Shared {
    fn free(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        // Each change of the list is one call: a panic can't leave it half written.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    /// Opens so many connections.
    pub(super) async fn open(options: SqliteConnectOptions, count: u32) -> Result<Self, sqlx::Error> {
        let mut free = Vec::with_capacity(count as usize);
        for _ in 0..count {
            free.push(connect(options.clone()).await?);
        }
        let turns = Arc::new(Semaphore::new(count as usize));
        Ok(Self { shared: Arc::new(Shared { options, free: Mutex::new(free), turns }), count })
    }

    /// A connection, as soon as one is free: the one that was used last, because its cache is the freshest.
    pub(super) async fn get(&self) -> Result<Lent, sqlx::Error> {
        let turns = Arc::clone(&self.shared.turns);
        let turn = turns.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let free = self.shared.free().pop();
        let conn = match free {
            Some(conn) => conn,
            // The one that would be here was found broken.
            None => connect(self.shared.options.clone()).await?,
        };
        let shared = Arc::clone(&self.shared);
        Ok(Lent { conn: Some(conn), shared, turn: Some(turn), midway: false })
    }

    /// Begins a transaction that takes several questions. It is taken back unless it is committed.
    pub(super) async fn begin(&self) -> Result<Lent, sqlx::Error> {
        let mut lent = self.get().await?;
        lent.midway = true;
        lent.conn().execute("BEGIN IMMEDIATE").await?;
        Ok(lent)
    }

    /// Ends all connections, once nobody has one.
    pub(super) async fn close(&self) {
        let all = self.shared.turns.acquire_many(self.count).await;
        self.shared.turns.close();
        drop(all);
        let conns = std::mem::take(&mut *self.shared.free());
        for conn in conns {
            if let Err(error) = end(conn).await {
                tracing::warn!(%error, "a connection to the database did not end well");
            }
        }
    }
}

// Boxed, because what a trait's method answers with is not known to be `Send` for every lifetime (rust-lang/rust#100013).
fn connect(options: SqliteConnectOptions) -> BoxFuture<'static, Result<SqliteConnection, sqlx::Error>> {
    Box::pin(async move { SqliteConnection::connect_with(&options).await })
}

fn end(conn: SqliteConnection) -> BoxFuture<'static, Result<(), sqlx::Error>> {
    Box::pin(conn.close())
}

/// A connection that is lent out until this is dropped; then what was begun on it and not committed is taken back before
/// anybody else gets it.
pub(super) struct Lent {
    /// There until this is dropped.
    conn: Option<SqliteConnection>,
    shared: Arc<Shared>,
    turn: Option<OwnedSemaphorePermit>,
    /// A transaction may be open.
    midway: bool,
}

impl Lent {
    /// The connection.
    pub(super) fn conn(&mut self) -> &mut SqliteConnection {
        self.conn.as_mut().expect("it is only taken away when this is dropped")
    }

    /// Commits what [`Lanes::begin`] began.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.commit_held().await
    }

    /// The same, and nobody else gets the connection yet.
    pub(super) async fn commit_held(&mut self) -> Result<(), sqlx::Error> {
        self.conn().execute("COMMIT").await?;
        self.midway = false;
        Ok(())
    }
}

impl Deref for Lent {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.conn.as_ref().expect("it is only taken away when this is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.conn()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        if !self.midway {
            // Before the turn is given back, which happens after this.
            self.shared.free().push(conn);
            return;
        }
        // Without a runtime there is nobody left who could ask for it: then it is closed.
        let Ok(runtime) = Handle::try_current() else { return };
        let (shared, turn) = (Arc::clone(&self.shared), self.turn.take());
        runtime.spawn(async move {
            if take_back(&mut conn).await {
                shared.free().push(conn);
            }
            drop(turn);
        });
    }
}

/// Takes back what was not committed; false: the connection's thread is gone.
async fn take_back(conn: &mut SqliteConnection) -> bool {
    match conn.execute("ROLLBACK").await {
        Err(sqlx::Error::WorkerCrashed) => false,
        // SQLite's only other reason is that nothing is open: some errors take everything back by themselves.
        Ok(_) | Err(_) => true,
    }
}
