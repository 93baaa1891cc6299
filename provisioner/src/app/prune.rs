//! What would grow without end is thrown away a few times a day, by the replica that leads.

use crate::{
    api, clock,
    config::History,
    leader::Led,
    store::{Store, StoreError},
    trace,
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often.
const AGAIN: Duration = Duration::from_secs(6 * 3600);

/// How long a boot window that nobody claimed is remembered after its end, so that a late claim is told why.
const CLOSED_WINDOWS: SignedDuration = SignedDuration::from_hours(1);

/// How long claimed boot windows, and with them agent sessions, are remembered.
const WINDOWS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Throws away what is out of date, until cancelled.
pub(crate) async fn prune(led: Arc<Led>, stop: CancellationToken) {
    loop {
        let pruned = tokio::select! {
            () = stop.cancelled() => return,
            pruned = once(&led.store, &led.config.history, clock::now()) => pruned,
        };
        if let Err(error) = pruned {
            tracing::error!(error = crate::text::logged(&error), "what is out of date can't be thrown away");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Throws away what would grow without end.
async fn once(store: &Store, history: &History, now: Timestamp) -> Result<(), StoreError> {
    let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
    store.window_prune(before(CLOSED_WINDOWS), before(WINDOWS)).await?;
    store.event_prune(before(history.events), history.most).await?;
    let oldest = u64::try_from(before(history.boots).as_millisecond()).unwrap_or(0);
    store.boot_trace_prune(trace::first_id(oldest), trace::STORED).await?;
    store.idempotency_prune(before(api::ANSWERS_KEPT)).await?;
    store.job_prune(before(history.events)).await
}
