//! `billet freeze`, `billet unfreeze`, `billet works`.

use super::{
    Session, context,
    losses::{self, Go},
};
use crate::cli::{args::DryRun, error::CliError, view};
use provisioner_api::FreezeRequest;

/// Stops everything.
pub(super) async fn freeze(
    session: &mut Session<'_>,
    why: Option<String>,
    dry: DryRun,
) -> Result<(), CliError> {
    if dry.dry_run {
        let works = session.client.works().await?;
        let what = match &works.frozen {
            Some(frozen) => format!("nothing would change: {}", view::frozen(frozen, &context())),
            None => {
                let wiped = works.erasing.running;
                format!(
                    "everything would stop: no machine would be switched, written, wiped or given to anybody; wiped just now: {wiped}"
                )
            }
        };
        return losses::no_disk(session, dry, what).map(drop);
    }
    let works = session.client.freeze(&FreezeRequest { why }).await?;
    let sentence = match &works.frozen {
        Some(frozen) => format!("{}; `billet unfreeze` ends that", view::frozen(frozen, &context())),
        None => "somebody ended the freeze at once".to_owned(),
    };
    session.ui.outcome(&works, &sentence)
}

/// Lets everything go on.
pub(super) async fn unfreeze(session: &mut Session<'_>, dry: DryRun) -> Result<(), CliError> {
    if dry.dry_run {
        let works = session.client.works().await?;
        let frozen = works.frozen.as_ref().map(|frozen| view::frozen(frozen, &context()));
        let what = match frozen {
            Some(frozen) => format!(
                "everything would go on: what is under way is switched, written and wiped again; {frozen}"
            ),
            None => "nothing is frozen: nothing would change".to_owned(),
        };
        return losses::no_disk(session, dry, what).map(|_: Go| ());
    }
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
