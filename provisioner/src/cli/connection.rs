//! Finding the service: the client file with its address, token and CA, which a log-in writes anew.

use super::{environment::Environment, error::CliError};
use crate::secret_file::{self, Readers, SecretFileError};
use provisioner_api::Secret;
use provisioner_client::Connection;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientFile {
    /// The service's address.
    pub(super) url: String,
    /// What proves who asks; none: nobody is logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<Secret>,
    /// A path, or the certificate itself.
    pub(super) ca: String,
    /// Whose log-in the token is, or was; none: it is a token that somebody made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
}

/// Where the service is and how to log in, by the client file.
pub(super) fn find(named: Option<&Path>, environment: &Environment) -> Result<Connection, CliError> {
    find_with_user(named, environment).map(|(connection, _)| connection)
}

/// The same, with the user whose log-in it is; none: it is a token that somebody made.
pub(super) fn find_with_user(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<(Connection, Option<String>), CliError> {
    let (path, file) = located(named, environment)?;
    if file.token.is_none() {
        return Err(CliError::Input(format!(
            "nobody is logged in at {}; `billet login --user NAME` logs you in",
            file.url
        )));
    }
    Ok((of_file(&path, &file)?, file.user))
}

/// Reads the client file: the one that was named, or else the user's, or else the administrator's.
pub(super) fn located(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<(PathBuf, ClientFile), CliError> {
    if let Some(path) = named {
        let file = read(path)?
            .ok_or_else(|| CliError::Input(format!("there is no client file {}", path.display())))?;
        return Ok((path.to_owned(), file));
    }
    let users = environment.settings.as_deref().map(|folder| folder.join("billet").join("client.toml"));
    let places: Vec<PathBuf> = users.into_iter().chain([environment.admin.clone()]).collect();
    for path in &places {
        if let Some(file) = read(path)? {
            return Ok((path.clone(), file));
        }
    }
    let places: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
    Err(CliError::Input(format!(
        "no client file says where the service is: there is none at {}; name one with --client or BILLET_CLIENT, the service's first start made `admin.toml` in its data folder",
        places.join(" or ")
    )))
}

/// Reads one file; `None` when there is none.
fn read(path: &Path) -> Result<Option<ClientFile>, CliError> {
    let content = match secret_file::read_secret(path) {
        Ok(Some(content)) => content,
        Ok(None) => return Ok(None),
        Err(SecretFileError::Io { source, .. }) => {
            return Err(CliError::File { what: "read the client file", path: path.to_owned(), source });
        }
        Err(exposed @ SecretFileError::Exposed { .. }) => return Err(CliError::Input(exposed.to_string())),
    };
    let wrong = |why: &str| CliError::Input(format!("the client file {} is wrong: {why}", path.display()));
    let text = std::str::from_utf8(&content).map_err(|_| wrong("it is no text"))?;
    // Only the message: the whole error quotes the line, and that may be the token's.
    toml::from_str(text).map(Some).map_err(|error| wrong(error.message()))
}

/// The connection that a client file describes; its token is empty if nobody is logged in.
pub(super) fn of_file(path: &Path, file: &ClientFile) -> Result<Connection, CliError> {
    let ca_pem = if file.ca.contains("-----BEGIN") {
        file.ca.clone()
    } else {
        // A path that is not absolute counts from the client file.
        let ca = path.parent().unwrap_or(Path::new(".")).join(&file.ca);
        std::fs::read_to_string(&ca).map_err(|source| CliError::File {
            what: "read the CA certificate",
            path: ca,
            source,
        })?
    };
    Ok(Connection { url: file.url.clone(), token: file.token.clone().unwrap_or_default(), ca_pem })
}

/// Writes a client file anew, for its owner alone.
pub(super) fn write(path: &Path, file: &ClientFile) -> Result<(), CliError> {
    let text = toml::to_string(file)
        .map_err(|_| CliError::Input("address, token or CA can't be written to a file".to_owned()))?;
    secret_file::write(path, text.as_bytes(), Readers::Owner).map_err(unwritable)
}

/// What is said when a file can't be used.
pub(super) fn unwritable(error: SecretFileError) -> CliError {
    match error {
        SecretFileError::Io { what, path, source } => CliError::File { what, path, source },
        exposed @ SecretFileError::Exposed { .. } => CliError::Input(exposed.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::cli::environment::Environment;
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    fn environment(folder: &Path) -> Environment {
        Environment {
            settings: Some(folder.join("config")),
            admin: folder.join("admin.toml"),
            ..Environment::nobody(folder)
        }
    }

    fn write(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn the_named_file_comes_first_then_the_users_then_the_administrators() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let environment = environment(folder.path());
        let file = |url: &str| format!("url = '{url}'\ntoken = 't'\nca = '''-----BEGIN X'''");
        let said = find(None, &environment).unwrap_err().to_string();
        assert!(said.contains("config/billet/client.toml or") && said.contains("--client"), "{said}");
        write(&at("admin.toml"), &file("https://admin"));
        assert_eq!(find(None, &environment).unwrap().url, "https://admin");
        write(&at("config/billet/client.toml"), &file("https://user"));
        assert_eq!(find(None, &environment).unwrap().url, "https://user");
        write(&at("other.toml"), &file("https://other"));
        assert_eq!(find(Some(&at("other.toml")), &environment).unwrap().url, "https://other");
        assert!(find(Some(&at("none.toml")), &environment).is_err());
    }

    #[test]
    fn the_ca_is_inline_or_a_file_beside() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("c.toml"), "url = 'https://a'\ntoken = 't'\nca = 'tls/ca.pem'");
        let said = find(Some(&at("c.toml")), &environment(folder.path())).unwrap_err().to_string();
        assert!(said.contains("can't read the CA certificate") && said.contains("tls/ca.pem"), "{said}");
        write(&at("tls/ca.pem"), "PEM");
        assert_eq!(find(Some(&at("c.toml")), &environment(folder.path())).unwrap().ca_pem, "PEM");
    }

    #[test]
    fn wrong_files_are_told_without_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        for (content, want) in [
            ("token = 'hunter2'\nca = 'x'", "missing field `url`"),
            ("url = 'https://a'\ntoken = 'hunter2'\nca = 'x'\nport = 1", "unknown field `port`"),
            ("url = 'https://a'\ntoken = 'hunter2", "is wrong"),
        ] {
            write(&path, content);
            let error = find(Some(&path), &environment(folder.path())).unwrap_err();
            let said = error.sentence().unwrap();
            assert!(said.contains(want), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
            assert_eq!(error.code(), 2);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let said = find(Some(&path), &environment(folder.path())).unwrap_err().to_string();
        assert!(said.contains("chmod 600"), "{said}");
    }
}
