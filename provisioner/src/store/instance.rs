//! Instances, and the transactions that bind them to machines.

use super::{
    MachineRecord, NewEvent, NewSecret, Store, StoreError, Swap, Takes, address,
    batch::{Batch, Part},
    db::{Conn, DbError, Row, Statement, again, sql},
    document, event, json, machine,
    memory::Touched,
    micros, pool, secret, taken, time,
    writer::Write,
};
use crate::text::word;
use jiff::Timestamp;
use provisioner_api::{
    ErasePolicy, Held, ImageId, InstanceId, InstanceSpec, InstanceState, MachineId, NetworkSpec,
};
use serde::{Deserialize, Serialize};

/// An instance as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceRecord {
    /// Its id.
    pub(crate) id: InstanceId,
    /// Grows with each change.
    pub(crate) version: u64,
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) state: InstanceState,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Its machine.
    pub(crate) machine: Option<MachineId>,
    /// Its image; none of one that was adopted.
    pub(crate) image: Option<ImageId>,
    /// The image that it had before a reinstallation which may still be cancelled.
    pub(crate) image_before: Option<ImageId>,
    /// What was asked for, without `user_data`, which is a secret.
    pub(crate) spec: InstanceSpec,
    /// The rest of what is so.
    pub(crate) standing: InstanceStanding,
    /// When it was asked for.
    pub(crate) created: Timestamp,
}

impl InstanceRecord {
    /// How its disks are wiped if it is given back now: as was said already, or as it was asked for.
    pub(crate) fn erase(&self) -> ErasePolicy {
        self.standing.release.unwrap_or(self.spec.erase)
    }

    /// How its machine wipes its disks: it may have been given back there, of which the instance takes notice by and by.
    pub(crate) fn given_back(&self, own: Option<&MachineRecord>) -> Option<ErasePolicy> {
        let owner = own.and_then(|own| own.machine.want.owner.as_ref());
        let at_machine = owner.filter(|owner| owner.instance == self.id).and_then(|owner| owner.release);
        self.standing.release.or(at_machine)
    }
}

/// What is so of an instance beside its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceStanding {
    /// It is to be given back, and its disks wiped so.
    pub(crate) release: Option<ErasePolicy>,
    /// Who asked for that, in words. Not told by earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) released_by: Option<String>,
    /// Why it waits for a machine.
    pub(crate) waiting: Option<(String, Timestamp)>,
    /// What a person may do about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mend: Option<String>,
    /// Why it is held.
    pub(crate) held: Option<Held>,
    /// When it got its machine. Earlier versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) got: Option<Timestamp>,
    /// When its operating system reported in.
    pub(crate) phoned_home: Option<Timestamp>,
    /// SSH host keys that it reported.
    pub(crate) host_keys: Vec<String>,
    /// Bytes of its user data; the data itself is among the secrets.
    pub(crate) user_data_bytes: Option<u64>,
    /// Whether its user data is in the second of the two places for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) second_user_data: bool,
    /// Which installation of it was asked for last.
    #[serde(default)]
    pub(crate) installation: u32,
    /// Its network, with the addresses that were taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<NetworkSpec>,
    /// The MAC addresses of the network cards that this names, in its order, as its machine had them when it got it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) nics: Vec<String>,
    /// What it was before a reinstallation of which the end was not taken down yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Box<Before>>,
}

/// What an instance was before it was to be installed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// What was asked for.
    pub(crate) spec: InstanceSpec,
    /// When its operating system reported in.
    pub(crate) phoned_home: Option<Timestamp>,
    /// SSH host keys that it reported.
    pub(crate) host_keys: Vec<String>,
    /// Bytes of its user data.
    pub(crate) user_data_bytes: Option<u64>,
    /// In which of the two places that is.
    pub(crate) second_user_data: bool,
}

/// The columns of an instance, as [`from_row`] reads them.
pub(super) const INSTANCE: &str = "instance.id AS id, instance.name AS name, instance.version AS version,
    instance.state AS state, instance.since AS since, instance.machine AS machine, instance.image AS image,
    instance.image_before AS image_before,
    instance.spec AS spec, instance.standing AS standing, instance.created AS created";

/// The columns of [`INSTANCE`] of instances that are given by the rest of the statement.
fn select(rest: &str) -> Statement {
    sql(format!("SELECT {INSTANCE} FROM instance {rest}"))
}

