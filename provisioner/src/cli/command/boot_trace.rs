//! `billet boot-trace`.

use super::{Session, context};
use crate::cli::{
    args::{BootTrace as Asked, Output},
    error::CliError,
    view,
};
use provisioner_api::BootTrace;
use std::time::Duration;
use tokio::time::sleep;

/// How long between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints a conversation, once or as it goes on.
pub(super) async fn run(session: &mut Session<'_>, asked: &Asked) -> Result<(), CliError> {
    let trace = session.client.boot_trace(&asked.target, None).await?;
    if !asked.watch {
        return session.ui.object(&trace, || view::boot_trace(&trace, &context()));
    }
    let for_people = matches!(session.ui.output, Output::Table | Output::Wide);
    let mut diagnosed = Vec::new();
    let mut last = None;
    let mut first = trace.entries.first().map(|entry| entry.at);
    let mut next = Some(trace);
    loop {
        if let Some(trace) = next.take() {
            first = first.or(trace.entries.first().map(|entry| entry.at));
            print(session, &trace, last.is_none(), first, for_people)?;
            if for_people && trace.diagnoses != diagnosed {
                session.ui.raw(view::diagnoses(&trace).as_bytes())?;
            }
            last = trace.entries.last().map(|entry| entry.id).or(last).or(Some(0));
            diagnosed = trace.diagnoses;
        }
        sleep(PAUSE).await;
        match session.client.boot_trace(&asked.target, last).await {
            // The service may be restarted meanwhile; it numbers its entries anew then, in the order of time.
            Err(error) if error.is_transient() => {}
            answer => next = Some(answer?),
        }
    }
}

/// Prints what came at once.
fn print(
    session: &mut Session<'_>,
    trace: &BootTrace,
    titles: bool,
    first: Option<jiff::Timestamp>,
    for_people: bool,
) -> Result<(), CliError> {
    if for_people {
        let text = view::trace_entries(trace, titles, first, &context());
        return session.ui.raw(text.as_bytes());
    }
    // One document each, so that a program can read them as they come.
    trace.entries.iter().try_for_each(|entry| session.ui.data(entry))
}
