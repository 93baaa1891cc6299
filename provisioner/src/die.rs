//! Dying at a named moment of a job, for tests of what a crash leaves behind. Debug builds only: without
//! `debug_assertions` neither this module nor a call of it is compiled.
//!
//! `BILLET_DIE_AT=deploy/write-image/after-intent` is read once. All that is written of a job goes through the store's
//! writes of a machine, so these are looked at, right before and right after: which steps does this write begin, and which
//! does it end? The process kills itself by SIGKILL, so that nothing is flushed, closed or answered. Deliberately not here:
//! which machine (a test has one that works), and moments within a transaction (`tests/postgres` has a relay for those).

use crate::store::{MachineRecord, Swap};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use provisioner_api::StepPhase;
use provisioner_lifecycle::{Job, StepName, ram_steps, steps_of};
use std::{io::Write as _, sync::LazyLock};

/// The moment, if one is named: `JOB/STEP/MOMENT`, with a moment of [`Side`].
static MOMENT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("BILLET_DIE_AT").ok());

/// On which side of a write.
#[derive(Clone, Copy)]
enum Side {
    /// What it is to tell of is not stored: `before-intent`, and where the result is already so in the world
    /// `after-effect`.
    Before,
    /// It is stored, and nobody was told: `after-intent`, `after-result`.
    After,
}

/// A machine is about to be written.
pub(crate) fn before_write(before: &MachineRecord, after: &MachineRecord) {
    die_if_named(Side::Before, before, after);
}

/// A machine was written, if that is what came of it.
pub(crate) fn after_write(before: &MachineRecord, after: &MachineRecord, swap: Option<Swap>) {
    if swap == Some(Swap::Updated) {
        die_if_named(Side::After, before, after);
    }
}

fn die_if_named(side: Side, before: &MachineRecord, after: &MachineRecord) {
    let Some(named) = &*MOMENT else { return };
    let Some(job) = &after.machine.job else { return };
    let moments = moments(side, before.machine.job.as_ref(), job);
    if moments.contains(named) {
        // Of what use is an error now?
        let _ = writeln!(std::io::stderr(), "BILLET_DIE_AT: {}", moments.join(" "));
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}

/// The names of one side of a write. There are several where it ends one step and begins the next.
fn moments(side: Side, before: Option<&Job>, after: &Job) -> Vec<String> {
    let [began, ended] = match side {
        Side::Before => ["before-intent", "after-effect"],
        Side::After => ["after-intent", "after-result"],
    };
    let same = before.filter(|before| (before.id, before.epoch) == (after.id, after.epoch));
    let was = |name: StepName| {
        let step = same.and_then(|before| before.steps.iter().find(|step| step.name == name));
        step.map_or(StepPhase::Todo, |step| step.phase)
    };
    let mut names = Vec::new();
    for step in &after.steps {
        let begins = was(step.name) == StepPhase::Todo && step.phase != StepPhase::Todo;
        let ends = was(step.name) != StepPhase::Done && step.phase == StepPhase::Done;
        for moment in [begins.then_some(began), ends.then_some(ended)].into_iter().flatten() {
            names.push(format!("{}/{}/{moment}", word(after), step.name));
        }
    }
    names
}

/// A job's name: its kind, and whether it is the short form that only ends it in good order.
fn word(job: &Job) -> String {
    let kind = crate::text::word(&job.kind);
    let names = || job.steps.iter().map(|step| &step.name);
    for (again, form) in [(false, "ram"), (true, "ram-again")] {
        if names().eq(ram_steps(again)) {
            return format!("{kind}-{form}");
        }
    }
    let short = steps_of(job.kind, true);
    let short = short != steps_of(job.kind, false) && names().eq(short);
    if short { format!("{kind}-short") } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use provisioner_api::JobKind;

    fn release(phases: &[StepPhase]) -> Job {
        let phases = phases.iter().copied().chain(std::iter::repeat(StepPhase::Todo));
        let steps = steps_of(JobKind::Release, false).iter().zip(phases);
        samples::job(1, JobKind::Release, steps.map(|(name, phase)| samples::step(*name, 1, phase)).collect())
    }

    #[test]
    fn a_write_that_ends_one_step_and_begins_the_next_is_all_of_its_moments() {
        use StepPhase::{Done, Intent};
        let (first, second) = (release(&[Intent]), release(&[Done, Intent]));
        assert_eq!(moments(Side::Before, None, &first), ["release/power-off/before-intent"]);
        assert_eq!(moments(Side::After, None, &first), ["release/power-off/after-intent"]);
        assert_eq!(
            moments(Side::Before, Some(&first), &second),
            ["release/power-off/after-effect", "release/boot-network/before-intent"]
        );
        assert_eq!(
            moments(Side::After, Some(&first), &second),
            ["release/power-off/after-result", "release/boot-network/after-intent"]
        );
        assert!(moments(Side::Before, Some(&second), &second).is_empty(), "nothing begins or ends");
        let anew = Job { epoch: first.epoch + 1, ..release(&[Intent]) };
        assert_eq!(moments(Side::Before, Some(&second), &anew), ["release/power-off/before-intent"]);
    }

    #[test]
    fn the_short_form_of_a_job_has_its_own_name() {
        let rest = samples::step(StepName::Rest, 1, StepPhase::Done);
        let short = samples::job(1, JobKind::Inspect, vec![rest]);
        assert_eq!(
            moments(Side::After, None, &short),
            ["inspect-short/rest/after-intent", "inspect-short/rest/after-result"]
        );
    }
}
