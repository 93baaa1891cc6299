//! Printing a timeline, once or as it grows.

use super::{Session, context};
use crate::cli::{
    args::{Events, Output},
    error::CliError,
    view,
};
use provisioner_api::{Event, EventId};
use provisioner_client::ClientError;
use std::time::Duration;
use tokio::time::sleep;

/// How long between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Which events are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// The last so many.
    Newest(u32),
    /// Those that came after one; none: all.
    After(Option<EventId>),
}

/// Prints the events that `ask` knows, and with `--follow` those that come, until interrupted.
pub(super) async fn events(
    session: &mut Session<'_>,
    asked: &Events,
    ask: impl AsyncFn(From) -> Result<Vec<Event>, ClientError>,
) -> Result<(), CliError> {
    let events = ask(asked.newest.map_or(From::After(None), From::Newest)).await?;
    if !asked.follow {
        return session.ui.list(&events, |_| view::events(&events, true, &context()));
    }
    let mut last = events.last().map(|event| event.id);
    print(session, &events, true)?;
    loop {
        sleep(PAUSE).await;
        let mut events = match ask(From::After(last)).await {
            // The service may be restarted meanwhile.
            Err(error) if error.is_transient() => continue,
            events => events?,
        };
        events.retain(|event| last.is_none_or(|last| event.id > last));
        last = events.last().map(|event| event.id).or(last);
        print(session, &events, false)?;
    }
}

/// Prints events that came at once.
fn print(session: &mut Session<'_>, events: &[Event], first: bool) -> Result<(), CliError> {
    match session.ui.output {
        Output::Table | Output::Wide => session.ui.list(events, |_| view::events(events, first, &context())),
        // One document each, so that a program can read them as they come.
        _ => events.iter().try_for_each(|event| session.ui.object(event, String::new)),
    }
}
