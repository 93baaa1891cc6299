//! Where a BMC's password comes from: a file, standard input, or a variable. Never an argument.

use super::Session;
use crate::cli::error::CliError;
use provisioner_api::Secret;
use std::path::Path;

/// The password; there must be one.
pub(super) fn required(session: &mut Session<'_>, file: Option<&Path>) -> Result<Secret, CliError> {
    if let Some(password) = given(session, file)? {
        return Ok(password);
    }
    match session.environment.bmc_password.as_deref() {
        Some(password) => check(password, "BILLET_BMC_PASSWORD"),
        None => Err(CliError::Input(
            "the BMC's password is missing: name a file with --bmc-password-file (`-` for standard input) or set BILLET_BMC_PASSWORD".to_owned(),
        )),
    }
}

/// The password, if a file is named.
pub(super) fn given(session: &mut Session<'_>, file: Option<&Path>) -> Result<Option<Secret>, CliError> {
    let Some(file) = file else { return Ok(None) };
    let content = if file == Path::new("-") {
        if session.environment.person {
            session.ui.ask("the BMC's password, it will be shown:");
        }
        (session.environment.input)()
    } else {
        std::fs::read_to_string(file)
    };
    let content = content.map_err(|source| CliError::File {
        what: "read the password from",
        path: file.to_owned(),
        source,
    })?;
    check(&content, &file.display().to_string()).map(Some)
}

/// A password without the end of its line.
fn check(content: &str, place: &str) -> Result<Secret, CliError> {
    let password = content.strip_suffix('\n').unwrap_or(content);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(CliError::Input(format!("the BMC's password in {place} is empty")));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(CliError::Input(format!("the BMC's password in {place} has more than one line")));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for (content, want) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), (" a b \n", " a b ")] {
            assert_eq!(check(content, "x").unwrap().reveal(), want);
        }
        for content in ["", "\n", "\r\n", "a\nb", "a\0"] {
            let said = check(content, "x").unwrap_err().to_string();
            assert!(said.starts_with("the BMC's password in x "), "{said}");
        }
    }
}
