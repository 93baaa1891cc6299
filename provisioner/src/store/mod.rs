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
mod db;
mod event;
mod groups;
mod image;
mod instance;
mod lease;
mod machine;
mod machine_bmc;
mod machine_inventory;
mod memory;
mod page;
mod recent;
mod reinstall;
mod replica;
mod reservation;
mod secret;
mod timeline;
mod token;
mod window;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use boot_trace::Numbered;
pub(crate) use db::{DbError, DbErrorKind};
pub(crate) use event::{EventsOf, NewEvent};
pub(crate) use instance::{Before, InstanceRecord, InstanceStanding};
pub(crate) use lease::LeaseCounts;
pub(crate) use machine::MachineRecord;
pub(crate) use memory::Work;
pub(crate) use page::{ListedInstance, ListedMachine, MachineFilter};
pub(crate) use secret::NewSecret;
pub(crate) use window::Window;

use crate::boot_index::BootIndex;
use db::{Lanes, ServeLock, Target};
use jiff::Timestamp;
use memory::Memory;
use sqlx::postgres::PgConnectOptions;
use std::{path::Path, sync::Arc, time::Duration};
use writer::Writer;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] DbError),
    /// The connection broke while it was written.
    #[error(
        "the connection to the database broke while this was written, so nobody knows whether it was; look before you repeat it"
    )]
    Unknown(#[source] DbError),
    /// Another process serves from this database.
    #[error("another `billet serve` works with this database; stop it, or set another `database`")]
    Served,
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

impl StoreError {
    /// Whether nobody answered: what was asked was not done, and may be asked again.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Database(error) if error.kind() == DbErrorKind::Lost)
    }

    /// Whether nobody knows if it was written.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error.kind() {
            DbErrorKind::Unknown => Self::Unknown(error),
            _ => Self::Database(error),
        }
    }
}

/// What came of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    /// Written.
    Updated,
    /// Somebody else was first: load and decide again.
    Stale,
}

/// How long another process that serves from the same database, and may just be ending, is waited for. A server takes 25 s
/// to find that a host is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// The store: writers, readers, and what is remembered.
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
    /// On a server: that nobody else serves from this database.
    serve_lock: Option<ServeLock>,
    /// What the database's clock shows, in milliseconds since 1970; zero for the time of day.
    #[cfg(test)]
    pub(crate) clock: std::sync::atomic::AtomicI64,
}

impl Store {
    /// Opens a file, or makes it, and brings it up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let target = Target::file(path);
        let mut migrating = db::migrate(target.clone()).await?;
        let alive = alive::Alive::open(&mut migrating).await?;
        migrating.close().await?;
        let recent = Arc::new(Memory::default());
        let writer = Writer::groups(Lanes::open(target.clone(), 1).await?, path, Arc::clone(&recent));
        let readers = [Lanes::open(target.reading(), 4).await?, Lanes::open(target.reading(), 2).await?];
        Ok(Self::new(writer, readers, recent, alive, None))
    }

    /// Opens a database of a server, once nobody else serves from it, and brings it up to date. Nothing is remembered:
    /// others may come to write there.
    pub(crate) async fn open_server(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let target = Target::server(options);
        let serve_lock = ServeLock::take(target.clone(), PATIENCE).await?.ok_or(StoreError::Served)?;
        let mut migrating = db::migrate(target.clone()).await?;
        let alive = alive::Alive::open(&mut migrating).await?;
        migrating.close().await?;
        let recent = Arc::new(Memory::none());
        let writer =
            Writer::each(Lanes::open(target.clone(), 1).await?, Lanes::open(target.clone(), 8).await?);
        let readers = [Lanes::open(target.reading(), 6).await?, Lanes::open(target.reading(), 4).await?];
        Ok(Self::new(writer, readers, recent, alive, Some(serve_lock)))
    }

    /// Whether there is something of ours in a database of a server already.
    pub(crate) async fn is_on_server(options: &PgConnectOptions) -> Result<bool, StoreError> {
        Ok(db::is_migrated(Target::server(options)).await?)
    }

    fn new(
        writer: Writer,
        [reader, api_reader]: [Lanes; 2],
        recent: Arc<Memory>,
        alive: alive::Alive,
        serve_lock: Option<ServeLock>,
    ) -> Self {
        Self {
            writer,
            reader,
            api_reader,
            recent,
            boot_index: Arc::default(),
            alive,
            serve_lock,
            #[cfg(test)]
            clock: Default::default(),
        }
    }

    /// Answers when another process may serve from this database: then this one must do nothing more. Never, where that
    /// can't be.
    pub(crate) async fn lost(&self) -> DbError {
        match &self.serve_lock {
            Some(lock) => lock.lost().await,
            None => std::future::pending().await,
        }
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
        if let Some(lock) = &self.serve_lock {
            lock.let_go().await;
        }
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
fn taken(error: DbError, field: &'static str, what: impl FnOnce() -> String) -> StoreError {
    match error.kind() {
        DbErrorKind::Unique => StoreError::Taken { what: what(), field, mend: "choose another".into() },
        DbErrorKind::ForeignKey => StoreError::InUse { what: what() },
        _ => error.into(),
    }
}
