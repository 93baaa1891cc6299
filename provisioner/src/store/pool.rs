//! Pools of which something is said. A machine names its pool by a word, and need not find it here: one that is not here
//! has no policy. Deliberately not here: what a policy does (`lifecycle`).

use super::{
    Store, StoreError, Swap,
    damage::legible,
    db::{Conn, Row, Statement, again, sql},
    document, json, micros, taken, time,
};
use jiff::Timestamp;
use provisioner_api::{ErasePolicy, InstanceSpec, PoolSpec};
use provisioner_lifecycle::Quota;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The pool of instances that name none.
const DEFAULT_POOL: &str = "default";

/// A pool of which something is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolRecord {
    /// Its own id: another pool may come under its name.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// What is said.
    pub(crate) spec: PoolSpec,
    /// Counts its changes.
    pub(crate) version: u64,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// When it was last changed.
    pub(crate) changed: Timestamp,
}

/// The least wiping that pools ask for, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeastWiping {
    pools: BTreeMap<String, ErasePolicy>,
    /// What all others ask for.
    others: Option<ErasePolicy>,
}

impl LeastWiping {
    /// What this pool asks for, if anything.
    pub(crate) fn of(&self, pool: &str) -> Option<ErasePolicy> {
        self.pools.get(pool).copied().or(self.others)
    }

    /// As of pools none of which can be read: each may ask for the most.
    pub(crate) fn unknown() -> Self {
        Self { pools: BTreeMap::new(), others: Some(ErasePolicy::Overwrite) }
    }
}

/// What came of taking a pool away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PoolGone {
    /// It is gone.
    Done,
    /// Somebody else was first.
    Stale,
    /// These name it, as `machine m1`.
    Used(Vec<String>),
}

const SELECT: &str = "SELECT id, name, spec, version, created, changed FROM pool";

impl Store {
    /// Adds a pool.
    ///
    /// # Errors
    /// `Taken` when there is one of that name.
    pub(crate) async fn pool_insert(&self, pool: &PoolRecord) -> Result<(), StoreError> {
        let text = "INSERT INTO pool (id, name, spec, max_machines, version, created, changed) VALUES ($1, $2, $3, $4, 1, $5, $5)";
        let insert = sql(text)
            .bind(pool.id.to_string())
            .bind(&pool.name)
            .bind(json(&pool.spec))
            .bind(pool.spec.max_machines)
            .bind(micros(pool.created));
        let done = self.writer.run(insert).await;
        done.map_err(|error| taken(error, "name", || format!("the pool name `{}`", pool.name)))?;
        Ok(())
    }

