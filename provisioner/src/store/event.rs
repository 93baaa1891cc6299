//! Events: written in the transaction of the change that they tell of.

use super::{
    Store, StoreError,
    batch::{Batch, Part},
    db::{Conn, DbError, Row, Statement, sql},
    micros, time,
};
use jiff::Timestamp;
use provisioner_api::{Event, EventId, InstanceId, MachineId};
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
    /// When it was observed; none: when it is written.
    pub(crate) at: Option<Timestamp>,
}

impl NewEvent {
    /// An event of a machine.
    pub(crate) fn machine(id: MachineId, kind: &'static str, message: impl Into<String>) -> Self {
        Self { machine: Some(id), instance: None, kind, message: message.into(), at: None }
    }

    /// An event of an instance.
    pub(crate) fn instance(id: InstanceId, kind: &'static str, message: impl Into<String>) -> Self {
        Self { machine: None, instance: Some(id), kind, message: message.into(), at: None }
    }

    /// The same, of something that was observed a moment ago. Its id grows with the time of writing all the same, so
    /// that whoever reads on from an id misses nothing.
    pub(crate) fn observed(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
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

impl EventsOf {
    /// The column that tells whose events they are, and what is in it.
    pub(super) fn column(self) -> (&'static str, String) {
        match self {
            Self::Machine(id) => ("machine", id.to_string()),
            Self::Instance(id) => ("instance", id.to_string()),
        }
    }
}

/// The columns that [`from_row`] reads.
pub(super) const SELECT: &str = "SELECT id, at, machine, instance, kind, message FROM event";

/// Most events in one statement.
const MOST: usize = 8;

/// How many events are forgotten by one statement: whoever else wants to write waits no longer than that.
const SLICE: u32 = 5000;

/// Writes events on the transaction of the change that they tell of.
pub(super) async fn insert_on_conn(
    conn: &mut Conn,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<(), DbError> {
    for events in events.chunks(MOST) {
        let mut statement = Statement::default();
        push(&mut statement, events, now);
        statement.execute(conn).await?;
    }
    Ok(())
}

/// Writes events in the batch of the change that they tell of.
pub(super) fn add(batch: &mut Batch, events: &[NewEvent], now: Timestamp) {
    for events in events.chunks(MOST) {
        batch.add(Part::Rest, |text| push(text, events, now));
    }
}

/// The statement that writes events.
fn push(statement: &mut Statement, events: &[NewEvent], now: Timestamp) {
    statement.push("INSERT INTO event (id, at, machine, instance, kind, message) ");
    statement.push_rows(events.iter().map(|event| {
        [
            Uuid::now_v7().to_string().into(),
            micros(event.at.unwrap_or(now)).into(),
            event.machine.map(|id| id.to_string()).into(),
            event.instance.map(|id| id.to_string()).into(),
            event.kind.into(),
            event.message.as_str().into(),
        ]
    }));
}

/// The least id that an event of this time can have: the first 48 bits of an UUID of version 7 are milliseconds since
/// 1970 (RFC 9562, section 5.7).
pub(super) fn first_id(at: Timestamp) -> String {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    format!("{:08x}-{:04x}-7000-8000-000000000000", millis >> 16, millis & 0xffff)
}

impl Store {
    /// Writes events that go with no other change.
    pub(crate) async fn event_insert(&self, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        add(&mut batch, events, now);
        self.writer.write(batch).await?;
        Ok(())
    }

    /// Forgets events from before a time, and all but the newest `keep` of a machine or instance: one that boots in
    /// circles tells thousands a day.
    pub(crate) async fn event_prune(&self, before: Timestamp, keep: u32) -> Result<(), StoreError> {
        let old =
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE id < $1 ORDER BY id LIMIT $2 + 0)";
        while self.writer.run(sql(old).bind(first_id(before)).bind(SLICE)).await? > 0 {}
        self.event_prune_of("machine", keep).await?;
        self.event_prune_of("instance", keep).await
    }

    /// Forgets all but the newest `keep` events of each machine or instance that there is. Those of others grow no more.
    async fn event_prune_of(&self, whose: &str, keep: u32) -> Result<(), StoreError> {
        let full = format!(
            "SELECT id FROM {whose} AS owner WHERE EXISTS
             (SELECT 1 FROM event WHERE event.{whose} = owner.id ORDER BY event.id LIMIT 1 OFFSET $1)"
        );
        let newest_to_go =
            format!("SELECT id FROM event WHERE {whose} = $1 ORDER BY id DESC LIMIT 1 OFFSET $2");
        let forget = format!(
            "DELETE FROM event WHERE id IN
             (SELECT id FROM event WHERE {whose} = $1 AND id <= ({newest_to_go}) ORDER BY id LIMIT $3 + 0)"
        );
        let full: Vec<String> = sql(full).bind(keep).scalars(&mut *self.reader.get().await?).await?;
        for id in full {
            let some = || sql(forget.clone()).bind(&id).bind(keep).bind(SLICE);
            while self.writer.run(some()).await? > 0 {}
        }
        Ok(())
    }

    /// At most so many events that come after an id, oldest first.
    pub(crate) async fn event_page(
        &self,
        of: EventsOf,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let (column, id) = of.column();
        let text = format!("{SELECT} WHERE {column} = $1 AND id > $2 ORDER BY id LIMIT $3 + 0");
        let query = sql(text).bind(id).bind(after.map(|id| id.to_string()).unwrap_or_default()).bind(limit);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().map(from_row).collect()
    }

    /// The newest `limit` events, oldest first.
    pub(crate) async fn event_newest(&self, of: EventsOf, limit: u32) -> Result<Vec<Event>, StoreError> {
        let (column, id) = of.column();
        let text = format!("{SELECT} WHERE {column} = $1 ORDER BY id DESC LIMIT $2 + 0");
        let query = sql(text).bind(id).bind(limit);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().rev().map(from_row).collect()
    }
}

pub(super) fn from_row(row: &Row) -> Result<Event, StoreError> {
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
