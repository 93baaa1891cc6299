//! The store: every table, behind methods that are named noun first.
//!
//! Every change is a compare-and-set on `version`; a change that meets another one answers `Stale`, and the caller
//! loads and decides again. A state change and its events are one transaction; no transaction waits for a network. What is
//! written all the time is committed in groups (`writer`); everything else is a statement at a time (`lanes`).

mod alive;
mod allocation;
mod batch;
mod boot_trace;
mod damage;
mod event;
mod image;
mod instance;
mod lanes;
mod lease;
mod machine;
mod machine_bmc;
mod machine_inventory;
mod memory;
mod page;
mod recent;
mod replica;
mod reservation;
mod secret;
mod statement;
mod token;
mod window;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use boot_trace::Numbered;
pub(crate) use event::{EventsOf, NewEvent};
pub(crate) use instance::{InstanceRecord, InstanceStanding};
pub(crate) use lease::LeaseCounts;
pub(crate) use machine::MachineRecord;
pub(crate) use memory::Work;
pub(crate) use page::{ListedInstance, ListedMachine, MachineFilter};
pub(crate) use secret::NewSecret;
pub(crate) use window::Window;

use crate::boot_index::BootIndex;
use jiff::Timestamp;
use lanes::Lanes;
use memory::Memory;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::{path::Path, sync::Arc, time::Duration};
use writer::Writer;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the database can't be brought up to date; it may be newer than this program")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row can't be read.
    #[error("the database holds something that can't be read in {place}")]
    Damaged {
        /// Table and id.
        place: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A name, a MAC or a BMC is taken.
    #[error("{what} is taken already; {mend}")]
    Taken {
        /// What.
        what: String,
        /// The field of a request that asked for it.
        field: &'static str,
        /// What to do about it.
        mend: String,
    },
    /// The image was deleted meanwhile.
    #[error("there is no image `{image}` any more; `billet image list` shows what there is")]
    ImageGone {
        /// Its name.
        image: String,
    },
    /// Something else still needs it.
    #[error("{what} is still in use")]
    InUse {
        /// What.
        what: String,
    },
}

/// What came of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    /// Written.
    Updated,
    /// Somebody else was first: load and decide again.
    Stale,
}

/// The store: SQLite, one writer, several readers.
pub(crate) struct Store {
    writer: Writer,
    reader: Lanes,
    /// For what people and programs ask for, so that neither they nor the reconciler wait for the other.
    api_reader: Lanes,
    /// Rows as this process last wrote or read them.
    recent: Arc<Memory>,
    /// What booting clients are answered from.
    pub(crate) boot_index: Arc<BootIndex>,
    /// When a process last listened before this one.
    alive: alive::Alive,
    /// What the database's clock shows, in milliseconds since 1970; zero for the time of day.
    #[cfg(test)]
    pub(crate) clock: std::sync::atomic::AtomicI64,
}

impl Store {
    /// Opens the database, or makes it, and brings it up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let migrating = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!("migrations/sqlite").run(&migrating).await?;
        let alive = alive::Alive::open(&migrating).await?;
        migrating.close().await;
        let recent = Arc::new(Memory::default());
        let writer = Writer::new(Lanes::open(options.clone(), 1).await?, path, Arc::clone(&recent));
        let reading = options.read_only(true);
        let reader = Lanes::open(reading.clone(), 4).await?;
        let api_reader = Lanes::open(reading, 2).await?;
        Ok(Self {
            writer,
            reader,
            api_reader,
            recent,
            boot_index: Arc::default(),
            alive,
            #[cfg(test)]
            clock: Default::default(),
        })
    }

    /// What the database's clock shows, where a test sets it.
    fn test_clock(&self) -> Option<i64> {
        #[cfg(test)]
        return Some(self.clock.load(std::sync::atomic::Ordering::Relaxed)).filter(|now| *now > 0);
        #[cfg(not(test))]
        None
    }

    /// Ends all connections, so that the write-ahead log is folded in.
    pub(crate) async fn close(&self) {
        self.api_reader.close().await;
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// A time as the database keeps it.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A time from the database; one that is out of range reads as the largest.
fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// A document from the database.
fn document<T: serde::de::DeserializeOwned>(
    place: impl FnOnce() -> String,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Damaged { place: place(), source })
}

/// A document for the database. Our own types always serialise: no map has keys other than strings.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("own types serialise")
}

/// Tells a unique constraint from other failures.
fn taken(error: sqlx::Error, field: &'static str, what: impl FnOnce() -> String) -> StoreError {
    match &error {
        sqlx::Error::Database(cause) if cause.is_unique_violation() => {
            StoreError::Taken { what: what(), field, mend: "choose another".into() }
        }
        sqlx::Error::Database(cause) if cause.is_foreign_key_violation() => {
            StoreError::InUse { what: what() }
        }
        _ => error.into(),
    }
}
