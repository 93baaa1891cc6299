//! Where the database is, if it is not a file in the data folder: an address of a PostgreSQL server. Passwords come with
//! it, from a file or from PGPASSWORD, and are shown nowhere.

use crate::secret_file::{self, SecretFileError};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};
use url::Url;

/// How it is written.
const EXAMPLE: &str = "write it like postgres://billet@db.example.org/billet?sslmode=verify-full";

/// What an address may say beside host, port, user and database.
const PARAMETERS: &[&str] =
    &["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "user", "dbname"];

/// A database of a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresDatabase {
    options: PgConnectOptions,
    password_file: Option<PathBuf>,
    /// The address itself has one.
    password: bool,
}

impl PostgresDatabase {
    /// Reads an address (`postgres://user@host:port/database?sslmode=…`).
    ///
    /// # Errors
    /// What is wrong with it. The address itself is not repeated: it may hold a password.
    pub fn parse(text: &str, password_file: Option<PathBuf>) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("it is no address ({error}); {EXAMPLE}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(format!("`{}` is no kind of database that is known; {EXAMPLE}", url.scheme()));
        }
        for (key, _) in url.query_pairs() {
            if !PARAMETERS.contains(&&*key) {
                let known = PARAMETERS.join(", ");
                return Err(format!("`{key}` is none of the parameters that it may have: {known}"));
            }
        }
        let options: PgConnectOptions =
            text.parse().map_err(|error| format!("it can't be read ({error}); {EXAMPLE}"))?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(format!("it names no database; {EXAMPLE}"));
        }
        let said = url.query_pairs().any(|(key, _)| key == "sslmode");
        let options = with_tls(options, said)?;
        Ok(Self { options, password_file, password: url.password().is_some() })
    }

    /// Whether it comes with a password.
    pub(super) fn has_password(&self) -> bool {
        self.password || self.password_file.is_some()
    }

    /// The file that holds the password.
    pub(super) fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// How to connect, with the password.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, SecretFileError> {
        let Some(path) = &self.password_file else { return Ok(self.options.clone()) };
        let bytes = secret_file::read_secret(path)?.unwrap_or_default();
        let password = String::from_utf8_lossy(&bytes);
        Ok(self.options.clone().password(password.trim_end_matches(['\r', '\n'])))
    }
}

/// Nobody reads along on the way to another host, unless somebody says that this is as it should be.
fn with_tls(options: PgConnectOptions, said: bool) -> Result<PgConnectOptions, String> {
    let host = options.get_host();
    let here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match options.get_ssl_mode() {
        _ if here => Ok(options),
        _ if !said => Ok(options.ssl_mode(PgSslMode::VerifyFull)),
        PgSslMode::Allow | PgSslMode::Prefer => {
            Err("with this `sslmode` anybody on the way may switch encryption off; write sslmode=verify-full"
                .into())
        }
        _ => Ok(options),
    }
}

impl fmt::Display for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, .. } = self;
        let socket = options.get_socket().map(|path| path.display().to_string());
        let host = socket.unwrap_or_else(|| format!("{}:{}", options.get_host(), options.get_port()));
        write!(f, "{}@{host}/{}", options.get_username(), options.get_database().unwrap_or_default())
    }
}

/// Without the password.
impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresDatabase({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_shown_nowhere() {
        let text = "postgres://billet:hunter2@db.example.org:5433/site?sslrootcert=/etc/ca.pem";
        let database = PostgresDatabase::parse(text, None).unwrap();
        assert_eq!(database.to_string(), "billet@db.example.org:5433/site");
        assert!(!format!("{database:?}").contains("hunter2"));
        assert!(
            matches!(database.options.get_ssl_mode(), PgSslMode::VerifyFull),
            "unless somebody says otherwise"
        );
        let socket =
            PostgresDatabase::parse("postgres:///site?host=/run/postgresql&user=billet", None).unwrap();
        assert_eq!(socket.to_string(), "billet@/run/postgresql/site");
        let here = PostgresDatabase::parse("postgres://billet@127.0.0.1/site", None).unwrap();
        assert!(!matches!(here.options.get_ssl_mode(), PgSslMode::VerifyFull));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_address() {
        for (text, word) in [
            ("db.example.org", "no address"),
            ("mysql://billet:hunter2@db/site", "mysql"),
            ("postgres://billet:hunter2@db/site?sslmod=require", "sslmod"),
            ("postgres://billet:hunter2@db/", "names no database"),
            ("postgres://billet:hunter2@db/site?sslmode=prefer", "verify-full"),
            ("postgres://billet:hunter2@db/site?sslmode=perhaps", "can't be read"),
        ] {
            let error = PostgresDatabase::parse(text, None).unwrap_err();
            assert!(error.contains(word) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        secret_file::write(&path, b"hunter2\n", secret_file::Readers::Owner).unwrap();
        let database = PostgresDatabase::parse("postgres://billet@127.0.0.1/site", Some(path)).unwrap();
        let shown = format!("{:?}", database.options().unwrap());
        assert!(shown.contains("\"hunter2\""), "sqlx shows it, which is why it is not kept: {shown}");
    }
}
