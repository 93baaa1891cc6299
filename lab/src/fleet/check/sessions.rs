//! Promised: no session is left open at a BMC, however often the service was killed in the middle of one. BMCs have
//! few (four is usual), and who uses them up locks everybody out.
//!
//! Seen: at rest, the sessions that the simulated BMCs themselves count. One may be in use by a poll and one may be
//! the last process's whose closing is under way; each kill that left one behind would add to that.

use super::{Broken, Check};
use crate::fleet::entry::Snapshot;

/// How many of either kind are no leak.
const MOST: usize = 2;

pub(super) struct Sessions;

impl Check for Sessions {
    fn name(&self) -> &'static str {
        "bmc-sessions"
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        for machine in &snapshot.truth {
            let kinds = [(machine.bmc_sessions, "open"), (machine.bmc_half_open, "half open")];
            for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > MOST) {
                broken.add(&machine.name, format!("{count} sessions are {kind} at its BMC"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::{Story, only};

    #[test]
    fn a_session_of_each_process_that_was_killed() {
        let mut story = Story::good();
        story.snapshot.truth[0].bmc_sessions = 3;
        only(&story, "bmc-sessions");
        let mut story = Story::good();
        story.snapshot.truth[1].bmc_half_open = 3;
        only(&story, "bmc-sessions");
    }
}
