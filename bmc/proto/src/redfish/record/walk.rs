//! Which resources of a BMC are read for a recording: all that links lead to, breadth first, because what matters most is
//! near the root and a walk may be cut short.
//!
//! What is known from elsewhere (schemas, registries of messages), what is somebody's (open sessions) and what is long
//! (entries of logs beyond some) is not read.

use super::redact::{Known, Redactor};
use super::{FORMAT, Recorded, Recording, Whose};
use crate::redfish::bios::registry_location;
use crate::redfish::bounded;
use crate::redfish::{ComputerSystem, Identity, Manager, ParseError, ResourcePath, ServiceRoot, printable};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most sentences about what is left out.
const LEFT_OUT_MAX: usize = 100;
/// The longest header that is kept.
const HEADER_MAX: usize = 1024;

/// How many times its size a body may take in memory, on average.
const TREE: usize = 16;

/// How deep a body may be nested. Parsers end at 128, and in a recording it is within something.
const NESTED_MAX: usize = 100;

/// When a walk is enough.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most resources.
    pub resources: usize,
    /// The most bytes of all bodies.
    pub bytes: usize,
    /// The most links from the root.
    pub depth: usize,
    /// The most entries of each log.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resources: 2000, bytes: 32 * 1024 * 1024, depth: 32, entries: 20 }
    }
}

/// A walk along the links of a BMC, from the service root.
#[derive(Debug)]
pub struct Walk {
    limits: Limits,
    queue: VecDeque<(ResourcePath, usize)>,
    seen: BTreeSet<String>,
    resources: BTreeMap<String, Recorded>,
    bytes: usize,
    /// What is left for the resources, in bytes.
    memory: usize,
    /// How far from the root what is being read is.
    depth: usize,
    left_out: Vec<String>,
    /// Links that were not followed because it was enough.
    beyond: usize,
}

impl Walk {
    /// One that begins at the service root.
    pub fn new(limits: Limits) -> Self {
        let mut walk = Self {
            limits,
            queue: VecDeque::new(),
            seen: BTreeSet::new(),
            resources: BTreeMap::new(),
            bytes: 0,
            memory: limits.bytes.saturating_mul(TREE),
            depth: 0,
            left_out: Vec::new(),
            beyond: 0,
        };
        walk.follow(ResourcePath::root(), 0);
        walk
    }

    /// What is to be read next. `None`: it is done.
    pub fn next_path(&mut self) -> Option<ResourcePath> {
        let (path, depth) = self.queue.pop_front()?;
        self.depth = depth;
        Some(path)
    }

    /// How many resources were read.
    pub fn read(&self) -> usize {
        self.resources.len()
    }

    /// How many are known that were not read yet.
    pub fn ahead(&self) -> usize {
        self.queue.len()
    }

    /// Takes an answer down, whatever its status, and the links in it.
    pub fn took<'n, 'v>(
        &mut self,
        path: &ResourcePath,
        status: u16,
        headers: impl IntoIterator<Item = (&'n str, &'v str)>,
        body: &[u8],
    ) {
        self.bytes += body.len();
        if self.bytes > self.limits.bytes {
            self.beyond += 1;
            let most = self.limits.bytes;
            self.stop(&format!("all answers together are larger than {most} bytes"));
            return;
        }
        let mut body: Option<Value> = match bounded::value_within(body, &mut self.memory) {
            Err(ParseError::TooIntricate) => {
                self.beyond += 1;
                self.stop("all answers together have too many parts");
                return;
            }
            body => body.ok(),
        };
        if body.as_ref().is_some_and(|body| !is_flatter(body, NESTED_MAX)) {
            self.leave_out(format!("{path}: it is nested deeper than {NESTED_MAX}"));
            body = None;
        }
        if status == 200
            && let Some(body) = &mut body
        {
            self.shorten(path, body);
            let mut found = Vec::new();
            links(body, &mut found);
            found.extend(registry_files(body));
            for link in found {
                self.follow(link, self.depth + 1);
            }
        }
        let headers = headers.into_iter().filter(|(_, value)| value.len() <= HEADER_MAX);
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.resources.insert(key(path), Recorded { status, headers, body });
    }

    /// A resource that could not be read at all.
    pub fn failed(&mut self, path: &ResourcePath, why: &str) {
        self.leave_out(format!("{path}: {why}"));
    }

    /// Ends it before its time.
    pub fn stop(&mut self, why: &str) {
        self.beyond += self.queue.len();
        self.queue.clear();
        self.limits.resources = 0;
        self.leave_out(why.to_owned());
    }

    /// What was read, without what would tell whose it is.
    pub fn finish(mut self, made_with: &str, known: &Known<'_>) -> Recording {
        if self.beyond > 0 {
            let beyond = self.beyond;
            self.leave_out(format!("{beyond} links were not followed, because it was enough"));
        }
        let redactor = Redactor::learn(&self.resources, known);
        let resources = redactor.resources(self.resources);
        Recording {
            format: FORMAT,
            made_with: made_with.to_owned(),
            identity: whose(&resources),
            left_out: self.left_out.iter().map(|text| redactor.text(text)).collect(),
            resources,
        }
    }

