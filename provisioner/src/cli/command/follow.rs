//! Printing a timeline, once or as it grows.

use super::{Session, context};
use crate::cli::{args::Output, bell::Bell, error::CliError, text::Context, ui::HasName};
use provisioner_api::{Event, EventId, FleetEvent};
use provisioner_client::ClientError;
use serde::Serialize;
use std::time::Duration;

/// How long between two questions at the least.
const PAUSE: Duration = Duration::from_secs(1);

/// How long between two questions while the service tells what changes: what machines ask while they boot changes nothing.
const UNTOLD: Duration = Duration::from_secs(2);

/// Which events are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// The last so many.
    Newest(u32),
    /// Those that came after one; none: all.
    After(Option<EventId>),
}

/// What is told of something that happened.
pub(super) trait Told: Serialize + HasName {
    /// Its place among the others.
    fn id(&self) -> EventId;
}

impl Told for Event {
    fn id(&self) -> EventId {
        self.id
    }
}

impl Told for FleetEvent {
    fn id(&self) -> EventId {
        self.event.id
    }
}

/// Prints the events that `ask` knows, at most the `newest` so many, and with `follow` those that come, until
/// interrupted.
pub(super) async fn events<T: Told>(
    session: &mut Session<'_>,
    newest: Option<u32>,
    follow: bool,
    ask: impl AsyncFn(From) -> Result<Vec<T>, ClientError>,
    table: impl Fn(&[T], bool, &Context) -> String,
) -> Result<(), CliError> {
    let events = ask(newest.map_or(From::After(None), From::Newest)).await?;
    if !follow {
        return session.ui.list(&events, |_| table(&events, true, &context()));
    }
    let mut last = events.last().map(Told::id);
    let mut bell = Bell::of_all(&session.client);
    print(session, &events, true, &table)?;
    loop {
        if let Some(remark) = bell.wait_rested(UNTOLD, PAUSE).await {
            session.ui.note(&remark);
        }
        let mut events = match ask(From::After(last)).await {
            // The service may be restarted meanwhile.
            Err(error) if error.is_transient() => continue,
            events => events?,
        };
        events.retain(|event| last.is_none_or(|last| event.id() > last));
        last = events.last().map(Told::id).or(last);
        print(session, &events, false, &table)?;
    }
}

/// Prints events that came at once.
fn print<T: Told>(
    session: &mut Session<'_>,
    events: &[T],
    first: bool,
    table: &impl Fn(&[T], bool, &Context) -> String,
) -> Result<(), CliError> {
    match session.ui.output {
        Output::Table | Output::Wide => session.ui.list(events, |_| table(events, first, &context())),
        // One document each, so that a program can read them as they come.
        _ => events.iter().try_for_each(|event| session.ui.object(event, String::new)),
    }
}
