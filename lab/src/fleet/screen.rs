//! What a person sees of a run while it goes: live counters on a terminal, a line now and then elsewhere.
//!
//! All of it goes to standard error; results go to standard output and are not made here.

#![allow(clippy::print_stderr, reason = "this module is the run's mouth")]

use crate::fleet::PhaseName;
use crate::fleet::entry::Usage;
use crate::fleet::load::Counts;
use crate::fleet::run::{Latency, TrafficResults};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Between two lines where there is no terminal.
const SELDOM: Duration = Duration::from_secs(10);

/// What is to be seen at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) elapsed: Duration,
    /// The phase's word.
    pub(crate) phase: String,
    /// How many phases were begun, and how many there are.
    pub(crate) place: (usize, usize),
    pub(crate) machines: BTreeMap<PhaseName, usize>,
    pub(crate) counts: Counts,
    pub(crate) traffic: TrafficResults,
    /// Sessions of agents so far: each job has one at least.
    pub(crate) claims: u64,
    pub(crate) usage: Usage,
    /// CPU of the fleet itself.
    pub(crate) own_cpu_s: f64,
    pub(crate) api: Option<Latency>,
    pub(crate) kills: u64,
    pub(crate) broken: usize,
}

/// Shows frames.
pub(crate) struct Screen {
    terminal: bool,
    quiet: bool,
    lines: usize,
    shown: Option<Frame>,
}

impl Screen {
    /// On standard error; a quiet one shows nothing.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { terminal: std::io::stderr().is_terminal(), quiet, lines: 0, shown: None }
    }

    /// Shows a frame, if it is time to.
    pub(crate) fn show(&mut self, frame: Frame) {
        let last = self.shown.clone().unwrap_or_else(|| frame.clone());
        if self.quiet || (!self.terminal && self.shown.is_some() && frame.elapsed < last.elapsed + SELDOM) {
            return;
        }
        if self.terminal {
            let text = live(&frame, &last);
            self.clear();
            eprint!("{text}");
            self.lines = text.lines().count();
        } else {
            eprintln!("{}", line(&frame, &last));
        }
        let _ = std::io::stderr().flush();
        self.shown = Some(frame);
    }

    /// Says something that stays.
    pub(crate) fn say(&mut self, words: &str) {
        self.clear();
        if !self.quiet {
            eprintln!("{words}");
        }
    }

    /// Nothing is shown any more.
    pub(crate) fn end(&mut self) {
        self.clear();
        self.quiet = true;
    }

    /// Takes the live counters away.
    fn clear(&mut self) {
        if self.lines > 0 {
            // ECMA-48: cursor up, erase to the end of the screen.
            eprint!("\x1b[{}A\x1b[J", self.lines);
            self.lines = 0;
        }
    }
}

/// How much of something there was each second since the last frame.
fn rate(now: f64, last: f64, frame: &Frame, before: &Frame) -> f64 {
    let seconds = frame.elapsed.saturating_sub(before.elapsed).as_secs_f64();
    // What starts anew starts at zero.
    if seconds > 0.0 { ((now - last) / seconds).max(0.0) } else { 0.0 }
}

fn words<K: AsRef<str>>(counts: impl Iterator<Item = (K, u64)>) -> String {
    let some: Vec<_> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {count}", name.as_ref()))
        .collect();
    if some.is_empty() { "-".into() } else { some.join("  ") }
}

fn phases(frame: &Frame) -> String {
    let name = |phase: &PhaseName| format!("{phase:?}").to_lowercase();
    words(frame.machines.iter().map(|(phase, count)| (name(phase), *count as u64)))
}

fn states(counts: &BTreeMap<String, u64>) -> String {
    words(counts.iter().map(|(state, count)| (state, *count)))
}

fn latency(frame: &Frame) -> String {
    frame.api.map_or_else(String::new, |api| format!("API p50 {:.1} p99 {:.1} ms", api.p50_ms, api.p99_ms))
}

