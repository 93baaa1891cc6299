//! What tables there are and what they hold, as the database itself says: so that whoever copies them all can't forget a
//! new one.

use super::{Conn, DbError, DbErrorKind, sql};
use crate::backup::Kind;
use std::collections::BTreeSet;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Table {
    /// Its name.
    pub(in crate::store) name: String,
    /// Its columns by name: their order differs between databases.
    pub(in crate::store) columns: Vec<Column>,
    /// The columns of its primary key, in their order there; of a table without one all.
    pub(in crate::store) key: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Column {
    /// Its name.
    pub(in crate::store) name: String,
    /// What it holds.
    pub(in crate::store) kind: Kind,
}

/// Table, column, declared type, and place in the primary key from 1, or 0.
const SQLITE_COLUMNS: &str =
    "SELECT sqlite_schema.name AS of, pragma.name AS name, pragma.type AS type, pragma.pk AS place
     FROM sqlite_schema JOIN pragma_table_info(sqlite_schema.name) AS pragma
     WHERE sqlite_schema.type = 'table' AND sqlite_schema.name NOT LIKE '!_sqlx%' ESCAPE '!'
     AND sqlite_schema.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY 1, 2";

const POSTGRES_COLUMNS: &str =
    "SELECT c.table_name::TEXT AS of, c.column_name::TEXT AS name, c.data_type::TEXT AS type,
     COALESCE(k.ordinal_position, 0)::BIGINT AS place
     FROM information_schema.columns c
     LEFT JOIN information_schema.table_constraints t
     ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY'
     LEFT JOIN information_schema.key_column_usage k
     ON k.constraint_schema = t.constraint_schema AND k.constraint_name = t.constraint_name
     AND k.column_name = c.column_name
     WHERE c.table_schema = current_schema() AND c.table_name <> '_sqlx_migrations'
     ORDER BY c.table_name::TEXT COLLATE \"C\", c.column_name::TEXT COLLATE \"C\"";

/// Which table needs rows of which.
const SQLITE_NEEDS: &str = "SELECT sqlite_schema.name AS of, pragma.\"table\" AS needs
     FROM sqlite_schema JOIN pragma_foreign_key_list(sqlite_schema.name) AS pragma WHERE sqlite_schema.type = 'table'";

const POSTGRES_NEEDS: &str = "SELECT of.relname::TEXT AS of, needs.relname::TEXT AS needs FROM pg_constraint
     JOIN pg_class of ON of.oid = conrelid JOIN pg_class needs ON needs.oid = confrelid
     WHERE contype = 'f' AND connamespace = current_schema()::regnamespace";

/// All tables but the list of migrations. Each comes after those whose rows it needs, and else they are by name: the order
/// is the same in both databases.
pub(in crate::store) async fn tables(conn: &mut Conn) -> Result<Vec<Table>, DbError> {
    let (columns, needs) = match conn.is_postgres() {
        true => (POSTGRES_COLUMNS, POSTGRES_NEEDS),
        false => (SQLITE_COLUMNS, SQLITE_NEEDS),
    };
    let mut tables: Vec<Table> = Vec::new();
    let mut keys: Vec<(i64, String)> = Vec::new();
    for row in sql(columns).fetch_all(conn).await? {
        let (of, name, declared): (String, String, String) =
            (row.try_get("of")?, row.try_get("name")?, row.try_get("type")?);
        if tables.last().is_none_or(|table| table.name != of) {
            end_of(&mut tables, &mut keys);
            tables.push(Table { name: of, columns: Vec::new(), key: Vec::new() });
        }
        let place: i64 = row.try_get("place")?;
        keys.extend((place > 0).then(|| (place, name.clone())));
        let kind = kind(&declared).ok_or_else(|| {
            DbError::new(
                DbErrorKind::Other,
                format!("column `{name}` has the type `{declared}`, which is not known"),
            )
        })?;
        // There is one: it was added above if it was not there.
        if let Some(table) = tables.last_mut() {
            table.columns.push(Column { name, kind });
        }
    }
    end_of(&mut tables, &mut keys);
    let mut pairs = BTreeSet::new();
    for row in sql(needs).fetch_all(conn).await? {
        pairs.insert((row.try_get::<String>("of")?, row.try_get::<String>("needs")?));
    }
    Ok(in_order(tables, &pairs))
}

/// The last table has all its columns.
fn end_of(tables: &mut [Table], keys: &mut Vec<(i64, String)>) {
    let Some(table) = tables.last_mut() else { return };
    keys.sort();
    table.key = keys.drain(..).map(|(_, name)| name).collect();
    if table.key.is_empty() {
        table.key = table.columns.iter().map(|column| column.name.clone()).collect();
    }
}

/// What values of a declared type are to the store.
fn kind(declared: &str) -> Option<Kind> {
    Some(match declared.to_ascii_lowercase().as_str() {
        "bigint" | "integer" | "smallint" => Kind::Number,
        "boolean" => Kind::Truth,
        "text" => Kind::Text,
        "blob" | "bytea" => Kind::Bytes,
        _ => return None,
    })
}

/// Those that need nothing that is not there yet come first. Tables that need each other would come last, by name.
fn in_order(mut tables: Vec<Table>, needs: &BTreeSet<(String, String)>) -> Vec<Table> {
    let mut order: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let waits = |table: &Table| {
            needs.iter().any(|(of, needed)| {
                *of == table.name && of != needed && !order.iter().any(|there| there.name == *needed)
            })
        };
        let next = tables.iter().position(|table| !waits(table)).unwrap_or(0);
        order.push(tables.remove(next));
    }
    order
}