    /// What was read, as it is: with all that tells whose it is.
    pub fn resources(&self) -> &BTreeMap<String, Recorded> {
        &self.resources
    }

    fn follow(&mut self, path: ResourcePath, depth: usize) {
        let key = key(&path);
        if !is_wanted(&key) || self.seen.contains(&key) {
            return;
        }
        if depth > self.limits.depth || self.seen.len() >= self.limits.resources {
            self.beyond += 1;
            return;
        }
        self.seen.insert(key);
        self.queue.push_back((path, depth));
    }

    fn leave_out(&mut self, what: String) {
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(printable(&what, 300));
        }
    }

    /// Cuts a log's entries, and takes out who is logged in.
    fn shorten(&mut self, path: &ResourcePath, body: &mut Value) {
        if key(path).to_ascii_lowercase().ends_with("/sessionservice/sessions") {
            if let Some(body) = body.as_object_mut() {
                body.insert("Members".into(), Value::Array(Vec::new()));
                body.insert("Members@odata.count".into(), 0.into());
            }
            return;
        }
        let kind = body.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
        let is_log =
            kind.contains("LogEntryCollection") || path.path().trim_end_matches('/').ends_with("/Entries");
        let Some(Value::Array(members)) = body.get_mut("Members").filter(|_| is_log) else { return };
        let (all, most) = (members.len(), self.limits.entries);
        members.truncate(most);
        let cut = all > most || body.get("Members@odata.nextLink").is_some();
        if let Some(body) = body.as_object_mut().filter(|_| cut) {
            body.remove("Members@odata.nextLink");
            body.insert("Members@odata.count".into(), most.min(all).into());
            self.leave_out(format!("{path}: entries beyond the first {most}"));
        }
    }
}

/// How a path is written down: without the slash at its end.
fn key(path: &ResourcePath) -> String {
    let trimmed = path.path().trim_end_matches('/');
    path.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}"))
}

/// Whether a path is read: what is Redfish, except what is the same for all or somebody's own.
fn is_wanted(key: &str) -> bool {
    const NOT: [&str; 7] = [
        "/jsonschemas",
        "/schemastore",
        "/schemas/",
        "/$metadata",
        "/odata",
        "/sessionservice/sessions/",
        "/actions/",
    ];
    let key = key.to_ascii_lowercase();
    // Lenovo's registries are below `schemas`.
    let not = NOT.iter().any(|not| key.contains(not)) && !key.contains("registr");
    key.starts_with("/redfish/v1") && !not
}

/// Whether a value is nested less deep than that.
fn is_flatter(value: &Value, depth: usize) -> bool {
    depth > 0
        && match value {
            Value::Array(items) => items.iter().all(|item| is_flatter(item, depth - 1)),
            Value::Object(map) => map.values().all(|value| is_flatter(value, depth - 1)),
            _ => true,
        }
}

/// All links in a resource.
fn links(value: &Value, found: &mut Vec<ResourcePath>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        Value::Object(map) => {
            for (name, value) in map {
                let is_link = ["@odata.id", "@Redfish.ActionInfo"].contains(&name.as_str())
                    || name.ends_with("@odata.nextLink");
                match value.as_str().filter(|_| is_link) {
                    Some(link) => found.extend(ResourcePath::from_link(link)),
                    None => links(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Where the registry of BIOS attributes is, if this points to it: the one registry that differs from BMC to BMC.
fn registry_files(resource: &Value) -> Option<ResourcePath> {
    let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
    let names = format!("{} {}", text("Id"), text("Registry")).to_ascii_lowercase();
    if !text("@odata.type").contains("MessageRegistryFile") || !names.contains("bios") {
        return None;
    }
    registry_location(resource)
}

/// Who the BMC is, from its resources.
fn whose(resources: &BTreeMap<String, Recorded>) -> Whose {
    let bodies = || resources.values().filter(|one| one.status == 200).filter_map(|one| one.body.as_ref());
    let of_type = |kind: &'static str| {
        bodies().find(move |body| {
            body.get("@odata.type").and_then(Value::as_str).is_some_and(|found| found.starts_with(kind))
        })
    };
    let root = resources.get("/redfish/v1").and_then(|one| one.body.as_ref());
    let root: ServiceRoot = root.and_then(model).unwrap_or_default();
    let system: Option<ComputerSystem> = of_type("#ComputerSystem.").and_then(model);
    let manager: Option<Manager> = of_type("#Manager.").and_then(model);
    let redfish = root.redfish_version.clone();
    Whose::of(redfish.as_deref(), &Identity::of(&root, system.as_ref(), manager.as_ref()))
}

/// A model of a resource; nothing of it is required.
fn model<'a, T: Deserialize<'a>>(resource: &'a Value) -> Option<T> {
    T::deserialize(resource).ok()
}
