//! How a command fails: the sentence for the operator and the exit code for scripts.

use crate::{backup::BackupError, config::ConfigError, text::chain};
use bmc::BmcError;
use provisioner_api::Held;
use provisioner_client::ClientError;
use std::{io, path::PathBuf};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The service could not be asked, or said no.
    #[error("{0}")]
    Client(ClientError),
    /// What was typed can't be.
    #[error("{0}")]
    Input(String),
    /// A BMC that was asked from here did not do it.
    #[error("{0}")]
    Bmc(BmcError),
    /// The same as `error`, with what can be typed to mend it.
    #[error("{error}; {hint}")]
    Hinted {
        /// What is wrong.
        error: Box<Self>,
        /// What to type.
        hint: String,
    },
    /// There is no such object.
    #[error("{0}")]
    Missing(String),
    /// What a BMC was at failed.
    #[error("{0}")]
    Task(String),
    /// An audit found something of high severity.
    #[error("something of high severity was found at {0}")]
    Weak(String),
    /// The audit log is not as it was written.
    #[error("the audit log is not as it was written")]
    Broken(#[from] crate::audit::Broken),
    /// A certificate of erasure proves nothing.
    #[error("the certificate is not good")]
    NotGood(#[from] crate::erasures::NotGood),
    /// A console is over, and not because it was left.
    #[error("the console ended: {0}")]
    Console(String),
    /// A signal ended the command.
    #[error("ended by signal {0}")]
    Signal(u8),
    /// What was waited for is held.
    #[error("{object} is held: {}{}", held.why, choices(held))]
    Held {
        /// `machine m1`.
        object: String,
        /// Why, and what may be done.
        held: Box<Held>,
    },
    /// What was waited for took too long.
    #[error("{object} is not {goal} after {waited}: {last}; the work itself goes on, see `{see}`")]
    TimedOut {
        /// `machine m1`.
        object: String,
        /// What was waited for: `available`.
        goal: &'static str,
        /// How long.
        waited: String,
        /// What was seen last.
        last: String,
        /// The command that tells more.
        see: String,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file can't be used.
    #[error("can't {what} {}", path.display())]
    File {
        /// `read`, `start`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The service ended with an error.
    #[error("the service stopped: {0:#}")]
    Service(anyhow::Error),
    /// A backup is of no use.
    #[error("{}", path.display())]
    Backup {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: BackupError,
    },
    /// Nothing was restored.
    #[error("nothing was restored: {0:#}")]
    Restore(anyhow::Error),
    /// The result can't be printed.
    #[error("can't print the result")]
    Print(#[source] io::Error),
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<BmcError> for CliError {
    fn from(error: BmcError) -> Self {
        Self::Bmc(error)
    }
}

impl CliError {
    /// The same, with what can be typed to mend it.
    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self::Hinted { error: Box::new(self), hint: hint.into() }
    }

    /// The exit code; `args::EXIT_CODES` explains them.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Client(error) => client_code(error),
            Self::Bmc(error) => bmc_code(error),
            Self::Hinted { error, .. } => error.code(),
            Self::Input(_) | Self::Config(_) => 2,
            Self::Missing(_) => 5,
            // As shells have it.
            Self::Signal(number) => 128_u8.saturating_add(*number),
            Self::Held { .. } => 3,
            Self::TimedOut { .. } => 4,
            Self::Weak(_) | Self::Broken(_) | Self::NotGood(_) => 7,
            // `billet … | head` is no failure.
            Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            // What was typed names a file that is not there, or not to be read.
            Self::File { what, .. } if what.starts_with("read") => 2,
            Self::File { .. }
            | Self::Service(_)
            | Self::Backup { .. }
            | Self::Restore(_)
            | Self::Print(_)
            | Self::Console(_)
            | Self::Task(_) => 1,
        }
    }

    /// Whether the same may work in a while, because somebody is away or busy: the service, or the BMC behind it.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Client(ClientError::Problem(problem)) if problem.kind.starts_with("bmc-") => {
                ["bmc-unreachable", "bmc-resting", "bmc-no-session"].contains(&problem.kind.as_str())
            }
            Self::Client(error) => error.is_transient(),
            Self::Bmc(error) => matches!(
                error,
                BmcError::Unreachable { .. }
                    | BmcError::NotABmc { .. }
                    | BmcError::NoFreeSession { .. }
                    | BmcError::Resting { credentials: false, .. }
            ),
            _ => false,
        }
    }

    /// Whether the BMC, or its driver, lacks what was asked for.
    pub(super) fn is_unsupported(&self) -> bool {
        match self {
            Self::Client(ClientError::Problem(problem)) => problem.kind == "bmc-unsupported",
            Self::Bmc(BmcError::Unsupported { .. }) => true,
            _ => false,
        }
    }

    /// The sentence; none when there is nothing to complain about.
    pub(super) fn sentence(&self) -> Option<String> {
        match self {
            Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Signal(_) => None,
            // These hold in words what their source says at length.
            Self::Client(
                ClientError::Unreachable { .. }
                | ClientError::Untrusted { .. }
                | ClientError::TimedOut { .. }
                | ClientError::Silent { .. }
                | ClientError::Ended
                | ClientError::Broken { .. },
            ) => Some(self.to_string()),
            Self::Client(error) => Some(chain(error)),
            Self::Bmc(error) => Some(chain(error)),
            Self::Hinted { error, hint } => error.sentence().map(|sentence| format!("{sentence}; {hint}")),
            other => Some(chain(other)),
        }
    }
}

