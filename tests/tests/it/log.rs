//! The log of this process in memory, at more than anybody would have it log. All journeys of the process write into it, and
//! each that looks gets the same one: a process has one log.

use anyhow::{Result, anyhow};
use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged: everything.
const FILTER: &str = "trace";

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// The one of this process; or why there is none.
static LOG: OnceLock<Result<Log, String>> = OnceLock::new();

impl Log {
    /// Starts it, or finds it started.
    pub(crate) fn start() -> Result<Self> {
        let start = || {
            let log = Self::default();
            let writer = log.clone();
            let settings = provisioner::config::Log { filter: FILTER.to_owned(), json: false };
            // The service's own, so that the lines which it remembers are these.
            let lines = provisioner::logging::subscriber(&settings, false, move || writer.clone());
            let started = lines.try_init();
            started.map(|()| log).map_err(|error| error.to_string())
        };
        LOG.get_or_init(start).clone().map_err(|error| anyhow!(error))
    }

    /// What it holds.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
