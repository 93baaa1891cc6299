//! Writes that are one transaction and one question to the database.
//!
//! sqlx-sqlite runs all statements of one text before it answers, with the arguments counted through them. Each question
//! costs two hops between threads, which is more than most statements cost, so what is written all the time is one. A
//! compare-and-set in the midst is made exact by a statement behind it that fails if it changed nothing: nothing after
//! it is run, and everything is taken back.
//!
//! The statements themselves stand with what they write (`machine`, `instance`, `event`), each once, and are put into a
//! text here or run one by one. How several become one question is only known here and in `lanes`: another database has
//! its own way for that (PostgreSQL: data-modifying CTEs, or a pipeline).

use super::{Swap, lanes::Lent};
use sqlx::{QueryBuilder, Sqlite};

/// What fails with this word in its message, and at no other time, if the statement before it changed no row.
///
/// `changes()` tells of the last statement that writes, and is no constant that could be computed beforehand. Nothing is
/// selected, so that no row has to be answered.
const GUARD: &str = "SELECT 1 WHERE json_extract('{}', iif(changes(), '$', 'stale')) IS NULL";

/// What a statement of a batch is there for: who meets its failure has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Beginning and end, and what can't fail but by the database's own trouble.
    Rest,
    /// The machine's row.
    Machine,
    /// The instance's row.
    Instance,
    /// Whether the one before changed something.
    Guard,
}

/// Why nothing was written.
#[derive(Debug)]
pub(super) struct Failed {
    /// Where.
    pub(super) part: Part,
    /// Why.
    pub(super) error: sqlx::Error,
}

/// Statements that are done together or not at all.
pub(super) struct Batch {
    text: QueryBuilder<Sqlite>,
    parts: Vec<Part>,
}

impl Batch {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { text: QueryBuilder::new("BEGIN IMMEDIATE"), parts: vec![Part::Rest] }
    }

    /// One more statement.
    pub(super) fn add(&mut self, part: Part, push: impl FnOnce(&mut QueryBuilder<Sqlite>)) {
        self.text.push("; ");
        push(&mut self.text);
        self.parts.push(part);
    }

    /// One more statement that has to change something.
    pub(super) fn swap(&mut self, part: Part, push: impl FnOnce(&mut QueryBuilder<Sqlite>)) {
        self.add(part, push);
        self.add(Part::Guard, |text| {
            text.push(GUARD);
        });
    }

    /// Does all of them, or none: `Stale`, when one that had to change something did not.
    pub(super) async fn commit(mut self, lent: &mut Lent) -> Result<Swap, Failed> {
        self.add(Part::Rest, |text| {
            text.push("COMMIT");
        });
        let Err((done, error)) = lent.transact(&mut self.text).await else { return Ok(Swap::Updated) };
        let part = self.parts.get(done).copied().unwrap_or(Part::Rest);
        let stale = error.as_database_error().is_some_and(|error| error.message().contains("stale"));
        if part == Part::Guard && stale { Ok(Swap::Stale) } else { Err(Failed { part, error }) }
    }
}
