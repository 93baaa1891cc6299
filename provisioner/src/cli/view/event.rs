//! Timelines.

use super::layout::table;
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{Event, TimelineEntry};

impl HasName for Event {
    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl HasName for TimelineEntry {
    fn name(&self) -> String {
        self.id.clone()
    }
}

/// A table of events; without titles when it goes on below another one.
pub(in crate::cli) fn events(events: &[Event], titles: bool, context: &Context) -> String {
    lines(
        events.iter().map(|event| [context.time(event.at), event.kind.clone(), event.message.clone()]),
        titles,
    )
}

/// A table of a timeline; without titles when it goes on below another one.
pub(in crate::cli) fn timeline(entries: &[TimelineEntry], titles: bool, context: &Context) -> String {
    lines(
        entries.iter().map(|entry| [context.time(entry.at), entry.kind.clone(), entry.message.clone()]),
        titles,
    )
}

fn lines(rows: impl Iterator<Item = [String; 3]>, titles: bool) -> String {
    if titles {
        return table(["TIME", "KIND", "EVENT"], rows);
    }
    rows.map(|[time, kind, message]| crate::cli::text::clean(&format!("{time}  {kind:<8}  {message}")) + "\n")
        .collect()
}
