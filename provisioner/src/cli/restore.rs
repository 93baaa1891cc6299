//! `billet restore`: works on the database itself, while nobody serves.

use super::{args::Restore, command::check_backup, error::CliError, serve::variables, ui::Ui};
use crate::{
    clock,
    config::Config,
    restore::{self, Outcome},
};
use provisioner_api::JobKind;

/// The first schema with roles of tokens; all tokens of an earlier one may do everything.
const ROLES: i64 = 18;

/// How many names are printed of those that somebody has to look at.
const NAMES: usize = 20;

/// Restores a backup, and says what somebody has to look at.
pub(super) fn restore(asked: &Restore, ui: &mut Ui) -> Result<(), CliError> {
    let config = Config::load(&asked.config, variables())?;
    if asked.dry.dry_run {
        check_backup(&asked.file, ui)?;
        return ui.done(&format!(
            "dry run: nothing was done; this would be put in the place of what {} names as database{}",
            asked.config.display(),
            if asked.replace {
                ", and what is there be saved to the data folder first"
            } else {
                ", if that is empty"
            }
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CliError::File { what: "start", path: "the runtime".into(), source })?;
    let restoring = restore::restore(&config, &asked.file, asked.replace, clock::now());
    let outcome = runtime.block_on(restoring).map_err(CliError::Restore)?;
    tell(&outcome, ui)
}

fn tell(outcome: &Outcome, ui: &mut Ui) -> Result<(), CliError> {
    let Outcome { header, restored, saved } = outcome;
    ui.line(&format!(
        "the backup of {:.0} is restored (billet {}, schema {})",
        header.at, header.version, header.schema
    ))?;
    if let Some(saved) = saved {
        ui.line(&format!("what was there before is in {}", saved.display()))?;
    }
    let job = |(name, kind): &(String, JobKind)| format!("{name} ({})", super::view::word(*kind));
    let jobs: Vec<_> = restored.jobs.iter().map(job).collect();
    names(ui, "machines that were at work", &jobs)?;
    names(ui, "machines whose instance ran", &restored.deployed)?;
    names(ui, "machines that nobody had", &restored.available)?;
    for line in tokens(header.schema, &restored.tokens) {
        ui.line(&line)?;
    }
    names(ui, "users who can log in again, with password, role and pools of the backup", &restored.users)?;
    if !restored.users.is_empty() {
        ui.line("of these, disable those that may not: `billet user set NAME --disabled true`")?;
    }
    if restored.unreadable > 0 {
        ui.line(&format!("machines that can't be read, to which nothing is done: {}", restored.unreadable))?;
    }
    ui.line(&format!(
        "{} machines are held until somebody confirmed what the backup says of them: `billet machine list --held`, `billet why`, and for those at rest `billet machine confirm`",
        restored.held
    ))?;
    ui.line("nothing at all is done before `billet unfreeze`; start `billet serve`, and look first")
}

/// All tokens: one that is not named may be the one that leaked.
fn tokens(schema: i64, tokens: &[(String, String)]) -> Vec<String> {
    if tokens.is_empty() {
        return Vec::new();
    }
    let shown: Vec<_> = tokens.iter().map(|(name, role)| format!("{name} ({role})")).collect();
    let mut lines = vec![format!(
        "tokens that work again, also if they were revoked since the backup ({}): {}",
        shown.len(),
        shown.join(", ")
    )];
    if schema < ROLES {
        lines.push("the backup is from before tokens had roles: all of them are administrators'".to_owned());
    }
    lines.push("of these, revoke those that were: `billet token revoke NAME`".to_owned());
    lines
}

/// Names, as far as a person reads them.
fn names(ui: &mut Ui, what: &str, names: &[String]) -> Result<(), CliError> {
    if names.is_empty() {
        return Ok(());
    }
    let shown = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    ui.line(&format!("{what} ({}): {shown}{more}", names.len()))
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn every_token_is_named_with_its_role() {
        let many: Vec<_> = (0..50).map(|number| (format!("t{number}"), "viewer".to_owned())).collect();
        let lines = tokens(18, &many);
        assert!(lines[0].contains("(50): t0 (viewer), ") && lines[0].ends_with("t49 (viewer)"), "{lines:?}");
        assert_eq!((lines.len(), tokens(18, &[])), (2, vec![]));
        assert!(tokens(17, &many)[1].contains("all of them are administrators'"));
    }
}
