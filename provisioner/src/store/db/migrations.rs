//! The schema, step by step. A number stands for the same schema in both folders; what was never released for
//! PostgreSQL is one file there.

use super::{Conn, DbError, Target, sql};
use crate::store::StoreError;
use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// A step: its number, what it is about, its statements.
pub(in crate::store) type Step = (i64, &'static str, &'static str);

/// The steps of a folder, by the names of their files.
macro_rules! steps {
    ($folder:literal: $($number:literal $name:literal,)*) => {
        &[$((
            $number,
            $name,
            include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")),
        ),)*]
    };
}

pub(in crate::store) const SQLITE: &[Step] = steps! { "sqlite":
    1 "0001_start",
    2 "0002_leases",
    3 "0003_boot_trace",
    4 "0004_asked",
    5 "0005_machine_bmc",
    6 "0006_steps_and_lists",
    7 "0007_allocation",
    8 "0008_alive",
    9 "0009_machine_inventory",
    10 "0010_event_order",
    11 "0011_works",
    12 "0012_replicas",
    14 "0014_reinstall",
    17 "0017_addresses",
    18 "0018_token_roles",
    19 "0019_audit",
    20 "0020_users",
    21 "0021_idempotency",
    22 "0022_pools",
    23 "0023_address_pool",
    24 "0024_erasures",
};

pub(in crate::store) const POSTGRES: &[Step] = steps! { "postgres":
    10 "0010_start",
    11 "0011_works",
    12 "0012_replicas",
    14 "0014_reinstall",
    17 "0017_addresses",
    18 "0018_token_roles",
    19 "0019_audit",
    20 "0020_users",
    21 "0021_idempotency",
    22 "0022_pools",
    23 "0023_address_pool",
    24 "0024_erasures",
};

/// The number of the schema that this program works with: a number stands for the same schema in both folders.
pub(in crate::store) const NEWEST: i64 = SQLITE[SQLITE.len() - 1].0;

/// What runs these steps up to a number.
pub(in crate::store) fn migrator(steps: &'static [Step], number: i64) -> Migrator {
    let migration = |&(number, name, text): &Step| {
        // The file's name without its number, as sqlx's macro would have it.
        let description = name[5..].replace('_', " ");
        Migration::new(number, description.into(), MigrationType::Simple, SqlStr::from_static(text), false)
    };
    Migrator::with_migrations(steps.iter().filter(|step| step.0 <= number).map(migration).collect())
}

/// Makes the database if it is not there, and brings it up to date. Of several processes that try it at once, one does it
/// and the others wait. The connection is for whatever has to be read before anybody else writes.
pub(in crate::store) async fn migrate(target: Target) -> Result<Conn, StoreError> {
    migrate_to(target, NEWEST).await
}

/// The same, to an earlier schema.
pub(in crate::store) async fn migrate_to(target: Target, number: i64) -> Result<Conn, StoreError> {
    let mut conn = Conn::open(target).await?;
    conn.migrate(number).await?;
    Ok(conn)
}

/// Whether a database of a server was ever brought up to date.
pub(in crate::store) async fn is_migrated(target: Target) -> Result<bool, DbError> {
    let mut conn = Conn::open(target).await?;
    let there = sql("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").scalar(&mut conn).await?;
    conn.close().await?;
    Ok(there)
}
