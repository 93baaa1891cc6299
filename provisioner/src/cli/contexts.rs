//! Services by name: each is a client file of its own in `contexts/` beside `client.toml`, and `context` names the one
//! that is meant when nothing is said. Reading and writing these files; what is printed is `command/contexts`.

use super::{
    args::Global,
    connection::{self, ClientFile, unwritable},
    environment::Environment,
    error::CliError,
};
use crate::{
    config::value::dns_label,
    secret_file::{self, Readers},
};
use provisioner_client::Connection;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The names that there are, and which one is in use.
pub(super) struct Contexts {
    /// `~/.config/billet`.
    folder: PathBuf,
}

impl Contexts {
    /// Those of this user.
    pub(super) fn of(environment: &Environment) -> Result<Self, CliError> {
        let settings = environment.settings.as_deref().ok_or_else(|| {
            CliError::Input("contexts are kept in your home, and HOME is not set".to_owned())
        })?;
        Ok(Self { folder: settings.join("billet") })
    }

    /// The client file of a name, whether it is there or not.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join("contexts").join(format!("{name}.toml"))
    }

    fn pointer(&self) -> PathBuf {
        self.folder.join("context")
    }

    /// The names, in order.
    pub(super) fn names(&self) -> Result<Vec<String>, CliError> {
        let folder = self.folder.join("contexts");
        let error = |source| CliError::File { what: "read", path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(error)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(error)?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".toml"));
            names.extend(name.filter(|name| dns_label(name).is_ok()).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The one that is in use.
    pub(super) fn current(&self) -> Result<Option<String>, CliError> {
        let path = self.pointer();
        let text = match fs::read_to_string(&path) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| CliError::File { what: "read", path: path.clone(), source })?,
        };
        let name = dns_label(text.trim()).map_err(|_| {
            let path = path.display();
            CliError::Input(format!(
                "{path} holds no name of a context; `billet context use NAME` writes it anew"
            ))
        })?;
        Ok(Some(name))
    }

    /// The client file of a name that there is.
    pub(super) fn known(&self, name: &str) -> Result<PathBuf, CliError> {
        let file = self.file(name);
        if file.exists() {
            return Ok(file);
        }
        Err(CliError::Missing(format!(
            "there is no context `{name}`; `billet context list` shows which there are"
        )))
    }

    /// From now on this one is meant; none: the client file in its usual place.
    pub(super) fn choose(&self, name: Option<&str>) -> Result<(), CliError> {
        match name {
            Some(name) => {
                self.known(name)?;
                secret_file::write(&self.pointer(), format!("{name}\n").as_bytes(), Readers::Owner)
                    .map_err(unwritable)
            }
            None => removed(&self.pointer()),
        }
    }

    /// Keeps a service under a new name. `user`: whose log-in its token is, unless it is one that somebody made.
    pub(super) fn add(
        &self,
        name: &str,
        connection: &Connection,
        user: Option<String>,
    ) -> Result<(), CliError> {
        let path = self.file(name);
        if path.exists() {
            let detail =
                format!("there is a context `{name}` already; `billet context remove {name}` forgets it");
            return Err(CliError::Input(detail));
        }
        let token = Some(connection.token.clone()).filter(|token| !token.reveal().is_empty());
        let (url, ca) = (connection.url.clone(), connection.ca_pem.clone());
        secret_file::make_folder(&self.folder.join("contexts")).map_err(unwritable)?;
        connection::write(&path, &ClientFile { url, token, ca, user })
    }

    /// Forgets one that is not in use.
    pub(super) fn remove(&self, name: &str) -> Result<(), CliError> {
        let path = self.known(name)?;
        // What is typed next would go to whatever service is meant then.
        if self.current()?.as_deref() == Some(name) {
            return Err(CliError::Input(format!(
                "context `{name}` is in use; `billet context use OTHER` or `billet context use --none` first"
            )));
        }
        removed(&path)
    }
}

fn removed(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CliError::File { what: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// The client file that was named: by itself, by a context, or by the context in use; none: the usual places.
pub(super) fn client_file(global: &Global, environment: &Environment) -> Result<Option<PathBuf>, CliError> {
    match (&global.client, &global.service) {
        // One of them would win in silence, and the work be done at another service than was meant.
        (Some(_), Some(_)) => Err(CliError::Input(
            "--service and --client (or BILLET_CLIENT) both say which service is meant; give one of them"
                .to_owned(),
        )),
        (Some(file), None) => Ok(Some(file.clone())),
        (None, Some(name)) => Contexts::of(environment)?.known(name).map(Some),
        (None, None) if environment.settings.is_none() => Ok(None),
        (None, None) => {
            let contexts = Contexts::of(environment)?;
            contexts.current()?.map(|name| contexts.known(&name)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Contexts, client_file};
    use crate::cli::{
        args::{Global, Output},
        connection,
        environment::Environment,
    };
    use provisioner_api::Secret;
    use provisioner_client::Connection;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn connection(url: &str) -> Connection {
        Connection { url: url.into(), token: Secret::new("hunter2"), ca_pem: "-----BEGIN X\n".into() }
    }

    #[test]
    fn a_context_is_a_private_client_file() {
        let folder = tempfile::tempdir().unwrap();
        let environment =
            Environment { settings: Some(folder.path().to_owned()), ..Environment::nobody(folder.path()) };
        let contexts = Contexts::of(&environment).unwrap();
        assert_eq!((contexts.names().unwrap(), contexts.current().unwrap()), (vec![], None));
        contexts.add("prod", &connection("https://prod"), None).unwrap();
        contexts.add("lab", &connection("https://lab"), None).unwrap();
        assert!(contexts.add("lab", &connection("https://x"), None).is_err(), "none is overwritten");
        let mode = fs::metadata(contexts.file("prod")).unwrap().permissions().mode() & 0o777;
        assert_eq!((contexts.names().unwrap(), mode), (vec!["lab".to_owned(), "prod".to_owned()], 0o600));
        let global = |client: Option<&str>, context: Option<&str>| Global {
            output: Output::Table.into(),
            client: client.map(Into::into),
            service: context.map(Into::into),
        };
        let find = |global: &Global| {
            let file = client_file(global, &environment)?;
            connection::find(file.as_deref(), &environment).map(|found| found.url)
        };
        assert!(find(&global(None, None)).is_err(), "none is in use, and there is no client file");
        contexts.choose(Some("lab")).unwrap();
        assert_eq!(find(&global(None, None)).unwrap(), "https://lab");
        assert_eq!(find(&global(None, Some("prod"))).unwrap(), "https://prod");
        assert_eq!(find(&global(None, Some("none"))).unwrap_err().code(), 5);
        let both = find(&global(Some("/x"), Some("prod"))).unwrap_err();
        assert_eq!(both.code(), 2, "neither wins in silence");
        assert!(contexts.remove("lab").unwrap_err().to_string().contains("is in use"));
        assert_eq!(contexts.choose(Some("none")).unwrap_err().code(), 5);
        contexts.choose(None).unwrap();
        contexts.remove("lab").unwrap();
        assert_eq!(contexts.names().unwrap(), ["prod"]);
    }
}
