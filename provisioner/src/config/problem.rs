//! What is wrong with a configuration, told so that it can be mended in one go.

use std::{fmt, io, path::PathBuf};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, dotted: `networks.lab.range`. Empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Problem {
    /// A mistake in the value of `key`.
    pub(super) fn new(key: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { key: key.into(), detail: detail.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.key, self.detail)
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is wrong.
    #[error("{} is wrong:{}", file.display(), list(problems))]
    Wrong {
        /// The file.
        file: PathBuf,
        /// All that is wrong.
        problems: Vec<Problem>,
    },
}

/// The problems, one a line.
fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {}", problem.to_string().replace('\n', "\n  "))).collect()
}
