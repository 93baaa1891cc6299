//! What a simulated BMC knows while it runs.

use super::Identity;
use super::controls::Controls;
use super::sessions::Table;
use crate::Chassis;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;

/// Shared by all requests.
pub(super) type Shared = Arc<State>;

pub(super) struct State {
    pub(super) chassis: Arc<dyn Chassis>,
    pub(super) identity: Identity,
    pub(super) controls: Arc<Controls>,
    username: String,
    password: String,
    sessions: Mutex<Table>,
    /// Power as it still shows, and for how many readings.
    pub(super) stale: Mutex<Option<(bool, u32)>>,
}

impl State {
    pub(super) fn new(username: &str, password: &str, chassis: Arc<dyn Chassis>, identity: Identity) -> Self {
        Self {
            chassis,
            identity,
            controls: Arc::default(),
            username: username.into(),
            password: password.into(),
            sessions: Mutex::default(),
            stale: Mutex::default(),
        }
    }

    /// Whether user name and password are right, in a time that doesn't tell which is wrong.
    pub(super) fn knows(&self, username: &str, password: &str) -> bool {
        let user = self.username.as_bytes().ct_eq(username.as_bytes());
        let word = self.password.as_bytes().ct_eq(password.as_bytes());
        (user & word).into()
    }

    /// The user's name, for showing.
    pub(super) fn username(&self) -> &str {
        &self.username
    }

    /// The sessions that are open now.
    pub(super) fn sessions(&self) -> MutexGuard<'_, Table> {
        let mut table = lock(&self.sessions);
        table.tidy(self.controls.generation(), tokio::time::Instant::now());
        self.controls.set_sessions(table.len());
        table
    }
}

/// A panic elsewhere leaves these tables whole: each change of them is one call.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
