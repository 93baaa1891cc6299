//! What the answer to a write brought: done, a task that goes on, or an error behind a status of success.
//!
//! Not here: statuses of failure (`retry`), and what a task says (`task`).

use super::bounded;
use super::error::{ErrorReport, error_report};
use super::path::ResourcePath;
use super::quirks::{Effect, Quirks};
use serde_json::Value;

/// What a write brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It is done, as far as the BMC says.
    Done,
    /// A task or a job does it; this is where it is looked at.
    Task(ResourcePath),
    /// The status is one of success, and the body tells of an error.
    Failed(ErrorReport),
}

/// Messages that are errors in the answer to a write, whatever severity the BMC gives them (DSP8011, Base registry).
const FAILURES: [&str; 24] = [
    "AccessDenied",
    "ActionNotSupported",
    "ActionParameterMissing",
    "ActionParameterNotSupported",
    "ActionParameterUnknown",
    "ActionParameterValueFormatError",
    "ActionParameterValueNotInList",
    "ActionParameterValueTypeError",
    "GeneralError",
    "InsufficientPrivilege",
    "InternalError",
    "MalformedJSON",
    "PropertyMissing",
    "PropertyNotUpdated",
    "PropertyNotWritable",
    "PropertyUnknown",
    "PropertyValueConflict",
    "PropertyValueFormatError",
    "PropertyValueNotInList",
    "PropertyValueOutOfRange",
    "PropertyValueTypeError",
    "ResourceInUse",
    "ResourceNotWritable",
    "ServiceTemporarilyUnavailable",
];

/// Messages that are none, although some BMCs call them critical.
const SUCCESSES: [&str; 6] =
    ["Success", "Created", "AccountModified", "SystemResetRequired", "ResetRequired", "SYS413"];

/// Judges the answer to a write that has a status of success.
pub fn receipt(status: u16, location: Option<&ResourcePath>, body: &[u8], quirks: &Quirks) -> Receipt {
    if let Some(report) = failure_in(body) {
        return Receipt::Failed(report);
    }
    let body = bounded::value(body).unwrap_or_default();
    match task(status, location, &body, quirks) {
        Some(path) => Receipt::Task(path),
        None => Receipt::Done,
    }
}

/// What a body tells of a failure although the status is one of success.
pub(super) fn failure_in(body: &[u8]) -> Option<ErrorReport> {
    Some(error_report(body)).filter(|report| report.tells_of_failure(&FAILURES, &SUCCESSES))
}

/// Where the task is, if one was made. The task itself (in the body) is better than its monitor, which is gone once it
/// was read (DSP0266 section 12.2).
fn task(status: u16, location: Option<&ResourcePath>, body: &Value, quirks: &Quirks) -> Option<ResourcePath> {
    let kind = body.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    if kind.starts_with("#Task.") || kind.starts_with("#DellJob.") || kind.starts_with("#Job.") {
        let own = body.get("@odata.id").and_then(Value::as_str).and_then(ResourcePath::from_link);
        if own.is_some() {
            return own;
        }
    }
    if status == 202
        && quirks.has(Effect::TaskInMessage)
        && let Some(path) = task_in_message(body)
    {
        return Some(path);
    }
    let location = location?;
    let is_task = looks_like_task(location.path());
    let any = status == 202 && !quirks.has(Effect::AcceptedLocationIsNoTask);
    (is_task || any).then(|| location.clone())
}

/// The task that a message of the answer names in its arguments.
fn task_in_message(body: &Value) -> Option<ResourcePath> {
    let messages = super::value::list(body, "/Accepted/@Message.ExtendedInfo");
    let arguments = messages.iter().flat_map(|message| super::value::list(message, "/MessageArgs"));
    let paths = arguments.filter_map(|argument| ResourcePath::from_link(argument.as_str()?));
    paths.into_iter().find(|path| looks_like_task(path.path()))
}

/// Whether a path is one of a task service's or a job queue's. BMCs name them so with no exception known; a `Location`
/// that answers anything but 202 and is none of these is the resource that was made.
fn looks_like_task(path: &str) -> bool {
    path.split('/').any(|segment| {
        ["Tasks", "TaskMonitors", "TaskMonitor", "Jobs"].contains(&segment) || segment.starts_with("JID_")
    })
}
