//! Writes that are done together or not at all, and several of them as one transaction.
//!
//! A transaction costs an `fsync` and a hand-over to another thread and back, which is more than most statements cost.
//! So those that come at the same time (`writer` gathers them) are one transaction. Each keeps to itself: one that is
//! refused, or meets what somebody else changed, is taken back whole, and the others stay.
//!
//! The statements themselves stand with what they write (`machine`, `instance`, `event`), each once, and are put into a
//! batch or run one by one. How batches are committed is only known here: SQLite's as a group, since it has one writer;
//! PostgreSQL's each by itself, many at once.

use super::{
    Swap, audit,
    db::{AGAIN, Conn, DbError, DbErrorKind, Isolation, Lanes, Statement, sql},
};
use provisioner_api::AuditEntry;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

/// What a statement of a batch is there for: who meets its failure has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What can't fail but by the database's own trouble.
    Rest,
    /// The machine's row.
    Machine,
    /// What a machine has that no other one may have: its MACs, its BMC.
    Place,
    /// The instance's row.
    Instance,
}

/// Why nothing was written.
#[derive(Debug)]
pub(super) struct Failed {
    /// Where.
    pub(super) part: Part,
    /// Why.
    pub(super) error: DbError,
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
    deed: Deed,
}

enum Deed {
    Statement(Statement),
    /// Entries of the audit log: what they are depends on the one before.
    Audit(Vec<AuditEntry>),
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

    /// Entries at the end of the audit log, which has to be there.
    pub(super) fn audit(&mut self, entries: &[AuditEntry]) {
        self.steps.push(Step { part: Part::Rest, swaps: true, deed: Deed::Audit(entries.to_vec()) });
    }

    fn step(&mut self, part: Part, swaps: bool, push: impl FnOnce(&mut Statement)) {
        let mut statement = Statement::default();
        push(&mut statement);
        self.steps.push(Step { part, swaps, deed: Deed::Statement(statement) });
    }

    /// Runs its statements up to the first that fails, or does not change what it has to: that one changed nothing, but
    /// what was done before it has to be taken back.
    fn run(&self, conn: &Connection) -> Ran {
        let mut before = 0;
        let done = self.run_steps(conn, &mut before);
        Ran { done, alone: before == 0 && self.begins_with_a_statement() }
    }

    /// Whether its first step takes itself back when it fails: entries of the audit log are several statements.
    fn begins_with_a_statement(&self) -> bool {
        matches!(self.steps.first(), Some(Step { deed: Deed::Statement(_), .. }))
    }

    /// `done` counts the statements that went through.
    fn run_steps(&self, conn: &Connection, done: &mut usize) -> Result<Written, (Part, rusqlite::Error)> {
        let mut rows = 0;
        for Step { part, swaps, deed } in &self.steps {
            let ran = match deed {
                Deed::Statement(statement) => execute(conn, statement),
                Deed::Audit(entries) => audit::append(conn, entries),
            };
            rows = ran.map_err(|error| (*part, error))?;
            if *swaps && rows == 0 {
                tracing::debug!(target: "billet::write", "somebody else was first");
                return Ok(Written { swap: Swap::Stale, rows: 0 });
            }
            *done += 1;
        }
        Ok(Written { swap: Swap::Updated, rows: rows as u64 })
    }
}

/// What came of running a batch.
struct Ran {
    done: Result<Written, (Part, rusqlite::Error)>,
    /// If something ended it early, that was its first statement.
    alone: bool,
}

impl Ran {
    /// Whether it has to be taken back, though a part of it went through.
    fn is_half_done(&self) -> bool {
        !self.alone && !matches!(self.done, Ok(Written { swap: Swap::Updated, .. }))
    }
}

/// Runs a statement; how many rows it changed.
pub(super) fn execute(conn: &Connection, statement: &Statement) -> Result<usize, rusqlite::Error> {
    tell(statement.text());
    conn.prepare_cached(statement.text())?.execute(rusqlite::params_from_iter(statement.values()))
}

/// Says which statement is run, in short, as sqlx does for those that it runs.
fn tell(text: &str) {
    let summary = || text.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    tracing::debug!(target: "billet::write", summary = summary(), text);
}

/// Commits batches as one transaction, in their order: each sees what those before it wrote. An error means that none of
/// them is answered for, and that the connection should not be used any more.
pub(super) fn commit(
    conn: &mut Connection,
    batches: &[Batch],
) -> Result<Vec<Result<Written, Failed>>, rusqlite::Error> {
    // Hardly ever has one to be taken back that has begun. To be able to do that alone, the database keeps a copy of each
    // page that it changes, so it is all begun anew when it comes to that.
    for apart in [false, true] {
        let mut transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some(answers) = run_all(&mut transaction, batches, apart)? else {
            transaction.rollback()?;
            continue;
        };
        transaction.commit()?;
        return Ok(answers);
    }
    unreachable!("what is run apart is not begun anew")
}

