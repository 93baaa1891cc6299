//! The audit log: entries are added, in one chain whichever replica does it, and read; nothing changes or removes one.

use super::{
    Store, StoreError,
    db::{Conn, Row, Value, again, sql},
    json,
};
use crate::audit::chain;
use provisioner_api::{AuditEntry, AuditHead, AuditRecord};

/// Most entries in one statement.
const MOST: usize = 50;

impl Store {
    /// Adds entries behind the last one; their numbers are given here.
    pub(crate) async fn audit_append(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin_committed().await?;
            // Whoever else adds some waits for this row.
            let added = i64::try_from(entries.len()).unwrap_or(i64::MAX);
            let text = "UPDATE audit_head SET entries = entries + $1 WHERE one = 1";
            sql(text).bind(added).execute(&mut transaction).await?;
            let AuditHead { entries: after, mut hash } = head(&mut transaction).await?;
            let before = after.saturating_sub(entries.len() as u64);
            let mut rows: Vec<[Value; 3]> = Vec::with_capacity(entries.len());
            for (seq, entry) in (before + 1..).zip(entries) {
                let content = json(&AuditEntry { seq, ..entry.clone() });
                hash = chain(&hash, &content);
                rows.push([i64::try_from(seq).unwrap_or(i64::MAX).into(), content.into(), (&hash).into()]);
            }
            for rows in rows.chunks(MOST) {
                let mut insert = sql("INSERT INTO audit (seq, content, hash) ");
                insert.push_rows(rows.iter().cloned());
                insert.execute(&mut transaction).await?;
            }
            sql("UPDATE audit_head SET hash = $1 WHERE one = 1")
                .bind(&hash)
                .execute(&mut transaction)
                .await?;
            Ok(transaction.commit().await?)
        })
    }

    /// At most so many entries behind a number, oldest first.
    pub(crate) async fn audit_page(&self, after: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let text = "SELECT content, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2 + 0";
        let query = sql(text).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit);
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
    let row = sql("SELECT entries, hash FROM audit_head WHERE one = 1").fetch_optional(conn).await?;
    let row = row.ok_or(StoreError::NoAuditHead)?;
    let entries: i64 = row.try_get("entries")?;
    Ok(AuditHead { entries: u64::try_from(entries).unwrap_or(0), hash: row.try_get("hash")? })
}

fn record(row: &Row) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord { content: row.try_get("content")?, hash: row.try_get("hash")? })
}
