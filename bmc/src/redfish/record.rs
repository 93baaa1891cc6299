//! Writes a BMC down: reads what links lead to, one resource after the other. What is read, and what of it is hidden, is
//! decided in `bmc_proto::redfish::record`.

use super::Redfish;
use super::client::is_passing;
use super::transport::{Answer, Request};
use crate::{BmcError, RecordSettings, Recorder};
use async_trait::async_trait;
use bmc_proto::redfish::record::{Known, Recording, Walk};
use reqwest::header::{ALLOW, ETAG, HeaderName, LINK};
use tokio::time::Instant;

const RECORD: &str = "read all it has";

/// So many resources after each other that are not answered end it.
const SILENT_MAX: u32 = 3;

/// The headers that are kept.
const HEADERS: [(&str, HeaderName); 3] = [("ETag", ETAG), ("Allow", ALLOW), ("Link", LINK)];

#[async_trait]
impl Recorder for Redfish {
    async fn record(
        &self,
        settings: RecordSettings,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<Recording, BmcError> {
        let walk = self.walk(settings, progress).await?;
        Ok(self.recording(walk).await)
    }
}

impl Redfish {
    /// Reads what there is.
    async fn walk(
        &self,
        settings: RecordSettings,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<Walk, BmcError> {
        let deadline = Instant::now() + settings.patience;
        let mut walk = Walk::new(settings.limits);
        let mut silent = 0;
        while let Some(path) = walk.next_path() {
            if Instant::now() >= deadline {
                walk.failed(&path, "not read");
                walk.stop(&format!("the time of {} s was over", settings.patience.as_secs()));
                break;
            }
            match self.call(&Request::get(&path, RECORD)).await {
                Ok(answer) => {
                    silent = 0;
                    walk.took(&path, answer.status.as_u16(), headers(&answer), &answer.body);
                }
                Err(error) if walk.read() == 0 || !is_passing(&error) => return Err(error),
                Err(error) => {
                    silent += 1;
                    walk.failed(&path, &error.to_string());
                    if silent >= SILENT_MAX {
                        walk.stop("it answered no more");
                    }
                }
            }
            progress(walk.read(), walk.ahead());
        }
        Ok(walk)
    }

    /// Hides what is to be hidden, beside other work: that takes a while for a large one.
    async fn recording(&self, walk: Walk) -> Recording {
        let (host, credentials) = (self.host.clone(), self.session.credentials().clone());
        let finish = move || {
            let known =
                Known { host: &host, username: &credentials.username, password: &credentials.password };
            walk.finish(concat!("billet ", env!("CARGO_PKG_VERSION")), &known)
        };
        match tokio::task::spawn_blocking(finish).await {
            Ok(recording) => recording,
            // It is never cancelled.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Those headers of an answer that are kept.
fn headers(answer: &Answer) -> impl Iterator<Item = (&'static str, &str)> {
    HEADERS.iter().filter_map(|(name, header)| Some((*name, answer.headers.get(header)?.to_str().ok()?)))
}

#[cfg(test)]
mod tests;
