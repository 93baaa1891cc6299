//! Logs that fill by what happens, can be filled by a test, run over or stop when they are full, and are emptied.

use super::group::{Event, Group, Request};
use super::profiles::Profile;
use super::state::{Shared, lock};
use super::tree::Tree;
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::Method;
use axum::response::Response;
use bmc_proto::redfish::date_time;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Mutex;

/// The logs of a BMC.
pub struct Logs {
    logs: Vec<Log>,
}

struct Log {
    path: String,
    sel: bool,
    most: usize,
    wraps: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    last: u64,
}

struct Entry {
    id: u64,
    at: i64,
    severity: String,
    message: String,
    message_id: String,
}

impl Log {
    fn add(&self, at: i64, severity: &str, message: &str, message_id: &str) {
        let mut state = lock(&self.state);
        if state.entries.len() >= self.most {
            if !self.wraps {
                return;
            }
            state.entries.pop_front();
        }
        state.last += 1;
        let id = state.last;
        state.entries.push_back(Entry {
            id,
            at,
            severity: severity.into(),
            message: message.into(),
            message_id: message_id.into(),
        });
    }

    fn shown(&self, entry: &Entry) -> Value {
        let mut shown = json!({
            "@odata.id": format!("{}/Entries/{}", self.path, entry.id),
            "@odata.type": "#LogEntry.v1_15_0.LogEntry",
            "Id": entry.id.to_string(),
            "Name": format!("Log entry {}", entry.id),
            "EntryType": if self.sel { "SEL" } else { "Event" },
            "Created": date_time(entry.at),
            "Severity": entry.severity,
            "Message": entry.message,
            "MessageId": entry.message_id,
        });
        if self.sel {
            shown["SensorType"] = "System Event".into();
            shown["SensorNumber"] = 48.into();
            shown["EntryCode"] = "Assert".into();
        }
        shown
    }
}

impl Logs {
    pub(super) fn new(tree: &Tree) -> Self {
        let log = |path: &String| {
            let resource = tree.get(path);
            let text = |name: &str| resource.and_then(|resource| resource[name].as_str()).unwrap_or_default();
            let most = resource.and_then(|resource| resource["MaxNumberOfRecords"].as_u64());
            Log {
                path: path.clone(),
                sel: text("LogEntryType") == "SEL",
                most: most.and_then(|most| usize::try_from(most).ok()).unwrap_or(1000),
                wraps: text("OverWritePolicy") == "WrapsWhenFull",
                state: Mutex::default(),
            }
        };
        Self { logs: tree.places.logs.iter().map(log).collect() }
    }

    fn named(&self, id: &str) -> Option<&Log> {
        self.logs.iter().find(|log| log.path.rsplit('/').next() == Some(id))
    }

    /// The ids of the logs.
    pub fn ids(&self) -> Vec<String> {
        self.logs.iter().filter_map(|log| log.path.rsplit('/').next()).map(Into::into).collect()
    }

    /// How many entries a log has.
    pub fn len(&self, id: &str) -> usize {
        self.named(id).map_or(0, |log| lock(&log.state).entries.len())
    }

    /// Whether a log has no entries.
    pub fn is_empty(&self, id: &str) -> bool {
        self.len(id) == 0
    }

    /// Adds an entry to a log, made at this time (seconds since 1970 UTC).
    pub fn add(&self, id: &str, at: i64, severity: &str, message: &str) {
        if let Some(log) = self.named(id) {
            log.add(at, severity, message, "Simulated.1.0.Event");
        }
    }

    /// The hardware's log, or the first.
    fn hardware(&self) -> Option<&Log> {
        self.logs.iter().find(|log| log.sel).or(self.logs.first())
    }

    fn clear(&self, bmc: &Shared, log: &Log) -> Response {
        *lock(&log.state) = State::default();
        // iDRAC notes that it was done, and numbers anew.
        if bmc.profile == Profile::Dell {
            let now = bmc.controls.parts().settings.clock();
            log.add(now, "OK", "The log was cleared.", "LOG007");
        }
        bmc.tree.manners.done()
    }
}

/// Whether members of the collection of entries are links only.
fn links_only(profile: Profile) -> bool {
    matches!(profile, Profile::Hpe | Profile::Supermicro)
}

#[async_trait]
impl Group for Logs {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        let Some(log) =
            path.strip_suffix("/Entries").and_then(|owner| self.logs.iter().find(|log| log.path == owner))
        else {
            return Ok(());
        };
        let state = lock(&log.state);
        let member = |entry: &Entry| {
            if links_only(bmc.profile) {
                bmc.tree.link(&format!("{path}/{}", entry.id))
            } else {
                log.shown(entry)
            }
        };
        let mut members: Vec<Value> = state.entries.iter().map(member).collect();
        if bmc.profile == Profile::Dell {
            members.reverse();
        }
        resource.insert("Members@odata.count".into(), members.len().into());
        resource.insert("Members".into(), members.into());
        Ok(())
    }

    fn make(&self, bmc: &Shared, path: &str) -> Option<Value> {
        let (owner, id) = path.rsplit_once("/Entries/")?;
        let log = self.logs.iter().find(|log| log.path == owner)?;
        let id: u64 = id.parse().ok()?;
        let state = lock(&log.state);
        let mut shown = log.shown(state.entries.iter().find(|entry| entry.id == id)?);
        shown["@odata.id"] = bmc.tree.link(path)["@odata.id"].take();
        Some(shown)
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let log = self
            .logs
            .iter()
            .find(|log| request.posts_to(&format!("{}/Actions/LogService.ClearLog", log.path)))?;
        Some(self.clear(bmc, log))
    }

    fn methods(&self, _bmc: &Shared, _path: &str) -> &'static [Method] {
        &[]
    }

    fn happened(&self, bmc: &Shared, event: &Event) {
        let Some(log) = self.hardware() else { return };
        let now = bmc.controls.parts().settings.clock();
        match event {
            Event::Report { message_id, message, severity, .. } => {
                log.add(now, severity, message, message_id)
            }
            Event::Power { on } => {
                let message = if *on { "The system was powered on." } else { "The system was powered off." };
                log.add(now, "OK", message, "Simulated.1.0.Power");
            }
            Event::Boot | Event::ManagerRestart => {}
        }
    }
}