fn clock(elapsed: Duration) -> String {
    format!("{:02}:{:02}", elapsed.as_secs() / 60, elapsed.as_secs() % 60)
}

/// Several lines for a terminal.
fn live(frame: &Frame, last: &Frame) -> String {
    let per_second = |of: fn(&Frame) -> u64| rate(of(frame) as f64, of(last) as f64, frame, last);
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "{}  {} ({} of {})   kills {}   broken promises {}",
        clock(frame.elapsed),
        frame.phase,
        frame.place.0,
        frame.place.1,
        frame.kills,
        frame.broken
    );
    let _ = writeln!(text, "  machines   {}", phases(frame));
    let _ = writeln!(text, "  API says   {}   held {}", states(&frame.counts.machines), frame.counts.held);
    let _ = writeln!(text, "  instances  {}", states(&frame.counts.instances));
    let _ = writeln!(
        text,
        "  a second   jobs {:.0}   DHCP {:.0}   TFTP {:.0}   HTTP {:.0}   agent calls {:.0}",
        per_second(|frame| frame.claims),
        per_second(|frame| frame.traffic.dhcp),
        per_second(|frame| frame.traffic.tftp),
        per_second(|frame| frame.traffic.http),
        per_second(|frame| frame.traffic.agent),
    );
    let _ = writeln!(
        text,
        "  service    CPU {:.0} %   RSS {} MiB   files {}   threads {}   database {:.1} MiB   {}",
        100.0 * rate(frame.usage.cpu_s, last.usage.cpu_s, frame, last),
        frame.usage.rss >> 20,
        frame.usage.fds,
        frame.usage.threads,
        frame.usage.database as f64 / f64::from(1 << 20),
        latency(frame)
    );
    let _ = writeln!(
        text,
        "  fleet      CPU {:.0} %",
        100.0 * rate(frame.own_cpu_s, last.own_cpu_s, frame, last)
    );
    text
}

/// One line for a log.
fn line(frame: &Frame, last: &Frame) -> String {
    format!(
        "{} {}: machines: {}; API: {}, held {}; instances: {}; service: CPU {:.0} %, {} MiB, {} files; kills {}; broken {} {}",
        clock(frame.elapsed),
        frame.phase,
        phases(frame),
        states(&frame.counts.machines),
        frame.counts.held,
        states(&frame.counts.instances),
        100.0 * rate(frame.usage.cpu_s, last.usage.cpu_s, frame, last),
        frame.usage.rss >> 20,
        frame.usage.fds,
        frame.kills,
        frame.broken,
        latency(frame)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seconds: u64, http: u64, cpu_s: f64) -> Frame {
        Frame {
            elapsed: Duration::from_secs(seconds),
            phase: "deploy".into(),
            place: (2, 3),
            machines: BTreeMap::from([(PhaseName::Agent, 7), (PhaseName::Off, 0)]),
            traffic: TrafficResults { http, ..TrafficResults::default() },
            usage: Usage { cpu_s, rss: 50 << 20, ..Usage::default() },
            kills: 4,
            ..Frame::default()
        }
    }

    #[test]
    fn rates_are_of_the_time_between_two_frames() {
        let text = live(&frame(12, 300, 3.0), &frame(10, 100, 2.0));
        assert!(
            text.contains("HTTP 100 ") && text.contains("CPU 50 %") && text.contains("agent 7"),
            "{text}"
        );
        assert!(text.contains("00:12  deploy (2 of 3)   kills 4") && !text.contains("off 0"), "{text}");
    }

    #[test]
    fn a_restarted_service_has_no_negative_rate() {
        let text = line(&frame(12, 0, 0.1), &frame(10, 0, 2.0));
        assert!(text.contains("CPU 0 %") && text.contains("50 MiB") && text.lines().count() == 1, "{text}");
    }
}