/// The exit code of a call that failed.
fn client_code(error: &ClientError) -> u8 {
    match error.status() {
        Some(404) => 5,
        Some(400..=499) => 2,
        Some(_) => 1,
        None => match error {
            ClientError::Unreachable { .. }
            | ClientError::Untrusted { .. }
            | ClientError::TimedOut { .. }
            | ClientError::Silent { .. }
            | ClientError::Ended
            | ClientError::Broken { .. } => 6,
            ClientError::File { .. }
            | ClientError::BadUrl { .. }
            | ClientError::BadCa { .. }
            | ClientError::BadToken
            | ClientError::BadName { .. } => 2,
            _ => 1,
        },
    }
}

/// The exit code of a BMC that did not do it.
fn bmc_code(error: &BmcError) -> u8 {
    match error {
        BmcError::Unreachable { .. }
        | BmcError::NotABmc { .. }
        | BmcError::Resting { .. }
        | BmcError::WrongCertificate { .. }
        | BmcError::Untrusted { .. } => 6,
        BmcError::AuthenticationFailed { .. } | BmcError::Unsupported { .. } => 2,
        _ => 1,
    }
}

/// What a person may do about held work.
fn choices(held: &Held) -> String {
    if held.choices.is_empty() { String::new() } else { format!("; you may: {}", held.choices.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::CliError;
    use bmc::BmcError;
    use provisioner_api::Problem;
    use provisioner_client::ClientError;
    use std::io;

    #[test]
    fn exit_codes_are_those_that_the_help_tells() {
        let problem = |status| {
            CliError::Client(ClientError::Problem(Problem {
                kind: "x".into(),
                status,
                detail: "d".into(),
                fields: vec![],
            }))
        };
        let text = || "x".to_owned();
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        let file = |what| CliError::File { what, path: "/x".into(), source: absent() };
        let refused = BmcError::AuthenticationFailed { address: text(), username: text(), why: text() };
        for (error, code) in [
            (problem(404), 5),
            (problem(400), 2),
            (problem(401), 2),
            (problem(409), 2),
            (problem(500), 1),
            (CliError::Input(String::new()), 2),
            (CliError::Missing(String::new()), 5),
            (CliError::Signal(2), 130),
            (CliError::Signal(15), 143),
            (CliError::Console(String::new()), 1),
            (CliError::Bmc(BmcError::Unreachable { address: "a".into(), during: "b", reason: None }), 6),
            (CliError::Bmc(BmcError::NotABmc { address: "a".into(), what: "b".into() }), 6),
            (CliError::Bmc(refused), 2),
            (CliError::Bmc(BmcError::Unsupported { address: "a".into(), what: "b".into() }), 2),
            (CliError::Bmc(BmcError::Unknown { address: "a".into(), during: "b" }), 1),
            (CliError::Client(ClientError::BadToken), 2),
            (file("read"), 2),
            (file("read the CA certificate"), 2),
            (file("write"), 1),
            (CliError::Client(ClientError::File { path: "/x".into(), source: absent() }), 2),
            (CliError::Print(io::ErrorKind::StorageFull.into()), 1),
            (CliError::Print(io::ErrorKind::BrokenPipe.into()), 0),
        ] {
            assert_eq!(error.code(), code, "{error}");
        }
    }

    #[test]
    fn the_system_is_quoted_once() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = CliError::File { what: "read", path: "/x".into(), source };
        assert_eq!(error.sentence().unwrap(), "can't read /x: entity not found");
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = CliError::Client(ClientError::File { path: "/x".into(), source });
        assert_eq!(error.sentence().unwrap(), "can't read /x: entity not found");
    }
}
