//! Log-ins of users: whether a password is right (`password`), which nobody may have (`common`), and how often anybody may try one (`limits`).
//!
//! Deliberately not here: who the users are (the store), and what a log-in gives (`api/login`).

mod common;
mod limits;
mod password;

pub(crate) use common::common;
pub(crate) use limits::Attempts;
pub(crate) use password::{LEAST, MOST, PasswordError, Passwords};

/// What there is of it once in a process.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    /// Passwords.
    pub(crate) passwords: Passwords,
    /// Who tried what lately.
    pub(crate) attempts: Attempts,
}
