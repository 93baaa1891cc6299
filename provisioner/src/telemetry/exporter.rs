//! Sends spans to the collector, in batches, one request at a time (OTLP over HTTP with JSON). Whatever the collector does,
//! nobody waits for it but this task: what it does not take is counted and gone, and it is let alone for a while then.
//!
//! Deliberately not here: a second try. A collector that was away has lost what was told meanwhile.

use super::{
    Counts, headers,
    otlp::{self, Resource},
    span::Span,
};
use crate::{config, text::logged};
use anyhow::Context;
use axum::http::{HeaderMap, HeaderValue, header};
use reqwest::redirect::Policy;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// How many spans go in one request at most.
const BATCH: usize = 512;

/// How long it takes at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// A batch is gathered.
    pub(super) gather: Duration,
    /// A request.
    pub(super) request: Duration,
    /// The collector is let alone after a failure; twice as long after the next, up to `rest_most`.
    pub(super) rest: Duration,
    /// See `rest`.
    pub(super) rest_most: Duration,
    /// What waits is sent at the end.
    pub(super) flush: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(1),
            request: Duration::from_secs(10),
            rest: Duration::from_secs(1),
            rest_most: Duration::from_secs(60),
            flush: Duration::from_secs(2),
        }
    }
}

/// Between two lines of the log about a collector that fails.
const REMIND: Duration = Duration::from_secs(600);

/// What sends the spans.
pub(crate) struct Exporter {
    told: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
    resource: Resource,
    http: reqwest::Client,
    url: Url,
    pub(super) pace: Pace,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum SendError {
    /// No answer.
    #[error("the collector of traces does not answer")]
    Silent(#[source] reqwest::Error),
    /// It refuses.
    #[error("the collector of traces answers {status}")]
    Refused {
        /// How.
        status: reqwest::StatusCode,
    },
}

/// How the collector did lately.
#[derive(Default)]
struct Health {
    /// How long it is let alone after the next failure.
    rest: Option<Duration>,
    /// When it was told that it fails.
    told: Option<Instant>,
}

impl Exporter {
    /// Connects nowhere yet.
    ///
    /// # Errors
    /// When a file that the configuration names can't be used.
    pub(super) fn new(
        config: &config::Telemetry,
        instance: &str,
        told: mpsc::Receiver<Span>,
        counts: Arc<Counts>,
    ) -> anyhow::Result<Self> {
        let config::Telemetry { collector, service, headers_file, ca_file, .. } = config;
        let headers = headers_file.as_deref().map(headers::read).transpose()?.unwrap_or_default();
        let http = client(headers, tls(ca_file.as_deref())?, Pace::default().request)?;
        let mut url = collector.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "traces"]);
        }
        let resource = Resource { service: service.clone(), instance: instance.to_owned() };
        Ok(Self { told, counts, resource, http, url, pace: Pace::default() })
    }

    /// Sends until told to stop, and then what waits, for a moment at most.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut health = Health::default();
        loop {
            let batch = self.gather(&stop).await;
            if batch.is_empty() {
                break;
            }
            let done = match self.send_unless(&stop, &batch).await {
                Ok(done) => done,
                Err(end) => return self.flush(end).await,
            };
            self.count(batch.len(), done.is_ok());
            match done {
                Ok(()) => health.recovered(),
                Err(error) => {
                    let rest = health.failed(&error, self.pace, Instant::now());
                    tokio::select! {
                        () = sleep(rest) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        let end = Instant::now() + self.pace.flush;
        self.flush(end).await;
    }

    /// Sends a batch; the error is the end of all that may still be done, because it is time to stop.
    async fn send_unless(
        &self,
        stop: &CancellationToken,
        batch: &[Span],
    ) -> Result<Result<(), SendError>, Instant> {
        let sending = self.send(batch);
        tokio::pin!(sending);
        tokio::select! {
            done = &mut sending => Ok(done),
            () = stop.cancelled() => {
                // It has the time that there is for the rest, too.
                let end = Instant::now() + self.pace.flush;
                let done = timeout_at(end, sending).await;
                self.count(batch.len(), done.is_ok_and(|done| done.is_ok()));
                Err(end)
            }
        }
    }

    /// What is told, as soon as it is many or a moment has passed. Nothing: it is time to stop.
    async fn gather(&mut self, stop: &CancellationToken) -> Vec<Span> {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => return batch,
            _ = self.told.recv_many(&mut batch, BATCH) => {}
        }
        let until = Instant::now() + self.pace.gather;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                () = stop.cancelled() => return batch,
                more = timeout_at(until, self.told.recv_many(&mut batch, room)) => {
                    if !more.is_ok_and(|more| more > 0) {
                        return batch;
                    }
                }
            }
        }
        batch
    }

    /// Sends what waits. What is not sent until then is gone.
    async fn flush(&mut self, end: Instant) {
        self.told.close();
        loop {
            let mut batch = Vec::new();
            // Closed, it answers at once.
            if self.told.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            let done = timeout_at(end, self.send(&batch)).await;
            self.count(batch.len(), done.is_ok_and(|done| done.is_ok()));
        }
    }

    async fn send(&self, batch: &[Span]) -> Result<(), SendError> {
        let request = self.http.post(self.url.clone()).body(otlp::body(&self.resource, batch));
        // Its address is in the configuration, and told nowhere else.
        let answer = request.send().await.map_err(|error| SendError::Silent(error.without_url()))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(SendError::Refused { status }) }
    }

    fn count(&self, spans: usize, sent: bool) {
        Counts::add(if sent { &self.counts.sent } else { &self.counts.failed }, spans);
    }
}

impl Health {
    fn recovered(&mut self) {
        self.rest = None;
        if self.told.take().is_some() {
            tracing::info!("the collector of traces takes them again");
        }
    }

    /// How long the collector is let alone.
    fn failed(&mut self, error: &SendError, pace: Pace, now: Instant) -> Duration {
        let rest = self.rest.unwrap_or(pace.rest);
        self.rest = Some((rest * 2).min(pace.rest_most));
        if self.told.is_none_or(|told| now.duration_since(told) >= REMIND) {
            self.told = Some(now);
            tracing::warn!(error = logged(error), "traces are lost; nothing else depends on them");
        }
        rest
    }
}

/// A client for one server: what is secret in its headers goes to no other, so no redirect and no proxy is followed.
fn client(mut headers: HeaderMap, tls: ClientConfig, request: Duration) -> anyhow::Result<reqwest::Client> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .timeout(request)
        .default_headers(headers)
        .pool_max_idle_per_host(1)
        .user_agent(concat!("billet/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("the client for the collector of traces can't be set up")
}

/// Who may vouch for the collector: the authorities of this file, or those of the system.
fn tls(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let why = || format!("can't use {}, which `telemetry.ca_file` names", path.display());
            for certificate in CertificateDer::pem_file_iter(path).with_context(why)? {
                roots.add(certificate.with_context(why)?).with_context(why)?;
            }
            anyhow::ensure!(!roots.is_empty(), "{}: it holds no `BEGIN CERTIFICATE` block", why());
        }
        // A system may have one that can't be read; the others are good all the same.
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
