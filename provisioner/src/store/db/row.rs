//! One row of an answer.

use super::{
    DbError,
    file::{FileRow, FromCell},
};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type, postgres::PgRow, sqlite::SqliteRow};

/// One row.
pub(in crate::store) enum Row {
    File(FileRow),
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as, of whatever database: `i64`, `bool`, text, bytes, or an option of one.
pub(in crate::store) trait Read<'r>:
    FromCell<'r> + Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Read<'r> for T where
    T: FromCell<'r> + Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl Row {
    /// A column by its name.
    pub(in crate::store) fn try_get<'r, T: Read<'r>>(&'r self, column: &str) -> Result<T, DbError> {
        Ok(match self {
            Self::File(row) => row.get(column)?,
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// Its first column.
    pub(super) fn first<'r, T: Read<'r>>(&'r self) -> Result<T, DbError> {
        Ok(match self {
            Self::File(row) => row.at(0)?,
            Self::Sqlite(row) => row.try_get(0)?,
            Self::Postgres(row) => row.try_get(0)?,
        })
    }
}
