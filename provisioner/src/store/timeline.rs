//! Events for a timeline: the newest from a time on, or a stretch of them in the order in which they were written.

use super::{
    Store, StoreError,
    db::sql,
    event::{EventsOf, SELECT, first_id, from_row},
};
#[cfg(test)]
use super::{
    batch::{Batch, Part},
    micros,
};
use jiff::Timestamp;
use provisioner_api::{Event, EventId};

impl Store {
    /// The newest `most` events of those written at a time or later, oldest first. What was observed at a time is written
    /// then or later, so nothing that was observed since then is missing.
    pub(crate) async fn timeline_events(
        &self,
        of: EventsOf,
        since: Option<Timestamp>,
        most: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let (column, id) = of.column();
        let text = format!("{SELECT} WHERE {column} = $1 AND id >= $2 ORDER BY id DESC LIMIT $3 + 0");
        let query = sql(text).bind(id).bind(since.map(first_id).unwrap_or_default()).bind(most);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().rev().map(from_row).collect()
    }

    /// The first `most` of those that were written at a time or later and behind another one, in that order.
    pub(crate) async fn timeline_stretch(
        &self,
        of: EventsOf,
        since: Option<Timestamp>,
        behind: Option<EventId>,
        most: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let (column, id) = of.column();
        let from = behind.map(|id| id.to_string()).max(since.map(first_id)).unwrap_or_default();
        let text = format!("{SELECT} WHERE {column} = $1 AND id > $2 ORDER BY id LIMIT $3 + 0");
        let query = sql(text).bind(id).bind(from).bind(most);
        query.fetch_all(&mut *self.api_reader.get().await?).await?.iter().map(from_row).collect()
    }

    /// Adds events as they are, ids and all.
    #[cfg(test)]
    pub(crate) async fn timeline_put(&self, events: &[Event]) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for event in events {
            batch.add(Part::Rest, |text| {
                text.push("INSERT INTO event (id, at, machine, instance, kind, message) ").push_rows([[
                    event.id.to_string().into(),
                    micros(event.at).into(),
                    event.machine.map(|id| id.to_string()).into(),
                    event.instance.map(|id| id.to_string()).into(),
                    event.kind.as_str().into(),
                    event.message.as_str().into(),
                ]]);
            });
        }
        self.writer.write(batch).await?;
        Ok(())
    }
}
