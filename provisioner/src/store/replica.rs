//! Which replica hands out which addresses. Time is the database's: replicas need not agree on theirs.
//!
//! A block is its owner's while the owner's row in `replica` lasts. Who takes a dead owner's block over finds all its
//! leases, since a lease is only written while the block is the writer's.

use super::{
    Store, StoreError,
    db::{Conn, DbError, Row, again, now_text, sql},
    lease::{address_of, from_row, mac_of, range_text},
};
use pxe::leases::{Beat, Block, Claimed, Elsewhere};

/// How long the row of a replica that died is remembered, in milliseconds.
const REMEMBERED: i64 = 24 * 3600 * 1000;

impl Store {
    /// Says that a replica is alive for so many milliseconds, and looks around. `reservations` is the version that it
    /// knows.
    pub(crate) async fn replica_beat(
        &self,
        owner: &str,
        alive: u64,
        reservations: Option<u64>,
    ) -> Result<Beat, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let now = self.database_now(&mut transaction).await?;
            let until = now.saturating_add(i64::try_from(alive).unwrap_or(i64::MAX));
            sql("INSERT INTO replica (owner, until) VALUES ($1, $2)
             ON CONFLICT (owner) DO UPDATE SET until = excluded.until")
            .bind(owner)
            .bind(until)
            .execute(&mut transaction)
            .await?;
            self.still_listening(&mut transaction, now).await?;
            sql("DELETE FROM replica WHERE until < $1")
                .bind(now - REMEMBERED)
                .execute(&mut transaction)
                .await?;
            let replicas: i64 = sql("SELECT COUNT(*) FROM replica WHERE until > $1")
                .bind(now)
                .scalar(&mut transaction)
                .await?;
            self.recent.processes(replicas);
            let mut beat = Beat {
                now: u64::try_from(now).unwrap_or(0),
                replicas: usize::try_from(replicas).unwrap_or(1),
                ..Beat::default()
            };
            for (network, block, whose) in blocks(&mut transaction, owner, now, None).await? {
                match whose {
                    Whose::Mine => beat.mine.push((network, block)),
                    Whose::Taken => beat.taken.push((network, block)),
                    Whose::Nobodys => {}
                }
            }
            beat.reservations = super::reservation::newer(&mut transaction, reservations).await?;
            transaction.commit().await?;
            Ok(beat)
        })
    }

    /// Gives a replica blocks that no other living one has: the first of the wanted ones, at most so many.
    pub(crate) async fn replica_claim(
        &self,
        owner: &str,
        network: &str,
        wanted: &[Block],
        most: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let now = self.database_now(&mut transaction).await?;
            let known = blocks(&mut transaction, owner, now, Some(network)).await?;
            let taken = |block: &Block| {
                known.iter().any(|(_, other, whose)| *whose == Whose::Taken && other.overlaps(*block))
            };
            let mut claimed = Vec::new();
            for block in wanted.iter().copied().filter(|block| !taken(block)).take(most) {
                // Of blocks of another size, from before the subnet was changed, nothing is left.
                sql("DELETE FROM lease_block WHERE network = $1 AND first <= $2 AND last >= $3")
                    .bind(network)
                    .bind(i64::from(block.last))
                    .bind(i64::from(block.first))
                    .execute(&mut transaction)
                    .await?;
                sql("INSERT INTO lease_block (network, first, last, owner) VALUES ($1, $2, $3, $4)")
                    .bind(network)
                    .bind(i64::from(block.first))
                    .bind(i64::from(block.last))
                    .bind(owner)
                    .execute(&mut transaction)
                    .await?;
                let rows = sql(range_text())
                    .bind(network)
                    .bind(i64::from(block.first))
                    .bind(i64::from(block.last))
                    .fetch_all(&mut transaction)
                    .await?;
                let leases = rows.iter().map(from_row).collect::<Result<_, _>>()?;
                claimed.push(Claimed { block, leases });
            }
            transaction.commit().await?;
            Ok(claimed)
        })
    }

    /// Lets blocks of a replica go.
    pub(crate) async fn replica_give_back(
        &self,
        owner: &str,
        network: &str,
        blocks: &[Block],
    ) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            for block in blocks {
                sql("DELETE FROM lease_block WHERE network = $1 AND first = $2 AND owner = $3")
                    .bind(network)
                    .bind(i64::from(block.first))
                    .bind(owner)
                    .execute(&mut transaction)
                    .await?;
            }
            Ok(transaction.commit().await?)
        })
    }

    /// The clients whose leases last and are in blocks of other replicas.
    pub(crate) async fn replica_elsewhere(
        &self,
        owner: &str,
        network: &str,
    ) -> Result<Vec<Elsewhere>, StoreError> {
        let mut lent = self.reader.get().await?;
        let now = now_text(&lent);
        let rows = sql(format!(
            "SELECT address, mac, expires FROM lease WHERE network = $2 AND state = 0 AND expires > {now}
             AND NOT EXISTS (SELECT 1 FROM lease_block WHERE lease_block.network = lease.network
             AND owner = $3 AND address BETWEEN first AND last)"
        ))
        .bind(self.test_clock())
        .bind(network)
        .bind(owner)
        .fetch_all(&mut lent)
        .await?;
        let client = |row: &Row| {
            let expires: i64 = row.try_get("expires")?;
            Ok(Elsewhere {
                mac: mac_of(row.try_get("mac")?),
                address: address_of(row.try_get("address")?),
                expires: u64::try_from(expires).unwrap_or(0),
            })
        };
        Ok(rows.iter().map(client).collect::<Result<_, DbError>>()?)
    }

    /// A replica ends: its blocks are nobody's.
    pub(crate) async fn replica_leave(&self, owner: &str) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            sql("DELETE FROM lease_block WHERE owner = $1").bind(owner).execute(&mut transaction).await?;
            sql("DELETE FROM replica WHERE owner = $1").bind(owner).execute(&mut transaction).await?;
            let now = self.database_now(&mut transaction).await?;
            self.still_listening(&mut transaction, now).await?;
            Ok(transaction.commit().await?)
        })
    }

    pub(super) async fn database_now(&self, conn: &mut Conn) -> Result<i64, StoreError> {
        let text = format!("SELECT {}", now_text(conn));
        Ok(sql(text).bind(self.test_clock()).scalar(conn).await?)
    }
}

/// Whose a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Mine,
    Taken,
    Nobodys,
}

/// The blocks that are somebody's, or were.
async fn blocks(
    conn: &mut Conn,
    owner: &str,
    now: i64,
    network: Option<&str>,
) -> Result<Vec<(String, Block, Whose)>, StoreError> {
    let rows = sql(
        "SELECT network, first, last, lease_block.owner AS owner, COALESCE(until, 0) AS until FROM lease_block
         LEFT JOIN replica ON replica.owner = lease_block.owner WHERE network = COALESCE($1, network)",
    )
    .bind(network)
    .fetch_all(conn)
    .await?;
    let block = |row: &Row| {
        let bound = |column| Ok::<_, DbError>(u32::from(address_of(row.try_get(column)?)));
        let (of, until): (String, i64) = (row.try_get("owner")?, row.try_get("until")?);
        let whose = match of == owner {
            true => Whose::Mine,
            false if until > now => Whose::Taken,
            false => Whose::Nobodys,
        };
        Ok((row.try_get("network")?, Block { first: bound("first")?, last: bound("last")? }, whose))
    };
    Ok(rows.iter().map(block).collect::<Result<_, DbError>>()?)
}
