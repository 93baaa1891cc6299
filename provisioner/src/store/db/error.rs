//! What a failure of the database means for whoever asked, the same for both.

use std::{error::Error as StdError, fmt};

/// A failure of the database.
#[derive(Debug)]
pub(crate) struct DbError {
    kind: DbErrorKind,
    source: Box<dyn StdError + Send + Sync>,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DbErrorKind {
    /// Another row has that already.
    Unique,
    /// Another row needs this one, or this one needs a row that is not there.
    ForeignKey,
    /// Another transaction came between; nothing was written, and it can be done again.
    Conflict,
    /// A column does not hold what it should.
    Unreadable,
    /// There is no connection any more; what was not committed on it is gone.
    Lost,
    /// The connection broke while it was committed: nobody knows whether it was written.
    Unknown,
    /// Another process leads by now; nothing was written.
    NotLeading,
    /// Anything else.
    Other,
}

impl DbError {
    /// What it means.
    pub(crate) fn kind(&self) -> DbErrorKind {
        self.kind
    }

    /// Whether there is a server, but TLS with it failed for what it is or what we trust: waiting does not mend that.
    pub(in crate::store) fn is_untrusted(&self) -> bool {
        match self.source.downcast_ref() {
            Some(sqlx::Error::Tls(_)) => true,
            Some(sqlx::Error::Io(error)) => {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
                matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
            }
            _ => false,
        }
    }

    /// A failure of this kind, in these words.
    pub(crate) fn new(kind: DbErrorKind, words: impl Into<String>) -> Self {
        Self { kind, source: Box::new(sqlx::Error::Io(std::io::Error::other(words.into()))) }
    }

    /// What a lost connection means for a commit.
    pub(in crate::store) fn at_commit(self) -> Self {
        let kind = if self.kind == DbErrorKind::Lost { DbErrorKind::Unknown } else { self.kind };
        Self { kind, ..self }
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl StdError for DbError {
    /// It speaks for its cause, so it is not told twice.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let kind = match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => DbErrorKind::Unique,
            sqlx::Error::Database(cause) if cause.is_foreign_key_violation() => DbErrorKind::ForeignKey,
            sqlx::Error::Database(cause) => by_code(cause.code().as_deref().unwrap_or_default()),
            sqlx::Error::ColumnDecode { .. } => DbErrorKind::Unreadable,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => DbErrorKind::Lost,
            _ => DbErrorKind::Other,
        };
        Self { kind, source: Box::new(error) }
    }
}

/// PostgreSQL's codes (appendix A of its manual). SQLite's are numbers of other lengths.
fn by_code(code: &str) -> DbErrorKind {
    match code {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => DbErrorKind::Conflict,
        // The server ends, ended, or is not ready yet; idle_in_transaction_session_timeout.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => DbErrorKind::Lost,
        _ if code.len() == 5 && code.starts_with("08") => DbErrorKind::Lost,
        _ => DbErrorKind::Other,
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi;
        let kind = match error.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => DbErrorKind::Unique,
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => DbErrorKind::ForeignKey,
            _ => DbErrorKind::Other,
        };
        Self { kind, source: Box::new(error) }
    }
}
