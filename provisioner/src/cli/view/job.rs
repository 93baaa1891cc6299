//! Jobs, their steps, and the two ways of standing still: waiting and held.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::text::{Context, bytes, duration, percent};
use provisioner_api::{Held, Job, Progress, Step, StepPhase, Waiting};

/// A job with its steps, as a block of a page.
pub(super) fn block(page: &mut Page, job: &Job, context: &Context) {
    let state = match job.ended {
        Some(ended) => {
            format!("ended {} ago after {}", context.age(ended), duration(ended.duration_since(job.started)))
        }
        None => format!("running for {}", context.age(job.started)),
    };
    let title = format!("Job {} ({state}; epoch {}, {})", word(job.kind), job.epoch, job.id);
    let rows = job.steps.iter().map(|step| {
        [
            step.name.clone(),
            phase(step),
            if step.attempt > 1 { format!("try {}", step.attempt) } else { String::new() },
            step.started.map(|at| context.time(at)).unwrap_or_default(),
            took(step, context),
            step.result.clone().unwrap_or_default(),
        ]
    });
    page.block(&title, &table(["STEP", "STATE", "TRY", "BEGAN", "TOOK", "RESULT"], rows));
}

/// How far a step is, in words.
pub(in crate::cli) fn phase(step: &Step) -> String {
    match (step.phase, step.progress) {
        (StepPhase::Todo, _) => "to do".to_owned(),
        (StepPhase::Intent, Some(progress)) => amount(progress),
        (StepPhase::Intent, None) => "running".to_owned(),
        (StepPhase::Done, _) => "done".to_owned(),
        (StepPhase::Failed, _) => "failed".to_owned(),
    }
}

/// How much is done.
fn amount(progress: Progress) -> String {
    let Progress { done, total } = progress;
    format!("{}% of {}", percent(done, total), bytes(total))
}

/// How long a step took or has taken.
fn took(step: &Step, context: &Context) -> String {
    match (step.started, step.ended) {
        (Some(started), Some(ended)) => duration(ended.duration_since(started)),
        (Some(started), None) if step.phase == StepPhase::Intent => context.age(started),
        _ => String::new(),
    }
}

/// The step that a running job is at: the one that has begun, or else the first that is not done.
pub(in crate::cli) fn current(job: &Job) -> Option<&Step> {
    if job.ended.is_some() {
        return None;
    }
    let begun = job.steps.iter().find(|step| step.phase == StepPhase::Intent);
    begun.or_else(|| job.steps.iter().find(|step| step.phase != StepPhase::Done))
}

/// What something waits for, in a cell: the state itself is in another.
pub(super) fn cell(waiting: Option<&Waiting>, held: Option<&Held>) -> String {
    match (held, waiting) {
        (Some(held), _) => format!("HELD: {}", held.why),
        (None, Some(waiting)) => waiting.why.clone(),
        (None, None) => String::new(),
    }
}

/// What something waits for, in lines of a page.
pub(super) fn lines(page: &mut Page, waiting: Option<&Waiting>, held: Option<&Held>, context: &Context) {
    if let Some(held) = held {
        page.line("Held", &held.why);
        page.line("", format!("since {}", context.time_and_age(held.since)));
        if held.offers.is_empty() && !held.choices.is_empty() {
            page.line("", format!("you may: {}", held.choices.join(", ")));
        } else if !held.offers.is_empty() {
            page.line("", format!("you may (hold {}):", held.number));
            held.choices.iter().for_each(|what| {
                page.line("", format!("- {what}"));
            });
        }
    }
    if let Some(waiting) = waiting {
        page.line("Waiting", &waiting.why);
        page.line("", format!("since {}", context.time_and_age(waiting.since)));
        if let Some(until) = waiting.until {
            page.line("", format!("until {}", context.time_and_age(until)));
        }
        if let Some(then) = &waiting.then {
            page.line("", format!("then {then}"));
        }
        if waiting.slow {
            page.line("", "takes longer than usual");
        }
        if let Some(hint) = &waiting.hint {
            page.line("", format!("if it takes long: {hint}"));
        }
    }
}
