//! `billet key …`.

use super::{Session, losses};
use crate::cli::{args::KeyCommand, error::CliError, view};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::Show => {
            let keys = session.client.keys().await?;
            session.ui.object(&keys, || view::keys(&keys))
        }
        KeyCommand::Rotate => {
            let keys = session.client.rotate_key().await?;
            session.ui.outcome(&keys, &view::rotated(&keys))
        }
        KeyCommand::Retire(dry) if dry.dry_run => {
            let keys = session.client.keys().await?;
            let what = format!(
                "all site keys but the newest would be taken out of the key file, and what only they open be lost:\n{}",
                view::keys(&keys).trim_end()
            );
            losses::no_disk(session, dry, what).map(drop)
        }
        KeyCommand::Retire(_) => {
            let keys = session.client.retire_keys().await?;
            let sentence = "one site key is left; the key of permits changes at the service's next start";
            session.ui.outcome(&keys, sentence)
        }
    }
}
