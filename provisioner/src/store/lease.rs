//! DHCP leases: an address is durable here before it is told to anybody.

use super::{Store, StoreError, micros, time};
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use std::net::Ipv4Addr;

/// A lease, or an address that a client declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseRecord {
    /// The network.
    pub(crate) network: String,
    /// The address.
    pub(crate) address: Ipv4Addr,
    /// Who has it.
    pub(crate) mac: String,
    /// Until when.
    pub(crate) expires: Timestamp,
    /// Somebody else was found to use it: nobody gets it until then.
    pub(crate) declined: bool,
}

impl Store {
    /// All leases of a network by address, expired ones too.
    pub(crate) async fn lease_list(&self, network: &str) -> Result<Vec<LeaseRecord>, StoreError> {
        let rows =
            sqlx::query("SELECT network, address, mac, expires, declined FROM lease WHERE network = $1")
                .bind(network)
                .fetch_all(&self.reader)
                .await?;
        let mut leases = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
        leases.sort_by_key(|lease| lease.address);
        Ok(leases)
    }

    /// Writes a lease over whatever was known of that address.
    pub(crate) async fn lease_put(&self, lease: &LeaseRecord) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO lease (network, address, mac, expires, declined) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (network, address) DO UPDATE SET mac = excluded.mac, expires = excluded.expires,
             declined = excluded.declined",
        )
        .bind(&lease.network)
        .bind(lease.address.to_string())
        .bind(&lease.mac)
        .bind(micros(lease.expires))
        .bind(lease.declined)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Who has an address.
    pub(crate) async fn lease_mac(&self, address: Ipv4Addr) -> Result<Option<String>, StoreError> {
        let mac = sqlx::query_scalar("SELECT mac FROM lease WHERE address = $1 AND declined = FALSE LIMIT 1")
            .bind(address.to_string())
            .fetch_optional(&self.reader)
            .await?;
        Ok(mac)
    }

    /// The newest address of a MAC on any network.
    pub(crate) async fn lease_address(&self, mac: &str) -> Result<Option<Ipv4Addr>, StoreError> {
        let address: Option<String> = sqlx::query_scalar(
            "SELECT address FROM lease WHERE mac = $1 AND declined = FALSE ORDER BY expires DESC LIMIT 1",
        )
        .bind(mac)
        .fetch_optional(&self.reader)
        .await?;
        Ok(address.and_then(|address| address.parse().ok()))
    }
}

fn from_row(row: &SqliteRow) -> Result<LeaseRecord, StoreError> {
    let address: String = row.try_get("address")?;
    Ok(LeaseRecord {
        network: row.try_get("network")?,
        address: address.parse().unwrap_or(Ipv4Addr::UNSPECIFIED),
        mac: row.try_get("mac")?,
        expires: time(row.try_get("expires")?),
        declined: row.try_get("declined")?,
    })
}
