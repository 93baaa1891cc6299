//! What the engine wants of a database that several replicas share.

use async_trait::async_trait;
use pxe_proto::Mac;
use pxe_proto::lease::{Block, Lease, Reservation, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// How long a replica counts as alive after a beat, in milliseconds by the database's clock. Its claims end then.
pub const CLAIM: u64 = 20_000;

/// The database failed.
#[derive(Debug, thiserror::Error)]
#[error("the lease store failed")]
pub struct StoreFailure(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreFailure {
    /// From what the database said.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreFailure(source.into())
    }
}

/// What a beat brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beat {
    /// The database's clock, in milliseconds since 1970.
    pub now: u64,
    /// How many replicas are alive, we among them.
    pub replicas: usize,
    /// The blocks that are ours, by network.
    pub mine: Vec<(String, Block)>,
    /// The blocks of other replicas that are alive.
    pub taken: Vec<(String, Block)>,
    /// All reservations and their version; `None` when that is the version we know.
    pub reservations: Option<(u64, Vec<(String, Reservation)>)>,
}

/// A block that is ours now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The block.
    pub block: Block,
    /// All leases that are stored in it, expired ones too.
    pub leases: Vec<Lease>,
}

/// A client that another replica gave an address to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elsewhere {
    /// The client.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv4Addr,
    /// Until when, in milliseconds since 1970.
    pub expires: u64,
}

/// A lease to be written, and of which network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkWrite {
    /// The network.
    pub network: Arc<str>,
    /// The lease.
    pub write: Write,
}

/// Where leases are kept. Each call is one transaction, durable when it returns.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// Says that we are alive for another [`CLAIM`], and looks around. `reservations` is the version we know.
    async fn beat(&self, reservations: Option<u64>) -> Result<Beat, StoreFailure>;

    /// Makes blocks ours that no other living replica holds: at most so many, the first ones that can be had.
    async fn claim(&self, network: &str, wanted: &[Block], most: usize)
    -> Result<Vec<Claimed>, StoreFailure>;

    /// Lets blocks go, for others to claim.
    async fn give_back(&self, network: &str, blocks: &[Block]) -> Result<(), StoreFailure>;

    /// The clients of other replicas whose leases last.
    async fn elsewhere(&self, network: &str) -> Result<Vec<Elsewhere>, StoreFailure>;

    /// Writes leases, each over whatever is stored of its address, unless its block is no longer ours. False: at least
    /// one was not written for that reason.
    async fn commit(&self, writes: &[NetworkWrite]) -> Result<bool, StoreFailure>;

    /// We stop: our blocks may be claimed at once.
    async fn leave(&self) -> Result<(), StoreFailure>;
}
