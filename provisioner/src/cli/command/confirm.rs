//! Asking whether it is meant, before something can't be undone.

use crate::cli::{environment::Environment, error::CliError, ui::Ui};

/// What is about to happen.
pub(super) struct Question<'a> {
    /// `delete instance web`.
    pub(super) what: &'a str,
    /// What is said when it was not done: `instance web was not deleted`.
    pub(super) undone: &'a str,
    /// What comes of it: `the disks of machine m1 will be wiped`.
    pub(super) consequence: &'a str,
}

/// Asks a person; an error when the answer is no, or nobody is there to be asked.
pub(super) fn confirm(
    environment: &Environment,
    ui: &mut Ui,
    question: &Question<'_>,
) -> Result<(), CliError> {
    let Question { what, undone, consequence } = question;
    if !environment.person {
        return Err(CliError::Input(format!(
            "{undone}: {consequence}, and nobody is here to be asked; add --yes if it is meant"
        )));
    }
    ui.ask(&format!("{what}? {consequence}. [y/N]"));
    let answer = (environment.input)().map_err(|source| CliError::File {
        what: "read the answer from",
        path: "standard input".into(),
        source,
    })?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(CliError::Input((*undone).to_owned()))
}
