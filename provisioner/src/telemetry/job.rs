//! The spans of a job and of its steps: what ended by a change of its machine. Pure.
//!
//! A job is a trace, its steps are parts of it, each try of a step one. They are told when they are over; what ended while
//! its process was killed in that moment is not told. What a step says of itself is deliberately left out: a BMC may have said it.

use super::span::{Kind, Span, SpanId, TraceId, Value};
use crate::text::word;
use jiff::Timestamp;
use provisioner_api::StepPhase;
use provisioner_lifecycle::{Job, Machine, Step};

/// The trace of a job.
pub(super) fn trace(job: &Job) -> TraceId {
    TraceId::of(job.id.0)
}

/// The span of a try of a step.
pub(super) fn step_id(job: &Job, step: &Step) -> SpanId {
    SpanId::of(&[
        b"step",
        job.id.0.as_bytes(),
        &job.epoch.to_be_bytes(),
        step.name.word().as_bytes(),
        &step.attempt.to_be_bytes(),
    ])
}

/// What ended of a machine's job.
pub(super) fn ended(name: &str, before: &Machine, after: &Machine) -> Vec<Span> {
    let told = Told { name, machine: after };
    let (was, is) = (before.job.as_ref(), after.job.as_ref());
    let mut spans = Vec::new();
    // Another one came in its place in the same change.
    if let Some(was) = was.filter(|was| was.ended.is_none() && is.is_none_or(|is| is.id != was.id)) {
        let now = is.map_or(was.started, |is| is.started);
        spans.extend(was.current().and_then(|step| told.step(was, step, now, false)));
        spans.push(told.job(was, now));
    }
    let Some(is) = is else { return spans };
    let was = was.filter(|was| was.id == is.id);
    if let Some(was) = was {
        spans.extend(given_up(&told, was, is));
    }
    let known = |step: &Step| {
        let of_this = was.filter(|was| was.epoch == is.epoch);
        of_this.is_some_and(|was| {
            was.steps.iter().any(|known| known.name == step.name && known.phase == StepPhase::Done)
        })
    };
    for step in is.steps.iter().filter(|step| step.phase == StepPhase::Done && !known(step)) {
        spans.extend(step.ended.and_then(|at| told.step(is, step, at, false)));
    }
    if let Some(at) = is.ended.filter(|_| was.is_none_or(|was| was.ended.is_none())) {
        spans.push(told.job(is, at));
    }
    spans
}

/// The try of a step that is over and not done: the next one was begun, or the job began anew.
fn given_up(told: &Told<'_>, was: &Job, is: &Job) -> Option<Span> {
    let step = was.current()?;
    let now = is.steps.iter().find(|now| now.name == step.name);
    let anew = is.epoch != was.epoch;
    let again = now.is_some_and(|now| now.attempt != step.attempt);
    if !anew && !again {
        return None;
    }
    // What it waits for is not of this try any more; where nothing is said of that, nobody knows when it ended.
    let at = now.and_then(|now| now.started).filter(|_| anew).or(step.ended).or(step.not_before);
    told.step(was, step, at.or(step.started)?, true)
}

/// What is said of all spans of a machine's job.
struct Told<'a> {
    name: &'a str,
    machine: &'a Machine,
}

impl Told<'_> {
    fn attributes(&self, job: &Job) -> Vec<(&'static str, Value)> {
        vec![
            ("billet.machine.id", self.machine.id.to_string().into()),
            ("billet.machine.name", self.name.to_owned().into()),
            ("billet.job.id", job.id.to_string().into()),
            ("billet.job.kind", word(&job.kind).into()),
            ("billet.job.epoch", job.epoch.into()),
        ]
    }

    fn job(&self, job: &Job, until: Timestamp) -> Span {
        let mut attributes = self.attributes(job);
        attributes.push(("billet.job.restarts", u64::from(job.restarts).into()));
        Span {
            trace: trace(job),
            id: job_id(job),
            parent: None,
            name: format!("job {}", word(&job.kind)).into(),
            kind: Kind::Internal,
            from: job.started,
            until: until.max(job.started),
            attributes,
            failed: false,
        }
    }

    /// None, if it never began.
    fn step(&self, job: &Job, step: &Step, until: Timestamp, failed: bool) -> Option<Span> {
        let from = step.started?;
        let mut attributes = self.attributes(job);
        attributes.push(("billet.step", step.name.word().into()));
        attributes.push(("billet.step.attempt", u64::from(step.attempt).into()));
        Some(Span {
            trace: trace(job),
            id: step_id(job, step),
            parent: Some(job_id(job)),
            name: format!("step {}", step.name.word()).into(),
            kind: Kind::Internal,
            from,
            until: until.max(from),
            attributes,
            failed,
        })
    }
}

