//! Events for a timeline: from a time on, as many as are kept at most.

use super::{
    Store, StoreError,
    db::sql,
    event::{EventsOf, SELECT, first_id, from_row},
};
use jiff::Timestamp;
use provisioner_api::Event;

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
}
