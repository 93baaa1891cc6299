//! DHCP leases: an address is durable here before it is told to anybody.
//!
//! Which replica may write which is decided in `replica.rs`; here a write only meets the fence.

use super::{
    Store, StoreError,
    batch::{Batch, Part},
    db::{DbError, Row, Statement, Value, sql},
};
use pxe::leases::{Lease, LeaseState, NetworkWrite, RelayInfo};
use std::{fmt::Write as _, net::Ipv4Addr, sync::OnceLock};

/// The columns of a lease, in the order of [`from_row`] and of [`commit_text`].
const COLUMNS: &str =
    "address, mac, state, expires, client_id, hostname, relay, circuit_id, remote_id, firmware";

/// Most leases in one statement.
const MOST: usize = 256;

impl Store {
    /// What there is by now in each of these parts of a network, whichever replica gave it: one statement, which reads
    /// no more than numbers. A part is pieces that don't overlap, first and last address of each.
    pub(crate) async fn lease_counts(
        &self,
        network: &str,
        parts: &[Vec<(Ipv4Addr, Ipv4Addr)>],
        now: u64,
    ) -> Result<Vec<LeaseCounts>, StoreError> {
        let mut counts = vec![LeaseCounts::default(); parts.len()];
        if parts.iter().all(Vec::is_empty) {
            return Ok(counts);
        }
        let mut query = Statement::default();
        push_counts(&mut query, network, parts, now);
        for row in query.fetch_all(&mut *self.api_reader.get().await?).await? {
            let number =
                |column: &str| row.try_get::<i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
            if let Some(part) = counts.get_mut(usize::try_from(number("number")?).unwrap_or(usize::MAX)) {
                part.active += number("active")?;
                part.quarantined += number("quarantined")?;
                part.reserved += number("reserved")?;
                part.idle += number("idle")?;
            }
        }
        Ok(counts)
    }

    /// At most so many leases of a network whose addresses come after one, by address.
    pub(crate) async fn lease_page(
        &self,
        network: &str,
        after: Option<Ipv4Addr>,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let text = format!(
            "SELECT {COLUMNS} FROM lease WHERE network = $1 AND address > $2 ORDER BY address LIMIT $3 + 0"
        );
        let query = sql(text).bind(network).bind(after.map_or(-1, number_of)).bind(limit);
        Ok(query
            .fetch_all(&mut *self.api_reader.get().await?)
            .await?
            .iter()
            .map(from_row)
            .collect::<Result<_, _>>()?)
    }

    /// The lease of an address.
    pub(crate) async fn lease_at(
        &self,
        network: &str,
        address: Ipv4Addr,
    ) -> Result<Option<Lease>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM lease WHERE network = $1 AND address = $2");
        let query = sql(text).bind(network).bind(number_of(address));
        Ok(query
            .fetch_optional(&mut *self.api_reader.get().await?)
            .await?
            .as_ref()
            .map(from_row)
            .transpose()?)
    }

    /// Writes leases, each over whatever is stored of its address, unless its block is not this owner's. How many were
    /// written: one transaction for each [`MOST`].
    pub(crate) async fn lease_commit(&self, owner: &str, writes: &[NetworkWrite]) -> Result<u64, StoreError> {
        let mut written = 0;
        for writes in writes.chunks(MOST) {
            let mut batch = Batch::new();
            batch.add(Part::Rest, |text| {
                let size = writes.len().next_power_of_two();
                // Rows without a network are nobody's block and so not written: with them there are few texts to prepare.
                let nobodys = || row(&writes[0]).iter().map(Value::absent).collect();
                let rows = writes.iter().map(row).chain(std::iter::repeat_with(nobodys));
                *text = sql(commit_text(size));
                text.bind_all(rows.take(size).flatten()).bind_all([owner.into()]);
            });
            written += self.writer.write(batch).await?.rows;
        }
        Ok(written)
    }
}

/// What is in a part of a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeaseCounts {
    /// Leases that run.
    pub(crate) active: u64,
    /// Addresses in quarantine.
    pub(crate) quarantined: u64,
    /// Reservations.
    pub(crate) reserved: u64,
    /// Reservations whose addresses are neither leased nor in quarantine.
    pub(crate) idle: u64,
}

