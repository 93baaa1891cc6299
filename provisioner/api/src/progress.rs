//! Waiting, held, progress: nothing waits without saying why.

use crate::{Diagnosis, Event, Job};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an object waits for.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Waiting {
    /// What has to happen, as a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// When patience ends and the next action (retry, hold) is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
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
    /// Of an instance: the machine that it has, and what that one waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<WhyMachine>,
    /// The running job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// What its boot conversation means, while it waits for its agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Diagnosis>,
    /// What one can do about it, as commands; nothing when there is nothing to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The last facts, newest last: of a machine and the instance that has it, or of an instance and its machine.
    pub facts: Vec<Event>,
}

/// Something that a person can do. Nothing of it is needed for work that waits: that goes on by itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Choice {
    /// The command; words in capitals are to be replaced.
    pub command: String,
    /// What it does, or when to use it.
    pub what: String,
}

/// The machine that an instance has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WhyMachine {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}
