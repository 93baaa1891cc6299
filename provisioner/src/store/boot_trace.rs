//! Boot conversations, entry by entry. Written in batches, each a transaction; losing the last one loses no decision.

use super::{
    Store, StoreError,
    batch::{Batch, Part},
    db::{Row, again, sql},
    document, json,
};
use crate::text::format_mac;
use pxe_proto::trace::Entry;
use std::sync::Arc;

/// The most rows of one statement.
const MOST: usize = 64;

/// Numbers an entry: ids grow with time, and are a MAC's own.
pub(crate) type Numbered = (u64, Arc<Entry>);

impl Store {
    /// Adds entries. Of two replicas that heard the same packet at the same moment, the first has its say.
    pub(crate) async fn boot_trace_insert(&self, entries: &[Numbered]) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for rows in entries.chunks(MOST) {
            batch.add(Part::Rest, |statement| {
                statement.push("INSERT INTO boot_trace (mac, id, entry) ");
                statement.push_rows(rows.iter().map(|(id, entry)| {
                    [format_mac(entry.mac).into(), (*id as i64).into(), json(entry.as_ref()).into()]
                }));
                statement.push(" ON CONFLICT (mac, id) DO NOTHING");
            });
        }
        self.writer.write(batch).await?;
        Ok(())
    }

    /// The entries of a MAC, oldest first.
    pub(crate) async fn boot_trace_list(&self, mac: &str) -> Result<Vec<Numbered>, StoreError> {
        let rows = sql("SELECT mac, id, entry FROM boot_trace WHERE mac = $1 ORDER BY id")
            .bind(mac)
            .fetch_all(&mut *self.reader.get().await?)
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// The newest entries of all MACs, oldest first.
    pub(crate) async fn boot_trace_newest(&self, limit: u32) -> Result<Vec<Numbered>, StoreError> {
        let rows = sql("SELECT mac, id, entry FROM boot_trace ORDER BY id DESC LIMIT $1 + 0")
            .bind(limit)
            .fetch_all(&mut *self.reader.get().await?)
            .await?;
        rows.iter().rev().map(from_row).collect()
    }

    /// Forgets all but the newest `keep` entries of each of these MACs.
    pub(crate) async fn boot_trace_trim(&self, macs: &[String], keep: u32) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            for mac in macs {
                sql("DELETE FROM boot_trace WHERE mac = $1 AND id <=
                 (SELECT id FROM boot_trace WHERE mac = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)")
                .bind(mac)
                .bind(keep)
                .execute(&mut transaction)
                .await?;
            }
            Ok(transaction.commit().await?)
        })
    }

    /// Forgets what is older than an id, and all but the newest `most` entries.
    pub(crate) async fn boot_trace_prune(&self, before: u64, most: u32) -> Result<(), StoreError> {
        let old = "DELETE FROM boot_trace WHERE id < $1 OR id <=
             (SELECT id FROM boot_trace ORDER BY id DESC LIMIT 1 OFFSET $2)";
        self.writer.run(sql(old).bind(before as i64).bind(most)).await?;
        Ok(())
    }
}

fn from_row(row: &Row) -> Result<Numbered, StoreError> {
    let (mac, id): (String, i64) = (row.try_get("mac")?, row.try_get("id")?);
    let text: String = row.try_get("entry")?;
    let entry = document(|| format!("boot_trace {mac}, id {id}"), &text)?;
    Ok((id as u64, Arc::new(entry)))
}
