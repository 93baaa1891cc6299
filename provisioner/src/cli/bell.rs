//! When to look again at something: as soon as the service tells that it changed, and now and then for what it doesn't tell.
//!
//! Deliberately not here: what a look is, and what is shown of it.

use provisioner_api::WatchKind;
use provisioner_client::{Client, ClientError, Watch, WatchEvent, WatchFilter};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Changes that come so soon after another are seen with one look.
const TOGETHER: Duration = Duration::from_millis(100);

/// Why there is no stream of changes, for people; nothing where that is for the next question to tell.
pub(super) fn absent(error: &ClientError) -> Option<&'static str> {
    if matches!(error, ClientError::Silent { .. } | ClientError::Ended | ClientError::Broken { .. }) {
        return Some(
            "nothing comes of the stream of changes, maybe since a proxy holds it back; the service is asked again and again",
        );
    }
    match error.status()? {
        404 => Some("the service does not tell of changes, as older ones don't; it is asked again and again"),
        429 => Some("this token watches as much as it may already; the service is asked again and again"),
        _ => None,
    }
}

/// Rings when something changed.
pub(super) struct Bell {
    /// The stream of changes; none: there is none.
    watch: Option<Watch>,
    /// Whether it is connected.
    hears: bool,
}

impl Bell {
    /// For an object by its name or id. Nothing is asked before it is waited for.
    pub(super) fn of(client: &Client, kind: WatchKind, object: &str) -> Self {
        let object = Some(object.to_owned());
        let filter = WatchFilter { kind: Some(kind), object, ..WatchFilter::default() };
        Self { watch: Some(client.watch(filter)), hears: false }
    }

    /// For what follows from machines and instances, all of them.
    pub(super) fn of_all(client: &Client) -> Self {
        Self { watch: Some(client.watch(WatchFilter::default())), hears: false }
    }

    /// For what the service does not tell of.
    pub(super) fn none() -> Self {
        Self { watch: None, hears: false }
    }

    /// As [`Self::wait`], but while the service tells of changes never before `rest` is over: where something changes all the
    /// time, not all of the time is spent looking.
    pub(super) async fn wait_rested(&mut self, seldom: Duration, rest: Duration) -> Option<String> {
        if !self.hears {
            return self.wait(seldom, rest).await;
        }
        sleep(rest).await;
        self.wait(seldom.saturating_sub(rest), Duration::ZERO).await
    }

    /// Waits until something changed, or for so long: `hearing` while the service tells of changes, else `deaf`. What is to be
    /// said of it, if it can't tell any.
    pub(super) async fn wait(&mut self, hearing: Duration, deaf: Duration) -> Option<String> {
        let began = Instant::now();
        let Some(watch) = &mut self.watch else {
            sleep(deaf).await;
            return None;
        };
        let patience = if self.hears { hearing } else { deaf };
        let mut heard = timeout_at(began + patience, watch.next()).await;
        loop {
            match heard {
                Err(_) => return None,
                Ok(Ok(WatchEvent::Broken(_))) => {
                    self.hears = false;
                    sleep(deaf).await;
                    return None;
                }
                Ok(Ok(_)) => self.hears = true,
                Ok(Err(error)) => {
                    // What is only not there just now is tried again, but not what was said not to tell.
                    if !error.is_transient() || absent(&error).is_some() {
                        self.watch = None;
                    }
                    self.hears = false;
                    sleep(deaf.saturating_sub(began.elapsed())).await;
                    return absent(&error).map(ToOwned::to_owned);
                }
            }
            // What rings all the time is looked at all the same.
            if began.elapsed() >= patience {
                return None;
            }
            heard = timeout(TOGETHER, watch.next()).await;
        }
    }
}
