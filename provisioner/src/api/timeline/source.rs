//! The first entries of a part of a timeline, out of events that are read piece by piece.
//!
//! Events are read in the order in which they were written, which is not the order in which things happened; so a page
//! is only what can't change by what was not read. Deliberately not here: how events and conversations become one story.

use crate::{
    service::ServiceError,
    store::{EventsOf, Numbered, Store},
    timeline::{self, Part},
};
use jiff::{SignedDuration, Timestamp};
use provisioner_api::{Event, EventId, MachineId, TimelineEntry};

/// How many events more than asked for are read: what was observed is written a moment later, in another order.
pub(super) const SLACK: u32 = 256;

/// How much later than it happened something is written at most. What the boot server heard while the database was away
/// is written or dropped within minutes (`trace/writer.rs`).
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// The first entries of a part: more than a page holds, if there are more. Each read is larger than the one before, so
/// that what is seldom is found by few.
pub(super) async fn page(
    store: &Store,
    sources: &mut [Source],
    machine: Option<MachineId>,
    conversation: &[Numbered],
    part: &Part,
    limit: u32,
) -> Result<Vec<TimelineEntry>, ServiceError> {
    let mut rows = limit.saturating_add(SLACK);
    loop {
        for source in &mut *sources {
            source.read(store, rows).await?;
        }
        let events = sources.iter().flat_map(|source| source.events.iter().filter(|event| source.has(event)));
        let mut items = timeline::merge(events.cloned().collect(), machine, conversation, part);
        let Some(until) = sources.iter().filter_map(Source::known_until).min() else { return Ok(items) };
        items.retain(|entry| entry.at < until);
        if items.len() > limit as usize || part.until.is_some_and(|end| end <= until) {
            return Ok(items);
        }
        rows = rows.saturating_mul(2);
    }
}

/// The events of a machine or of an instance, as far as they were read: in the order in which they were written.
pub(super) struct Source {
    /// Whose.
    pub(super) of: EventsOf,
    /// What was written before is not read.
    pub(super) since: Option<Timestamp>,
    /// What happened before is not told.
    begin: Option<Timestamp>,
    events: Vec<Event>,
    /// There are no more.
    whole: bool,
}

impl Source {
    /// Those for a part of a story that begins at a time; none read yet.
    pub(super) fn new(of: EventsOf, begin: Option<Timestamp>, part: &Part) -> Self {
        Self { of, since: part.begin().max(begin), begin, events: Vec::new(), whole: false }
    }

    /// Whether an event is of the story: what was observed before it began may have been written since.
    pub(super) fn has(&self, event: &Event) -> bool {
        self.begin.is_none_or(|begin| event.at >= begin)
    }

    /// Reads so many more.
    async fn read(&mut self, store: &Store, rows: u32) -> Result<(), ServiceError> {
        if self.whole {
            return Ok(());
        }
        let behind = self.events.last().map(|event| event.id);
        let more = store.timeline_stretch(self.of, self.since, behind, rows).await?;
        self.whole = more.len() < rows as usize;
        self.events.extend(more);
        Ok(())
    }

    /// Before when all that happened was read; none: all was.
    fn known_until(&self) -> Option<Timestamp> {
        let last = self.events.last().filter(|_| !self.whole)?;
        let known = written(last.id).and_then(|written| written.checked_sub(LATE).ok());
        // An id that tells no time: nothing is known before the rest is read.
        Some(known.unwrap_or(Timestamp::MIN))
    }
}

/// When an event was written: its id is an UUID of version 7 (RFC 9562, section 5.7).
fn written(id: EventId) -> Option<Timestamp> {
    let (seconds, nanos) = id.0.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

#[cfg(test)]
mod tests;
