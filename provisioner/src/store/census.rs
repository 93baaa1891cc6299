//! What there is, and in which version: what a feed of changes compares. One look at each table, and no document of it but
//! what instances that have no machine wait for.

use super::{
    Store, StoreError,
    db::{Row, sql},
};
use crate::feed::{Facet, Object, Pool, Seen};
use provisioner_api::WatchKind;
use serde::Deserialize;
use std::collections::HashMap;
use uuid::Uuid;

/// Where an instance may get its machine.
#[derive(Default, Deserialize)]
struct Wish {
    #[serde(default)]
    pool: Option<String>,
    #[serde(default)]
    machine: Option<String>,
}

impl Store {
    /// Every machine, instance and image as it stands now. Read past what this process remembers: others write, too.
    pub(crate) async fn census(&self) -> Result<HashMap<Object, Seen>, StoreError> {
        let mut lent = self.api_reader.get().await?;
        let machines = sql("SELECT machine.id AS id, machine.name AS name, machine.version AS version, pool, machine.state AS state,
             held, instance.name AS o_name FROM machine LEFT JOIN instance ON instance.id = machine.owner")
            .fetch_all(&mut lent)
            .await?;
        let instances = sql(
            "SELECT instance.id AS id, instance.name AS name, instance.version AS version, instance.state AS state,
             machine.version AS m_version, machine.pool AS m_pool,
             CASE WHEN instance.machine IS NULL THEN instance.spec END AS wish
             FROM instance LEFT JOIN machine ON machine.id = instance.machine",
        )
        .fetch_all(&mut lent)
        .await?;
        let images = sql("SELECT id, name FROM image").fetch_all(&mut lent).await?;
        let mut census = HashMap::with_capacity(machines.len() + instances.len() + images.len());
        let mut pools = HashMap::new();
        for row in &machines {
            let pool: String = row.try_get("pool")?;
            let facet = Facet {
                name: row.try_get("name")?,
                pool: Pool::Of(pool.clone()),
                state: Some(row.try_get("state")?),
                held: row.try_get("held")?,
            };
            let seen = Seen::new([row.try_get("version")?, 0], row.try_get("o_name")?, facet);
            pools.insert(row.try_get::<String>("id")?, pool);
            add(&mut census, WatchKind::Machine, row, seen)?;
        }
        for row in &instances {
            let facet = Facet {
                name: row.try_get("name")?,
                pool: pool_of(row, &pools)?,
                state: Some(row.try_get("state")?),
                held: false,
            };
            let on: Option<i64> = row.try_get("m_version")?;
            let seen = Seen::new([row.try_get("version")?, on.unwrap_or(0)], None, facet);
            add(&mut census, WatchKind::Instance, row, seen)?;
        }
        for row in &images {
            let facet = Facet { name: row.try_get("name")?, pool: Pool::Shared, state: None, held: false };
            // It never changes.
            add(&mut census, WatchKind::Image, row, Seen::new([0, 0], None, facet))?;
        }
        Ok(census)
    }
}

/// What isn't an id by our rules nobody can ask for either.
fn add(census: &mut HashMap<Object, Seen>, kind: WatchKind, row: &Row, seen: Seen) -> Result<(), StoreError> {
    if let Ok(id) = row.try_get::<String>("id")?.parse::<Uuid>() {
        census.insert(Object { kind, id }, seen);
    }
    Ok(())
}

/// Whose an instance is: by its machine, or, while it has none, by where it may get one (`api::caller` says the same).
fn pool_of(row: &Row, pools: &HashMap<String, String>) -> Result<Pool, StoreError> {
    if let Some(pool) = row.try_get::<Option<String>>("m_pool")? {
        return Ok(Pool::Of(pool));
    }
    let text: Option<String> = row.try_get("wish")?;
    let Some(wish) = text.and_then(|text| serde_json::from_str::<Wish>(&text).ok()) else {
        return Ok(Pool::Unknown);
    };
    Ok(match (wish.pool, wish.machine) {
        (Some(pool), _) => Pool::Of(pool),
        (None, Some(machine)) => pools.get(&machine).cloned().map_or(Pool::Unknown, Pool::Of),
        (None, None) => Pool::Of("default".into()),
    })
}
