//! Promised: no request is lost. What the service said yes to is so from then on, until somebody asks for something
//! else; also when it was killed right after its answer.
//!
//! Seen: each request that changes something, and its answer, by the name of the machine or instance. At rest, what was
//! asked for must be there as it was asked for, and what was given back must be gone or on its way. A request that
//! nobody answered may have been done or not: then both are right, until another one of the same name is answered.
//! It may even be done late, after the next one, unless the service was killed meanwhile. Requests of one name that
//! overlap prove nothing. "No" proves little: 409 may be our own first try, and 404 after a deletion too; but
//! 404 for what must be there shows that it was lost.

use super::{Broken, Check};
use crate::fleet::entry::{Entry, Snapshot, What};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What is asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Machine,
    Instance,
}

/// What must be so.
#[derive(Debug, Clone, Default, PartialEq)]
enum Wanted {
    /// Nobody asked.
    #[default]
    Nothing,
    /// It is there, and this is what was asked for.
    There(Value),
    /// It is gone, or being given back.
    Gone,
    /// Either: a request of it was not answered.
    Either,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    wanted: Wanted,
    /// The fields that were changed since, and how; null: either.
    changed: BTreeMap<String, Value>,
    /// Requests under way.
    open: u32,
    /// Whether requests overlapped since none was under way.
    tangled: bool,
    /// Unanswered requests that may still be done: whether to add, whether to take away.
    late: [bool; 2],
}

/// A request under way.
struct Request {
    kind: Kind,
    name: String,
    deed: Deed,
    body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Add,
    Change,
    Remove,
}

#[derive(Default)]
pub(super) struct Requests {
    known: BTreeMap<(Kind, String), Known>,
    open: HashMap<u64, Request>,
}

/// What a request is about; none: it adds, changes and removes nothing.
fn request(method: &str, path: &str, about: &str, body: &Value) -> Option<Request> {
    let path = path.strip_prefix("/v1/")?;
    let (collection, rest) = path.split_once('/').unwrap_or((path, ""));
    let kind = match collection {
        "machines" => Kind::Machine,
        "instances" => Kind::Instance,
        _ => return None,
    };
    let deed = match (method, rest) {
        ("POST", "") => Deed::Add,
        // Its actions and its BMC are other paths below it.
        ("PATCH", name) if !name.contains('/') => Deed::Change,
        ("DELETE", name) if !name.contains('/') => Deed::Remove,
        _ => return None,
    };
    Some(Request { kind, name: about.to_owned(), deed, body: body.clone() })
}

impl Requests {
    fn called(&mut self, id: u64, request: Request) {
        let known = self.known.entry((request.kind, request.name.clone())).or_default();
        known.tangled |= known.open > 0;
        known.open += 1;
        self.open.insert(id, request);
    }

    fn answered(&mut self, id: u64, status: Option<u16>, broken: &mut Broken) {
        let Some(request) = self.open.remove(&id) else { return };
        let known = self.known.entry((request.kind, request.name.clone())).or_default();
        known.open -= 1;
        if known.tangled {
            known.unsure(&request);
            known.tangled = known.open > 0;
            return;
        }
        match (status, request.deed) {
            (Some(200..=299), deed) => known.done(deed, request.body),
            (Some(404), Deed::Remove | Deed::Change)
                if matches!(known.wanted, Wanted::There(_)) && !known.late[1] =>
            {
                broken.add(&request.name, "it was asked for, which was answered with yes, and is not there");
                known.wanted = Wanted::Gone;
            }
            (Some(404), Deed::Remove) => known.wanted = Wanted::Gone,
            // The name is taken: by our own try that nobody answered.
            (Some(409), Deed::Add) if known.wanted == Wanted::Either => {
                known.wanted = Wanted::There(request.body);
                known.changed.clear();
            }
            // It was refused, so that nothing changed; or there was something that we don't know of.
            (Some(400..=499), _) => {}
            (Some(_) | None, _) => known.unsure(&request),
        }
    }
}

impl Known {
    fn done(&mut self, deed: Deed, body: Value) {
        match deed {
            Deed::Add => {
                self.wanted = Wanted::There(body);
                self.changed.clear();
            }
            Deed::Remove => self.wanted = Wanted::Gone,
            Deed::Change => self.changed.extend(fields(&body)),
        }
    }

