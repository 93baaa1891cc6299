//! An entry of the audit log that is not lost when what it tells of never comes to its end: the handler panicked, the
//! client went away, or the service stops.

use super::super::audit;
use crate::service::Service;
use axum::http::StatusCode;
use provisioner_api::{AuditEntry, AuditOutcome};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// How long the entries of what is cut off may take.
const WRITING: Duration = Duration::from_secs(10);

/// An entry that is still to be written.
pub(super) struct Untold {
    service: Arc<Service>,
    number: u64,
}

impl Untold {
    /// None: the service stops, and nobody would tell of it any more.
    pub(super) fn new(service: Arc<Service>, entry: AuditEntry) -> Option<Self> {
        Some(Self { number: service.deeds.begin(entry)?, service })
    }

    /// The entry, for whoever writes it now that it is known what came of it; none when it was told as cut off.
    pub(super) fn take(self) -> Option<AuditEntry> {
        self.service.deeds.take(self.number)
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        let Some(entry) = self.service.deeds.take(self.number) else { return };
        if Handle::try_current().is_err() {
            return;
        }
        let service = Arc::clone(&self.service);
        self.service.deeds.spawn(async move {
            // Nobody is there to be answered; that it can't be written is in the service's log.
            let (failed, status) = (AuditOutcome::Failed, StatusCode::INTERNAL_SERVER_ERROR);
            let _ = audit::told(&service, entry, failed, status, false).await;
        });
    }
}

/// Waits for what was asked for and is under way, so long at the most, and takes down that nobody knows what became of
/// the rest: a BMC may do it all the same.
pub(crate) async fn end_deeds(service: &Arc<Service>, patience: Duration) {
    let what = service.deeds.what();
    if !what.is_empty() {
        let seconds = patience.as_secs();
        tracing::info!(seconds, what = what.join(", "), "the stop waits for what is under way");
    }
    let cut_off = service.deeds.end(patience).await;
    let writing = async {
        for entry in cut_off {
            let (method, path) = (&*entry.method, &*entry.path);
            tracing::warn!(method, path, "cut off by the stop; nobody knows whether it is done");
            audit::cut_off(service, entry).await;
        }
        // What was on its way into the log when its writer was cut off.
        let _ = service.audit.again(&service.store).await;
    };
    if tokio::time::timeout(WRITING, writing).await.is_err() {
        tracing::error!("what the stop cut off can't be written into the audit log in time");
    }
}
