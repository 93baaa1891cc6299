//! Waiting, held, progress: nothing waits without saying why.

use crate::{Diagnosis, Event, Job};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an object waits for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Waiting {
    /// What has to happen, as a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// When patience ends and the next action is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The next action: what is done by itself then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// It takes longer than usual.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub slow: bool,
    /// The usual cause when it takes long, and where to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Work that stopped until a person decides.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Held {
    /// What happened, as a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// What the person may do about it: `retry`, `release`, … each a `MachineAction` or an API call in words.
    pub choices: Vec<String>,
}

/// How far a step is, for a progress bar.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub struct Progress {
    /// Units (bytes) done.
    pub done: u64,
    /// Units in all; 0 in the report of an agent that does not know yet. The API then shows no progress.
    pub total: u64,
}

/// The answer of `GET /v1/machines/{machine}/why` and `/v1/instances/{instance}/why`: what it waits for, and the
/// facts behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Why {
    /// `machine NAME` or `instance NAME`.
    pub object: String,
    /// Its state.
    pub state: String,
    /// One paragraph: what it waits for, since when, until when, what the usual cause is; or that it waits for nothing.
    pub sentence: String,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The running job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// What its boot conversation means, while it waits for its agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Diagnosis>,
    /// The last facts, newest last.
    pub facts: Vec<Event>,
}