    /// It may have been done, or may be done yet.
    fn unsure(&mut self, request: &Request) {
        match request.deed {
            Deed::Change => {
                self.changed.extend(fields(&request.body).map(|(name, _)| (name, Value::Null)));
            }
            deed => {
                self.wanted = Wanted::Either;
                self.late[usize::from(deed == Deed::Remove)] = true;
            }
        }
    }

    /// What must be so in the end.
    fn outcome(&self) -> Wanted {
        let late = match self.wanted {
            Wanted::There(_) => self.late[1],
            Wanted::Gone => self.late[0],
            _ => false,
        };
        if self.open > 0 || self.tangled || late { Wanted::Either } else { self.wanted.clone() }
    }
}

fn fields(body: &Value) -> impl Iterator<Item = (String, Value)> {
    body.as_object().cloned().unwrap_or_default().into_iter()
}

impl Check for Requests {
    fn name(&self) -> &'static str {
        "no-lost-request"
    }

    fn see(&mut self, entry: &Entry, broken: &mut Broken) {
        match &entry.what {
            What::Call { id, method, path, about, body } => {
                if let Some(request) = request(method, path, about, body) {
                    self.called(*id, request);
                }
            }
            What::Answer { id, status } => self.answered(*id, *status, broken),
            // What it was at died with it.
            What::Killed { .. } | What::Started { .. } => {
                self.known.values_mut().for_each(|known| known.late = [false; 2]);
            }
            _ => {}
        }
    }

    fn at_rest(&mut self, snapshot: &Snapshot, broken: &mut Broken) {
        let there = things(snapshot);
        for (key, known) in &self.known {
            let (kind, name) = key;
            let thing = there.get(key);
            match (known.outcome(), thing) {
                (Wanted::There(_), None) => {
                    broken.add(name, "it was asked for, which was answered with yes, and is not there");
                }
                (Wanted::There(body), Some(thing)) => {
                    if thing.releasing {
                        broken.add(name, "it is being given back, and nobody asked for that");
                    }
                    let mut asked: BTreeMap<_, _> = match kind {
                        Kind::Machine => fields(&body).collect(),
                        Kind::Instance => fields(body.get("spec").unwrap_or(&Value::Null)).collect(),
                    };
                    asked.extend(known.changed.clone());
                    for (field, value) in asked {
                        differs(name, &field, &value, thing, broken);
                    }
                }
                (Wanted::Gone, Some(thing)) if !thing.releasing => {
                    broken.add(
                        name,
                        "it was given back, which was answered with yes, and nothing is done about that",
                    );
                }
                _ => {}
            }
        }
    }
}

/// A machine or an instance, as the service shows it.
struct Thing {
    releasing: bool,
    spec: Value,
}

fn things(snapshot: &Snapshot) -> HashMap<(Kind, String), Thing> {
    let spec = |spec: Result<Value, serde_json::Error>| spec.unwrap_or_default();
    let machines = snapshot.machines.iter().map(|machine| {
        let spec = spec(serde_json::to_value(&machine.spec));
        ((Kind::Machine, machine.name.clone()), Thing { releasing: false, spec })
    });
    let instances = snapshot.instances.iter().map(|instance| {
        let releasing = instance.status.state == provisioner_api::InstanceState::Releasing;
        let spec = spec(serde_json::to_value(&instance.spec));
        ((Kind::Instance, instance.name.clone()), Thing { releasing, spec })
    });
    machines.chain(instances).collect()
}

/// The fields that are shown as they were asked for; others are completed, looked up or hidden.
const COMPARED: [&str; 9] =
    ["macs", "pool", "labels", "maintenance", "image", "hostname", "selector", "root_disk_serial", "erase"];

fn differs(name: &str, field: &str, asked: &Value, thing: &Thing, broken: &mut Broken) {
    if !COMPARED.contains(&field) || asked.is_null() {
        return;
    }
    // What is empty is left out.
    let shown = thing.spec.get(field).cloned().unwrap_or_default();
    let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    if shown != *asked && !(shown.is_null() && empty(asked)) {
        broken.add(
            name,
            format!("{field} was asked to be {asked}, which was answered with yes, and is {shown}"),
        );
    }
}

#[cfg(test)]
mod tests;
