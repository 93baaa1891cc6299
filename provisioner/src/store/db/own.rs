//! A connection to a server that nobody lends: for what must not stand in line behind the others, and for locks that last
//! as long as it does. It is made anew after it broke.

use super::{Conn, DbError, DbErrorKind, Row, Statement, Target, sql};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::task::AbortOnDropHandle;

/// "billet" in ASCII. Locks belong to one database of the server.
const KEY: i64 = 0x6269_6c6c_6574;

/// How often one looks whether an older service let go.
const RETRY: Duration = Duration::from_millis(500);

/// How long an answer may take, unless something else is said.
const ANSWER: Duration = Duration::from_secs(5);

/// How often the connection with the locks is asked something, so that the server sees that this process is not stopped.
const BEAT: Duration = Duration::from_secs(4);

/// After this silence the server ends the connection with the locks: three beats, and what an answer takes. It knows of
/// this from version 14 on; an older one has no such row.
const ENDS_WHEN_SILENT: &str = "SELECT set_config(name, '15000', false) AS done FROM pg_settings
                                WHERE name = 'idle_session_timeout'";

/// The connection; none until it is needed, and after it broke.
pub(in crate::store) struct Own {
    target: Target,
    /// How [`KEY`] is taken on each new connection, if it is one with locks.
    entrance: Option<&'static str>,
    conn: Mutex<Option<Conn>>,
}

impl Own {
    /// Not connected yet.
    pub(in crate::store) fn new(target: Target) -> Self {
        Self { target, entrance: None, conn: Mutex::new(None) }
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
        if let Some(conn) = conn {
            return Ok(conn);
        }
        let mut conn = Conn::open(self.target.clone()).await?;
        if let Some(entrance) = self.entrance {
            ends_when_silent(&mut conn).await?;
            if !enters(&mut conn, entrance).await? {
                let words =
                    "a `billet serve` that shares this database with nobody was started meanwhile; stop it";
                return Err(DbError::new(DbErrorKind::Lost, words));
            }
        }
        Ok(conn)
    }

    /// Ends it.
    pub(in crate::store) async fn close(&self) {
        let conn = self.conn.lock().await.take();
        if let Some(conn) = conn
            && let Err(error) = conn.close().await
        {
            tracing::warn!(
                error = crate::text::logged(&error),
                "a connection to the database did not end well"
            );
        }
    }
}

async fn in_time<T>(within: Duration, asked: impl Future<Output = T>) -> Result<T, DbError> {
    let late = |_| DbError::new(DbErrorKind::Lost, "the database does not answer in time");
    tokio::time::timeout(within, asked).await.map_err(late)
}

async fn ends_when_silent(conn: &mut Conn) -> Result<(), DbError> {
    sql(ENDS_WHEN_SILENT).fetch_optional(conn).await.map(drop)
}

/// Takes [`KEY`], if it is to be had.
async fn enters(conn: &mut Conn, entrance: &'static str) -> Result<bool, DbError> {
    sql(entrance).bind(KEY).scalar(conn).await
}

/// Locks that other processes see (PostgreSQL's advisory ones). They end with the connection, and so with the process; one
/// that breaks while a lock is held lets it go unnoticed. The server ends the connection of a process that is stopped, so
/// that others need not wait for it.
pub(in crate::store) struct Locks {
    own: Arc<Own>,
    /// Asks something now and then, until this is closed or dropped.
    beats: Mutex<Option<AbortOnDropHandle<()>>>,
}

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
        let mut conn = Conn::open(target.clone()).await?;
        in_time(ANSWER, ends_when_silent(&mut conn)).await??;
        let until = Instant::now() + patience;
        while !in_time(ANSWER, enters(&mut conn, text)).await?? {
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(RETRY).await;
        }
        let own = Arc::new(Own { target, entrance: Some(text), conn: Mutex::new(Some(conn)) });
        let beats = AbortOnDropHandle::new(tokio::spawn(beat(Arc::clone(&own))));
        Ok(Some(Self { own, beats: Mutex::new(Some(beats)) }))
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
        let row = self.own.row(statement, ANSWER).await?;
        row.map_or(Ok(false), |row| row.try_get("done"))
    }

    /// Lets all go.
    pub(in crate::store) async fn close(&self) {
        if let Some(beats) = self.beats.lock().await.take() {
            beats.abort();
            // Once it ended it makes no new connection any more. That it was cut off is no news.
            _ = beats.await;
        }
        self.own.close().await;
    }
}

/// Asks something again and again. After a connection broke it makes the next one, and takes [`KEY`] with it.
async fn beat(own: Arc<Own>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(BEAT).await;
        match own.row(sql("SELECT true AS done"), ANSWER).await {
            Ok(_) => failing = false,
            Err(error) if !failing => {
                tracing::warn!(
                    error = crate::text::logged(&error),
                    "the connection with the locks that other replicas see broke; it is made anew"
                );
                failing = true;
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tests_postgres::Server;

    #[tokio::test]
    async fn a_connection_with_locks_ends_when_silent_and_the_next_one_has_the_key_again() {
        let database = Server::shared().await.unwrap().database().await.unwrap();
        let target = Target::server(&database.url().parse().unwrap());
        let locks = Locks::open(target.clone(), Duration::ZERO).await.unwrap().unwrap();
        let mut other = Conn::open(target).await.unwrap();
        let silence = || sql("SELECT setting AS done FROM pg_settings WHERE name = 'idle_session_timeout'");
        let pid = || sql("SELECT CAST(pg_backend_pid() AS BIGINT) AS done");
        let row = locks.own.row(pid(), ANSWER).await.unwrap().unwrap();
        let first: i64 = row.try_get("done").unwrap();
        let kill = sql("SELECT pg_terminate_backend(CAST($1 AS INTEGER))").bind(first);
        assert!(kill.scalar::<bool>(&mut other).await.unwrap());
        let there = || sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $1").bind(first);
        while there().scalar::<i64>(&mut other).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        // Who asks finds that it broke, unless the beat was first.
        while !locks.try_lock("a").await.is_ok_and(|done| done) {
            tokio::task::yield_now().await;
        }
        let alone = sql("SELECT pg_try_advisory_lock($1)").bind(KEY);
        assert!(!alone.scalar::<bool>(&mut other).await.unwrap(), "older versions are kept out");
        let row = locks.own.row(silence(), ANSWER).await.unwrap().expect("PostgreSQL 14 or later");
        assert_eq!(row.try_get::<String>("done").unwrap(), "15000");
        locks.close().await;
        other.close().await.unwrap();
    }
}
