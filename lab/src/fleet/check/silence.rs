//! Promised: nothing stands still in silence. A machine with work under way says what it waits for and until when, or
//! is held and says why; when that time is over, something is done; and the service never stumbles over itself.
//!
//! Seen: at rest, machines in a working state, the ends of their waits beside the clock and the time limits, and lines
//! of the service's log that must never be.

use super::{Broken, Check};
use crate::fleet::entry::Snapshot;
use crate::fleet::scenario::{Limits, Span};
use provisioner_api::{Machine, MachineState};

/// How late the service may be to act when a wait is over, in seconds: one of its looks at everything.
const LATE: i64 = 90;

pub(super) struct Silence {
    /// The longest that anything may be waited for, in seconds.
    longest: i64,
}

impl Silence {
    pub(super) fn new(limits: &Limits) -> Self {
        let Limits { bmc, agent_call_in, agent_silence, inspect, write, erase, phone_home, .. } = *limits;
        let all = [bmc, agent_call_in, agent_silence, inspect, write, erase, phone_home];
        let longest = all.iter().map(|Span(span)| span.as_secs()).max().unwrap_or(0);
        Self { longest: i64::try_from(longest).unwrap_or(i64::MAX) }
    }

    fn machine(&self, machine: &Machine, now: i64, broken: &mut Broken) {
        let status = &machine.status;
        let job = status.job.as_ref().filter(|job| job.ended.is_none());
        let works = matches!(
            status.state,
            MachineState::Inspecting
                | MachineState::Deploying
                | MachineState::Releasing
                | MachineState::Servicing
        );
        // It is in rescue, on its way there, or back.
        let rescue = status.state == MachineState::Rescue;
        if works && job.is_none() {
            broken.add(&machine.name, format!("it is {:?} without a job", status.state));
        }
        if let Some(job) = job.filter(|_| !works && !rescue) {
            broken.add(&machine.name, format!("it is {:?}, and a job runs: {:?}", status.state, job.kind));
        }
        if status.held.is_some() {
            return;
        }
        let Some(waiting) = &status.waiting else {
            if works || rescue {
                broken.add(&machine.name, format!("it is {:?}, and neither waits nor is held", status.state));
            }
            return;
        };
        let Some(until) = waiting.until.map(|until| until.as_second()) else { return };
        if now - until > LATE {
            let why = format!("its wait ended {} s ago and nothing was done: {}", now - until, waiting.why);
            broken.add(&machine.name, why);
        }
        if until - now > self.longest.saturating_add(LATE) {
            let why =
                format!("it will wait for {} s, longer than anything may take: {}", until - now, waiting.why);
            broken.add(&machine.name, why);
        }
    }
}

impl Check for Silence {
    fn name(&self) -> &'static str {
        "no-silence"
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for line in &snapshot.bad_log_lines {
            broken.add("the service", format!("its log says: {line}"));
        }
        for machine in &snapshot.machines {
            self.machine(machine, snapshot.at, broken);
        }
    }
}

#[cfg(test)]
mod tests;
