//! Tasks, task monitors and makers' job queues: how far something is that takes long.
//!
//! Tasks are DSP0266 section 12.2 and DSP8010 `Task`; Dell's jobs are `DellJob`. iLO answers to an update without any
//! task, and shows its state in the update service (<https://servermanagementportal.ext.hpe.com/>, `HpeiLOUpdateServiceExt`).

use super::bounded;
use super::error::error_report;
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use super::receipt::failure_in;
use super::text::printable;
use super::value::{link, list, shown, text};
use serde_json::Value;

/// The most messages that are passed on.
const MESSAGES_MAX: usize = 8;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits for its turn.
    Running,
    /// It goes on when the machine boots.
    AwaitsBoot,
    /// It is done.
    Done,
    /// It failed, or was stopped.
    Failed,
    /// The BMC doesn't know it.
    Gone,
}

/// What was read of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it is; empty when it isn't told.
    pub name: String,
    /// How far it is.
    pub state: State,
    /// In percent.
    pub percent: Option<u8>,
    /// What the BMC says of it.
    pub messages: Vec<String>,
    /// The job that goes on with it, where the task itself was only the order (DSP8011, `OperationTransitionedToJob`).
    pub job: Option<ResourcePath>,
}

/// Words for states: `Task.TaskState`, `Job.JobState`, `DellJob.JobState`, and iLO's `State` of updates.
const STATES: [(&str, State); 42] = [
    ("New", State::Running),
    ("Starting", State::Running),
    ("Running", State::Running),
    ("Pending", State::Running),
    ("Stopping", State::Running),
    ("Cancelling", State::Running),
    ("Service", State::Running),
    ("Suspended", State::Running),
    ("Interrupted", State::Running),
    ("Continue", State::Running),
    ("Validating", State::Running),
    ("Downloading", State::Running),
    ("Downloaded", State::Running),
    ("Waiting", State::Running),
    ("Scheduling", State::Running),
    ("ReadyForExecution", State::Running),
    ("Paused", State::Running),
    ("Uploading", State::Running),
    ("Verifying", State::Running),
    ("Writing", State::Running),
    ("Updating", State::Running),
    ("UserIntervention", State::AwaitsBoot),
    ("Scheduled", State::AwaitsBoot),
    ("RebootPending", State::AwaitsBoot),
    ("PendingReboot", State::AwaitsBoot),
    ("PendingActivation", State::AwaitsBoot),
    ("Completed", State::Done),
    ("Complete", State::Done),
    ("RebootCompleted", State::Done),
    ("CompletedOK", State::Done),
    ("Exception", State::Failed),
    ("Killed", State::Failed),
    ("Cancelled", State::Failed),
    ("Canceled", State::Failed),
    ("Failed", State::Failed),
    ("Fail", State::Failed),
    ("Error", State::Failed),
    ("CompletedWithErrors", State::Failed),
    ("ScheduledWithErrors", State::Failed),
    ("RebootFailed", State::Failed),
    ("Invalid", State::Failed),
    // An update service that restarted has forgotten what it did.
    ("Idle", State::Gone),
];

fn state_of(word: &str) -> Option<State> {
    STATES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, state)| *state)
}

/// Reads a task, a job, or an update service that shows how far it is; `None`: it is none of these.
pub fn read_task(resource: &Value) -> Option<Reading> {
    const WORDS: [&str; 4] = ["/Oem/Dell/JobState", "/JobState", "/TaskState", "/Oem/Hpe/State"];
    const PERCENT: [&str; 3] =
        ["/PercentComplete", "/Oem/Dell/PercentComplete", "/Oem/Hpe/FlashProgressPercent"];
    let word = WORDS.iter().find_map(|pointer| text(resource, pointer))?;
    // A word that we don't know is no end.
    let mut state = state_of(word).unwrap_or(State::Running);
    if state == State::Done
        && ["/TaskStatus", "/JobStatus"].iter().any(|at| text(resource, at) == Some("Critical"))
    {
        state = State::Failed;
    }
    let percent = PERCENT.iter().find_map(|pointer| resource.pointer(pointer)?.as_f64());
    Some(Reading {
        name: shown(resource, "/Name", 120).unwrap_or_default(),
        state,
        percent: percent.map(whole_percent),
        messages: messages(resource),
        job: job_after(resource),
    })
}