/// Runs batches in the midst of a transaction. Nothing: one was half done, and can't be taken back without the others,
/// because they are not run `apart`.
fn run_all(
    transaction: &mut Transaction<'_>,
    batches: &[Batch],
    apart: bool,
) -> Result<Option<Vec<Result<Written, Failed>>>, rusqlite::Error> {
    let mut answers = Vec::with_capacity(batches.len());
    for batch in batches {
        // One statement takes itself back.
        let one = batch.steps.len() == 1 && batch.begins_with_a_statement();
        let ran = if apart && !one { run_apart(transaction, batch)? } else { batch.run(transaction) };
        // Some of the database's own troubles take back the whole transaction by themselves.
        let lost = transaction.is_autocommit();
        if !apart && !lost && ran.is_half_done() {
            return Ok(None);
        }
        answers.push(match ran.done {
            Ok(written) => Ok(written),
            Err((_, error)) if lost || is_trouble(&error) => return Err(error),
            Err((part, error)) => Err(Failed { part, error: error.into() }),
        });
    }
    Ok(Some(answers))
}

/// Runs a batch, and takes back no more than the batch if nothing comes of it.
fn run_apart(transaction: &mut Transaction<'_>, batch: &Batch) -> Result<Ran, rusqlite::Error> {
    let savepoint = transaction.savepoint()?;
    let ran = batch.run(&savepoint);
    match &ran.done {
        Ok(Written { swap: Swap::Updated, .. }) => savepoint.commit()?,
        // An error that took everything back, the savepoint too, is told by the caller.
        _ if !savepoint.is_autocommit() => savepoint.finish()?,
        _ => {}
    }
    Ok(ran)
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

/// Commits a batch by itself, on a server's database: others come to it at the same time, and what a batch has to change is
/// compared by the statement that changes it.
pub(super) async fn commit_alone(lanes: &Lanes, term: Option<u64>, batch: &Batch) -> Result<Written, Failed> {
    let mut again = AGAIN;
    loop {
        match commit_once(lanes, term, batch).await {
            Err(failed) if again > 0 && failed.error.kind() == DbErrorKind::Conflict => again -= 1,
            done => return done,
        }
    }
}

/// The term of the turn must be this one, and stays so until the transaction ends: whoever takes the turn waits for that.
/// To be said first in it. Renewing the lease changes no column of a key, so that it neither waits nor is waited for.
pub(super) async fn fence(conn: &mut Conn, term: Option<u64>) -> Result<(), DbError> {
    let Some(term) = term else { return Ok(()) };
    let now: i64 = sql("SELECT term FROM works FOR KEY SHARE").scalar(conn).await?;
    if now as u64 == term {
        return Ok(());
    }
    let words = format!("it was term {term}, and is another process's turn by now, of term {now}");
    Err(DbError::new(DbErrorKind::NotLeading, words))
}

async fn commit_once(lanes: &Lanes, term: Option<u64>, batch: &Batch) -> Result<Written, Failed> {
    let rest = |error| Failed { part: Part::Rest, error };
    // One statement commits itself.
    if let ([Step { part, swaps, deed: Deed::Statement(statement) }], None) = (&*batch.steps, term) {
        let mut lent = lanes.get().await.map_err(rest)?;
        let done = statement.clone().execute(&mut lent).await;
        let rows = done.map_err(|error| Failed { part: *part, error: error.at_commit() })?;
        return Ok(Written { swap: if *swaps && rows == 0 { Swap::Stale } else { Swap::Updated }, rows });
    }
    let mut written = Written { swap: Swap::Updated, rows: 0 };
    let mut lent = lanes.begin(Isolation::Committed).await.map_err(rest)?;
    fence(&mut lent, term).await.map_err(rest)?;
    for Step { part, swaps, deed } in &batch.steps {
        let done = match deed {
            Deed::Statement(statement) => statement.clone().execute(&mut lent).await,
            Deed::Audit(entries) => audit::append_on_conn(&mut lent, entries).await,
        };
        written.rows = done.map_err(|error| Failed { part: *part, error })?;
        if *swaps && written.rows == 0 {
            return Ok(Written { swap: Swap::Stale, rows: 0 });
        }
    }
    lent.commit().await.map_err(rest)?;
    Ok(written)
}
