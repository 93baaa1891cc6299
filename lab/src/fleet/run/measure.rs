//! Reads what the service uses, twice a second, for the screen and for the most of each phase.

use super::results::{PhaseResults, TrafficResults};
use super::{GAUGE, Latency, lock};
use crate::fleet::entry::{SeenKind, Usage, Violation};
use crate::fleet::load::{Load, Outcomes, Sampler};
use crate::fleet::process::own_usage;
use crate::fleet::screen::{Frame, Screen};
use crate::fleet::{Traffic, Wires};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two samples that are kept, in microseconds.
const SAMPLE_US: u64 = 5_000_000;

/// The most that was seen since somebody asked.
#[derive(Debug, Clone, Copy, Default)]
struct Peaks {
    rss: u64,
    fds: u64,
    threads: u64,
}

/// Reads and shows.
pub(super) struct Gauge {
    load: Arc<Load>,
    wires: Arc<Wires>,
    born: Instant,
    screen: Mutex<Screen>,
    peaks: Mutex<Peaks>,
    now: Mutex<(String, usize, usize)>,
    sampler: Mutex<Option<Sampler>>,
    broken: Arc<Mutex<Vec<Violation>>>,
    /// What was used when, in microseconds since the run began.
    samples: Mutex<Vec<(u64, Usage)>>,
}

impl Gauge {
    pub(super) fn start(
        load: Arc<Load>,
        wires: Arc<Wires>,
        screen: Screen,
        broken: Arc<Mutex<Vec<Violation>>>,
        over: CancellationToken,
    ) -> Arc<Self> {
        let gauge = Arc::new(Self {
            load,
            wires,
            born: Instant::now(),
            screen: Mutex::new(screen),
            peaks: Mutex::default(),
            now: Mutex::default(),
            sampler: Mutex::default(),
            broken,
            samples: Mutex::default(),
        });
        let reading = Arc::clone(&gauge);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(GAUGE);
            while !over.is_cancelled() {
                tokio::select! {
                    _ = ticks.tick() => reading.read().await,
                    () = over.cancelled() => {}
                }
            }
        });
        gauge
    }

    /// A phase begins.
    pub(super) fn begin(&self, word: &str, place: usize, of: usize) {
        *lock(&self.now) = (word.to_owned(), place, of);
    }

    /// Whose answers are timed now.
    pub(super) fn sampler(&self, sampler: Option<&Sampler>) {
        *lock(&self.sampler) = sampler.cloned();
    }

    /// Says something that stays.
    pub(super) fn say(&self, words: &str) {
        lock(&self.screen).say(words);
    }

    /// What was used when, every few seconds, in microseconds since the run began.
    pub(super) fn samples(&self) -> Vec<(u64, Usage)> {
        lock(&self.samples).clone()
    }

    /// Takes the live counters away.
    pub(super) fn end(&self) {
        lock(&self.screen).end();
    }

    async fn read(&self) {
        match self.load.service.revive().await {
            Ok(None) => {}
            Ok(Some(status)) => {
                let why = format!("it ended by itself ({status}); see billet.log");
                self.load.problem("service-lives", "the service", why);
            }
            Err(error) => {
                let why = format!("it ended by itself and does not start again: {error:#}");
                self.load.problem("service-lives", "the service", why);
                self.load.stop.cancel();
            }
        }
        let usage = self.load.service.usage();
        {
            let mut peaks = lock(&self.peaks);
            peaks.rss = peaks.rss.max(usage.rss);
            peaks.fds = peaks.fds.max(usage.fds);
            peaks.threads = peaks.threads.max(usage.threads);
        }
        let at_us = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
        {
            let mut samples = lock(&self.samples);
            if samples.last().is_none_or(|(last, _)| at_us - last >= SAMPLE_US) {
                samples.push((at_us, usage));
            }
        }
        let (phase, place, of) = lock(&self.now).clone();
        let api: BTreeMap<_, Latency> =
            lock(&self.sampler).as_ref().map(Sampler::latencies).unwrap_or_default();
        let frame = Frame {
            elapsed: self.born.elapsed(),
            phase,
            place: (place, of),
            machines: self.load.fleet.phases(),
            counts: self.load.counts.borrow().clone(),
            traffic: traffic(&self.wires.traffic()),
            claims: self.load.eyes.count(SeenKind::Claimed),
            usage,
            own_cpu_s: own_usage().cpu_s,
            api: api.get("all").copied(),
            kills: self.load.service.kills(),
            broken: lock(&self.broken).len(),
        };
        lock(&self.screen).show(frame);
    }
}

/// Where everything stood when a phase began.
pub(super) struct Mark {
    at: Instant,
    usage: Usage,
    own_cpu_s: f64,
    traffic: Traffic,
}

impl Mark {
    pub(super) fn set(gauge: &Gauge) -> Self {
        let usage = gauge.load.service.usage();
        *lock(&gauge.peaks) = Peaks { rss: usage.rss, fds: usage.fds, threads: usage.threads };
        let (own_cpu_s, traffic) = (own_usage().cpu_s, gauge.wires.traffic());
        Self { at: Instant::now(), usage, own_cpu_s, traffic }
    }

    /// What the phase came to.
    pub(super) fn measure(&self, gauge: &Gauge, word: &str, outcomes: Outcomes) -> PhaseResults {
        // What is looked at twice had come to its end the first time.
        let seconds = outcomes.ended.unwrap_or_else(Instant::now).duration_since(self.at).as_secs_f64();
        let usage = gauge.load.service.usage();
        let peaks = *lock(&gauge.peaks);
        let cpu_s = usage.cpu_s - self.usage.cpu_s;
        let (now, then) = (traffic(&gauge.wires.traffic()), traffic(&self.traffic));
        PhaseResults {
            name: word.to_owned(),
            seconds,
            done: outcomes.done,
            held: outcomes.held,
            missing: outcomes.missing,
            per_minute: outcomes.done as f64 * 60.0 / seconds.max(1e-3),
            cpu_s,
            cpu_ms_each: cpu_s * 1e3 / (outcomes.done.max(1) as f64),
            cpu_percent: cpu_s * 100.0 / seconds.max(1e-3),
            lab_cpu_s: own_usage().cpu_s - self.own_cpu_s,
            rss_before: self.usage.rss,
            rss_peak: peaks.rss.max(usage.rss),
            rss_after: usage.rss,
            fds_peak: peaks.fds.max(usage.fds),
            threads_peak: peaks.threads.max(usage.threads),
            database_before: self.usage.database,
            database_after: usage.database,
            ready_s: outcomes.ready.map(|ready| ready.as_secs_f64()),
            api: BTreeMap::new(),
            traffic: TrafficResults {
                dhcp: now.dhcp - then.dhcp,
                tftp: now.tftp - then.tftp,
                http: now.http - then.http,
                agent: now.agent - then.agent,
            },
        }
    }
}

fn traffic(traffic: &Traffic) -> TrafficResults {
    TrafficResults {
        dhcp: traffic.dhcp_sent,
        tftp: traffic.tftp.0,
        http: traffic.http.0,
        agent: traffic.agent.0,
    }
}
