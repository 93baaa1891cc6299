//! `billet freeze`, `billet unfreeze`, `billet works`.

use super::{Session, context};
use crate::cli::{error::CliError, view};
use provisioner_api::FreezeRequest;

/// Stops everything.
pub(super) async fn freeze(session: &mut Session<'_>, why: Option<String>) -> Result<(), CliError> {
    let works = session.client.freeze(&FreezeRequest { why }).await?;
    let sentence = match &works.frozen {
        Some(frozen) => format!("{}; `billet unfreeze` ends that", view::frozen(frozen, &context())),
        None => "somebody ended the freeze at once".to_owned(),
    };
    session.ui.outcome(&works, &sentence)
}

/// Lets everything go on.
pub(super) async fn unfreeze(session: &mut Session<'_>) -> Result<(), CliError> {
    let works = session.client.unfreeze().await?;
    let sentence = match &works.frozen {
        Some(frozen) => format!("somebody froze it anew: {}", view::frozen(frozen, &context())),
        None => "nothing is frozen: everything goes on".to_owned(),
    };
    session.ui.outcome(&works, &sentence)
}

/// Shows whether everything is stopped.
pub(super) async fn show(session: &mut Session<'_>) -> Result<(), CliError> {
    let works = session.client.works().await?;
    session.ui.object(&works, || view::works(&works, &context()))
}
