//! An entry of the audit log that is not lost when what it tells of never comes to its end: the handler panicked, or the
//! client went away.

use super::super::audit;
use crate::service::Service;
use axum::http::StatusCode;
use provisioner_api::{AuditEntry, AuditOutcome};
use std::sync::Arc;
use tokio::runtime::Handle;

/// An entry that is still to be written.
pub(super) struct Untold(Option<(Arc<Service>, AuditEntry)>);

impl Untold {
    pub(super) fn new(service: Arc<Service>, entry: AuditEntry) -> Self {
        Self(Some((service, entry)))
    }

    /// The entry, for whoever writes it now that it is known what came of it.
    pub(super) fn take(mut self) -> Option<(Arc<Service>, AuditEntry)> {
        self.0.take()
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if let (Some((service, entry)), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move {
                // Nobody is there to be answered; that it can't be written is in the service's log.
                let (failed, status) = (AuditOutcome::Failed, StatusCode::INTERNAL_SERVER_ERROR);
                let _ = audit::told(&service, entry, failed, status, false).await;
            });
        }
    }
}
