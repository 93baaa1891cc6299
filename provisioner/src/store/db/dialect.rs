//! What SQLite and PostgreSQL have no common words for.

use super::{Conn, DbError};

/// The database's clock in milliseconds since 1970. The parameter is what a test sets it to, else NULL.
pub(in crate::store) fn now_text(is_postgres: bool) -> &'static str {
    if is_postgres {
        "COALESCE($1, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))"
    } else {
        "COALESCE($1, CAST(unixepoch('subsec') * 1000 AS INTEGER))"
    }
}

/// Keeps everybody else from writing machines until the transaction ends. To be said first in it: what is read then is
/// what there is. SQLite's transactions that write are alone anyway.
pub(in crate::store) async fn machines_alone(conn: &mut Conn) -> Result<(), DbError> {
    if conn.is_postgres() {
        conn.say("LOCK TABLE machine IN SHARE ROW EXCLUSIVE MODE").await?;
    }
    Ok(())
}
