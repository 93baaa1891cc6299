//! Writes that are done together or not at all, and several of them as one transaction.
//!
//! A transaction costs an `fsync` and a hand-over to another thread and back, which is more than most statements cost.
//! So those that come at the same time (`writer` gathers them) are one transaction. Each keeps to itself: one that is
//! refused, or meets what somebody else changed, is taken back to where it began, and the others stay.
//!
//! The statements themselves stand with what they write (`machine`, `instance`, `event`), each once, and are put into a
//! batch or run one by one. What a group of batches is for the database is only known here: another one has its own way
//! for that (PostgreSQL: a pipeline).

use super::{Swap, statement::Statement};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi};
use sqlx::error::{DatabaseError, ErrorKind};
use std::{error::Error as StdError, fmt};

/// What a statement of a batch is there for: who meets its failure has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What can't fail but by the database's own trouble.
    Rest,
    /// The machine's row.
    Machine,
    /// The instance's row.
    Instance,
}

/// Why nothing was written.
#[derive(Debug)]
pub(super) struct Failed {
    /// Where.
    pub(super) part: Part,
    /// Why.
    pub(super) error: sqlx::Error,
}

impl From<Failed> for super::StoreError {
    fn from(failed: Failed) -> Self {
        failed.error.into()
    }
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// `Stale`, when a statement that had to change something did not: then nothing was written.
    pub(super) swap: Swap,
    /// How many rows its last statement changed.
    pub(super) rows: u64,
}

struct Step {
    part: Part,
    /// It has to change something.
    swaps: bool,
    statement: Statement,
}

/// Statements that are done together or not at all.
#[derive(Default)]
pub(super) struct Batch {
    steps: Vec<Step>,
}

impl Batch {
    /// None yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One more statement.
    pub(super) fn add(&mut self, part: Part, push: impl FnOnce(&mut Statement)) {
        self.step(part, false, push);
    }

    /// One more statement, which has to change something.
    pub(super) fn swap(&mut self, part: Part, push: impl FnOnce(&mut Statement)) {
        self.step(part, true, push);
    }

    fn step(&mut self, part: Part, swaps: bool, push: impl FnOnce(&mut Statement)) {
        let mut statement = Statement::default();
        push(&mut statement);
        self.steps.push(Step { part, swaps, statement });
    }

    /// Runs its statements up to the first that fails, or does not change what it has to. What was done before that one
    /// has to be taken back.
    fn run(&self, conn: &Connection) -> Result<Written, (Part, rusqlite::Error)> {
        let mut rows = 0;
        for Step { part, swaps, statement } in &self.steps {
            let failed = |error| (*part, error);
            tell(statement.text());
            let mut prepared = conn.prepare_cached(statement.text()).map_err(failed)?;
            let values = rusqlite::params_from_iter(statement.values());
            rows = prepared.execute(values).map_err(failed)?;
            if *swaps && rows == 0 {
                return Ok(Written { swap: Swap::Stale, rows: 0 });
            }
        }
        Ok(Written { swap: Swap::Updated, rows: rows as u64 })
    }
}

/// Says which statement is run, in short, as sqlx does for those that it runs.
fn tell(text: &str) {
    let summary = || text.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    tracing::debug!(target: "billet::write", summary = summary());
}

/// Commits batches as one transaction, in their order: each sees what those before it wrote. An error means that none of
/// them is answered for, and that the connection should not be used any more.
pub(super) fn commit(
    conn: &mut Connection,
    batches: &[Batch],
) -> Result<Vec<Result<Written, Failed>>, rusqlite::Error> {
    let mut transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut answers = Vec::with_capacity(batches.len());
    for batch in batches {
        answers.push(run_apart(&mut transaction, batch)?);
    }
    transaction.commit()?;
    Ok(answers)
}

/// Runs a batch in the midst of a transaction, and takes back no more than the batch if nothing comes of it.
fn run_apart(
    transaction: &mut Transaction<'_>,
    batch: &Batch,
) -> Result<Result<Written, Failed>, rusqlite::Error> {
    // One statement takes itself back.
    let done = if batch.steps.len() < 2 {
        batch.run(transaction)
    } else {
        let savepoint = transaction.savepoint()?;
        let done = batch.run(&savepoint);
        match &done {
            Ok(Written { swap: Swap::Updated, .. }) => savepoint.commit()?,
            // An error that took everything back, the savepoint too, is told below.
            _ if !savepoint.is_autocommit() => savepoint.finish()?,
            _ => {}
        }
        done
    };
    match done {
        Ok(written) => Ok(Ok(written)),
        // Some of the database's own troubles take back the whole transaction by themselves.
        Err((_, error)) if transaction.is_autocommit() || is_trouble(&error) => Err(error),
        Err((part, error)) => Ok(Err(Failed { part, error: refused(&error) })),
    }
}

/// Whether an error is no matter of the statement that met it.
fn is_trouble(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::OperationInterrupted
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NotADatabase
        )
    )
}

/// An error of the database, for those who take them from sqlx.
pub(super) fn refused(error: &rusqlite::Error) -> sqlx::Error {
    let kind = match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Kind::Unique,
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Kind::ForeignKey,
        _ => Kind::Other,
    };
    sqlx::Error::Database(Box::new(Refused { message: error.to_string(), kind }))
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Unique,
    ForeignKey,
    Other,
}

#[derive(Debug)]
struct Refused {
    message: String,
    kind: Kind,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Refused {}

impl DatabaseError for Refused {
    fn message(&self) -> &str {
        &self.message
    }

    fn kind(&self) -> ErrorKind {
        match self.kind {
            Kind::Unique => ErrorKind::UniqueViolation,
            Kind::ForeignKey => ErrorKind::ForeignKeyViolation,
            Kind::Other => ErrorKind::Other,
        }
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }
}
