//! Promised: nothing is left lying about: no temporary file, no open file, no thread, no memory.
//!
//! Seen: at rest, files in the data folder that nothing explains, and what the process uses beside what it used when
//! it had just started. Since the last start is a recent one, what grows slowly shows in [`steady_memory`], over a
//! process that lives long.

use super::{Broken, Check};
use crate::fleet::entry::{Snapshot, Usage, Violation};
use provisioner_api::BmcProtocol;

const NAME: &str = "no-leftovers";

/// Files beyond those of the start: the database's readers, which open when they are first needed, and the API's
/// connections that are kept for a while.
const FILES: u64 = 40;
/// Threads beyond those of the start: the database's readers, and workers that wait for something to do.
const THREADS: u64 = 24;
/// A run that is shorter than this tells nothing of memory: caches still fill.
const LONG: u64 = 20 * 60 * 1_000_000;
/// How much memory may grow all the same in the last third of a run: pages that the allocator keeps.
const GROWTH: (f64, u64) = (1.05, 4 << 20);

pub(super) struct Leftovers;

impl Check for Leftovers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for file in &snapshot.stray_files {
            broken.add(file, "nothing explains this file in the data folder");
        }
        let redfish = |machine: &&provisioner_api::Machine| {
            machine.spec.bmc.as_ref().is_some_and(|bmc| bmc.protocol == BmcProtocol::Redfish)
        };
        // A connection to each BMC that speaks Redfish is kept.
        let kept = snapshot.machines.iter().filter(redfish).count() as u64;
        let (first, last) = (snapshot.usage_first, snapshot.usage_last);
        let counts =
            [("files", first.fds, last.fds, FILES + kept), ("threads", first.threads, last.threads, THREADS)];
        for (what, first, last, more) in counts {
            if last > first + more {
                broken.add("the service", format!("it had {first} {what} at its start and has {last} now"));
            }
        }
    }
}

/// Whether a process that lived long uses more and more memory: samples with their times in microseconds. Compared are
/// the beginning and the end of the last third.
pub(crate) fn steady_memory(samples: &[(u64, Usage)]) -> Vec<Violation> {
    let (Some((begin, _)), Some((end, _))) = (samples.first(), samples.last()) else { return Vec::new() };
    if end.saturating_sub(*begin) < LONG {
        return Vec::new();
    }
    let last = &samples[samples.len() * 2 / 3..];
    let quarter = last.len().div_ceil(4);
    let (early, late) = (median(&last[..quarter]), median(&last[last.len() - quarter..]));
    let most = (early as f64 * GROWTH.0) as u64 + GROWTH.1;
    if late <= most {
        return Vec::new();
    }
    let why =
        format!("its memory grew from {} to {} MiB in the last third of the run", early >> 20, late >> 20);
    vec![Violation { invariant: NAME.to_owned(), about: "the service".to_owned(), why }]
}

fn median(samples: &[(u64, Usage)]) -> u64 {
    let mut sizes: Vec<_> = samples.iter().map(|(_, usage)| usage.rss).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, only};
    use super::*;

    #[test]
    fn a_file_a_descriptor_and_a_thread() {
        let mut story = Story::good();
        story.snapshot.stray_files = vec!["uploads/7.part".to_owned()];
        only(&story, NAME);
        let mut story = Story::good();
        story.snapshot.usage_last.fds = story.snapshot.usage_first.fds + 100;
        only(&story, NAME);
        let mut story = Story::good();
        story.snapshot.usage_last.threads = story.snapshot.usage_first.threads + 100;
        only(&story, NAME);
    }

    #[test]
    fn memory_that_grows_and_memory_that_does_not() {
        let samples = |minutes: u64, rss: fn(u64) -> u64| -> Vec<_> {
            let usage = |minute: u64| Usage { rss: rss(minute) << 20, ..Usage::default() };
            (0..minutes * 6).map(|n| (n * 10_000_000, usage(n / 6))).collect()
        };
        // It fills its caches for ten minutes and then swings.
        assert_eq!(steady_memory(&samples(30, |minute| 60 + minute.min(10) * 5 + minute % 2)), []);
        assert_eq!(steady_memory(&samples(30, |minute| 60 + minute * 5)).len(), 1);
        assert_eq!(steady_memory(&samples(10, |minute| 60 + minute * 5)), [], "too short to tell");
        assert_eq!(steady_memory(&[]), []);
    }
}
