//! A BMC written down: what it answers to a walk along its links, without what would tell whose it is. A recording is
//! sent to us by whoever has a BMC that we have not, and replayed by the simulated one.
//!
//! - `walk`: which resources are read, and when it is enough;
//! - `redact`: secrets, names, numbers and addresses are replaced, each by the same other one everywhere, so that links
//!   stay whole; `words` and `shapes` say what such things are known by.
//!
//! Not here: the requests, and the file.

mod redact;
mod shapes;
mod walk;
mod words;

pub use redact::{Known, Redactor};
pub use walk::{Limits, Walk};

use super::{Identity, word_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The form that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

/// What a BMC answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// `FORMAT`.
    pub format: u32,
    /// The program that made it, and its version.
    pub made_with: String,
    /// Which BMC it is of, in the words by which quirks are selected.
    pub identity: Whose,
    /// What is not in it, and why, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// By path, without the slash at its end.
    pub resources: BTreeMap<String, Recorded>,
}

/// Which BMC a recording is of. Nothing of it tells one machine from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Whose {
    /// `RedfishVersion` of the service root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redfish: Option<String>,
    /// What it says of its makers, in the order in which that counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vendors: Vec<String>,
    /// The model of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model of the manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_model: Option<String>,
    /// The version of the manager's firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
}

impl Whose {
    fn of(redfish: Option<&str>, identity: &Identity) -> Self {
        let text = |text: &String| word_of(Some(text));
        let mut vendors: Vec<String> = identity.vendors.iter().filter_map(text).collect();
        let mut seen = BTreeSet::new();
        vendors.retain(|vendor| seen.insert(vendor.clone()));
        Self {
            redfish: word_of(redfish),
            vendors,
            model: identity.model.as_ref().and_then(text),
            manager_model: identity.manager_model.as_ref().and_then(text),
            firmware: identity.firmware.as_ref().and_then(text),
        }
    }
}

/// The answer to one GET.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The status.
    pub status: u16,
    /// Those headers that clients key on: `ETag`, `Allow`, `Link`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body; none if it was not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It has another form.
    #[error("this is no recording of a BMC")]
    Form(#[from] serde_json::Error),
    /// It is of another version.
    #[error(
        "this recording has format {0}, and only format {FORMAT} can be read; use the program that made it, or record anew"
    )]
    Format(u32),
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is none, or of a format that isn't known.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordingError> {
        let recording: Self = serde_json::from_slice(bytes)?;
        if recording.format == FORMAT { Ok(recording) } else { Err(RecordingError::Format(recording.format)) }
    }

    /// What is at a path, if it was read with success.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let recorded = self.resources.get(path.strip_suffix('/').unwrap_or(path))?;
        if recorded.status == 200 { recorded.body.as_ref() } else { None }
    }
}

#[cfg(test)]
mod tests;