    /// The pool of this name.
    #[cfg(test)]
    pub(crate) async fn pool_find(&self, name: &str) -> Result<Option<PoolRecord>, StoreError> {
        let text = format!("{SELECT} WHERE name = $1");
        let row = sql(text).bind(name).fetch_optional(&mut *self.api_reader.get().await?).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The pool of this name, to be changed or taken away: of one whose policy can't be read nothing is said here, and it is
    /// told that it is so (`true`).
    pub(crate) async fn pool_to_mend(&self, name: &str) -> Result<Option<(PoolRecord, bool)>, StoreError> {
        let text = format!("{SELECT} WHERE name = $1");
        let row = sql(text).bind(name).fetch_optional(&mut *self.api_reader.get().await?).await?;
        let Some(row) = row else { return Ok(None) };
        let spec = legible(spec(&row, name))?;
        let damaged = spec.is_none();
        Ok(Some((with_spec(&row, spec.unwrap_or_default())?, damaged)))
    }

    /// All pools, by name, and of each whether what is said of it can't be read.
    pub(crate) async fn pool_list(&self) -> Result<Vec<(PoolRecord, bool)>, StoreError> {
        let rows =
            sql(format!("{SELECT} ORDER BY name")).fetch_all(&mut *self.api_reader.get().await?).await?;
        let read = |row: &Row| {
            let name: String = row.try_get("name")?;
            let spec = legible(spec(row, &name))?;
            let damaged = spec.is_none();
            // One whose id can't be read, either, is nothing that could be shown.
            Ok(legible(with_spec(row, spec.unwrap_or_default()))?.map(|record| (record, damaged)))
        };
        rows.iter().filter_map(|row| read(row).transpose()).collect()
    }

    /// Changes what is said of a pool.
    pub(crate) async fn pool_update(
        &self,
        before: &PoolRecord,
        spec: &PoolSpec,
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let text = "UPDATE pool SET spec = $3, max_machines = $4, version = version + 1, changed = $5 WHERE id = $1 AND version = $2";
        let update = sql(text)
            .bind(before.id.to_string())
            .bind(before.version.cast_signed())
            .bind(json(spec))
            .bind(spec.max_machines)
            .bind(micros(now));
        let rows = self.writer.run(update).await?;
        Ok(if rows > 0 { Swap::Updated } else { Swap::Stale })
    }

    /// Takes a pool away that nothing names.
    pub(crate) async fn pool_delete(&self, pool: &PoolRecord) -> Result<PoolGone, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let users = users(&mut transaction, &pool.name).await?;
            if !users.is_empty() {
                return Ok(PoolGone::Used(users));
            }
            let gone = sql("DELETE FROM pool WHERE id = $1 AND version = $2")
                .bind(pool.id.to_string())
                .bind(pool.version.cast_signed())
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(if gone > 0 { PoolGone::Done } else { PoolGone::Stale })
        })
    }

    /// Makes the pools unreadable altogether.
    #[cfg(test)]
    pub(crate) async fn pools_lose(&self) {
        self.writer.run(sql("ALTER TABLE pool RENAME TO lost")).await.expect("it writes");
    }

    /// Makes what is said of a pool unreadable.
    #[cfg(test)]
    pub(crate) async fn pool_spoil(&self, name: &str) {
        self.writer
            .run(sql("UPDATE pool SET spec = '{' WHERE name = $1").bind(name))
            .await
            .expect("it writes");
    }

    /// The least wiping that pools ask for. One that can't be read asks for the most: nobody knows that it doesn't.
    pub(crate) async fn pool_least_wiping(&self) -> Result<LeastWiping, StoreError> {
        let rows = sql("SELECT name, spec FROM pool").fetch_all(&mut *self.reader.get().await?).await?;
        let mut least = LeastWiping::default();
        for row in &rows {
            let name: String = row.try_get("name")?;
            let erase = match legible(spec(row, &name))? {
                Some(spec) => spec.erase,
                None => {
                    // The most that each disk can.
                    tracing::error!(pool = name, "its records are damaged, so its disks are overwritten");
                    Some(ErasePolicy::Overwrite)
                }
            };
            least.pools.extend(erase.map(|erase| (name, erase)));
        }
        Ok(least)
    }

    /// The pools with a limit, and how many of their machines have an instance.
    pub(crate) async fn pool_quotas(&self) -> Result<BTreeMap<String, Quota>, StoreError> {
        let text = "SELECT name, max_machines, (SELECT COUNT(*) FROM machine WHERE machine.pool = pool.name AND owner IS NOT NULL) AS used FROM pool WHERE max_machines IS NOT NULL";
        let rows = sql(text).fetch_all(&mut *self.reader.get().await?).await?;
        let quota = |row: &Row| {
            let (used, most): (i64, i64) = (row.try_get("used")?, row.try_get("max_machines")?);
            Ok((row.try_get("name")?, Quota { used: used.unsigned_abs(), most: most.unsigned_abs() }))
        };
        rows.iter().map(quota).collect()
    }

    /// How many machines of each pool have an instance.
    pub(crate) async fn pool_taken(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let text = "SELECT pool, COUNT(*) AS taken FROM machine WHERE owner IS NOT NULL GROUP BY pool";
        let rows = sql(text).fetch_all(&mut *self.api_reader.get().await?).await?;
        let counted = |row: &Row| Ok((row.try_get("pool")?, row.try_get::<i64>("taken")?.unsigned_abs()));
        rows.iter().map(counted).collect()
    }
}

/// Whoever gives away a machine of a pool with a limit waits here for others who do: in PostgreSQL several may try it at
/// once, and a statement sees what was committed before it began.
pub(super) fn push_turn(query: &mut Statement, pool: &str) {
    query.push("UPDATE pool SET max_machines = max_machines WHERE name = ").push_bind(pool);
}

