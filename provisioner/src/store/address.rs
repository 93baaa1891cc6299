//! Addresses that are taken out of the address plan. Each is a row, whose primary key is the address: nobody has it twice,
//! whoever else asks at the same time. Those of an instance come and go with its row.
//!
//! Which address is taken is the caller's to choose; when somebody else was faster, it chooses anew.

use super::{
    Store, StoreError,
    damage::legible,
    db::{Conn, DbErrorKind, Row, again, sql},
    document,
    lease::{address_of, number_of},
    micros, time,
};
use jiff::Timestamp;
use provisioner_api::{InstanceId, InstanceSpec};
use std::{collections::BTreeSet, net::Ipv4Addr};

/// The field of [`StoreError::Taken`] when somebody else took an address, or a name of one, meanwhile.
const FIELD: &str = "address";

/// An address that is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewAddress {
    /// Which.
    pub(crate) address: Ipv4Addr,
    /// Its network.
    pub(crate) network: String,
    /// Its subnet: `10.77.0.0/24`.
    pub(crate) subnet: String,
    /// Whose it becomes.
    pub(crate) holder: Holder,
    /// The pool of a virtual address; none: it is the site's.
    pub(crate) pool: Option<String>,
}

/// Whose an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A virtual address, of this name.
    Name(String),
    /// A static address of an instance.
    Instance {
        /// Which instance.
        id: InstanceId,
        /// Which of its interfaces.
        interface: String,
    },
}

/// An address that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressRecord {
    /// What was taken.
    pub(crate) taken: NewAddress,
    /// The name of the instance whose static address it is.
    pub(crate) instance_name: Option<String>,
    /// Names of the instances that use a virtual address.
    pub(crate) used_by: Vec<String>,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// What an instance takes together with its row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Takes {
    /// Static addresses.
    pub(crate) addresses: Vec<NewAddress>,
    /// The virtual addresses that it uses.
    pub(crate) uses: Vec<Use>,
}

/// A virtual address as it was looked at: released and claimed anew it is another one, and so it is in another pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// Its name.
    pub(crate) name: String,
    /// Which it is.
    pub(crate) address: Ipv4Addr,
    /// Its pool.
    pub(crate) pool: Option<String>,
    /// Since when it has the name.
    pub(crate) since: Timestamp,
}

/// What came of giving a pool to a virtual address that is the site's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PoolGiven {
    /// It has it.
    Done,
    /// It was changed meanwhile.
    Stale,
    /// These instances use it and are not of that pool, as `instance i1`.
    Used(Vec<String>),
}

impl AddressRecord {
    /// It, to be used by its name; none: it has none.
    pub(crate) fn to_use(&self) -> Option<Use> {
        let Holder::Name(name) = &self.taken.holder else { return None };
        let (address, pool) = (self.taken.address, self.taken.pool.clone());
        Some(Use { name: name.clone(), address, pool, since: self.since })
    }
}

impl Takes {
    /// Whether it takes nothing.
    pub(crate) fn is_none(&self) -> bool {
        self.addresses.is_empty() && self.uses.is_empty()
    }
}

impl StoreError {
    /// Whether another address may be tried: somebody else took this one, or this name, meanwhile.
    pub(crate) fn is_address_taken(&self) -> bool {
        matches!(self, Self::Taken { field: FIELD, .. })
    }
}

/// The columns of an address, as [`from_row`] reads them.
const SELECT: &str = "SELECT address.address AS address, address.network AS network, address.subnet AS subnet,
    address.name AS name, address.instance AS instance, address.interface AS interface, address.since AS since,
    address.pool AS pool, instance.name AS instance_name FROM address LEFT JOIN instance ON instance.id = address.instance";

