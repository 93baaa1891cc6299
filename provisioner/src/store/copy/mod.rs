//! All tables into a backup, and out of one into an empty database. Which there are the database says (`db::tables`), so
//! that none can be forgotten; those that say what is so only now are left out by name.

mod confirm;
mod dump;
mod load;

pub(crate) use confirm::{RESTORE, Restored};
#[cfg(test)]
pub(in crate::store) use {dump::dump, load::load};

use super::{
    Store, StoreError,
    db::{self, DbError, Table, sql},
};
use crate::backup::{BackupError, TableHead};

/// The number of the schema that this program works with.
pub(crate) const SCHEMA: i64 = db::NEWEST;

/// Tables that a backup leaves out, and why.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("alive", "when this service listened: a restored one forgives all silence before its first start"),
    ("boot_window", "a window, and the session of the agent that claimed it, is of a boot of then"),
    ("lease_block", "which process hands out which addresses now"),
    ("login_session", "who is logged in now: a log-in that ended since must not come back"),
    ("replica", "which processes are alive now"),
    ("site", "whose key and CA the first process that serves takes down anew"),
];

/// Tables in which a service writes by itself, so that a database that holds nothing else is nobody's.
const MADE_ALONE: &[&str] = &["audit_head", "boot_trace", "event", "lease", "reservation_version", "works"];

/// How the rows of a table are counted that somebody would miss. A service makes the token of its first start by itself,
/// and takes down by itself whom it refused.
fn count(table: &str) -> String {
    match table {
        "api_token" => "SELECT CASE WHEN COUNT(*) > 1 THEN COUNT(*) ELSE 0 END FROM api_token".to_owned(),
        // No text in an entry can hold this: its quotes would be escaped.
        "audit" => r#"SELECT COUNT(*) FROM audit WHERE content NOT LIKE '%"outcome":"denied"%'"#.to_owned(),
        _ => format!("SELECT COUNT(*) FROM \"{table}\""),
    }
}

/// Why a database can't be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backup can't be written or used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A table is not what the schema says.
    #[error(
        "this backup does not have the tables of schema {schema}: {what}; restore it with the version of billet that wrote it"
    )]
    Tables {
        /// The schema.
        schema: i64,
        /// What is wrong.
        what: String,
    },
}

impl From<DbError> for CopyError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

/// Whether a backup has this table.
fn is_carried(table: &Table) -> bool {
    LEFT_OUT.iter().all(|(name, _)| *name != table.name)
}

/// How a table's rows begin in a backup.
fn head(table: &Table) -> TableHead {
    let columns = table.columns.iter().map(|column| (column.name.clone(), column.kind)).collect();
    TableHead { table: table.name.clone(), columns }
}

/// Names as SQL has them. They are the schema's own.
fn quoted<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl Store {
    /// What there is in this database that somebody would miss: tables that hold something, with how many rows.
    pub(crate) async fn holds(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let mut lent = self.reader.get().await?;
        let mut held = Vec::new();
        for table in db::tables(&mut lent).await? {
            if !is_carried(&table) || MADE_ALONE.contains(&&*table.name) {
                continue;
            }
            let rows: i64 = sql(count(&table.name)).scalar(&mut lent).await?;
            held.extend((rows > 0).then_some((table.name, rows)));
        }
        Ok(held)
    }
}
