//! What a run measured: `billet-lab fleet --json FILE` writes [`Results`] as JSON, one object.
//!
//! The names of fields are the schema. Times end in `_s` or `_ms`, sizes are bytes, shares of a core are percent. CPU,
//! memory and files are those of the service's process as `/proc` tells them, kills included; `lab_cpu_s` is what the
//! fleet itself used, to be set against them on a small host.
//!
//! ```json
//! { "scenario": "deploy", "seed": 7, "machines": 1000, "passed": true, "start_s": 0.3,
//!   "phases": [{ "name": "deploy", "seconds": 31.2, "done": 1000, "held": 0, "missing": 0, "per_minute": 1923.0,
//!                "cpu_s": 6.1, "cpu_ms_each": 6.1, "cpu_percent": 19.5, "rss_peak": 93323264,
//!                "api": { "show": { "count": 120, "p50_ms": 1.9, "p99_ms": 14.0, "max_ms": 22.1 } } }] }
//! ```

use crate::fleet::entry::{Usage, Violation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Results {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that was used.
    pub seed: u64,
    /// How many machines there were.
    pub machines: u32,
    /// How many times faster than life they were.
    pub compress: f64,
    /// Whether every promise held and every phase was done.
    pub passed: bool,
    /// The promises that were broken.
    pub violations: Vec<Violation>,
    /// How often the service was killed by the killer.
    pub kills: u64,
    /// From the first start of the service to its first answer, with an empty database.
    pub start_s: f64,
    /// What it used then.
    pub usage_first: Usage,
    /// What it used at the end.
    pub usage_last: Usage,
    /// What was done.
    pub phases: Vec<PhaseResults>,
}

/// One phase.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PhaseResults {
    /// Its word: `intake`, `power-up`, `deploy`, `reinstall`, `release`, `churn`, `steady`, `restart`.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// What was done: machines taken in, instances that run or are gone, requests of churn.
    pub done: u64,
    /// What is held and waits for a person.
    pub held: u64,
    /// What did not come to an end: asked for, and neither done nor held.
    pub missing: u64,
    /// `done` a minute.
    pub per_minute: f64,
    /// Seconds of CPU that the service used.
    pub cpu_s: f64,
    /// That for each that was done, in milliseconds.
    pub cpu_ms_each: f64,
    /// That as a share of one core.
    pub cpu_percent: f64,
    /// Seconds of CPU that the fleet itself used.
    pub lab_cpu_s: f64,
    /// The service's resident memory when the phase began.
    pub rss_before: u64,
    /// The most that was seen in it, twice a second.
    pub rss_peak: u64,
    /// When it ended.
    pub rss_after: u64,
    /// The most open files.
    pub fds_peak: u64,
    /// The most threads.
    pub threads_peak: u64,
    /// Bytes of the database when the phase began, log included.
    pub database_before: u64,
    /// When it ended.
    pub database_after: u64,
    /// `restart` and interrupted phases: from the start of the process to its first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<f64>,
    /// How long the API's answers took, by question: `show`, `list`, `events`, `why`, and `all`.
    pub api: BTreeMap<String, Latency>,
    /// What went over the wires.
    pub traffic: TrafficResults,
}

/// What went over the wires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficResults {
    /// DHCP messages.
    pub dhcp: u64,
    /// Files by TFTP.
    pub tftp: u64,
    /// Files by HTTP.
    pub http: u64,
    /// Calls of agents.
    pub agent: u64,
}

/// How long answers took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were timed.
    pub count: u64,
    /// Half of them were quicker.
    pub p50_ms: f64,
    /// One in a hundred was slower.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Latency {
    /// Of these times; they are put in order.
    #[must_use]
    pub fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let Some(longest) = times.last() else { return Self::default() };
        // The nearest rank: the smallest time that so many percent are not above.
        let rank = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Self { count: times.len() as u64, p50_ms: ms(rank(50)), p99_ms: ms(rank(99)), max_ms: ms(*longest) }
    }
}

impl PhaseResults {
    /// What a person is told of it, in a line.
    #[must_use]
    pub fn told(&self) -> String {
        let mut line = format!(
            "{:<9} {:>7.1} s {:>6} done {:>3} held {:>3} missing {:>6.0}/min  CPU {:>5.1} ms each {:>4.0} %  RSS {:>3} MiB  db {:.1} MiB",
            self.name,
            self.seconds,
            self.done,
            self.held,
            self.missing,
            self.per_minute,
            self.cpu_ms_each,
            self.cpu_percent,
            self.rss_peak >> 20,
            self.database_after as f64 / f64::from(1 << 20),
        );
        // Writing to a String can't fail.
        if let Some(all) = self.api.get("all") {
            let _ = write!(line, "  API p50 {:.1} p99 {:.1} ms", all.p50_ms, all.p99_ms);
        }
        if let Some(ready) = self.ready_s {
            let _ = write!(line, "  ready in {ready:.2} s");
        }
        line
    }
}

impl Results {
    /// What a person is told at the end: each broken promise in a sentence, and the sum.
    #[must_use]
    pub fn told(&self) -> String {
        let mut lines = sentences(&self.violations);
        let ended = match (self.passed, self.violations.is_empty()) {
            (true, _) => "passed",
            (false, true) => "stopped before its end",
            (false, false) => "FAILED",
        };
        lines.push(format!(
            "{ended}: scenario {}, {} machines, seed {}, {} kills, {} broken promises",
            self.scenario,
            self.machines,
            self.seed,
            self.kills,
            self.violations.len()
        ));
        lines.join("\n")
    }
}

/// The most sentences.
const SENTENCES: usize = 40;

/// Sentences about broken promises, the same only once.
fn sentences(violations: &[Violation]) -> Vec<String> {
    let sentence = |one: &Violation| format!("BROKEN {}: {}: {}", one.invariant, one.about, one.why);
    let mut all: Vec<String> = violations.iter().map(sentence).collect();
    all.dedup();
    let more = all.len().saturating_sub(SENTENCES);
    all.truncate(SENTENCES);
    all.extend((more > 0).then(|| format!("and {more} more; --json FILE has all of them")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let ms = |ms| Duration::from_millis(ms);
        let mut times: Vec<_> = (1..=200).rev().map(ms).collect();
        let latency = Latency::of(&mut times);
        assert_eq!(
            (latency.count, latency.p50_ms, latency.p99_ms, latency.max_ms),
            (200, 100.0, 198.0, 200.0)
        );
        assert_eq!(Latency::of(&mut [ms(7)]).p99_ms, 7.0);
        assert_eq!(Latency::of(&mut []).count, 0);
    }

    #[test]
    fn broken_promises_are_told_each_in_a_line() {
        let why = "it was asked for and is not there".to_owned();
        let broken = Violation { invariant: "no-lost-request".into(), about: "i-7".into(), why };
        let results = Results { violations: vec![broken], ..Results::default() };
        let told = results.told();
        assert!(
            told.contains("BROKEN no-lost-request: i-7: it was asked for") && told.contains("FAILED"),
            "{told}"
        );
    }
}