/// Changes nothing, of no row if the pool has no room for one more of its machines to have an instance.
pub(super) fn push_room(query: &mut Statement, pool: &str) {
    push_turn(query, pool);
    query
        .push(" AND (max_machines IS NULL OR max_machines > (SELECT COUNT(*) FROM machine WHERE pool = ")
        .push_bind(pool)
        .push(" AND owner IS NOT NULL))");
}

/// A further condition: the pool has no limit, or room for one more of its machines to have an instance.
pub(super) fn push_unless_full(query: &mut Statement, pool: &str) {
    query
        .push(" AND NOT EXISTS (SELECT 1 FROM pool WHERE pool.name = ")
        .push_bind(pool)
        .push(" AND pool.max_machines <= (SELECT COUNT(*) FROM machine AS its WHERE its.pool = ")
        .push_bind(pool)
        .push(" AND its.owner IS NOT NULL))");
}

/// What names a pool: its machines, its addresses, instances that wait for one of them, tokens and users that are limited
/// to it. One that can't be read may name it, so it counts.
async fn users(conn: &mut Conn, pool: &str) -> Result<Vec<String>, StoreError> {
    let machines = sql("SELECT name FROM machine WHERE pool = $1 ORDER BY name").bind(pool);
    let machines: Vec<String> = machines.scalars(conn).await?;
    let mut users: Vec<_> = machines.into_iter().map(|name| format!("machine {name}")).collect();
    // Only one that has a name is of a pool.
    let addresses =
        sql("SELECT name FROM address WHERE pool = $1 AND name IS NOT NULL ORDER BY name").bind(pool);
    let addresses: Vec<String> = addresses.scalars(conn).await?;
    users.extend(addresses.into_iter().map(|name| format!("address {name}")));
    let text = "SELECT name, spec FROM instance WHERE machine IS NULL ORDER BY name";
    for row in &sql(text).fetch_all(conn).await? {
        let name: String = row.try_get("name")?;
        let place = || format!("instance {name}, column spec");
        let named =
            |spec: InstanceSpec| spec.pool.or(spec.machine.is_none().then(|| DEFAULT_POOL.to_owned()));
        let spec = row.try_get("spec").map_err(StoreError::from).and_then(|spec| document(place, spec));
        match legible(spec)?.map(named) {
            Some(its) if its.as_deref() == Some(pool) => users.push(format!("instance {name}")),
            Some(_) => {}
            None => users.push(format!("instance {name}, unreadable")),
        }
    }
    for (kind, text) in [
        ("token", "SELECT name, pools FROM api_token WHERE pools IS NOT NULL ORDER BY name"),
        ("user", "SELECT name, pools FROM local_user WHERE pools IS NOT NULL ORDER BY name"),
    ] {
        for row in &sql(text).fetch_all(conn).await? {
            let name: String = row.try_get("name")?;
            let place = || format!("{kind} {name}, column pools");
            let pools = row.try_get("pools").map_err(StoreError::from);
            let pools: Option<Vec<String>> = legible(pools.and_then(|pools| document(place, pools)))?;
            match pools {
                Some(pools) if pools.iter().any(|own| own == pool) => users.push(format!("{kind} {name}")),
                Some(_) => {}
                None => users.push(format!("{kind} {name}, unreadable")),
            }
        }
    }
    Ok(users)
}

fn spec(row: &Row, name: &str) -> Result<PoolSpec, StoreError> {
    document(|| format!("pool {name}, column spec"), row.try_get("spec")?)
}

#[cfg(test)]
fn from_row(row: &Row) -> Result<PoolRecord, StoreError> {
    let name: String = row.try_get("name")?;
    with_spec(row, spec(row, &name)?)
}

fn with_spec(row: &Row, spec: PoolSpec) -> Result<PoolRecord, StoreError> {
    let (id, name): (String, String) = (row.try_get("id")?, row.try_get("name")?);
    let version: i64 = row.try_get("version")?;
    Ok(PoolRecord {
        id: document(|| format!("pool {name}, column id"), &json(&id))?,
        spec,
        version: version.unsigned_abs(),
        created: time(row.try_get("created")?),
        changed: time(row.try_get("changed")?),
        name,
    })
}
