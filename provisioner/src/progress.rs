//! How far the agents are with what they were ordered: in memory, because a thousand machines that are being written
//! tell it once a second.
//!
//! No decision hangs on it but that an agent was heard, and whether it gets any further: both are written down
//! (`api/agent.rs`), often enough. After a restart, and at another replica, progress is as old as that until the next
//! report.

use jiff::{SignedDuration, Timestamp};
use provisioner_api::{JobId, Progress, StepPhase};
use provisioner_lifecycle::{AgentReport, Job, Machine, Reported, Step};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// After so long without a word of it, a job's progress is forgotten: it ended elsewhere.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(30);

/// How many jobs there are before those without a word are looked for.
const MANY: usize = 1024;

/// The agents' last words on the orders in hand.
#[derive(Debug, Default)]
pub(crate) struct ProgressBoard(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    said: HashMap<JobId, AgentReport>,
    /// With how many jobs the forgotten ones are looked for next.
    full: usize,
}

impl ProgressBoard {
    /// Takes a report down. Anything but progress ends what is known of the job.
    pub(crate) fn put(&self, report: &AgentReport) {
        let mut board = self.lock();
        if !matches!(report.said, Reported::Progress(_)) {
            board.said.remove(&report.job);
            return;
        }
        if board.said.len() >= board.full.max(MANY) {
            board.said.retain(|_, old| report.at.duration_since(old.at) < FORGOTTEN);
            board.full = board.said.len() * 2;
        }
        board.said.insert(report.job, report.clone());
    }

    /// How far exactly this try of this step is, if it was told to this process and the step is in hand.
    pub(crate) fn of(&self, job: &Job, step: &Step) -> Option<Progress> {
        self.said_on(job, step).and_then(|report| match report.said {
            Reported::Progress(progress) => Some(progress),
            _ => None,
        })
    }

    /// The machine with the newest progress instead of the one that is stored, if there is a newer one. For what is
    /// shown only; what is decided and written goes by what is stored.
    pub(crate) fn newest(&self, machine: &Machine) -> Option<Machine> {
        let job = machine.running_job()?;
        let step = job.current()?;
        let said = self.said_on(job, step)?;
        let stored = machine.report_on(job, step);
        let newer =
            |stored: &AgentReport| matches!(stored.said, Reported::Progress(_)) && stored.at < said.at;
        stored.is_none_or(newer).then(|| {
            let mut machine = machine.clone();
            machine.facts.report = Some(said.clone());
            machine
        })
    }

    fn said_on(&self, job: &Job, step: &Step) -> Option<AgentReport> {
        if step.phase != StepPhase::Intent {
            return None;
        }
        let board = self.lock();
        let said = board.said.get(&job.id)?;
        (said.epoch == job.epoch && said.step == step.name && said.attempt == step.attempt)
            .then(|| said.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // Each entry stands for itself: a panic can't leave it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a report of progress is to be written down: seldom, but well before silence would be concluded.
pub(crate) fn is_due(heard: Option<Timestamp>, silence: SignedDuration, now: Timestamp) -> bool {
    let most = SignedDuration::from_secs(20);
    heard.is_none_or(|heard| now.duration_since(heard) >= most.min(silence / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use provisioner_api::{JobKind, MachineId};
    use provisioner_lifecycle::StepName;
    use uuid::Uuid;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn step(attempt: u32, phase: StepPhase) -> Step {
        samples::step(StepName::WriteImage, attempt, phase)
    }

    fn job(id: u128, epoch: u64, step: Step) -> Job {
        Job { epoch, ..samples::job(id, JobKind::Deploy, vec![step]) }
    }

    fn report(id: u128, second: i64, said: Reported) -> AgentReport {
        let job = JobId(Uuid::from_u128(id));
        AgentReport { job, epoch: 3, step: StepName::WriteImage, attempt: 2, said, at: at(second) }
    }

    fn progress(done: u64) -> Reported {
        Reported::Progress(Progress { done, total: 100 })
    }

    #[test]
    fn progress_is_of_exactly_one_try_of_one_step_in_one_epoch() {
        let board = ProgressBoard::default();
        board.put(&report(1, 1, progress(40)));
        let intent = || step(2, StepPhase::Intent);
        for (job, step, expected) in [
            (job(1, 3, intent()), intent(), Some(40)),
            (job(2, 3, intent()), intent(), None),
            (job(1, 4, intent()), intent(), None),
            (job(1, 3, intent()), step(3, StepPhase::Intent), None),
            (job(1, 3, intent()), step(2, StepPhase::Done), None),
            (job(1, 3, intent()), Step { name: StepName::Erase, ..intent() }, None),
        ] {
            assert_eq!(board.of(&job, &step).map(|progress| progress.done), expected, "{job:?} {step:?}");
        }
        board.put(&report(1, 2, Reported::Failed("no".into())));
        assert_eq!(board.of(&job(1, 3, intent()), &intent()), None);
    }

    #[test]
    fn what_is_shown_is_the_newest_and_never_hides_a_result() {
        let board = ProgressBoard::default();
        board.put(&report(1, 10, progress(40)));
        let mut machine = Machine::new(MachineId(Uuid::nil()), at(0));
        machine.job = Some(job(1, 3, step(2, StepPhase::Intent)));
        let done = |machine: &Machine| match machine.facts.report.as_ref().map(|report| &report.said) {
            Some(Reported::Progress(progress)) => Some(progress.done),
            _ => None,
        };
        for (stored, expected) in [
            (None, Some(40)),
            (Some(report(1, 5, progress(20))), Some(40)),
            (Some(report(1, 15, progress(60))), None),
            (Some(report(1, 5, Reported::Failed("no".into()))), None),
            (Some(report(9, 15, Reported::Failed("another job".into()))), Some(40)),
        ] {
            machine.facts.report = stored;
            let newest = board.newest(&machine);
            assert_eq!(newest.as_ref().and_then(done), expected, "{:?}", machine.facts.report);
        }
    }

    #[test]
    fn jobs_that_nobody_speaks_of_any_more_are_forgotten() {
        let board = ProgressBoard::default();
        for id in 0..10_000_u128 {
            board.put(&report(id, id as i64 * 10, progress(1)));
        }
        assert!(board.lock().said.len() <= 2 * MANY, "{}", board.lock().said.len());
        assert!(board.lock().said.contains_key(&JobId(Uuid::from_u128(9999))));
    }

    #[test]
    fn silence_is_never_concluded_of_an_agent_that_speaks() {
        let seconds = SignedDuration::from_secs;
        for (heard, silence, now, due) in [
            (None, 180, 0, true),
            (Some(0), 180, 19, false),
            (Some(0), 180, 20, true),
            (Some(0), 20, 4, false),
            (Some(0), 20, 5, true),
            (Some(0), 0, 0, true),
        ] {
            assert_eq!(is_due(heard.map(at), seconds(silence), at(now)), due, "{heard:?} {silence} {now}");
        }
    }
}
