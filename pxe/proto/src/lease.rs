//! Who has which address: the table that DHCP answers from, and what of it is kept.
//!
//! One [`Table`] for each network. It decides, in memory and in O(log n); time is passed in as milliseconds since 1970.
//! Deliberately absent: packets (`dhcp`), the database and the group commit (`pxe::leases`).

mod entry;
mod plan;
mod pool;
mod span;
mod table;

#[cfg(test)]
mod tests;

pub use plan::{Plan, ReservationProblem, SubnetPlan};
pub use table::{Grant, Table, Usage};

use crate::Mac;
use std::net::Ipv4Addr;

/// How long an offered address waits for its REQUEST, in milliseconds.
pub const OFFER: u64 = 60_000;

/// How long an address stays out of use after another host was found there, in milliseconds.
pub const QUARANTINE: u64 = 30 * 60_000;

/// Most bytes of a client identifier, host name or relay's id that are kept; the rest is cut off.
const KEPT_BYTES: usize = 255;

/// What a client wants of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Hardware address; with the network, the key of a lease. Firmware, loader and system of one machine send
    /// different client identifiers, and are to get the same address.
    pub mac: Mac,
    /// Client identifier (option 61), only kept.
    pub client_id: Option<Vec<u8>>,
    /// The subnet that it is on: index in the plan, as in `dhcp::Settings::subnets`.
    pub subnet: usize,
    /// The address that it would like (option 50 or ciaddr).
    pub requested: Option<Ipv4Addr>,
    /// The lease that it would be told, in seconds.
    pub seconds: u32,
    /// The relay that passed the message on.
    pub relay: Option<RelayInfo>,
    /// Host name (option 12), only kept.
    pub hostname: Option<String>,
    /// Whether firmware or a loader asks.
    pub firmware: bool,
    /// Whether this network only serves reservations.
    pub reserved_only: bool,
}

/// What a relay said of where the client is (RFC 3046).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayInfo {
    /// Its address (giaddr); unspecified when only option 82 is there.
    pub address: Option<Ipv4Addr>,
    /// Circuit id (82.1): usually the switch port.
    pub circuit_id: Option<Vec<u8>>,
    /// Remote id (82.2): usually the switch.
    pub remote_id: Option<Vec<u8>>,
}

/// What is known of an address, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Whose it is; of a quarantined one, who was found there or who complained.
    pub mac: Mac,
    /// What it is.
    pub state: LeaseState,
    /// Until when nobody else gets it, in milliseconds since 1970: about twice what the client was told, so that most
    /// renewals need no write.
    pub expires: u64,
    /// Client identifier (option 61).
    pub client_id: Option<Vec<u8>>,
    /// Host name (option 12).
    pub hostname: Option<String>,
    /// The relay that it came through last.
    pub relay: Option<RelayInfo>,
    /// Whether firmware or a loader asked last.
    pub firmware: bool,
}

/// What a stored lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// A client was told that it has the address.
    Leased,
    /// The client gave it back; remembered, so that it gets the same one again.
    Released,
    /// Another host was found there: nobody gets it until it expires.
    Quarantined,
}

/// A lease to be written, and the right to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The lease.
    pub lease: Lease,
    /// The block that it was given from: not to be written when that is another's by now.
    pub block: Block,
    /// Grows with each write of a table.
    pub sequence: u64,
}

/// An address that is kept for one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Whom it is kept for.
    pub mac: Mac,
    /// The address; any host address of a subnet but our own and the routers'.
    pub address: Ipv4Addr,
}

/// A block of addresses: what one replica of the service holds at a time. Always the same
/// for a subnet, whatever its ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// First address.
    pub first: u32,
    /// Last address.
    pub last: u32,
}

impl Block {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&u32::from(address))
    }

    /// Whether it has addresses in common with another.
    #[must_use]
    pub fn overlaps(self, other: Block) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Cuts text to what is kept.
fn cut_text(text: &str) -> &str {
    let mut end = text.len().min(KEPT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Cuts bytes to what is kept.
fn cut_bytes(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(KEPT_BYTES)]
}
