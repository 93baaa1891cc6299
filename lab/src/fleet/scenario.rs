//! Scenarios: what a run does, as data. The built-in ones are `lab/scenarios/*.toml`; anybody may write others.
//!
//! A scenario is checked as a whole before anything starts, and every mistake names its field and the mend. How its
//! phases are done is `run`'s and `load`'s; what its faults come to is `kill`'s.

mod builtin;
mod check;
mod parts;
mod phase;
#[cfg(test)]
mod tests;

pub use builtin::names;
pub use check::ScenarioError;
pub use parts::{
    DatabaseKind, DiskSize, EraseLimit, FirmwareMix, ImageSize, Limits, Mix, NetworkFaults, Service, Span,
    Spread,
};
pub use phase::{Do, Fault, FaultKind, Kill, Phase};

use serde::{Deserialize, Serialize};
use std::path::Path;

/// A run: which machines there are, what is done with them, and what goes wrong meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, a word.
    pub name: String,
    /// What it is for, a sentence.
    #[serde(default)]
    pub about: String,
    /// How many machines there are.
    pub machines: u32,
    /// How many times faster than life the machines are: POST, boots, disks. The service's clock is never bent.
    #[serde(default = "parts::compress")]
    pub compress: f64,
    /// Where the dice start; 0: anywhere, and it is told.
    #[serde(default)]
    pub seed: u64,
    /// What the run can't do without and does not have: it is refused with this sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether the promises are checked, while it runs and at the end, when all has come to rest.
    #[serde(default = "parts::yes", rename = "check")]
    pub checked: bool,
    /// Which machines.
    #[serde(default)]
    pub mix: Mix,
    /// The image that is deployed.
    #[serde(default)]
    pub image: ImageSize,
    /// The machines' disks.
    #[serde(default)]
    pub disk: DiskSize,
    /// The service's time limits.
    #[serde(default)]
    pub limits: Limits,
    /// The rest of the service's configuration.
    #[serde(default)]
    pub service: Service,
    /// What is done, one after the other.
    #[serde(default, rename = "phase")]
    pub phases: Vec<Phase>,
    /// What goes wrong.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// When the service is killed; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<Kill>,
}

impl Scenario {
    /// The built-in scenario of this name, or else the one in this file.
    ///
    /// # Errors
    /// When there is neither, or it is wrong.
    pub fn find(name_or_file: &str) -> Result<Self, ScenarioError> {
        if let Some(text) = builtin::text(name_or_file) {
            return Self::read(name_or_file, text);
        }
        let path = Path::new(name_or_file);
        let text = std::fs::read_to_string(path).map_err(|source| {
            if name_or_file.contains(['/', '.']) {
                ScenarioError::Unreadable { path: path.to_owned(), source }
            } else {
                ScenarioError::Unknown { name: name_or_file.to_owned() }
            }
        })?;
        Self::read(name_or_file, &text)
    }

    /// Reads a scenario; `place` says where it is from.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn read(place: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| ScenarioError::Shape { place: place.to_owned(), why: error.to_string() })?;
        scenario.check_as(place)?;
        Ok(scenario)
    }

    /// Whether it still makes sense after somebody changed something.
    ///
    /// # Errors
    /// When it does not; with each field and its mend.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.check_as(&self.name)
    }

    fn check_as(&self, place: &str) -> Result<(), ScenarioError> {
        let problems = check::problems(self);
        if problems.is_empty() {
            return Ok(());
        }
        Err(ScenarioError::Wrong { place: place.to_owned(), problems })
    }
}