/// The span of the whole job.
fn job_id(job: &Job) -> SpanId {
    SpanId::of(&[b"job", job.id.0.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use jiff::SignedDuration;
    use provisioner_api::JobKind;
    use provisioner_lifecycle::StepName;

    fn at(seconds: i64) -> Timestamp {
        samples::NOW + SignedDuration::from_secs(seconds)
    }

    /// A machine with a job of two steps, of which the first is being done.
    fn working() -> Machine {
        let mut first = samples::step(StepName::PowerOff, 1, StepPhase::Intent);
        first.started = Some(at(1));
        let second = samples::step(StepName::WriteImage, 1, StepPhase::Todo);
        let mut machine = samples::machine(1).machine;
        machine.job = Some(samples::job(7, JobKind::Deploy, vec![first, second]));
        machine
    }

    fn with(machine: &Machine, change: impl FnOnce(&mut Job)) -> Machine {
        let mut machine = machine.clone();
        change(machine.job.as_mut().unwrap());
        machine
    }

    fn done(step: &mut Step, second: i64) {
        step.phase = StepPhase::Done;
        step.ended = Some(at(second));
        step.result = Some("canary".into());
    }

    #[test]
    fn a_step_and_then_its_job_are_told_once_and_as_one_trace() {
        let before = working();
        let after = with(&before, |job| {
            done(&mut job.steps[0], 5);
            job.steps[1].phase = StepPhase::Intent;
            job.steps[1].started = Some(at(5));
        });
        let spans = ended("m1", &before, &after);
        let [step] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(
            (&*step.name, step.from, step.until, step.failed),
            ("step power-off", at(1), at(5), false)
        );
        assert!(step.attributes.contains(&("billet.job.kind", "deploy".into())), "{step:?}");
        assert!(!format!("{step:?}").contains("canary"), "what a BMC says is not in it");
        assert_eq!(ended("m1", &after, &after), []);
        let over = with(&after, |job| {
            done(&mut job.steps[1], 60);
            job.ended = Some(at(61));
        });
        let spans = ended("m1", &after, &over);
        let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["step write-image", "job deploy"]);
        assert_eq!((spans[1].from, spans[1].until), (samples::NOW, at(61)));
        assert!(spans.iter().all(|span| span.trace == step.trace));
        assert_eq!((spans[0].parent, step.parent), (Some(spans[1].id), Some(spans[1].id)));
    }

    #[test]
    fn a_try_that_is_given_up_failed_and_the_next_is_another_span() {
        let before = working();
        let again = with(&before, |job| {
            job.steps[0].attempt = 2;
            job.steps[0].not_before = Some(at(9));
        });
        let spans = ended("m1", &before, &again);
        let [failed] = &spans[..] else { panic!("{spans:?}") };
        assert!(failed.failed && failed.name == "step power-off");
        let good = with(&again, |job| done(&mut job.steps[0], 10));
        let spans = ended("m1", &again, &good);
        assert!(spans.len() == 1 && spans[0].id != failed.id && spans[0].trace == failed.trace, "{spans:?}");
        // Anew from the first step, under the next epoch.
        let anew = with(&good, |job| {
            job.epoch = 2;
            job.steps[0] = samples::step(StepName::PowerOff, 1, StepPhase::Todo);
        });
        assert_eq!(ended("m1", &good, &anew), [], "the step in hand had not begun");
        let anew = with(&before, |job| {
            job.epoch = 2;
            job.steps[0].started = Some(at(20));
        });
        let spans = ended("m1", &before, &anew);
        assert!(spans.len() == 1 && spans[0].failed && spans[0].until == at(20), "{spans:?}");
    }

    #[test]
    fn a_job_in_whose_place_another_comes_is_over() {
        let before = working();
        let mut after = before.clone();
        let mut next = samples::job(8, JobKind::Release, Vec::new());
        next.started = at(30);
        after.job = Some(next);
        let spans = ended("m1", &before, &after);
        let names: Vec<_> = spans.iter().map(|span| (&*span.name, span.until)).collect();
        assert_eq!(names, [("step power-off", at(30)), ("job deploy", at(30))]);
    }
}
