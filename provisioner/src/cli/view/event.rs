//! Timelines.

use super::layout::table;
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::Event;

impl HasName for Event {
    fn name(&self) -> String {
        self.id.to_string()
    }
}

/// A table of events; without titles when it goes on below another one.
pub(in crate::cli) fn events(events: &[Event], titles: bool, context: &Context) -> String {
    let rows = events.iter().map(|event| [context.time(event.at), event.kind.clone(), event.message.clone()]);
    if titles {
        return table(["TIME", "KIND", "EVENT"], rows);
    }
    rows.map(|[time, kind, message]| crate::cli::text::clean(&format!("{time}  {kind:<8}  {message}")) + "\n")
        .collect()
}
