//! A backup into an empty database: in one transaction, table after table as they come.

use super::{CopyError, Restored, SCHEMA, Store, head, is_carried, quoted};
use crate::{
    backup::{Cell, Contents, Entry},
    store::db::{self, Conn, Statement, Table, Target, Value, sql},
};
use jiff::Timestamp;
use std::path::Path;

/// Most rows in one statement.
const MOST: usize = 100;

/// Most bytes of texts in one statement, roughly.
const SIZE: usize = 1024 * 1024;

impl Store {
    /// Makes a database in a new file that holds what was saved, still as its schema of then. Nobody must work with it
    /// before [`Store::open`] brought it up to date and [`Store::restored`] made it safe.
    pub(crate) async fn make_file(path: &Path, contents: &mut Contents) -> Result<(), CopyError> {
        let schema = contents.header().schema;
        let mut conn = db::migrate_to(Target::file(path), schema).await?;
        conn.say("BEGIN IMMEDIATE").await?;
        load(&mut conn, contents).await?;
        conn.say("COMMIT").await?;
        Ok(conn.close().await?)
    }

    /// What is to stand in a database once it was filled from a backup, in a transaction of its own: see [`Restored`].
    pub(crate) async fn restored(&self, backup: Timestamp, now: Timestamp) -> Result<Restored, CopyError> {
        let mut transaction = self.writer.begin().await?;
        let clock = self.database_now(&mut transaction).await?;
        let restored = super::confirm::all(&mut transaction, backup, clock, now).await?;
        transaction.commit().await?;
        Ok(restored)
    }

    /// Puts what was saved in the place of all that there is, and makes it safe, in one transaction. The backup is of the
    /// schema that this program works with.
    pub(crate) async fn refill(
        &self,
        contents: &mut Contents,
        now: Timestamp,
    ) -> Result<Restored, CopyError> {
        let mut transaction = self.writer.begin().await?;
        if transaction.is_postgres() {
            // However much there is to be thrown away.
            transaction.say("SET LOCAL statement_timeout = 0").await?;
        }
        let clock = self.database_now(&mut transaction).await?;
        load(&mut transaction, contents).await?;
        let restored = super::confirm::all(&mut transaction, contents.header().at, clock, now).await?;
        transaction.commit().await?;
        Ok(restored)
    }
}

pub(in crate::store) async fn load(conn: &mut Conn, contents: &mut Contents) -> Result<(), CopyError> {
    let schema = contents.header().schema;
    let wrong = |what: String| CopyError::Tables { schema: schema.min(SCHEMA), what };
    let tables = db::tables(conn).await?;
    for table in tables.iter().rev() {
        sql(format!("DELETE FROM \"{}\"", table.name)).execute(conn).await?;
    }
    let mut missing: Vec<&Table> = tables.iter().filter(|table| is_carried(table)).collect();
    let mut rows: Option<Rows> = None;
    while let Some(entry) = contents.next()? {
        match entry {
            Entry::Table(begun) => {
                flush(conn, rows.take()).await?;
                let place = missing.iter().position(|table| table.name == begun.table);
                let table = place.map(|place| missing.remove(place));
                let table = table.ok_or_else(|| wrong(format!("`{}` is not among them", begun.table)))?;
                if head(table) != begun {
                    return Err(wrong(format!("`{}` has other columns", begun.table)));
                }
                rows = Some(Rows::of(table));
            }
            Entry::Row(cells) => {
                // `Contents` gives no row before a table.
                let Some(rows) = &mut rows else { continue };
                if rows.push(cells) {
                    rows.insert(conn).await?;
                }
            }
        }
    }
    flush(conn, rows).await?;
    match missing.first() {
        Some(table) => Err(wrong(format!("`{}` is missing", table.name))),
        None => Ok(()),
    }
}

async fn flush(conn: &mut Conn, rows: Option<Rows>) -> Result<(), CopyError> {
    match rows {
        Some(mut rows) => rows.insert(conn).await,
        None => Ok(()),
    }
}

/// Rows on their way into a table.
struct Rows {
    into: String,
    rows: Vec<Vec<Value>>,
    size: usize,
}

impl Rows {
    fn of(table: &Table) -> Self {
        let columns = quoted(table.columns.iter().map(|column| &column.name));
        Self { into: format!("INSERT INTO \"{}\" ({columns}) ", table.name), rows: Vec::new(), size: 0 }
    }

    /// One more; true: they are to be inserted now.
    fn push(&mut self, cells: Vec<Cell>) -> bool {
        self.size += cells.iter().map(size).sum::<usize>();
        self.rows.push(cells.into_iter().map(value).collect());
        self.rows.len() >= MOST || self.size >= SIZE
    }

    async fn insert(&mut self, conn: &mut Conn) -> Result<(), CopyError> {
        let rows = std::mem::take(&mut self.rows);
        self.size = 0;
        if rows.is_empty() {
            return Ok(());
        }
        let mut statement: Statement = sql(self.into.clone());
        statement.push_rows(rows);
        statement.execute(conn).await?;
        Ok(())
    }
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.as_ref().map_or(0, String::len),
        Cell::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
        Cell::Number(_) | Cell::Truth(_) => 8,
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Number(number) => Value::Number(number),
        Cell::Truth(truth) => Value::Truth(truth),
        Cell::Text(text) => Value::Text(text),
        Cell::Bytes(bytes) => Value::Bytes(bytes),
    }
}
