//! A statement with its values: one text for both databases, whether it is run alone or as part of a
//! [`Batch`](super::super::batch::Batch).
//!
//! Places for values are `?`, one after the other, or `$1`, `$2` where one is used twice; never both in one text. SQLite
//! takes either, for PostgreSQL `?` is numbered when it is sent. Texts are few, so that each is prepared once on a
//! connection: what differs from call to call is a value. `LIMIT ?` would be prepared anew at each call all the same,
//! because SQLite plans by the value of a limit that is a lone place; hence [`LIMIT`](Statement::push_limit).

use super::{Conn, DbError, Row, row::Read};
use rusqlite::types::{ToSqlOutput, ValueRef};
use sqlx::{Arguments as _, AssertSqlSafe, SqlStr, sqlite::SqliteArguments};
use std::{borrow::Cow, convert::identity};

/// What stands in one place. PostgreSQL wants to know of what type an absent value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Value {
    Number(Option<i64>),
    Truth(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// Makes values of a type and of an option of it.
macro_rules! values {
    ($($from:ty => $kind:ident by $convert:expr;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$kind(Some($convert(value)))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$kind(value.map($convert))
            }
        }
    )*};
}

values! {
    i64 => Number by identity;
    u32 => Number by i64::from;
    bool => Truth by identity;
    String => Text by identity;
    &str => Text by str::to_owned;
    &String => Text by Clone::clone;
    &[u8] => Bytes by <[u8]>::to_vec;
    &Vec<u8> => Bytes by Clone::clone;
}

impl Value {
    /// No value, of the same type.
    pub(in crate::store) fn absent(&self) -> Self {
        match self {
            Self::Number(_) => Self::Number(None),
            Self::Truth(_) => Self::Truth(None),
            Self::Text(_) => Self::Text(None),
            Self::Bytes(_) => Self::Bytes(None),
        }
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Number(number) => number.map(ValueRef::Integer),
            Self::Truth(truth) => truth.map(|truth| ValueRef::Integer(truth.into())),
            Self::Text(text) => text.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => bytes.as_ref().map(|bytes| ValueRef::Blob(bytes)),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

/// A statement of this text.
pub(in crate::store) fn sql(text: impl Into<Cow<'static, str>>) -> Statement {
    Statement { text: text.into(), values: Vec::new() }
}

/// One statement.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    /// A value for the next place that the text has.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// More of its text. Never what somebody asked for: that is bound.
    pub(in crate::store) fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// A value in its next place.
    pub(in crate::store) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.push("?");
        self.values.push(value.into());
        self
    }

    /// At most so many rows. SQLite plans anew for each value of a lone place, but not for that of a sum.
    pub(in crate::store) fn push_limit(&mut self, limit: u32) -> &mut Self {
        self.push(" LIMIT ").push_bind(limit).push(" + 0")
    }

    /// Values for places that the text has already.
    pub(in crate::store) fn bind_all(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        self.values.extend(values);
        self
    }

    /// A row of values: `(?, ?)`.
    pub(in crate::store) fn push_row(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        self.push("(");
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
        self.push(")")
    }

    /// `VALUES` and rows of values.
    pub(in crate::store) fn push_rows<R: IntoIterator<Item = Value>>(
        &mut self,
        rows: impl IntoIterator<Item = R>,
    ) -> &mut Self {
        for (place, row) in rows.into_iter().enumerate() {
            self.push(if place > 0 { ", " } else { "VALUES " }).push_row(row);
        }
        self
    }

    /// Its text.
    pub(in crate::store) fn text(&self) -> &str {
        &self.text
    }

    /// Its values, in the order of their places.
    pub(in crate::store) fn values(&self) -> &[Value] {
        &self.values
    }

    /// Runs it; how many rows it changed.
    pub(in crate::store) async fn execute(self, conn: &mut Conn) -> Result<u64, DbError> {
        conn.execute(self).await
    }

    /// All rows that it answers with.
    pub(in crate::store) async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<Row>, DbError> {
        conn.fetch_all(self).await
    }

