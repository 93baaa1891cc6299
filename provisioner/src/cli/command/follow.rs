//! Printing a timeline, once or as it grows.

use super::{Session, context};
use crate::cli::{args::Output, error::CliError, view};
use provisioner_api::{Event, EventId};
use provisioner_client::ClientError;
use std::time::Duration;
use tokio::time::sleep;

/// How long between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints the events that `ask` knows, and with `follow` those that come, until interrupted.
pub(super) async fn events(
    session: &mut Session<'_>,
    follow: bool,
    ask: impl AsyncFn(Option<EventId>) -> Result<Vec<Event>, ClientError>,
) -> Result<(), CliError> {
    let events = ask(None).await?;
    if !follow {
        return session.ui.list(&events, |_| view::events(&events, true, &context()));
    }
    let mut last = events.last().map(|event| event.id);
    print(session, &events, true)?;
    loop {
        sleep(PAUSE).await;
        let mut events = match ask(last).await {
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
