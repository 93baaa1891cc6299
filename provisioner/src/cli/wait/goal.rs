//! What a look at a machine or an instance means for somebody who waits. Pure.

use crate::cli::{
    text::percent,
    view::{bmc_task_state, current, phase, word},
};
use provisioner_api::{
    BmcTask, Held, Instance, InstanceState, JobId, JobKind, Machine, MachineState, Progress, Step,
};

/// Where an object should come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Goal {
    /// A machine is free for use.
    Available,
    /// A machine has been inspected by another job than this one, which is known from before.
    Inspected(Option<(JobId, u64)>),
    /// A machine has been serviced by another job than this one, which is known from before.
    Serviced(Option<(JobId, u64)>),
    /// An instance's operating system reported in.
    Running,
    /// One can log in to an instance's rescue system.
    Rescued,
    /// An instance is no more.
    Gone,
}

impl Goal {
    /// It in a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Inspected(_) => "inspected",
            Self::Serviced(_) => "serviced",
            Self::Running => "running",
            Self::Rescued => "in rescue",
            Self::Gone => "gone",
        }
    }
}

/// What a look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is on its way.
    Going,
    /// It is there.
    Reached,
    /// It stands still until a person decides.
    Held(Held),
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// So many bytes of so many.
    Bytes(Progress),
    /// So much of a hundred.
    Percent(u8),
}

/// A look at an object.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Look {
    /// Its state.
    state: String,
    /// The step that its job is at.
    pub(super) step: Option<Step>,
    /// How much of it is done in percent, where there are no steps.
    percent: Option<u8>,
    /// What it waits for.
    waiting: Option<String>,
    /// What that means.
    pub(super) verdict: Verdict,
}

impl Look {
    /// An object that is no more.
    pub(in crate::cli) fn gone() -> Self {
        Self { state: "gone".to_owned(), step: None, percent: None, waiting: None, verdict: Verdict::Reached }
    }

    /// A look at a BMC's task. Its end is judged elsewhere.
    pub(super) fn task(task: &BmcTask) -> Self {
        Self {
            state: bmc_task_state(task.state).to_owned(),
            step: None,
            percent: task.percent,
            waiting: task.messages.last().cloned(),
            verdict: Verdict::Going,
        }
    }

    /// How far it is, so that a bar can show it.
    pub(super) fn measure(&self) -> Option<Measure> {
        match (&self.step, self.percent) {
            (Some(step), _) => step.progress.map(Measure::Bytes),
            (None, percent) => percent.map(|percent| Measure::Percent(percent.min(100))),
        }
    }

    /// It in a line. A coarse one changes with each tenth of progress only.
    pub(super) fn summary(&self, coarse: bool) -> String {
        let mut line = self.state.clone();
        if let Some(step) = &self.step {
            let far = match step.progress {
                Some(progress) if coarse => format!("{}%", percent(progress.done, progress.total) / 10 * 10),
                _ => phase(step),
            };
            let attempt = if step.attempt > 1 { format!(", try {}", step.attempt) } else { String::new() };
            line.push_str(&format!(", {} {far}{attempt}", step.name));
        }
        if let Some(percent) = self.percent {
            let percent = if coarse { percent / 10 * 10 } else { percent };
            line.push_str(&format!(", {percent}%"));
        }
        if let Some(waiting) = &self.waiting {
            line.push_str(": ");
            line.push_str(waiting);
        }
        line
    }

    /// The step that it is at, without its progress: a new one deserves a line of its own.
    pub(super) fn stage(&self) -> (&str, Option<(&str, u32)>) {
        (&self.state, self.step.as_ref().map(|step| (step.name.as_str(), step.attempt)))
    }
}

/// A look at a machine.
pub(in crate::cli) fn machine_look(machine: &Machine, goal: Goal) -> Look {
    let status = &machine.status;
    let reached = match goal {
        Goal::Inspected(before) => {
            status.state != MachineState::Inspecting && is_over(machine, JobKind::Inspect, before)
        }
        Goal::Serviced(before) => {
            status.state != MachineState::Servicing && is_over(machine, JobKind::Service, before)
        }
        _ => status.state == MachineState::Available,
    };
    let verdict = match &status.held {
        Some(held) => Verdict::Held(held.clone()),
        None if reached => Verdict::Reached,
        None => Verdict::Going,
    };
    Look {
        state: word(status.state),
        step: status.job.as_ref().and_then(current).cloned(),
        percent: None,
        waiting: status.waiting.as_ref().map(|waiting| waiting.why.clone()),
        verdict,
    }
}

/// Whether a machine's last job is of this kind and over, and another one than is known from before.
fn is_over(machine: &Machine, kind: JobKind, before: Option<(JobId, u64)>) -> bool {
    let job = machine.status.job.as_ref().filter(|job| job.kind == kind && job.ended.is_some());
    job.is_some_and(|job| Some((job.id, job.epoch)) != before)
}

