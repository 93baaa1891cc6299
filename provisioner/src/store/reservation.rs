//! Reservations: addresses that one client always gets. Every change raises the version, which replicas look at.

use super::{
    Store, StoreError,
    db::{Conn, DbError, Lent, Row, again, sql},
    lease::{address_of, mac_number, mac_of, number_of},
    taken,
};
use pxe::leases::Reservation;
use std::net::Ipv4Addr;

impl Store {
    /// The reservations of a network by address.
    pub(crate) async fn reservation_list(&self, network: &str) -> Result<Vec<Reservation>, StoreError> {
        let rows = sql("SELECT network, mac, address FROM reservation WHERE network = $1 ORDER BY address")
            .bind(network)
            .fetch_all(&mut *self.api_reader.get().await?)
            .await?;
        let all = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().map(|(_, reservation)| reservation).collect())
    }

    /// At most so many reservations of a network whose addresses come after one, by address.
    pub(crate) async fn reservation_page(
        &self,
        network: &str,
        after: Option<Ipv4Addr>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        let rows = sql("SELECT network, mac, address FROM reservation WHERE network = $1 AND address > $2
             ORDER BY address LIMIT $3 + 0")
        .bind(network)
        .bind(after.map_or(-1, number_of))
        .bind(limit)
        .fetch_all(&mut *self.api_reader.get().await?)
        .await?;
        let all = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
        Ok(all.into_iter().map(|(_, reservation)| reservation).collect())
    }

    /// Reserves an address. Of a client that has a reservation already, this one takes its place. True: something
    /// changed.
    ///
    /// # Errors
    /// `Taken` when the address is reserved for another client.
    pub(crate) async fn reservation_insert(
        &self,
        network: &str,
        reservation: Reservation,
    ) -> Result<bool, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let changed = sql("INSERT INTO reservation (network, mac, address) VALUES ($1, $2, $3)
             ON CONFLICT (network, mac) DO UPDATE SET address = excluded.address
             WHERE reservation.address <> excluded.address")
            .bind(network)
            .bind(mac_number(reservation.mac))
            .bind(number_of(reservation.address))
            .execute(&mut transaction)
            .await
            .map_err(|error| taken(error, "address", || format!("the address {}", reservation.address)))?;
            commit(transaction, changed).await
        })
    }

    /// Ends the reservation of a client. False: it has none.
    pub(crate) async fn reservation_delete(&self, network: &str, mac: [u8; 6]) -> Result<bool, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let gone = sql("DELETE FROM reservation WHERE network = $1 AND mac = $2")
                .bind(network)
                .bind(mac_number(mac))
                .execute(&mut transaction)
                .await?;
            commit(transaction, gone).await
        })
    }
}

/// Raises the version if something changed.
async fn commit(mut transaction: Lent, changed: u64) -> Result<bool, StoreError> {
    if changed > 0 {
        sql("UPDATE reservation_version SET version = version + 1").execute(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(changed > 0)
}

/// All reservations of all networks and their version, unless that is the one known.
pub(super) async fn newer(
    conn: &mut Conn,
    known: Option<u64>,
) -> Result<Option<(u64, Vec<(String, Reservation)>)>, StoreError> {
    let version: i64 = sql("SELECT version FROM reservation_version").scalar(&mut *conn).await?;
    let version = u64::try_from(version).unwrap_or(0);
    if known == Some(version) {
        return Ok(None);
    }
    let rows = sql("SELECT network, mac, address FROM reservation").fetch_all(conn).await?;
    Ok(Some((version, rows.iter().map(from_row).collect::<Result<_, _>>()?)))
}

fn from_row(row: &Row) -> Result<(String, Reservation), DbError> {
    let (mac, address) = (mac_of(row.try_get("mac")?), address_of(row.try_get("address")?));
    Ok((row.try_get("network")?, Reservation { mac, address }))
}