    /// Its first row, if it answers with any.
    pub(in crate::store) async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<Row>, DbError> {
        conn.fetch_optional(self).await
    }

    /// The first column of its first row.
    pub(in crate::store) async fn scalar<T: for<'r> Read<'r>>(self, conn: &mut Conn) -> Result<T, DbError> {
        conn.fetch_optional(self).await?.ok_or(sqlx::Error::RowNotFound)?.first()
    }

    /// The first column of its first row, if it answers with any.
    pub(in crate::store) async fn scalar_optional<T: for<'r> Read<'r>>(
        self,
        conn: &mut Conn,
    ) -> Result<Option<T>, DbError> {
        conn.fetch_optional(self).await?.as_ref().map(Row::first).transpose()
    }

    /// The first column of all its rows.
    pub(in crate::store) async fn scalars<T: for<'r> Read<'r>>(
        self,
        conn: &mut Conn,
    ) -> Result<Vec<T>, DbError> {
        conn.fetch_all(self).await?.iter().map(Row::first).collect()
    }

    /// For SQLite.
    pub(super) fn for_sqlite(self) -> (SqlStr, SqliteArguments) {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            // Encoding these can't fail: they are what SQLite stores.
            let _ = match value {
                Value::Number(number) => arguments.add(number),
                Value::Truth(truth) => arguments.add(truth),
                Value::Text(text) => arguments.add(text),
                Value::Bytes(bytes) => arguments.add(bytes),
            };
        }
        (sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(self.text)), arguments)
    }

    /// For PostgreSQL, whose texts never hold the byte 0.
    pub(super) fn for_postgres(self) -> (SqlStr, sqlx::postgres::PgArguments) {
        let mut arguments = sqlx::postgres::PgArguments::default();
        for value in self.values {
            // Encoding these can't fail either.
            let _ = match value {
                Value::Number(number) => arguments.add(number),
                Value::Truth(truth) => arguments.add(truth),
                Value::Text(text) => arguments.add(text.map(|text| text.replace('\0', "\u{fffd}"))),
                Value::Bytes(bytes) => arguments.add(bytes),
            };
        }
        (sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(numbered(self.text))), arguments)
    }
}

/// A text whose places are numbered. No literal of ours has a question mark.
fn numbered(text: Cow<'static, str>) -> Cow<'static, str> {
    if !text.contains('?') {
        return text;
    }
    let mut parts = text.split('?');
    let mut numbered = String::with_capacity(text.len() + 64);
    numbered.push_str(parts.next().unwrap_or_default());
    for (place, part) in (1..).zip(parts) {
        // Writing to a String can't fail.
        let _ = std::fmt::Write::write_fmt(&mut numbered, format_args!("${place}{part}"));
    }
    Cow::Owned(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_planned_once_whatever_its_value() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT)").unwrap();
        let planned_anew = |text: &str| {
            let mut prepared = conn.prepare(text).unwrap();
            for limit in 1..5 {
                prepared.query_map([limit], |_| Ok(())).unwrap().for_each(drop);
            }
            prepared.get_status(rusqlite::StatementStatus::RePrepare)
        };
        let mut limited = sql("SELECT name FROM thing ORDER BY id");
        limited.push_limit(1);
        assert_eq!(planned_anew(limited.text()), 0);
        assert!(planned_anew("SELECT name FROM thing ORDER BY id LIMIT ?") > 0, "then the sum is not needed");
    }

    #[test]
    fn places_are_numbered_in_their_order() {
        assert_eq!(numbered("a = ? AND b IN (?, ?)".into()), "a = $1 AND b IN ($2, $3)");
        assert_eq!(numbered("a = $1 OR b = $1".into()), "a = $1 OR b = $1");
        let mut statement = sql("SELECT 1 WHERE x = ");
        statement.push_bind(7_i64).push(" OR y = ").push_bind("z").push_limit(9);
        assert_eq!(numbered(statement.text.clone()), "SELECT 1 WHERE x = $1 OR y = $2 LIMIT $3 + 0");
    }
}