/// A look at an instance and its machine, if it has one.
pub(in crate::cli) fn instance_look(instance: &Instance, machine: Option<&Machine>, goal: Goal) -> Look {
    let status = &instance.status;
    let held = status.held.as_ref().or_else(|| machine.and_then(|machine| machine.status.held.as_ref()));
    let reached = match (goal, &status.rescue) {
        (Goal::Running, None) => status.state == InstanceState::Running,
        (Goal::Rescued, Some(rescue)) => rescue.ready,
        _ => false,
    };
    let verdict = match held {
        Some(held) if !reached => Verdict::Held(held.clone()),
        _ if reached => Verdict::Reached,
        _ => Verdict::Going,
    };
    let waiting =
        status.waiting.as_ref().or_else(|| machine.and_then(|machine| machine.status.waiting.as_ref()));
    Look {
        state: word(status.state),
        step: machine.and_then(|machine| machine.status.job.as_ref()).and_then(current).cloned(),
        percent: None,
        waiting: waiting.map(|waiting| waiting.why.clone()),
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Look, Verdict, instance_look, machine_look};
    use crate::cli::tests::samples;
    use provisioner_api::{InstanceState, JobKind, MachineState};

    /// The word for a verdict.
    fn verdict(look: &Look) -> &'static str {
        match look.verdict {
            Verdict::Going => "going",
            Verdict::Reached => "reached",
            Verdict::Held(_) => "held",
        }
    }

    #[test]
    fn a_machine_is_waited_for_until_available_or_held() {
        for (state, held, want) in [
            (MachineState::Discovered, false, "going"),
            (MachineState::Inspecting, false, "going"),
            (MachineState::Available, false, "reached"),
            (MachineState::Inspecting, true, "held"),
            (MachineState::Available, true, "held"),
        ] {
            let mut machine = samples::machine("m1");
            machine.status.state = state;
            machine.status.held = held.then(samples::held);
            assert_eq!(verdict(&machine_look(&machine, Goal::Available)), want, "{state:?}");
        }
    }

    #[test]
    fn an_inspection_is_over_when_another_job_than_before_has_ended() {
        let mut machine = samples::machine("m1");
        machine.status.state = MachineState::Available;
        let mut job = samples::job();
        let before = Some((job.id, job.epoch));
        job.ended = Some(job.started);
        machine.status.job = Some(job);
        assert_eq!(verdict(&machine_look(&machine, Goal::Inspected(before))), "going", "that is the old one");
        assert_eq!(verdict(&machine_look(&machine, Goal::Inspected(None))), "reached");
        machine.status.job.as_mut().unwrap().epoch += 1;
        assert_eq!(verdict(&machine_look(&machine, Goal::Inspected(before))), "reached");
        assert_eq!(verdict(&machine_look(&machine, Goal::Serviced(None))), "going", "that is another kind");
        machine.status.job.as_mut().unwrap().kind = JobKind::Service;
        assert_eq!(verdict(&machine_look(&machine, Goal::Serviced(before))), "reached");
        machine.status.job.as_mut().unwrap().kind = JobKind::Inspect;
        machine.status.job.as_mut().unwrap().ended = None;
        assert_eq!(verdict(&machine_look(&machine, Goal::Inspected(before))), "going");
    }

    #[test]
    fn an_instance_runs_or_its_machine_is_held() {
        let mut instance = samples::instance("a");
        let mut machine = samples::machine("m1");
        for (state, goal, want) in [
            (InstanceState::Pending, Goal::Running, "going"),
            (InstanceState::Deploying, Goal::Running, "going"),
            (InstanceState::Running, Goal::Running, "reached"),
            (InstanceState::Running, Goal::Gone, "going"),
            (InstanceState::Releasing, Goal::Gone, "going"),
        ] {
            instance.status.state = state;
            assert_eq!(verdict(&instance_look(&instance, Some(&machine), goal)), want, "{state:?}");
        }
        machine.status.held = Some(samples::held());
        instance.status.state = InstanceState::Releasing;
        assert_eq!(verdict(&instance_look(&instance, Some(&machine), Goal::Gone)), "held");
        instance.status.state = InstanceState::Running;
        assert_eq!(verdict(&instance_look(&instance, Some(&machine), Goal::Running)), "reached");
    }

    #[test]
    fn a_line_tells_state_step_and_reason() {
        let mut machine = samples::machine("m1");
        machine.status.state = MachineState::Deploying;
        machine.status.job = Some(samples::job());
        machine.status.waiting = None;
        let look = machine_look(&machine, Goal::Available);
        assert_eq!(look.summary(false), "deploying, write-image 45% of 100.0 MiB, try 2");
        assert_eq!(look.summary(true), "deploying, write-image 40%, try 2");
        machine.status.waiting = Some(samples::waiting());
        let look = machine_look(&machine, Goal::Available);
        assert!(look.summary(true).ends_with("try 2: the agent to call in"), "{}", look.summary(true));
    }
}
