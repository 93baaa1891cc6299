//! Which database, and how connections to it are made.

use super::conn::STATEMENT_SECONDS;
use sqlx::{
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How many texts a connection to PostgreSQL keeps prepared: there is one for each set of columns that change together.
const PREPARED: usize = 256;

/// How long a process may say nothing in the midst of a transaction. Less than a lease (`turn`): one that is stopped there
/// must not keep others from taking its turn.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(8);

/// What a connection is made to.
#[derive(Clone)]
pub(in crate::store) enum Target {
    Sqlite(Box<SqliteConnectOptions>),
    /// A file that is there, to read it.
    File(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Target {
    /// A file, which is made if it is not there.
    pub(in crate::store) fn file(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        Self::Sqlite(Box::new(options))
    }

    /// A database of a server.
    pub(in crate::store) fn server(options: &PgConnectOptions) -> Self {
        let milliseconds = (STATEMENT_SECONDS * 1000).to_string();
        let idle = IDLE_IN_TRANSACTION.as_millis().to_string();
        let options =
            options.clone().statement_cache_capacity(PREPARED).application_name("billet").options([
                ("statement_timeout", &*milliseconds),
                ("idle_in_transaction_session_timeout", &*idle),
                // One that lost its power can't say that it is gone.
                ("tcp_keepalives_idle", "10"),
                ("tcp_keepalives_interval", "5"),
                ("tcp_keepalives_count", "3"),
            ]);
        Self::Postgres(Box::new(options))
    }

    /// The same for connections that only read.
    pub(in crate::store) fn reading(&self) -> Self {
        match self {
            Self::Sqlite(options) => Self::File(options.get_filename().to_owned()),
            Self::File(path) => Self::File(path.clone()),
            Self::Postgres(options) => Self::Postgres(Box::new(
                (**options).clone().options([("default_transaction_read_only", "on")]),
            )),
        }
    }

    /// Whether it is a server's.
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}