impl Store {
    /// Addresses from the first to the last that somebody has: taken out of the plan, reserved, or leased still.
    pub(crate) async fn address_taken(
        &self,
        network: &str,
        (first, last): (Ipv4Addr, Ipv4Addr),
        now_millis: u64,
    ) -> Result<BTreeSet<Ipv4Addr>, StoreError> {
        let numbers: Vec<i64> = sql("SELECT address FROM address WHERE address BETWEEN $1 AND $2
             UNION SELECT address FROM reservation WHERE network = $3 AND address BETWEEN $1 AND $2
             UNION SELECT address FROM lease
             WHERE network = $3 AND address BETWEEN $1 AND $2 AND state <> 1 AND expires > $4")
        .bind(number_of(first))
        .bind(number_of(last))
        .bind(network)
        .bind(i64::try_from(now_millis).unwrap_or(i64::MAX))
        .scalars(&mut *self.api_reader.get().await?)
        .await?;
        Ok(numbers.into_iter().map(address_of).collect())
    }

    /// Whether somebody took this address out of the plan.
    pub(crate) async fn address_is_taken(&self, address: Ipv4Addr) -> Result<bool, StoreError> {
        let rows: Vec<i64> = sql("SELECT address FROM address WHERE address = $1")
            .bind(number_of(address))
            .scalars(&mut *self.api_reader.get().await?)
            .await?;
        Ok(!rows.is_empty())
    }

    /// Takes a virtual address.
    ///
    /// # Errors
    /// `Taken`, when somebody else took the address or the name meanwhile.
    pub(crate) async fn address_claim(&self, new: &NewAddress, now: Timestamp) -> Result<(), StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            insert_on_conn(&mut transaction, std::slice::from_ref(new), now).await?;
            Ok(transaction.commit().await?)
        })
    }

    /// Releases a virtual address. False: there is none of this name.
    ///
    /// # Errors
    /// `InUse`, when an instance uses it.
    pub(crate) async fn address_release(&self, name: &str) -> Result<bool, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            let gone = sql("DELETE FROM address WHERE name = $1").bind(name).execute(&mut transaction).await;
            let gone = gone.map_err(|error| match error.kind() {
                DbErrorKind::ForeignKey => StoreError::InUse { what: format!("the address `{name}`") },
                _ => error.into(),
            })?;
            transaction.commit().await?;
            Ok(gone > 0)
        })
    }

    /// Gives a pool to a virtual address that has none, if whoever uses it is of that pool.
    pub(crate) async fn address_give_pool(&self, of: &Use, pool: &str) -> Result<PoolGiven, StoreError> {
        again!({
            let mut transaction = self.writer.begin().await?;
            // First: who comes to use it waits for this.
            let given = sql("UPDATE address SET pool = $2 WHERE name = $1 AND pool IS NULL AND address = $3 AND since = $4")
                .bind(&of.name)
                .bind(pool)
                .bind(number_of(of.address))
                .bind(micros(of.since))
                .execute(&mut transaction)
                .await?;
            if given == 0 {
                return Ok(PoolGiven::Stale);
            }
            let others = others(&mut transaction, &of.name, pool).await?;
            if !others.is_empty() {
                return Ok(PoolGiven::Used(others));
            }
            transaction.commit().await?;
            Ok(PoolGiven::Done)
        })
    }

    /// A virtual address by its name.
    pub(crate) async fn address_named(&self, name: &str) -> Result<Option<AddressRecord>, StoreError> {
        let mut conn = self.api_reader.get().await?;
        let row =
            sql(format!("{SELECT} WHERE address.name = $1")).bind(name).fetch_optional(&mut conn).await?;
        let Some(row) = row else { return Ok(None) };
        let mut records = vec![from_row(&row)?];
        add_uses(&mut conn, &mut records).await?;
        Ok(records.pop())
    }

    /// At most so many addresses that come after one, in their order.
    pub(crate) async fn address_page(
        &self,
        after: Option<Ipv4Addr>,
        limit: u32,
    ) -> Result<Vec<AddressRecord>, StoreError> {
        let mut conn = self.api_reader.get().await?;
        let text = format!("{SELECT} WHERE address.address > $1 ORDER BY address.address LIMIT $2 + 0");
        let rows = sql(text).bind(after.map_or(-1, number_of)).bind(limit).fetch_all(&mut conn).await?;
        let mut records = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
        add_uses(&mut conn, &mut records).await?;
        Ok(records)
    }

    /// All addresses that are taken, with their networks: what must not be leased, whatever the configuration says by now.
    pub(crate) async fn address_all(&self) -> Result<Vec<(String, Ipv4Addr)>, StoreError> {
        let rows =
            sql("SELECT network, address FROM address").fetch_all(&mut *self.reader.get().await?).await?;
        let one = |row: &Row| Ok((row.try_get("network")?, address_of(row.try_get("address")?)));
        rows.iter().map(one).collect()
    }
}