impl Store {
    /// Adds an instance, with its user data if it brought its own.
    pub(crate) async fn instance_insert(
        &self,
        record: &InstanceRecord,
        user_data: Option<&NewSecret>,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.instance_insert_taking(record, user_data, &Takes::default(), events, now).await
    }

    /// The same, with what it takes out of the address plan: all of that or nothing.
    ///
    /// # Errors
    /// `Taken`, when somebody else took the name or one of the addresses; `AddressGone`, when a virtual address was released.
    pub(crate) async fn instance_insert_taking(
        &self,
        record: &InstanceRecord,
        user_data: Option<&NewSecret>,
        takes: &Takes,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        again!({
            let touched = Touched::default().new_instance(record).secrets(user_data);
            if user_data.is_some() || !takes.is_none() {
                let mut transaction = self.writer.begin().await?;
                self.recent.begin(&touched);
                let mut statement = Statement::default();
                push_insert(&mut statement, record);
                let done = statement.execute(&mut transaction).await;
                done.map_err(|error| insert_refused(error, record))?;
                address::take_on_conn(&mut transaction, record.id, takes, now).await?;
                secret::put_on_conn(&mut transaction, user_data.map_or(&[], std::slice::from_ref)).await?;
                event::insert_on_conn(&mut transaction, events, now).await?;
                transaction.commit_held().await?;
                self.recent.end(touched, true);
                return Ok(());
            }
            let mut batch = Batch::new();
            batch.add(Part::Instance, |text| push_insert(text, record));
            event::add(&mut batch, events, now);
            let done = self.writer.write(Write { batch, touched, changing: None }).await;
            done.map(|_| ()).map_err(|failed| match failed.part {
                Part::Instance => insert_refused(failed.error, record),
                _ => failed.error.into(),
            })
        })
    }

