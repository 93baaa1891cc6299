//! Firmware: what there is, how it is updated, and the tasks by which a BMC does what takes long.

use crate::BmcError;
use async_trait::async_trait;
use std::path::PathBuf;

/// A BMC that lists and updates firmware.
#[async_trait]
pub trait Firmware: Send + Sync {
    /// All that it lists.
    async fn firmware(&self) -> Result<Vec<FirmwareItem>, BmcError>;
    /// Starts an update and returns as soon as the BMC has taken it; `task` follows it. It is a thing to do once: when
    /// the answer is lost the error is `BmcError::Unknown`, and the firmware's version tells.
    async fn start_update(&self, update: &FirmwareUpdate) -> Result<TaskHandle, BmcError>;
}

/// A piece of firmware.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirmwareItem {
    /// Its id at the BMC.
    pub id: String,
    /// What it is the firmware of.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Whether it can be updated; `None`: the BMC doesn't tell.
    pub updateable: Option<bool>,
    /// How it is, as the BMC says it: `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

/// An update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareUpdate {
    /// Where the image comes from.
    pub source: FirmwareSource,
    /// Ids of the items that it is for; empty: the BMC finds out.
    pub targets: Vec<String>,
    /// When it is applied; `None`: as the BMC likes.
    pub apply: Option<ApplyTime>,
}

/// Where an image of firmware comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirmwareSource {
    /// The BMC fetches it from this URL (`SimpleUpdate`).
    Url(String),
    /// It is pushed (multipart, or a plain push where that is all the BMC has) from this file.
    File(PathBuf),
}

/// When an update is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyTime {
    /// At once.
    Immediate,
    /// At the machine's next boot.
    OnReset,
}

/// A BMC that has tasks.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// All that it knows, the newest last.
    async fn tasks(&self) -> Result<Vec<Task>, BmcError>;
    /// Looks at one. A BMC that restarts meanwhile is `Unreachable` for minutes, which says nothing about the task.
    async fn task(&self, task: &TaskHandle) -> Result<Task, BmcError>;
}

/// Which task: what `start_…` answers and what may be stored to follow it after a crash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskHandle(pub String);

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub handle: TaskHandle,
    /// What it is.
    pub name: String,
    /// How far it is.
    pub state: TaskState,
    /// How much of it is done, in percent.
    pub percent: Option<u8>,
    /// What the BMC says of it.
    pub messages: Vec<String>,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// It runs, or waits for its turn.
    Running,
    /// It goes on when the machine boots.
    AwaitsBoot,
    /// It is done.
    Done,
    /// It failed, or was stopped.
    Failed,
    /// The BMC doesn't know it any more: look at what it was to bring about.
    Gone,
}