/// Takes addresses on a transaction.
async fn insert_on_conn(conn: &mut Conn, new: &[NewAddress], now: Timestamp) -> Result<(), StoreError> {
    for NewAddress { address, network, subnet, holder, pool } in new {
        let (name, instance, interface) = match holder {
            Holder::Name(name) => (Some(name.clone()), None, None),
            Holder::Instance { id, interface } => (None, Some(id.to_string()), Some(interface.clone())),
        };
        let done =
            sql("INSERT INTO address (address, network, subnet, name, instance, interface, since, pool)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(number_of(*address))
            .bind(network)
            .bind(subnet)
            .bind(name)
            .bind(instance)
            .bind(interface)
            .bind(micros(now))
            .bind(pool.clone())
            .execute(&mut *conn)
            .await;
        done.map_err(|error| super::taken(error, FIELD, || format!("the address {address}")))?;
    }
    Ok(())
}

/// Takes for an instance what it takes, on the transaction that made its row.
pub(super) async fn take_on_conn(
    conn: &mut Conn,
    id: InstanceId,
    takes: &Takes,
    now: Timestamp,
) -> Result<(), StoreError> {
    insert_on_conn(conn, &takes.addresses, now).await?;
    for Use { name, address, pool, since } in &takes.uses {
        // It is the one that was looked at, and stays it until this is committed: a release waits for the row.
        let same = sql("UPDATE address SET since = since WHERE name = $1 AND address = $2 AND since = $3 AND COALESCE(pool, '') = $4")
            .bind(name)
            .bind(number_of(*address))
            .bind(micros(*since))
            .bind(pool.clone().unwrap_or_default())
            .execute(&mut *conn)
            .await?;
        if same == 0 {
            return Err(StoreError::AddressGone { name: name.clone() });
        }
        let done = sql("INSERT INTO address_use (name, instance) VALUES ($1, $2)")
            .bind(name)
            .bind(id.to_string())
            .execute(&mut *conn)
            .await;
        done.map_err(|error| match error.kind() {
            DbErrorKind::ForeignKey => StoreError::AddressGone { name: name.clone() },
            _ => error.into(),
        })?;
    }
    Ok(())
}

/// The instances that use a virtual address and are of another pool than this one. An instance is of its machine's pool, and
/// of the one that it asks for while it has none; one that can't be read may be of any.
async fn others(conn: &mut Conn, name: &str, pool: &str) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT instance.name AS name, instance.spec AS spec, machine.pool AS pool FROM address_use
         JOIN instance ON instance.id = address_use.instance LEFT JOIN machine ON machine.id = instance.machine
         WHERE address_use.name = $1 ORDER BY instance.name")
    .bind(name)
    .fetch_all(conn)
    .await?;
    let mut others = Vec::new();
    for row in &rows {
        let (name, machines): (String, Option<String>) = (row.try_get("name")?, row.try_get("pool")?);
        let place = || format!("instance {name}, column spec");
        let asked = || {
            let spec = row.try_get("spec").map_err(StoreError::from);
            let spec: Option<InstanceSpec> = legible(spec.and_then(|spec| document(place, spec)))?;
            Ok::<_, StoreError>(spec.and_then(|spec| spec.pool))
        };
        let its = match machines {
            Some(machines) => Some(machines),
            None => asked()?,
        };
        if its.as_deref() != Some(pool) {
            others.push(format!("instance {name}"));
        }
    }
    Ok(others)
}

/// Adds to virtual addresses, which stand in their order, who uses them.
async fn add_uses(conn: &mut Conn, records: &mut [AddressRecord]) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
    let rows = sql("SELECT address.address AS address, instance.name AS name FROM address
         JOIN address_use ON address_use.name = address.name JOIN instance ON instance.id = address_use.instance
         WHERE address.address BETWEEN $1 AND $2 ORDER BY address.address, instance.name")
    .bind(number_of(first.taken.address))
    .bind(number_of(last.taken.address))
    .fetch_all(conn)
    .await?;
    for row in &rows {
        let address = address_of(row.try_get("address")?);
        if let Some(record) = records.iter_mut().find(|record| record.taken.address == address) {
            record.used_by.push(row.try_get("name")?);
        }
    }
    Ok(())
}

fn from_row(row: &Row) -> Result<AddressRecord, StoreError> {
    let address = address_of(row.try_get("address")?);
    let (name, id): (Option<String>, Option<String>) = (row.try_get("name")?, row.try_get("instance")?);
    let interface: Option<String> = row.try_get("interface")?;
    let holder = match (name, id) {
        (None, Some(id)) => Holder::Instance {
            id: document(|| format!("address {address}, column instance"), &format!("\"{id}\""))?,
            interface: interface.unwrap_or_default(),
        },
        // The table's own rule: one of them is there.
        (name, _) => Holder::Name(name.unwrap_or_default()),
    };
    let (network, subnet) = (row.try_get("network")?, row.try_get("subnet")?);
    let taken = NewAddress { address, network, subnet, holder, pool: row.try_get("pool")? };
    Ok(AddressRecord {
        taken,
        instance_name: row.try_get("instance_name")?,
        used_by: Vec::new(),
        since: time(row.try_get("since")?),
    })
}
