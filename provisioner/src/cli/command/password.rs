//! Where secrets come from: a file, standard input, a variable, or the terminal. Never an argument.

use crate::cli::{environment::Environment, error::CliError, ui::Ui};
use provisioner_api::Secret;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A BMC's password.
pub(super) const BMC_PASSWORD: &str = "the BMC's password";

/// A BMC's key Kg.
pub(super) const BMC_KEY: &str = "the BMC's key";

/// The password of a machine's BMC; there must be one.
pub(super) fn required(
    environment: &Environment,
    ui: &mut Ui,
    file: Option<&Path>,
) -> Result<Secret, CliError> {
    if let Some(password) = given(environment, ui, BMC_PASSWORD, file)? {
        return Ok(password);
    }
    match environment.bmc_password.as_deref() {
        Some(password) => check(BMC_PASSWORD, password, "BILLET_BMC_PASSWORD"),
        None => Err(CliError::Input(
            "the BMC's password is missing: name a file with --bmc-password-file (`-` for standard input) or set BILLET_BMC_PASSWORD".to_owned(),
        )),
    }
}

/// The password of a machine's BMC, which may need none; empty if there is none.
pub(super) fn optional(
    environment: &Environment,
    ui: &mut Ui,
    file: Option<&Path>,
) -> Result<Secret, CliError> {
    if let Some(password) = given(environment, ui, BMC_PASSWORD, file)? {
        return Ok(password);
    }
    match environment.bmc_password.as_deref() {
        Some(password) => check(BMC_PASSWORD, password, "BILLET_BMC_PASSWORD"),
        None => Ok(Secret::new("")),
    }
}

/// The password for a BMC that is asked from here: from the file, a variable, or the person who sits here.
pub(super) fn direct(
    environment: &Environment,
    ui: &mut Ui,
    file: Option<&Path>,
) -> Result<Secret, CliError> {
    if let Some(password) = given(environment, ui, BMC_PASSWORD, file)? {
        return Ok(password);
    }
    let variables =
        [("BILLET_BMC_PASSWORD", &environment.bmc_password), ("IPMI_PASSWORD", &environment.ipmi_password)];
    for (name, value) in variables {
        if let Some(password) = value {
            return check(BMC_PASSWORD, password, name);
        }
    }
    if environment.person {
        return typed(environment, ui, BMC_PASSWORD);
    }
    Err(CliError::Input(
        "the BMC's password is missing: name a file with -f (`-` for standard input), or set BILLET_BMC_PASSWORD or IPMI_PASSWORD".to_owned(),
    ))
}

/// A new password: from the file, or typed twice.
pub(super) fn new(environment: &Environment, ui: &mut Ui, file: Option<&Path>) -> Result<Secret, CliError> {
    const WHAT: &str = "the new password";
    if let Some(password) = given(environment, ui, WHAT, file)? {
        return Ok(password);
    }
    if !environment.person {
        return Err(CliError::Input(
            "the new password is missing: name a file with --new-password-file (`-` for standard input)"
                .to_owned(),
        ));
    }
    let first = typed(environment, ui, WHAT)?;
    let second = typed(environment, ui, "the new password again")?;
    if first.reveal() == second.reveal() {
        return Ok(first);
    }
    Err(CliError::Input("the two are not the same; nothing was changed".to_owned()))
}

/// The password of who logs in: from the file, or typed.
pub(super) fn of_user(
    environment: &Environment,
    ui: &mut Ui,
    file: Option<&Path>,
) -> Result<Secret, CliError> {
    const WHAT: &str = "the password";
    match given(environment, ui, WHAT, file)? {
        Some(password) => Ok(password),
        None if environment.person => typed(environment, ui, WHAT),
        None => Err(CliError::Input(
            "the password is missing: name a file with --password-file (`-` for standard input)".to_owned(),
        )),
    }
}

/// A password that a user is to have: from the file, or typed twice.
pub(super) fn of_new_user(
    environment: &Environment,
    ui: &mut Ui,
    file: Option<&Path>,
) -> Result<Secret, CliError> {
    let first = of_user(environment, ui, file)?;
    if file.is_some() {
        return Ok(first);
    }
    let second = typed(environment, ui, "the password again")?;
    if first.reveal() == second.reveal() {
        return Ok(first);
    }
    Err(CliError::Input("the two are not the same; nothing was changed".to_owned()))
}

/// A secret, if a file is named. `what` it is: `the BMC's password`.
pub(super) fn given(
    environment: &Environment,
    ui: &mut Ui,
    what: &str,
    file: Option<&Path>,
) -> Result<Option<Secret>, CliError> {
    let Some(file) = file else { return Ok(None) };
    if file == Path::new("-") && environment.person {
        return typed(environment, ui, what).map(Some);
    }
    let content = if file == Path::new("-") { (environment.input)() } else { std::fs::read_to_string(file) };
    let content = content.map_err(|source| unreadable(file.to_owned(), source))?;
    check(what, &content, &file.display().to_string()).map(Some)
}

/// A secret from the terminal.
fn typed(environment: &Environment, ui: &mut Ui, what: &str) -> Result<Secret, CliError> {
    ui.ask(&format!("{what}:"));
    let line = (environment.hidden)().map_err(|source| match source.kind() {
        // Ctrl-C.
        io::ErrorKind::Interrupted => CliError::Signal(2),
        _ => unreadable("the terminal".into(), source),
    })?;
    check(what, &line, "what was typed")
}

fn unreadable(path: PathBuf, source: io::Error) -> CliError {
    CliError::File { what: "read the password from", path, source }
}

/// A secret without the end of its line.
fn check(what: &str, content: &str, place: &str) -> Result<Secret, CliError> {
    let password = content.strip_suffix('\n').unwrap_or(content);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(CliError::Input(format!("{what} in {place} is empty")));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(CliError::Input(format!("{what} in {place} has more than one line")));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::{BMC_PASSWORD, check};

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for (content, want) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), (" a b \n", " a b ")] {
            assert_eq!(check(BMC_PASSWORD, content, "x").unwrap().reveal(), want);
        }
        for content in ["", "\n", "\r\n", "a\nb", "a\0"] {
            let said = check(BMC_PASSWORD, content, "x").unwrap_err().to_string();
            assert!(said.starts_with("the BMC's password in x "), "{said}");
        }
    }
}
