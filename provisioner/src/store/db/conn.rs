//! One connection, and how a statement is run on it.

use super::{
    DbError, DbErrorKind, Row, Statement, Target,
    file::File,
    migrations::{POSTGRES, SQLITE, migrator},
};
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection, migrate::MigrateError};
use std::time::Duration;

/// How long PostgreSQL may take to answer one statement, in seconds there; a little longer on this side, for when nobody
/// answers at all.
pub(super) const STATEMENT_SECONDS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(STATEMENT_SECONDS + 10);

/// How long it may take to be let in.
const CONNECTING: Duration = Duration::from_secs(10);

/// A connection.
pub(in crate::store) struct Conn {
    link: Link,
    /// It is of no use any more.
    broken: bool,
}

enum Link {
    File(File),
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs what is the same for both databases.
macro_rules! on_either {
    ($conn:expr, $statement:expr, $method:ident, $file:expr, $sqlite:expr, $postgres:expr) => {{
        let conn: &mut Conn = $conn;
        match &mut conn.link {
            Link::File(file) => $file(file, $statement).await,
            Link::Sqlite(link) => {
                let (text, values) = $statement.for_sqlite();
                Ok(sqlx::query_with(text, values).$method(link).await.map($sqlite)?)
            }
            Link::Postgres(link) => {
                let (text, values) = $statement.for_postgres();
                let done = in_time(sqlx::query_with(text, values).$method(link)).await.map($postgres);
                conn.noting(done)
            }
        }
    }};
}

impl Conn {
    // Boxed, because what a trait's method answers with is not known to be `Send` for every lifetime
    // (rust-lang/rust#100013).
    pub(in crate::store) fn open(target: Target) -> BoxFuture<'static, Result<Self, DbError>> {
        Box::pin(async move {
            let link = match target {
                Target::File(path) => Link::File(File::open(&path).await?),
                Target::Sqlite(options) => Link::Sqlite(SqliteConnection::connect_with(&options).await?),
                Target::Postgres(options) => {
                    let link = tokio::time::timeout(CONNECTING, PgConnection::connect_with(&options)).await;
                    let late = |_| DbError::new(DbErrorKind::Lost, "the database does not let us in");
                    Link::Postgres(link.map_err(late)??)
                }
            };
            Ok(Self { link, broken: false })
        })
    }

    /// Ends it.
    pub(in crate::store) fn close(self) -> BoxFuture<'static, Result<(), DbError>> {
        Box::pin(async move {
            match self.link {
                Link::File(file) => {
                    file.close().await;
                    Ok(())
                }
                Link::Sqlite(link) => Ok(link.close().await?),
                Link::Postgres(link) => in_time(link.close()).await,
            }
        })
    }

    /// It need not be tried again.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it would answer at once: nobody who stopped waiting is still being answered on it.
    pub(super) fn is_free(&self) -> bool {
        if let Link::File(file) = &self.link { file.is_free() } else { true }
    }

    /// Whether the database is one that may go away and come back.
    pub(in crate::store) fn is_postgres(&self) -> bool {
        matches!(self.link, Link::Postgres(_))
    }

    /// Asks whether somebody is there.
    pub(super) fn ping(&mut self) -> BoxFuture<'_, Result<(), DbError>> {
        Box::pin(async move {
            match &mut self.link {
                Link::File(_) | Link::Sqlite(_) => Ok(()),
                Link::Postgres(link) => {
                    let done = in_time(link.ping()).await;
                    self.noting(done)
                }
            }
        })
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        // Who only reads changes nothing, or fails.
        let file = async |file: &File, text| file.fetch(text, usize::MAX).await.map(|_| 0);
        on_either!(self, statement, execute, file, |done| done.rows_affected(), |done| done.rows_affected())
    }

    pub(super) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>, DbError> {
        let sqlite = |rows: Vec<_>| rows.into_iter().map(Row::Sqlite).collect();
        let postgres = |rows: Vec<_>| rows.into_iter().map(Row::Postgres).collect();
        let file = async |file: &File, text| file.fetch(text, usize::MAX).await;
        on_either!(self, statement, fetch_all, file, sqlite, postgres)
    }

    pub(super) async fn fetch_optional(&mut self, statement: Statement) -> Result<Option<Row>, DbError> {
        let (sqlite, postgres) =
            (|row: Option<_>| row.map(Row::Sqlite), |row: Option<_>| row.map(Row::Postgres));
        let file = async |file: &File, text| Ok(file.fetch(text, 1).await?.pop());
        on_either!(self, statement, fetch_optional, file, sqlite, postgres)
    }

    /// All rows that a statement answers with, one after the other: there are no more of them in memory than are on their
    /// way.
    pub(in crate::store) fn rows(&mut self, statement: Statement) -> BoxStream<'_, Result<Row, DbError>> {
        match &mut self.link {
            Link::File(file) => file.rows(statement).boxed(),
            Link::Sqlite(link) => {
                let (text, values) = statement.for_sqlite();
                let rows = sqlx::query_with(text, values).fetch(link);
                rows.map(|row| Ok(Row::Sqlite(row?))).boxed()
            }
            Link::Postgres(link) => {
                let (text, values) = statement.for_postgres();
                let rows = sqlx::query_with(text, values).fetch(link);
                rows.map(|row| Ok(Row::Postgres(row?))).boxed()
            }
        }
    }

    /// Runs a word that begins or ends a transaction.
    pub(in crate::store) async fn say(&mut self, word: &'static str) -> Result<(), DbError> {
        match &mut self.link {
            Link::File(file) => file.say(word).await?,
            Link::Sqlite(link) => _ = link.execute(word).await?,
            Link::Postgres(link) => {
                let done = in_time(link.execute(word)).await;
                self.noting(done)?;
            }
        }
        Ok(())
    }

    /// Brings the schema up to this number, as the version of the program did whose last one it is. `run` takes what gives a connection, which is not known for every lifetime.
    pub(super) fn migrate(&mut self, number: i64) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(async move {
            match &mut self.link {
                Link::File(_) => {
                    Err(sqlx::Error::Protocol("who only reads migrates nothing".to_owned()).into())
                }
                Link::Sqlite(link) => migrator(SQLITE, number).run_direct(None, link, false).await,
                Link::Postgres(link) => migrator(POSTGRES, number).run_direct(None, link, false).await,
            }
        })
    }

    /// Remembers that a connection is gone.
    fn noting<T>(&mut self, done: Result<T, DbError>) -> Result<T, DbError> {
        if done.as_ref().is_err_and(|error| error.kind() == DbErrorKind::Lost) {
            self.broken = true;
        }
        done
    }
}

async fn in_time<T>(done: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DbError> {
    let late = |_| DbError::new(DbErrorKind::Lost, "the database does not answer");
    Ok(tokio::time::timeout(PATIENCE, done).await.map_err(late)??)
}
