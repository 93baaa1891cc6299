//! What there is, and in which version: what a feed of changes compares. One look at each table, and no document of it but
//! what instances that have no machine wait for, and the labels of machines that somebody changed since the last look.

use super::{
    Store, StoreError,
    db::{Conn, Row, sql},
    page::{labels_of, push_pools},
};
use crate::feed::{Facet, Labels, Object, Pool, Seen};
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

/// How many machines' labels are asked for at once; if more are to be read, all are, since most changed.
const FEW: usize = 256;

/// The labels of machines, by their ids, each with the generation of the machine that has them: they change only with that.
#[derive(Debug, Default)]
pub(crate) struct KnownLabels(HashMap<String, (i64, Labels)>);

impl KnownLabels {
    /// Reads those that are not known yet, and forgets those of machines that are gone.
    async fn renew(&mut self, conn: &mut Conn, machines: &[Row]) -> Result<(), StoreError> {
        let mut wanted: HashMap<String, i64> = HashMap::with_capacity(machines.len());
        for row in machines {
            wanted.insert(row.try_get("id")?, row.try_get("generation")?);
        }
        self.0.retain(|id, _| wanted.contains_key(id));
        wanted.retain(|id, generation| self.0.get(id).is_none_or(|(known, _)| known != generation));
        let mut query = sql("SELECT id, spec FROM machine WHERE spec LIKE '%\"labels\":{\"%'");
        if wanted.len() <= FEW {
            query.push(" AND id IN (");
            push_pools(&mut query, &wanted.keys().cloned().collect::<Vec<_>>());
            query.push(")");
        }
        let rows = if wanted.is_empty() { Vec::new() } else { query.fetch_all(conn).await? };
        for (id, generation) in &wanted {
            self.0.insert(id.clone(), (*generation, Labels::default()));
        }
        for row in &rows {
            let id: String = row.try_get("id")?;
            if wanted.contains_key(&id)
                && let Some((_, known)) = self.0.get_mut(&id)
            {
                *known = Labels::new(labels_of(row, "spec"));
            }
        }
        Ok(())
    }

    fn of(&self, id: &str) -> Labels {
        self.0.get(id).map(|(_, labels)| Labels::clone(labels)).unwrap_or_default()
    }
}

impl Store {
    /// Every machine, instance and image as it stands now. Read past what this process remembers: others write, too.
    pub(crate) async fn census(&self, labels: &mut KnownLabels) -> Result<HashMap<Object, Seen>, StoreError> {
        let mut lent = self.api_reader.get().await?;
        let machines = sql("SELECT machine.id AS id, machine.name AS name, machine.version AS version,
             machine.generation AS generation, pool, machine.state AS state, held, instance.name AS o_name FROM machine LEFT JOIN instance ON instance.id = machine.owner")
            .fetch_all(&mut lent)
            .await?;
        // Behind the versions: what is read here is never older than they are.
        labels.renew(&mut lent, &machines).await?;
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
        let none = Labels::default;
        for row in &machines {
            let (id, pool): (String, String) = (row.try_get("id")?, row.try_get("pool")?);
            let facet = Facet {
                name: row.try_get("name")?,
                pool: Pool::Of(pool.clone()),
                state: Some(row.try_get("state")?),
                held: row.try_get("held")?,
                labels: labels.of(&id),
            };
            let seen = Seen::new([row.try_get("version")?, 0], row.try_get("o_name")?, facet);
            pools.insert(id, pool);
            add(&mut census, WatchKind::Machine, row, seen)?;
        }
        for row in &instances {
            let facet = Facet {
                name: row.try_get("name")?,
                pool: pool_of(row, &pools)?,
                state: Some(row.try_get("state")?),
                held: false,
                labels: none(),
            };
            let on: Option<i64> = row.try_get("m_version")?;
            let seen = Seen::new([row.try_get("version")?, on.unwrap_or(0)], None, facet);
            add(&mut census, WatchKind::Instance, row, seen)?;
        }
        for row in &images {
            let (name, pool) = (row.try_get("name")?, Pool::Shared);
            let facet = Facet { name, pool, state: None, held: false, labels: none() };
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
