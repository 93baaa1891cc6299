//! Which replica hands out which addresses. Time is the database's: replicas need not agree on theirs.
//!
//! A block is its owner's while the owner's row in `replica` lasts. Who takes a dead owner's block over finds all its
//! leases, since a lease is only written while the block is the writer's.

use super::{
    Store, StoreError,
    db::{Conn, DbError, Row, again, now_text, sql},
    document, json,
    lease::{address_of, from_row, mac_of, range_text},
};
use jiff::{SignedDuration, Timestamp};
use pxe::leases::{Beat, Block, CLAIM, Claimed, Elsewhere};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long the row of a replica that died is remembered, in milliseconds.
const REMEMBERED: i64 = 24 * 3600 * 1000;

/// What a replica tells the others of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplicaAbout {
    /// The host that it runs on.
    pub(crate) host: String,
    /// Where its API is, `https://…`.
    pub(crate) url: String,
    /// The same as the machines of each network reach it.
    #[serde(default)]
    pub(crate) networks: BTreeMap<String, String>,
    /// Which data folder it works with: another one on another host or file system.
    pub(crate) place: String,
    /// When the process began.
    pub(crate) since: Timestamp,
}

/// A replica as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplicaRow {
    /// The id in its data folder.
    pub(crate) owner: String,
    /// Its process.
    pub(crate) process: Option<Uuid>,
    /// Its last beat, by the database's clock.
    pub(crate) beat: Timestamp,
    /// Whether it counts as alive.
    pub(crate) alive: bool,
    /// What it told; none: it is of an older version.
    pub(crate) about: Option<ReplicaAbout>,
}

impl Store {
    /// The replicas that there are, or were lately, by id.
    pub(crate) async fn replica_list(&self) -> Result<Vec<ReplicaRow>, StoreError> {
        let mut lent = self.reader.get().await?;
        let now = now_text(lent.is_postgres());
        let text = format!("SELECT owner, until, process, about, {now} AS clock FROM replica ORDER BY owner");
        let rows = sql(text).bind(self.test_clock()).fetch_all(&mut lent).await?;
        let row = |row: &Row| {
            let (owner, until, clock): (String, i64, i64) =
                (row.try_get("owner")?, row.try_get("until")?, row.try_get("clock")?);
            let about: Option<String> = row.try_get("about")?;
            let about = about.map(|about| document(|| format!("replica {owner}"), &about)).transpose()?;
            let process: Option<String> = row.try_get("process")?;
            let end = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
            Ok(ReplicaRow {
                process: process.and_then(|process| process.parse().ok()),
                // Each beat is good for so long.
                beat: end.saturating_sub(SignedDuration::from_millis(CLAIM as i64)).unwrap_or(end),
                alive: until > clock,
                about,
                owner,
            })
        };
        rows.iter().map(row).collect()
    }

    /// Writes down which process speaks for a replica from now on, and what it tells of itself.
    pub(crate) async fn replica_tell(
        &self,
        owner: &str,
        process: Uuid,
        about: &ReplicaAbout,
    ) -> Result<(), StoreError> {
        let text = "INSERT INTO replica (owner, until, process, about) VALUES ($1, 0, $2, $3)
                    ON CONFLICT (owner) DO UPDATE SET process = excluded.process, about = excluded.about";
        self.writer.run(sql(text).bind(owner).bind(process.to_string()).bind(json(about))).await?;
        Ok(())
    }

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
        let now = now_text(lent.is_postgres());
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
        let text = format!("SELECT {}", now_text(conn.is_postgres()));
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