/// The query for [`Store::lease_counts`]: leases and reservations, each sought by its key in each piece.
pub(super) fn push_counts(
    query: &mut Statement,
    network: &str,
    parts: &[Vec<(Ipv4Addr, Ipv4Addr)>],
    now: u64,
) {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let pieces =
        (0_i64..).zip(parts).flat_map(|(number, pieces)| pieces.iter().map(move |piece| (number, *piece)));
    let rows = pieces.map(|(number, (first, last))| {
        [Value::from(number), number_of(first).into(), number_of(last).into()]
    });
    query.push("WITH part (number, first, last) AS (").push_rows(rows);
    query.push(
        ") SELECT number, COUNT(*) FILTER (WHERE lease.state = 0) AS active,
         COUNT(*) FILTER (WHERE lease.state <> 0) AS quarantined, 0 AS reserved, 0 AS idle
         FROM part CROSS JOIN lease WHERE lease.address BETWEEN part.first AND part.last AND lease.state <> 1
         AND lease.network = ",
    );
    query.push_bind(network).push(" AND lease.expires > ").push_bind(now);
    query.push(
        " GROUP BY number UNION ALL
         SELECT number, 0, 0, COUNT(*), COUNT(*) - COUNT(lease.address)
         FROM part CROSS JOIN reservation LEFT JOIN lease ON lease.network = reservation.network
         AND lease.address = reservation.address AND lease.state <> 1 AND lease.expires > ",
    );
    query
        .push_bind(now)
        .push(" WHERE reservation.address BETWEEN part.first AND part.last AND reservation.network = ");
    query.push_bind(network).push(" GROUP BY number");
}

/// The values of a lease, in the order of [`COLUMNS`], between its network and its block.
fn row(NetworkWrite { network, write }: &NetworkWrite) -> Vec<Value> {
    let lease = &write.lease;
    let relay = lease.relay.as_ref();
    vec![
        network.as_ref().into(),
        number_of(lease.address).into(),
        mac_number(lease.mac).into(),
        state_number(lease.state).into(),
        i64::try_from(lease.expires).unwrap_or(i64::MAX).into(),
        lease.client_id.as_deref().into(),
        lease.hostname.as_deref().into(),
        relay.and_then(|relay| relay.address).map(number_of).into(),
        relay.and_then(|relay| relay.circuit_id.as_deref()).into(),
        relay.and_then(|relay| relay.remote_id.as_deref()).into(),
        lease.firmware.into(),
        i64::from(write.block.first).into(),
    ]
}

/// The statement that writes so many leases, a power of two. One statement is one transaction.
fn commit_text(size: usize) -> &'static str {
    static TEXTS: [OnceLock<String>; 9] = [const { OnceLock::new() }; 9];
    // MOST is the largest size, and the ninth power.
    let text = &TEXTS[(size.trailing_zeros() as usize).min(TEXTS.len() - 1)];
    text.get_or_init(|| {
        let rows = vec!["(?,?,?,?,?,?,?,?,?,?,?,?)"; size].join(",");
        let mut text = format!("INSERT INTO lease (network, {COLUMNS}) SELECT column1");
        for column in 2..=11 {
            // Writing to a String can't fail.
            let _ = write!(text, ", column{column}");
        }
        let _ = write!(
            text,
            " FROM (VALUES {rows}) AS new WHERE EXISTS (SELECT 1 FROM lease_block WHERE network = column1
             AND first = column12 AND owner = ?) ON CONFLICT (network, address) DO UPDATE SET "
        );
        let columns: Vec<String> = COLUMNS
            .split(", ")
            .filter(|column| *column != "address")
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        text + &columns.join(", ")
    })
}

/// Reads the columns of [`COLUMNS`].
pub(super) fn from_row(row: &Row) -> Result<Lease, DbError> {
    let relay: Option<i64> = row.try_get("relay")?;
    let circuit_id: Option<Vec<u8>> = row.try_get("circuit_id")?;
    let remote_id: Option<Vec<u8>> = row.try_get("remote_id")?;
    let relayed = relay.is_some() || circuit_id.is_some() || remote_id.is_some();
    let expires: i64 = row.try_get("expires")?;
    Ok(Lease {
        address: address_of(row.try_get("address")?),
        mac: mac_of(row.try_get("mac")?),
        state: match row.try_get::<i64>("state")? {
            0 => LeaseState::Leased,
            1 => LeaseState::Released,
            // A state of a newer version: nobody gets the address until it expires.
            _ => LeaseState::Quarantined,
        },
        expires: u64::try_from(expires).unwrap_or(0),
        client_id: row.try_get("client_id")?,
        hostname: row.try_get("hostname")?,
        relay: relayed.then(|| RelayInfo { address: relay.map(address_of), circuit_id, remote_id }),
        firmware: row.try_get("firmware")?,
    })
}

/// The query for leases of a network between two addresses.
pub(super) fn range_text() -> String {
    format!("SELECT {COLUMNS} FROM lease WHERE network = $1 AND address BETWEEN $2 AND $3")
}

fn state_number(state: LeaseState) -> i64 {
    match state {
        LeaseState::Leased => 0,
        LeaseState::Released => 1,
        LeaseState::Quarantined => 2,
    }
}

/// An address as the database keeps it.
pub(super) fn number_of(address: Ipv4Addr) -> i64 {
    i64::from(u32::from(address))
}

/// An address from the database.
pub(super) fn address_of(number: i64) -> Ipv4Addr {
    u32::try_from(number).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from)
}

/// A hardware address as the database keeps it.
pub(super) fn mac_number(mac: [u8; 6]) -> i64 {
    mac.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

/// A hardware address from the database.
pub(super) fn mac_of(number: i64) -> [u8; 6] {
    let [_, _, mac @ ..] = number.to_be_bytes();
    mac
}
