//! Traces by OpenTelemetry, where the configuration names a collector: one span for each request to the API, for each job and
//! each of its steps, and for each deed at a BMC.
//!
//! Telling a span never waits: it goes into a queue of bounded length, and is dropped where that is full. A span is made of
//! what is named in `request`, `job` and `deed`, and of nothing else: no text of a BMC, of a user or of an error is in one,
//! so that no secret can be. Deliberately not here: metrics (`metrics`) and the log (`logging`), which go nowhere by themselves.

mod deed;
mod exporter;
mod headers;
mod job;
mod otlp;
mod request;
mod span;

pub(crate) use deed::Deed;
pub(crate) use exporter::Exporter;
pub(crate) use request::traced;

use crate::config;
use provisioner_lifecycle::Machine;
use span::{Span, TraceId};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// How many spans wait to be sent at most: some MiB.
const WAITING: usize = 8192;

/// Where spans are told. Off, it does nothing.
#[derive(Clone, Default)]
pub(crate) struct Telemetry(Option<Arc<On>>);

struct On {
    queue: mpsc::Sender<Span>,
    ratio: f64,
    counts: Arc<Counts>,
}

/// What became of spans, since the process began.
#[derive(Debug, Default)]
struct Counts {
    /// The collector took them.
    sent: AtomicU64,
    /// It could not be reached, or did not take them.
    failed: AtomicU64,
    /// The queue was full.
    dropped: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64, spans: usize) {
        counter.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

impl Telemetry {
    /// As the configuration says; what sends the spans, if there is a collector.
    ///
    /// # Errors
    /// When a file that the configuration names can't be used.
    pub(crate) fn open(
        config: Option<&config::Telemetry>,
        instance: &str,
    ) -> anyhow::Result<(Self, Option<Exporter>)> {
        let Some(config) = config else { return Ok((Self::default(), None)) };
        let (queue, told) = mpsc::channel(WAITING);
        let counts = Arc::new(Counts::default());
        let exporter = Exporter::new(config, instance, told, Arc::clone(&counts))?;
        Ok((Self(Some(Arc::new(On { queue, ratio: config.ratio, counts }))), Some(exporter)))
    }

    /// Whether anything is sent.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What became of spans so far, by outcome; nothing while it is off.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|on| &on.counts);
        counts.flat_map(|counts| {
            let Counts { sent, failed, dropped } = &**counts;
            [("sent", sent), ("failed", failed), ("dropped", dropped)]
                .map(|(outcome, counter)| (outcome, counter.load(Ordering::Relaxed)))
        })
    }

    /// Tells what ended of a machine's job by a change of it.
    pub(crate) fn machine_changed(&self, name: &str, before: &Machine, after: &Machine) {
        if let Some(on) = &self.0
            && before.job != after.job
        {
            job::ended(name, before, after).into_iter().for_each(|span| on.tell(span));
        }
    }

    /// Tells a span of its own.
    fn tell(&self, span: impl FnOnce() -> Span) {
        if let Some(on) = &self.0 {
            on.tell(span());
        }
    }

    /// Whether spans of this trace are sent.
    fn sends(&self, trace: TraceId) -> bool {
        self.0.as_ref().is_some_and(|on| trace.is_sampled(on.ratio))
    }
}

impl On {
    fn tell(&self, span: Span) {
        if span.trace.is_sampled(self.ratio) && self.queue.try_send(span).is_err() {
            Counts::add(&self.counts.dropped, 1);
        }
    }
}

#[cfg(test)]
mod tests;
