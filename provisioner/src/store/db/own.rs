//! A connection to a server that nobody lends: for what must not stand in line behind the others, and for locks that last
//! as long as it does. It is made anew after it broke.

use super::{Conn, DbError, DbErrorKind, Row, Statement, Target, sql};
use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

/// "billet" in ASCII. Locks belong to one database of the server.
const KEY: i64 = 0x6269_6c6c_6574;

/// How often one looks whether an older service let go.
const RETRY: Duration = Duration::from_millis(500);

/// How long an answer may take, unless something else is said.
const ANSWER: Duration = Duration::from_secs(5);

/// The connection; none until it is needed, and after it broke.
pub(in crate::store) struct Own {
    target: Target,
    conn: Mutex<Option<Conn>>,
}

impl Own {
    /// Not connected yet.
    pub(in crate::store) fn new(target: Target) -> Self {
        Self { target, conn: Mutex::new(None) }
    }

    /// Asks for a row, and has the answer within this time or breaks the connection.
    pub(in crate::store) async fn row(
        &self,
        statement: Statement,
        within: Duration,
    ) -> Result<Option<Row>, DbError> {
        let mut held = self.conn.lock().await;
        // Taken out, so that one whose answer nobody waited for is not used again.
        let conn = held.take();
        let asked = async {
            let mut conn = self.connected(conn).await?;
            let row = statement.fetch_optional(&mut conn).await;
            Ok::<_, DbError>((conn, row))
        };
        let (conn, row) = in_time(within, asked).await??;
        *held = Some(conn).filter(|conn| !conn.is_broken());
        row
    }

    /// Runs a statement, and has the answer within this time or breaks the connection. How many rows it changed.
    pub(in crate::store) async fn execute(
        &self,
        statement: Statement,
        within: Duration,
    ) -> Result<u64, DbError> {
        let mut held = self.conn.lock().await;
        let conn = held.take();
        let asked = async {
            let mut conn = self.connected(conn).await?;
            let rows = statement.execute(&mut conn).await;
            Ok::<_, DbError>((conn, rows))
        };
        let (conn, rows) = in_time(within, asked).await.map_err(DbError::at_commit)??;
        *held = Some(conn).filter(|conn| !conn.is_broken());
        rows.map_err(DbError::at_commit)
    }

    async fn connected(&self, conn: Option<Conn>) -> Result<Conn, DbError> {
        match conn {
            Some(conn) => Ok(conn),
            None => Conn::open(self.target.clone()).await,
        }
    }

    /// Ends it.
    pub(in crate::store) async fn close(&self) {
        let conn = self.conn.lock().await.take();
        if let Some(conn) = conn
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "a connection to the database did not end well");
        }
    }
}

async fn in_time<T>(within: Duration, asked: impl Future<Output = T>) -> Result<T, DbError> {
    let late = |_| DbError::new(DbErrorKind::Lost, "the database does not answer in time");
    tokio::time::timeout(within, asked).await.map_err(late)
}

/// Locks that other processes see (PostgreSQL's advisory ones). They end with the connection, and so with the process; one
/// that breaks while a lock is held lets it go unnoticed.
pub(in crate::store) struct Locks(Own);

impl Locks {
    /// Not used yet. An older version of this service, which knows no replicas, holds [`KEY`] alone while it serves: all
    /// of ours share it, so that neither serves beside the other. None: it is held still after that time.
    pub(in crate::store) async fn open(target: Target, patience: Duration) -> Result<Option<Self>, DbError> {
        Self::served("SELECT pg_try_advisory_lock_shared($1) AS done", target, patience).await
    }

    /// The same where nobody may serve meanwhile.
    pub(in crate::store) async fn open_alone(
        target: Target,
        patience: Duration,
    ) -> Result<Option<Self>, DbError> {
        Self::served("SELECT pg_try_advisory_lock($1) AS done", target, patience).await
    }

    async fn served(text: &'static str, target: Target, patience: Duration) -> Result<Option<Self>, DbError> {
        let locks = Self(Own::new(target));
        let until = Instant::now() + patience;
        loop {
            if locks.asked(sql(text).bind(KEY)).await? {
                return Ok(Some(locks));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Takes the lock of this name unless another process has it. What this one has already it gets once more.
    pub(in crate::store) async fn try_lock(&self, name: &str) -> Result<bool, DbError> {
        self.asked(sql("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS done").bind(name)).await
    }

    /// Lets it go, once.
    pub(in crate::store) async fn unlock(&self, name: &str) -> Result<(), DbError> {
        // One that went with its connection is not there any more, which is as good.
        self.asked(sql("SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS done").bind(name)).await?;
        Ok(())
    }

    async fn asked(&self, statement: Statement) -> Result<bool, DbError> {
        let row = self.0.row(statement, ANSWER).await?;
        row.map_or(Ok(false), |row| row.try_get("done"))
    }

    /// Lets all go.
    pub(in crate::store) async fn close(&self) {
        self.0.close().await;
    }
}
