//! Only one process serves from a database. Beside a file a lock of the data folder says so; on a server it is a lock
//! that lasts as long as one connection, which nobody uses for anything else.

use super::{Conn, DbError, DbErrorKind, Target, sql};
use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

/// "billet" in ASCII. Locks belong to one database of the server.
const KEY: i64 = 0x6269_6c6c_6574;

/// How often one looks whether it is free.
const RETRY: Duration = Duration::from_millis(500);

/// How often one looks whether it is still held.
const WATCH: Duration = Duration::from_secs(2);

/// How long the answer to that may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The lock; `None` in it: it was let go.
pub(in crate::store) struct ServeLock(Mutex<Option<Conn>>);

impl ServeLock {
    /// Takes it, as soon as nobody else has it. `None`: another process still has it after that time.
    pub(in crate::store) async fn take(target: Target, patience: Duration) -> Result<Option<Self>, DbError> {
        let mut conn = Conn::open(target).await?;
        let until = Instant::now() + patience;
        while !sql("SELECT pg_try_advisory_lock($1)").bind(KEY).scalar::<bool>(&mut conn).await? {
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(RETRY).await;
        }
        Ok(Some(Self(Mutex::new(Some(conn)))))
    }

    /// Answers when it is lost: from then on another process may have it. Never, once it was let go.
    pub(in crate::store) async fn lost(&self) -> DbError {
        loop {
            tokio::time::sleep(WATCH).await;
            let mut held = self.0.lock().await;
            let Some(conn) = held.as_mut() else {
                drop(held);
                return std::future::pending().await;
            };
            let late = |_| DbError::new(DbErrorKind::Lost, "the database does not answer");
            let answer = tokio::time::timeout(ANSWER, conn.ping()).await.map_err(late);
            if let Err(error) = answer.and_then(|answer| answer) {
                return error;
            }
        }
    }

    /// Lets it go.
    pub(in crate::store) async fn let_go(&self) {
        let conn = self.0.lock().await.take();
        if let Some(conn) = conn
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "the connection that shows that this process serves did not end well");
        }
    }
}