fn job_after(task: &Value) -> Option<ResourcePath> {
    let messages = list(task, "/Messages").iter().rev().take(64);
    let mut ends = messages.filter(|message| {
        text(message, "/MessageId").is_some_and(|id| id.ends_with("OperationTransitionedToJob"))
    });
    ResourcePath::from_link(text(ends.next()?, "/MessageArgs/0")?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it was put between 0 and 100 before"
)]
fn whole_percent(percent: f64) -> u8 {
    percent.clamp(0.0, 100.0) as u8
}

fn messages(resource: &Value) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let listed = list(resource, "/Messages").iter().rev().take(64);
    let each = listed
        .filter_map(|message| shown(message, "/Message", 200).or_else(|| shown(message, "/MessageId", 100)));
    let own = ["/Message", "/Oem/Dell/Message", "/Oem/Hpe/Result/MessageId"];
    for message in own.iter().filter_map(|pointer| shown(resource, pointer, 200)).chain(each) {
        if told.len() < MESSAGES_MAX && !told.contains(&message) {
            told.push(message);
        }
    }
    // The newest was first, so that it is not cut off.
    told.reverse();
    told
}

/// Judges what a task, its monitor or a job answers. `None`: an answer that tells nothing about the task.
pub fn judge_task(status: u16, body: &[u8]) -> Option<Reading> {
    let resource = bounded::value(body).unwrap_or_default();
    let bare =
        |state, messages| Some(Reading { name: String::new(), state, percent: None, messages, job: None });
    let report = || {
        let sentence = error_report(body).sentence;
        if sentence.is_empty() { vec![printable(&format!("HTTP {status}"), 40)] } else { vec![sentence] }
    };
    match status {
        404 | 410 => bare(State::Gone, Vec::new()),
        202 => read_task(&resource).or_else(|| bare(State::Running, Vec::new())),
        // An update service that shows no state knows nothing of what it did.
        200 if text(&resource, "/@odata.type").is_some_and(|kind| kind.starts_with("#UpdateService.")) => {
            read_task(&resource).or_else(|| bare(State::Gone, Vec::new()))
        }
        // A web page, or an answer that broke off.
        200..=299 if !resource.is_object() && !body.trim_ascii().is_empty() => None,
        // A monitor answers at the end as the operation itself would have done (DSP0266 section 12.2).
        200..=299 => read_task(&resource).or_else(|| match failure_in(body) {
            Some(report) => bare(State::Failed, vec![report.sentence]),
            None => bare(State::Done, Vec::new()),
        }),
        400 | 405..=409 | 411..=428 => bare(State::Failed, report()),
        _ => None,
    }
}

/// The collection of a task service.
pub fn tasks_link(service: &Value) -> Option<ResourcePath> {
    link(service, "/Tasks")
}

/// The collection of jobs: of a job service, or of a manager that has its own queue.
pub fn jobs_link(resource: &Value) -> Option<ResourcePath> {
    let places = ["/Jobs", "/Links/Oem/Dell/Jobs", "/Oem/Dell/Jobs"];
    places.iter().find_map(|place| link(resource, place))
}

/// What a task is that the BMC doesn't know. `young`: it was made moments ago, and some show it late.
pub fn unknown_task(young: bool, quirks: &Quirks) -> State {
    if young && quirks.has(Effect::TasksShowLate) { State::Running } else { State::Gone }
}

/// The job with the name of a task, among these: where a BMC deletes tasks at their end and keeps jobs.
pub fn same_job(task: &ResourcePath, jobs: &[ResourcePath], quirks: &Quirks) -> Option<ResourcePath> {
    let id = last_segment(task);
    let outlive = quirks.has(Effect::JobsOutliveTasks) && !id.is_empty();
    jobs.iter().find(|job| outlive && last_segment(job) == id).cloned()
}

fn last_segment(path: &ResourcePath) -> &str {
    path.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
