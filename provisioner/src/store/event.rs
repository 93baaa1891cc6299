//! Events: written in the transaction of the change that they tell of.

use super::{Store, StoreError, micros, time};
use jiff::Timestamp;
use provisioner_api::{Event, EventId, InstanceId, MachineId};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

/// An event to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// The machine that it concerns.
    pub(crate) machine: Option<MachineId>,
    /// The instance that it concerns.
    pub(crate) instance: Option<InstanceId>,
    /// A stable word.
    pub(crate) kind: &'static str,
    /// One sentence.
    pub(crate) message: String,
}

impl NewEvent {
    /// An event of a machine.
    pub(crate) fn machine(id: MachineId, kind: &'static str, message: impl Into<String>) -> Self {
        Self { machine: Some(id), instance: None, kind, message: message.into() }
    }

    /// An event of an instance.
    pub(crate) fn instance(id: InstanceId, kind: &'static str, message: impl Into<String>) -> Self {
        Self { machine: None, instance: Some(id), kind, message: message.into() }
    }
}

/// Whose events.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventsOf {
    /// A machine's.
    Machine(MachineId),
    /// An instance's own; what its machine does is among the machine's.
    Instance(InstanceId),
}

/// Writes events on the transaction of the change that they tell of.
pub(super) async fn insert_on_conn(
    conn: &mut SqliteConnection,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for event in events {
        sqlx::query(
            "INSERT INTO event (id, at, machine, instance, kind, message) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(Uuid::now_v7().to_string())
        .bind(micros(now))
        .bind(event.machine.map(|id| id.to_string()))
        .bind(event.instance.map(|id| id.to_string()))
        .bind(event.kind)
        .bind(&event.message)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

impl Store {
    /// Writes events that go with no other change.
    pub(crate) async fn event_insert(&self, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        insert_on_conn(&mut transaction, events, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Forgets events from before a time, and all but the newest `keep` of a machine or instance: one that boots in
    /// circles tells thousands a day.
    pub(crate) async fn event_prune(&self, before: Timestamp, keep: u32) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM event WHERE at < $1").bind(micros(before)).execute(&self.writer).await?;
        let many = [
            (
                "SELECT machine FROM event WHERE machine IS NOT NULL GROUP BY machine HAVING COUNT(*) > $1",
                "DELETE FROM event WHERE machine = $1 AND id <=
              (SELECT id FROM event WHERE machine = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
            ),
            (
                "SELECT instance FROM event WHERE instance IS NOT NULL GROUP BY instance HAVING COUNT(*) > $1",
                "DELETE FROM event WHERE instance = $1 AND id <=
              (SELECT id FROM event WHERE instance = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
            ),
        ];
        for (find, forget) in many {
            let full: Vec<String> = sqlx::query_scalar(find).bind(keep).fetch_all(&self.reader).await?;
            for id in full {
                sqlx::query(forget).bind(id).bind(keep).execute(&self.writer).await?;
            }
        }
        Ok(())
    }

    /// The newest `limit` events after an id, oldest first.
    pub(crate) async fn event_list(
        &self,
        of: EventsOf,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let (machine, instance) = match of {
            EventsOf::Machine(id) => (Some(id.to_string()), None),
            EventsOf::Instance(id) => (None, Some(id.to_string())),
        };
        let rows = sqlx::query(
            "SELECT id, at, machine, instance, kind, message FROM event
             WHERE (machine = $1 OR instance = $2) AND id > $3 ORDER BY id DESC LIMIT $4",
        )
        .bind(machine)
        .bind(instance)
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().rev().map(from_row).collect()
    }
}

fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<Event, StoreError> {
    let id: String = row.try_get("id")?;
    let machine: Option<String> = row.try_get("machine")?;
    let instance: Option<String> = row.try_get("instance")?;
    Ok(Event {
        id: id.parse().unwrap_or(EventId(Uuid::nil())),
        at: time(row.try_get("at")?),
        machine: machine.and_then(|id| id.parse().ok()),
        instance: instance.and_then(|id| id.parse().ok()),
        kind: row.try_get("kind")?,
        message: row.try_get("message")?,
    })
}
