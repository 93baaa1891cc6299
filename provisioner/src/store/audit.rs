//! The audit log: entries are added, in one chain whichever replica does it, and read; nothing changes or removes one.

use super::{
    Store, StoreError, Swap,
    batch::{self, Batch},
    db::{Conn, DbError, Row, Statement, Value, sql},
    json,
};
use crate::audit::chain;
use provisioner_api::{AuditEntry, AuditHead, AuditRecord};
use rusqlite::{Connection, OptionalExtension};

/// Most entries in one statement.
const MOST: usize = 50;

const HEAD: &str = "SELECT entries, hash FROM audit_head WHERE one = 1";

impl Store {
    /// Adds entries behind the last one; their numbers are given here. They are committed with whatever else is written at
    /// that time.
    pub(crate) async fn audit_append(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.audit(entries);
        match self.writer.write(batch).await?.swap {
            Swap::Updated => Ok(()),
            Swap::Stale => Err(StoreError::NoAuditHead),
        }
    }

    /// At most so many entries behind a number, oldest first.
    pub(crate) async fn audit_page(&self, after: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let text = "SELECT content, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2 + 0";
        let query = sql(text).bind(signed(after)).bind(limit);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().map(record).collect()
    }

    /// The newest entries, oldest first.
    pub(crate) async fn audit_newest(&self, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let query = sql("SELECT content, hash FROM audit ORDER BY seq DESC LIMIT $1 + 0").bind(limit);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().rev().map(record).collect()
    }

    /// Where the log ends.
    pub(crate) async fn audit_head(&self) -> Result<AuditHead, StoreError> {
        head(&mut *self.api_reader.get().await?).await
    }
}

async fn head(conn: &mut Conn) -> Result<AuditHead, StoreError> {
    let row = sql(HEAD).fetch_optional(conn).await?.ok_or(StoreError::NoAuditHead)?;
    Ok(AuditHead { entries: unsigned(row.try_get("entries")?), hash: row.try_get("hash")? })
}

/// Adds entries in the midst of a group, where nobody else writes. How many there are; none, if it is not known where the
/// log ends.
pub(super) fn append(conn: &Connection, entries: &[AuditEntry]) -> Result<usize, rusqlite::Error> {
    let head = |row: &rusqlite::Row<'_>| {
        Ok(AuditHead { entries: unsigned(row.get("entries")?), hash: row.get("hash")? })
    };
    let Some(head) = conn.prepare_cached(HEAD)?.query_row([], head).optional()? else { return Ok(0) };
    for statement in statements(head, entries) {
        batch::execute(conn, &statement)?;
    }
    Ok(entries.len())
}

/// The same on a server, where others write, too.
pub(super) async fn append_on_conn(conn: &mut Conn, entries: &[AuditEntry]) -> Result<u64, DbError> {
    // Whoever else adds some waits for this row.
    let Some(row) = sql(format!("{HEAD} FOR UPDATE")).fetch_optional(&mut *conn).await? else { return Ok(0) };
    let head = AuditHead { entries: unsigned(row.try_get("entries")?), hash: row.try_get("hash")? };
    for statement in statements(head, entries) {
        statement.execute(&mut *conn).await?;
    }
    Ok(entries.len() as u64)
}

/// What puts entries behind where the log ends.
fn statements(mut head: AuditHead, entries: &[AuditEntry]) -> Vec<Statement> {
    let mut rows: Vec<[Value; 3]> = Vec::with_capacity(entries.len());
    for entry in entries {
        let seq = head.entries + 1;
        let content = json(&AuditEntry { seq, ..entry.clone() });
        head = AuditHead { entries: seq, hash: chain(&head.hash, &content) };
        rows.push([signed(seq).into(), content.into(), (&head.hash).into()]);
    }
    let mut statements = Vec::new();
    for rows in rows.chunks(MOST) {
        let mut insert = sql("INSERT INTO audit (seq, content, hash) ");
        insert.push_rows(rows.iter().cloned());
        statements.push(insert);
    }
    let text = "UPDATE audit_head SET entries = ?, hash = ? WHERE one = 1";
    statements.push(sql(text).bind(signed(head.entries)).bind(head.hash));
    statements
}

/// Databases count to the half of `u64`.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn record(row: &Row) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord { content: row.try_get("content")?, hash: row.try_get("hash")? })
}
