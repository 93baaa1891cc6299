//! Waiting, held, progress: nothing waits without saying why.

use crate::{Diagnosis, Event, Job};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an object waits for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Held {
    /// What happened, as a sentence.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
    /// What the person may do about it, in words, with the command that does it.
    pub choices: Vec<String>,
    /// Which hold it is, of those that this machine had: whoever chooses names it, so that nobody answers another hold
    /// than the one that they saw.
    #[serde(default)]
    pub number: u64,
    /// Those of the choices that `POST /v1/machines/{machine}/choose` takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// The database was restored, and nobody confirmed yet what is known of this machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

/// One thing that a person may choose about held work.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Offer {
    /// Its word.
    pub choice: Choice,
    /// Which disk it is about, by its serial number (`skip-disk`, `use-disk`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// What comes of it, with the command that chooses it.
    pub what: String,
}

/// What a person may choose about held work. None of these makes a machine available whose disks are not wiped.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// All steps anew; a deployment writes again, a release wipes again.
    Retry,
    /// The inspection ends, and the machine is what it was before.
    Cancel,
    /// The deployment ends, and its instance with it: what was written is wiped.
    GiveBack,
    /// The operating system runs, as somebody saw, although it did not report in.
    ItRuns,
    /// The machine is set aside, in maintenance. What runs on it ends as by `cancel` or `give-back`; what is to be wiped
    /// stays held.
    Abandon,
    /// A disk that is dead or gone is left out of the wiping, by its serial number, and the machine is retired: whoever
    /// lifts that answers for that disk.
    SkipDisk,
    /// This disk gets the system, by its serial number: one of those that could.
    UseDisk,
}

impl Choice {
    /// Every choice there is.
    pub const ALL: [Self; 7] = [
        Self::Retry,
        Self::ItRuns,
        Self::Cancel,
        Self::GiveBack,
        Self::Abandon,
        Self::SkipDisk,
        Self::UseDisk,
    ];

    /// Its word on the wire and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::GiveBack => "give-back",
            Self::ItRuns => "it-runs",
            Self::Abandon => "abandon",
            Self::SkipDisk => "skip-disk",
            Self::UseDisk => "use-disk",
        }
    }
}

/// `POST /v1/machines/{machine}/choose`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChooseRequest {
    /// The hold that is answered, by its number.
    pub hold: u64,
    /// What is chosen.
    pub choice: Choice,
    /// The disk's serial number; `skip-disk` and `use-disk` need it, nothing else takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

/// `POST /v1/machines/{machine}/scrap`: its hardware is dead. The machine is forgotten, and with it the instance that was
/// giving it back; what is on its disks stays there.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MachineScrap {
    /// The number of the hold that was seen, if the machine is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<u64>,
    /// The serial numbers of all its disks that are not known to be wiped.
    pub unwiped: Vec<String>,
}

/// How far a step is, for a progress bar.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Units (bytes) done.
    pub done: u64,
    /// Units in all; 0 in the report of an agent that does not know yet. The API then shows no progress.
    pub total: u64,
}

/// The answer of `GET /v1/machines/{machine}/why` and `/v1/instances/{instance}/why`: what it waits for, and the
/// facts behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    pub choices: Vec<Remedy>,
    /// The last facts, newest last: of a machine and the instance that has it, or of an instance and its machine.
    pub facts: Vec<Event>,
}

/// Something that a person can do. Nothing of it is needed for work that waits: that goes on by itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Remedy {
    /// The command; words in capitals are to be replaced.
    pub command: String,
    /// What it does, or when to use it.
    pub what: String,
}

/// The machine that an instance has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
