//! The database as the rest of the store sees it: statements with values, rows, connections that are lent out.
//!
//! SQLite and PostgreSQL take the same text; where they can't, the two texts stand beside each other in `dialect`. No
//! file of the store but these, and the two ways in which batches are committed (`writer`), names a database.
//! Deliberately not here: what is asked.

mod again;
mod conn;
mod dialect;
mod error;
mod facts;
mod file;
mod lanes;
mod migrations;
mod notify;
mod own;
mod row;
mod schema;
mod statement;
mod target;

pub(in crate::store) use again::{AGAIN, again, attempt, is_conflict};
pub(in crate::store) use conn::Conn;
pub(in crate::store) use dialect::{machines_alone, now_text};
pub(crate) use error::{DbError, DbErrorKind};
pub(crate) use facts::{Checked, Facts};
pub(in crate::store) use facts::{checked, facts};
pub(in crate::store) use lanes::{Isolation, Lanes, Lent};
pub(in crate::store) use migrations::{NEWEST, is_migrated, migrate, migrate_to};
pub(crate) use notify::Ears;
pub(in crate::store) use notify::say;
pub(in crate::store) use own::{Locks, Own};
pub(in crate::store) use row::Row;
pub(in crate::store) use schema::{Column, Table, tables};
pub(in crate::store) use statement::{Statement, Value, sql};
pub(in crate::store) use target::Target;

#[cfg(test)]
pub(in crate::store) use migrations::{POSTGRES, SQLITE, migrator};