    /// The ids of all instances.
    pub(crate) async fn instance_ids(&self) -> Result<Vec<InstanceId>, StoreError> {
        let ids: Vec<String> = sql("SELECT id FROM instance").scalars(&mut *self.reader.get().await?).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// One instance by name or id, for people.
    pub(crate) async fn instance_find(&self, key: &str) -> Result<Option<InstanceRecord>, StoreError> {
        let query = (select("WHERE name = $1 OR id = $1")).bind(key);
        query.fetch_optional(&mut *self.api_reader.get().await?).await?.as_ref().map(from_row).transpose()
    }

    /// One instance by id.
    pub(crate) async fn instance_get(&self, id: InstanceId) -> Result<Option<InstanceRecord>, StoreError> {
        if let Some(record) = self.recent.instances.get(&id) {
            return Ok(Some(record));
        }
        let query = (select("WHERE id = $1")).bind(id.to_string());
        query.fetch_optional(&mut *self.reader.get().await?).await?.as_ref().map(from_row).transpose()
    }

    /// Writes an instance by compare-and-set.
    pub(crate) async fn instance_update(
        &self,
        record: &InstanceRecord,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let mut batch = Batch::new();
        batch.swap(Part::Instance, |text| push_update(text, record));
        event::add(&mut batch, events, now);
        let touched = Touched::default().instance(record);
        let done = self.writer.write(Write { batch, touched, changing: None }).await;
        done.map(|written| written.swap).map_err(|failed| match failed.part {
            Part::Instance => machine_taken(failed.error),
            _ => failed.error.into(),
        })
    }

    /// Writes an instance and its machine together: an allocation, or a giving back. Both or neither.
    pub(crate) async fn instance_and_machine_update(
        &self,
        instance: &InstanceRecord,
        pair: (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        self.instance_and_machine_write(Batch::new(), instance, None, pair, events, now).await
    }

    /// The same for an allocation of a machine whose pool had no limit a moment ago: `Stale` also when one that was made
    /// since is reached. The word is the database's: who looked before may have looked before the limit.
    pub(crate) async fn instance_and_machine_unless_full(
        &self,
        instance: &InstanceRecord,
        pair: (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let pool = Some(pair.0.spec.pool.as_str());
        self.instance_and_machine_write(Batch::new(), instance, pool, pair, events, now).await
    }

    /// The same for an allocation of a machine whose pool has a limit: `Stale` also when that is reached by now.
    pub(crate) async fn instance_and_machine_within(
        &self,
        instance: &InstanceRecord,
        pair: (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let mut batch = Batch::new();
        batch.swap(Part::Rest, |text| pool::push_turn(text, &pair.0.spec.pool));
        batch.swap(Part::Rest, |text| pool::push_room(text, &pair.0.spec.pool));
        self.instance_and_machine_write(batch, instance, None, pair, events, now).await
    }

    async fn instance_and_machine_write(
        &self,
        mut batch: Batch,
        instance: &InstanceRecord,
        unless_full: Option<&str>,
        (before, machine): (&MachineRecord, &MachineRecord),
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let ended = self.ended(before, machine, now)?;
        let changing = Some(self.boot_index.changing_machine(machine, Some(before)));
        let touched = Touched::default().instance(instance).machine(before, machine);
        batch.swap(Part::Instance, |text| {
            push_update(text, instance);
            unless_full.into_iter().for_each(|pool| pool::push_unless_full(text, pool));
        });
        debug_assert!(!machine::places_change(before, machine), "an allocation changes neither MACs nor BMC");
        machine::add_update(&mut batch, before, machine, &ended);
        event::add(&mut batch, events, now);
        #[cfg(debug_assertions)]
        crate::die::before_write(before, machine);
        let done = self.writer.write(Write { batch, touched, changing }).await;
        #[cfg(debug_assertions)]
        crate::die::after_write(before, machine, done.as_ref().map(|written| written.swap).ok());
        done.map(|written| written.swap).map_err(|failed| match failed.part {
            Part::Instance => machine_taken(failed.error),
            Part::Machine => machine::name_taken(failed.error, machine),
            _ => failed.error.into(),
        })
    }

    /// Forgets an instance; its machine, if it had one, forgets it in the same transaction.
    pub(crate) async fn instance_delete(
        &self,
        instance: &InstanceRecord,
        machine: Option<(&MachineRecord, &MachineRecord)>,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<Swap, StoreError> {
        let changing =
            machine.map(|(before, machine)| self.boot_index.changing_machine(machine, Some(before)));
        let mut touched = Touched::default().gone_instance(instance.id);
        if let Some((before, machine)) = machine {
            touched = touched.machine(before, machine);
        }
        let mut batch = Batch::new();
        if let Some((before, machine)) = machine {
            debug_assert!(!machine::places_change(before, machine), "it keeps its MACs and its BMC");
            let ended = self.ended(before, machine, now)?;
            machine::add_update(&mut batch, before, machine, &ended);
        }
        batch.swap(Part::Instance, |text| {
            text.push("DELETE FROM instance WHERE id = ").push_bind(instance.id.to_string());
            text.push(" AND version = ").push_bind(instance.version as i64);
        });
        batch.add(Part::Rest, |text| {
            text.push("DELETE FROM secret WHERE owner = ").push_bind(format!("instance {}", instance.id));
        });
        event::add(&mut batch, events, now);
        Ok(self.writer.write(Write { batch, touched, changing }).await?.swap)
    }
}

/// Forgets an instance and its secrets on a transaction.
pub(super) async fn delete_on_conn(conn: &mut Conn, record: &InstanceRecord) -> Result<Swap, StoreError> {
    // Nobody saw its machine go off: its addresses stay taken, by a name of their own, until somebody releases them.
    sql("UPDATE address SET name = 'scrap-' || CAST(address AS TEXT), instance = NULL, interface = NULL WHERE instance = $1 AND EXISTS (SELECT 1 FROM instance WHERE id = $1 AND version = $2)")
        .bind(record.id.to_string())
        .bind(record.version as i64)
        .execute(&mut *conn)
        .await?;
    let gone = sql("DELETE FROM instance WHERE id = $1 AND version = $2")
        .bind(record.id.to_string())
        .bind(record.version as i64)
        .execute(&mut *conn)
        .await?;
    if gone == 0 {
        return Ok(Swap::Stale);
    }
    sql("DELETE FROM secret WHERE owner = $1").bind(format!("instance {}", record.id)).execute(conn).await?;
    Ok(Swap::Updated)
}

pub(super) async fn update_on_conn(conn: &mut Conn, record: &InstanceRecord) -> Result<Swap, StoreError> {
    let mut statement = Statement::default();
    push_update(&mut statement, record);
    let changed = statement.execute(conn).await.map_err(machine_taken)?;
    Ok(if changed == 0 { Swap::Stale } else { Swap::Updated })
}

/// The statement that adds an instance.
pub(super) fn push_insert(query: &mut Statement, record: &InstanceRecord) {
    query.push(
        "INSERT INTO instance (id, name, version, state, since, machine, image, spec, standing, created) VALUES ",
    );
    query.push_row([
        record.id.to_string().into(),
        record.name.as_str().into(),
        (record.version as i64).into(),
        word(&record.state).into(),
        micros(record.since).into(),
        record.machine.map(|id| id.to_string()).into(),
        record.image.map(|id| id.to_string()).into(),
        json(&record.spec).into(),
        json(&record.standing).into(),
        micros(record.created).into(),
    ]);
}

pub(super) fn insert_refused(error: DbError, record: &InstanceRecord) -> StoreError {
    match taken(error, "name", || format!("the instance name `{}`", record.name)) {
        // The only row that it refers to.
        StoreError::InUse { .. } => StoreError::ImageGone { image: record.spec.image.clone() },
        other => other,
    }
}

fn machine_taken(error: DbError) -> StoreError {
    taken(error, "machine", || "the machine".into())
}

/// The statement that writes an instance, if nobody else wrote it since.
fn push_update(query: &mut Statement, record: &InstanceRecord) {
    query.push("UPDATE instance SET version = version + 1, state = ").push_bind(word(&record.state));
    query.push(", since = ").push_bind(micros(record.since));
    query.push(", machine = ").push_bind(record.machine.map(|id| id.to_string()));
    query.push(", image = ").push_bind(record.image.map(|id| id.to_string()));
    query.push(", image_before = ").push_bind(record.image_before.map(|id| id.to_string()));
    query.push(", spec = ").push_bind(json(&record.spec));
    query.push(", standing = ").push_bind(json(&record.standing));
    query.push(" WHERE id = ").push_bind(record.id.to_string());
    query.push(" AND version = ").push_bind(record.version as i64);
}

/// Reads [`INSTANCE`].
pub(super) fn from_row(row: &Row) -> Result<InstanceRecord, StoreError> {
    let id: String = row.try_get("id")?;
    let place = |column: &str| format!("instance {id}, column {column}");
    let quoted = |column: &str| row.try_get::<String>(column).map(|text| format!("\"{text}\""));
    let machine: Option<String> = row.try_get("machine")?;
    let machine = machine.map(|id| document(|| place("machine"), &format!("\"{id}\""))).transpose()?;
    let image = |column: &str| {
        let id: Option<String> = row.try_get(column)?;
        id.map(|id| document(|| place(column), &format!("\"{id}\""))).transpose()
    };
    let version: i64 = row.try_get("version")?;
    Ok(InstanceRecord {
        id: document(|| place("id"), &quoted("id")?)?,
        version: version as u64,
        name: row.try_get("name")?,
        state: document(|| place("state"), &quoted("state")?)?,
        since: time(row.try_get("since")?),
        machine,
        image: image("image")?,
        image_before: image("image_before")?,
        spec: document(|| place("spec"), row.try_get("spec")?)?,
        standing: document(|| place("standing"), row.try_get("standing")?)?,
        created: time(row.try_get("created")?),
    })
}

#[cfg(test)]
mod tests {
    use crate::samples;
    use provisioner_api::ErasePolicy;
    use provisioner_lifecycle::Owner;

    #[test]
    fn the_first_word_on_erasing_stands_wherever_it_was_said() {
        let mut record = samples::instance(1);
        record.spec.erase = ErasePolicy::Metadata;
        let mut own = samples::machine(1);
        assert_eq!((record.erase(), record.given_back(Some(&own))), (ErasePolicy::Metadata, None));
        own.machine.want.owner = Some(Owner {
            instance: record.id,
            name: Default::default(),
            manifest: String::new(),
            disk_bytes: 1,
            ram: None,
            root_disk_serial: None,
            root_disk: None,
            installation: 0,
            adopted: false,
            rescue: None,
            release: Some(ErasePolicy::Metadata),
            least: None,
        });
        assert_eq!(record.given_back(Some(&own)), Some(ErasePolicy::Metadata), "it was cancelled there");
        assert_eq!(samples::instance(2).given_back(Some(&own)), None, "another's");
        record.standing.release = Some(ErasePolicy::Overwrite);
        assert_eq!(
            (record.erase(), record.given_back(None)),
            (ErasePolicy::Overwrite, record.standing.release)
        );
    }
}
