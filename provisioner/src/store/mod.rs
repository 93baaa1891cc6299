//! The store: every table, behind methods that are named noun first.
//!
//! Every change is a compare-and-set on `version`; a change that meets another one answers `Stale`, and the caller
//! loads and decides again. A state change and its events are one transaction; no transaction waits for a network. What is
//! written all the time is committed in groups (`writer`); everything else is a statement at a time (`lanes`).

mod address;
mod alive;
mod allocation;
mod audit;
mod batch;
mod boot_trace;
mod census;
mod copy;
mod damage;
mod db;
mod erasure;
mod event;
mod facts;
mod groups;
mod idempotency;
mod image;
mod instance;
mod lease;
mod machine;
mod machine_bmc;
mod machine_inventory;
mod memory;
mod overview;
mod page;
mod pool;
mod recent;
mod reinstall;
mod replica;
mod reseal;
mod reservation;
mod secret;
mod site;
mod timeline;
mod token;
mod turn;
mod user;
mod window;
mod works;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use address::{AddressRecord, Holder, NewAddress, PoolGiven, Takes, Use};
pub(crate) use boot_trace::Numbered;
pub(crate) use census::KnownLabels;
pub(crate) use copy::{CopyError, RESTORE, Restored, SCHEMA};
pub(crate) use db::{DbError, DbErrorKind, Ears};
pub(crate) use erasure::{ErasureFilter, ErasureRecord};
pub(crate) use event::{EventsOf, NewEvent};
pub(crate) use idempotency::{KeptAnswer, KnownRequest};
pub(crate) use instance::{Before, InstanceRecord, InstanceStanding};
pub(crate) use lease::LeaseCounts;
pub(crate) use machine::MachineRecord;
pub(crate) use machine_bmc::place as bmc_place;
pub(crate) use memory::Work;
pub(crate) use overview::{EventFilter, JobFilter, JobOfMachine};
pub(crate) use page::{ListedInstance, ListedMachine, MachineFilter};
pub(crate) use pool::{LeastWiping, PoolGone, PoolRecord};
pub(crate) use replica::{ReplicaAbout, ReplicaRow};
pub(crate) use reseal::StoredSecret;
pub(crate) use secret::NewSecret;
pub(crate) use site::SitePrint;
pub(crate) use token::{Revoked, TokenRecord};
pub(crate) use turn::TurnSeen;
pub(crate) use user::{UserRecord, UserRemoval, UserSwap};
pub(crate) use window::Window;

