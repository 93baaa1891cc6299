//! What a database says of itself: its size, its schema, and whether its file is whole.

use super::{Conn, DbError, sql, tables};
use serde::Serialize;
use std::collections::BTreeMap;

/// The largest file whose structure is looked through while the service works: 1 GiB takes seconds.
const CHECKED: i64 = 1 << 30;

/// What it says.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    /// `sqlite`, `postgresql`.
    kind: &'static str,
    /// Of the server, or of the library.
    version: String,
    /// The number of its schema.
    schema: i64,
    /// Its size in bytes.
    bytes: i64,
}

/// What it says when all of it is read.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    /// How many rows each table has.
    rows: BTreeMap<String, i64>,
    /// What SQLite's `PRAGMA quick_check` says: `ok`, or what is wrong. None: it was not asked.
    quick_check: Option<Vec<String>>,
}

/// How many bytes a file has.
const FILE_BYTES: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";

/// Asks for what is known at once.
pub(in crate::store) async fn facts(conn: &mut Conn) -> Result<Facts, DbError> {
    let (kind, version, bytes) = match conn.is_postgres() {
        true => ("postgresql", "SHOW server_version", "SELECT pg_database_size(current_database())"),
        false => ("sqlite", "SELECT sqlite_version()", FILE_BYTES),
    };
    let version = sql(version).scalar(conn).await?;
    let bytes = sql(bytes).scalar(conn).await?;
    let schema = sql("SELECT MAX(version) FROM _sqlx_migrations").scalar(conn).await?;
    Ok(Facts { kind, version, schema, bytes })
}

/// Asks for what takes long.
pub(in crate::store) async fn checked(conn: &mut Conn) -> Result<Checked, DbError> {
    let unasked = conn.is_postgres() || sql(FILE_BYTES).scalar::<i64>(conn).await? > CHECKED;
    let quick_check = match unasked {
        true => None,
        false => Some(sql("SELECT quick_check FROM pragma_quick_check LIMIT 10").scalars(conn).await?),
    };
    let mut rows = BTreeMap::new();
    for table in tables(conn).await? {
        // The name is one of the schema's own.
        let count = sql(format!("SELECT COUNT(*) FROM {}", table.name)).scalar(conn).await?;
        rows.insert(table.name, count);
    }
    Ok(Checked { rows, quick_check })
}
