//! `billet bmc events`, `subscription`.

use super::{Asked, context, way::Way};
use crate::cli::{
    args::{Output, SubscriptionCommand},
    error::CliError,
    ui::Ui,
    view,
};
use provisioner_api::BmcReport;
use std::time::Duration;
use tokio::time::sleep;

/// How long between the end of a stream and the next attempt, at first and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// `billet bmc events`: prints what the BMC reports, until a signal or, without `follow`, until the BMC ends it.
pub(super) async fn run(asked: &mut Asked<'_>, way: &Way, follow: bool) -> Result<(), CliError> {
    let whose = way.whose();
    let mut pause = PAUSES.0;
    // A BMC without reports says so at once, also with --follow.
    let mut reader = way.reports().await?;
    asked.ui.note(&format!("listening to the BMC of {whose}; Ctrl-C ends it"));
    loop {
        let ended = loop {
            match reader.next().await {
                Ok(Some(report)) => {
                    pause = PAUSES.0;
                    print(asked.ui, &report)?;
                }
                Ok(None) => break format!("the BMC of {whose} ended it"),
                Err(error) if follow && error.is_transient() => break error.to_string(),
                Err(error) => return Err(error),
            }
        };
        if !follow {
            asked.ui.note(&format!("{ended}; with --follow it is listened to anew"));
            return Ok(());
        }
        asked.ui.note(&format!("{ended}; listening anew, what it reported meanwhile is in its logs"));
        reader = loop {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            match way.reports().await {
                Ok(reader) => break reader,
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error),
            }
        };
    }
}

/// Prints a report: a line for people, a document of its own for programs.
fn print(ui: &mut Ui, report: &BmcReport) -> Result<(), CliError> {
    match ui.output {
        Output::Table | Output::Wide => ui.line(&view::bmc_report(report, &context())),
        _ => ui.object(report, String::new),
    }
}

/// `billet bmc subscription`.
pub(super) async fn subscription(
    asked: &mut Asked<'_>,
    way: &Way,
    command: SubscriptionCommand,
) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        SubscriptionCommand::List(_) => {
            let items = way.subscriptions().await?.items;
            asked.ui.list(&items, |_| view::bmc_subscriptions(&items))
        }
        SubscriptionCommand::Add { url, context, .. } => {
            let made = way.subscribe(url, context).await?;
            let done = format!("{whose}: the BMC posts to {} (subscription {})", made.destination, made.id);
            asked.ui.outcome(&made, &done)
        }
        SubscriptionCommand::Remove { id, .. } => {
            way.unsubscribe(&id).await?;
            asked.ui.done(&format!("{whose}: subscription {id} is ended"))
        }
    }
}