use crate::{
    boot_index::BootIndex,
    erasures::{ErasureSigner, SignError},
};
use db::{Lanes, Locks, Own, Target};
use jiff::Timestamp;
use memory::Memory;
use sqlx::postgres::PgConnectOptions;
use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
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
    /// An older process, which knows no replicas, serves from this database.
    #[error(
        "a `billet serve` of an older version works with this database and shares it with nobody; stop it, or set another `database`"
    )]
    Served,
    /// Processes serve from this database that is to be replaced.
    #[error("a `billet serve` works with this database; stop all of them first (`billet replica list`)")]
    InService,
    /// Another process has taken the turn, so that what this one decided was not written.
    #[error("another process leads by now; nothing was written")]
    NotLeading(#[source] DbError),
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
    /// A virtual address was released meanwhile.
    #[error("there is no virtual address `{name}` any more; `billet address claim` claims one")]
    AddressGone {
        /// Its name.
        name: String,
    },
    /// The row is gone that says whether anybody may work.
    #[error(
        "the row of the table `works` is missing, so nobody knows whether everything is frozen; restore the database from a backup"
    )]
    NoWorks,
    /// The row is gone that says where the audit log ends.
    #[error(
        "the row of the table `audit_head` is missing, so nothing can be added to the audit log; restore the database from a backup"
    )]
    NoAuditHead,
    /// A wiping would be taken down as ended, but is not proven.
    #[error("nothing was written")]
    Unproven(#[from] provisioner_lifecycle::Unproven),
    /// A wiping would be taken down as ended, but nobody signs its certificate.
    #[error("a wiping ended, but nothing signs its certificate; nothing was written")]
    Unsigned,
    /// A certificate of erasure can't be signed.
    #[error("nothing was written")]
    Sign(#[from] SignError),
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

    /// The database did not answer in time.
    pub(crate) fn no_answer() -> Self {
        Self::Database(DbError::new(DbErrorKind::Lost, "the database does not answer in time"))
    }

    /// Whether the database's server could not prove by TLS who it is.
    pub(crate) fn is_untrusted(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_untrusted())
    }

    /// Whether another process leads by now.
    pub(crate) fn is_not_leading(&self) -> bool {
        matches!(self, Self::NotLeading(_))
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
            DbErrorKind::NotLeading => Self::NotLeading(error),
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

/// How long a process of an older version that serves from the same database, and may just be ending, is waited for. A
/// server takes 25 s to find that a host is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// What there is of a server alone.
#[derive(Clone)]
struct Server {
    /// Locks that other processes see.
    locks: Arc<Locks>,
    /// Where the turn is read and written.
    turn: Arc<Own>,
    /// Where other processes are told something.
    voice: Arc<Own>,
    /// For whoever makes connections of its own kind.
    options: PgConnectOptions,
}

/// The store: writers, readers, and what is remembered. A clone is the same store.
#[derive(Clone)]
pub(crate) struct Store {
    writer: Writer,
    reader: Lanes,
    /// For what people and programs ask for, so that neither they nor the reconciler wait for the other.
    api_reader: Lanes,
    /// Rows as this process last wrote or read them.
    recent: Arc<Memory>,
    /// What booting clients are answered from.
    pub(crate) boot_index: Arc<BootIndex>,
    /// Who signs certificates of erasure.
    signer: Arc<OnceLock<ErasureSigner>>,
    /// Whether this process listens.
    alive: alive::Alive,
    /// On a server, which others may use.
    server: Option<Server>,
    /// What the database's clock shows, in milliseconds since 1970; zero for the time of day.
    #[cfg(test)]
    pub(crate) clock: Arc<std::sync::atomic::AtomicI64>,
}

impl Store {
    /// Opens a file, or makes it, and brings it up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let target = Target::file(path);
        db::migrate(target.clone()).await?.close().await?;
        let recent = Arc::new(Memory::default());
        let writer = Writer::groups(Lanes::open(target.clone(), 1).await?, path, Arc::clone(&recent));
        let readers = [Lanes::open(target.reading(), 4).await?, Lanes::open(target.reading(), 2).await?];
        Ok(Self::new(writer, readers, recent, None))
    }

    /// Opens a database of a server, and brings it up to date. Nothing is remembered: others write there, too.
    pub(crate) async fn open_server(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let target = Target::server(options);
        let locks = Locks::open(target.clone(), PATIENCE).await?.ok_or(StoreError::Served)?;
        Self::on_server(target, locks, options).await
    }

    /// The same for whoever replaces all of it: nobody serves from it meanwhile.
    pub(crate) async fn open_server_alone(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let target = Target::server(options);
        let locks = Locks::open_alone(target.clone(), PATIENCE).await?.ok_or(StoreError::InService)?;
        let store = Self::on_server(target, locks, options).await?;
        // The lock of one that serves goes with a connection that breaks; its signs of life stay for their time.
        if store.replica_list().await?.iter().any(|replica| replica.alive) {
            store.close().await;
            return Err(StoreError::InService);
        }
        Ok(store)
    }

    async fn on_server(target: Target, locks: Locks, options: &PgConnectOptions) -> Result<Self, StoreError> {
        db::migrate(target.clone()).await?.close().await?;
        let turn = Arc::new(Own::new(target.clone()));
        let voice = Arc::new(Own::new(target.clone()));
        let server = Server { locks: Arc::new(locks), turn, voice, options: options.clone() };
        let recent = Arc::new(Memory::none());
        let writer =
            Writer::each(Lanes::open(target.clone(), 1).await?, Lanes::open(target.clone(), 8).await?);
        let readers = [Lanes::open(target.reading(), 6).await?, Lanes::open(target.reading(), 4).await?];
        Ok(Self::new(writer, readers, recent, Some(server)))
    }

    /// Whether there is something of ours in a database of a server already.
    pub(crate) async fn is_on_server(options: &PgConnectOptions) -> Result<bool, StoreError> {
        Ok(db::is_migrated(Target::server(options)).await?)
    }

    fn new(
        writer: Writer,
        [reader, api_reader]: [Lanes; 2],
        recent: Arc<Memory>,
        server: Option<Server>,
    ) -> Self {
        Self {
            writer,
            reader,
            api_reader,
            recent,
            boot_index: Arc::default(),
            signer: Arc::default(),
            alive: Default::default(),
            server,
            #[cfg(test)]
            clock: Default::default(),
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
        if let Some(server) = &self.server {
            server.turn.close().await;
            server.voice.close().await;
            server.locks.close().await;
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
