//! What a simulated BMC knows while it runs: what changed in its profile's tree, its users, its sessions, its groups.

use super::Options;
use super::answer::{Refusal, error, foreign_error};
use super::controls::Controls;
use super::group::{Event, Group, Request};
use super::parts::Parts;
use super::profiles::{Etags, Profile};
use super::sessions::Table;
use super::tree::{Places, Tree, fill, into_map, merge, trimmed};
use super::users::UserTable;
use super::{Identity, etag};
use crate::{Chassis, ChassisError};
use axum::http::StatusCode;
use axum::http::header::IF_MATCH;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by all requests.
pub(super) type Shared = Arc<State>;

/// A BMC.
pub(super) struct State {
    pub(super) chassis: Arc<dyn Chassis>,
    pub(super) identity: Identity,
    pub(super) profile: Profile,
    pub(super) tree: Arc<Tree>,
    pub(super) controls: Arc<Controls>,
    /// What each path has instead of, or on top of, what the tree has.
    overlay: Mutex<BTreeMap<String, Change>>,
    users: Mutex<UserTable>,
    sessions: Mutex<Table>,
}

enum Change {
    /// On top of what the tree has.
    Merged(Value),
    /// Instead.
    Put(Value),
    /// There is nothing any more.
    Gone,
}

impl State {
    pub(super) fn new(options: &Options) -> Shared {
        let replay = options.replay.as_ref();
        let tree = match replay {
            Some(replay) => Arc::clone(&replay.tree),
            None => options.profile.tree(options.identity.macs.len()),
        };
        let parts = Parts::new(&tree);
        let users = UserTable::new(&options.users, tree.manners.accounts.of(&options.users));
        let state = Arc::new(Self {
            chassis: Arc::clone(&options.chassis),
            identity: options.identity.clone(),
            profile: options.profile,
            tree,
            controls: Arc::new(Controls::new(parts)),
            overlay: Mutex::default(),
            users: Mutex::new(users),
            sessions: Mutex::default(),
        });
        state.controls.belong_to(&state);
        if let Some(replay) = replay {
            let lock_out = &mut state.users().lock_out;
            (lock_out.after, lock_out.lasts) = replay.lock_out;
            replay.faults.iter().for_each(|fault| state.controls.add_fault(fault.clone()));
            replay.idle.into_iter().for_each(|idle| state.controls.set_idle(idle));
        }
        state
    }

    /// Where groups find their resources.
    pub(super) fn places(&self) -> &Places {
        &self.tree.places
    }

    /// All groups, in the order in which they are asked.
    pub(super) fn groups(&self) -> Vec<&dyn Group> {
        self.controls.parts().groups()
    }

    /// The users.
    pub(super) fn users(&self) -> MutexGuard<'_, UserTable> {
        lock(&self.users)
    }

    /// The sessions that are open now.
    pub(super) fn sessions(&self) -> MutexGuard<'_, Table> {
        let mut table = lock(&self.sessions);
        table.tidy(self.controls.generation(), self.controls.idle(), tokio::time::Instant::now());
        self.controls.set_sessions(table.len());
        table
    }

    /// The serial number.
    pub(super) fn serial(&self) -> String {
        let uuid = self.identity.uuid.replace('-', "").to_uppercase();
        format!("S{}", uuid.get(uuid.len().saturating_sub(8)..).unwrap_or("00000000"))
    }

    /// What is at a path, without what groups fill in. The path has no slash at its end.
    pub(super) fn stored(&self, path: &str) -> Option<Value> {
        let mut value = match lock(&self.overlay).get(path) {
            None => self.tree.get(path)?.clone(),
            Some(Change::Gone) => return None,
            Some(Change::Put(value)) => value.clone(),
            Some(Change::Merged(change)) => {
                let mut value = self.tree.get(path)?.clone();
                merge(&mut value, change.clone(), false);
                value
            }
        };
        fill(&mut value, &|name| self.own(name));
        Some(value)
    }

    fn own(&self, name: &str) -> Option<String> {
        let identity = &self.identity;
        Some(match name {
            "name" => identity.name.clone(),
            "uuid" => identity.uuid.clone(),
            "model" => identity.model.clone(),
            "serial" => self.serial(),
            _ => identity.macs.get(name.strip_prefix("mac")?.parse::<usize>().ok()?)?.clone(),
        })
    }

    /// Changes what is stored at a path: objects are merged, all else is replaced; `null` stays.
    pub(super) fn merge(&self, path: &str, change: Value) {
        let mut overlay = lock(&self.overlay);
        let now = overlay.entry(trimmed(path).to_owned()).or_insert_with(|| Change::Merged(json!({})));
        match now {
            Change::Merged(value) | Change::Put(value) => merge(value, change, false),
            Change::Gone => {}
        }
    }

    /// Puts a resource, with its `@odata.id`.
    pub(super) fn put(&self, path: &str, mut resource: Value) {
        resource["@odata.id"] = self.tree.link(path)["@odata.id"].take();
        lock(&self.overlay).insert(trimmed(path).to_owned(), Change::Put(resource));
    }

    /// Takes a resource away.
    pub(super) fn remove(&self, path: &str) {
        lock(&self.overlay).insert(trimmed(path).to_owned(), Change::Gone);
    }

    /// Puts a resource and its link into its collection, the last. Its path is the collection's and its id.
    pub(super) fn add_member(&self, collection: &str, id: &str, resource: Value) -> String {
        let path = format!("{collection}/{id}");
        self.put(&path, resource);
        let mut members = self.member_links(collection);
        members.push(self.tree.link(&path));
        self.set_members(collection, members);
        path
    }

    /// Takes a resource and its link out of its collection; whether it was there.
    pub(super) fn remove_member(&self, collection: &str, id: &str) -> bool {
        let path = format!("{collection}/{id}");
        let link = self.tree.link(&path);
        let mut members = self.member_links(collection);
        let before = members.len();
        members.retain(|member| *member != link);
        let found = members.len() < before;
        self.set_members(collection, members);
        self.remove(&path);
        found
    }

    fn member_links(&self, collection: &str) -> Vec<Value> {
        let stored = self.stored(collection).map(into_map).and_then(|mut map| map.remove("Members"));
        match stored {
            Some(Value::Array(members)) => members,
            _ => vec![],
        }
    }

    fn set_members(&self, collection: &str, members: Vec<Value>) {
        self.merge(collection, json!({"Members@odata.count": members.len(), "Members": members}));
    }

    /// A resource as it is shown now, with its `@odata.etag`. `None`: there is none.
    pub(super) async fn load(
        self: &Arc<Self>,
        path: &str,
        reading: bool,
    ) -> Result<Option<Map<String, Value>>, ChassisError> {
        let groups = self.groups();
        let made = || groups.iter().find_map(|group| group.make(self, path));
        let Some(value) = self.stored(path).or_else(made) else { return Ok(None) };
        let mut resource = into_map(value);
        for group in &groups {
            group.show(self, path, &mut resource, reading).await?;
        }
        if let Some(tag) = etag::of(&resource, self) {
            resource.insert("@odata.etag".into(), tag.into());
        }
        Ok(Some(resource))
    }

    /// What `If-Match` says against a change of the resource at a path, as of now. For groups that take a PATCH as a
    /// whole; for all others it was done already.
    pub(super) async fn precondition(self: &Arc<Self>, request: &Request, path: &str) -> Result<(), Refusal> {
        let resource = self.load(path, false).await.map_err(|error| super::answer::broken(&error))?;
        let tag = resource.as_ref().and_then(|resource| resource.get("@odata.etag")?.as_str());
        let faults = self.controls.faults().clone();
        let given = request.headers.get(IF_MATCH);
        let manners = &self.tree.manners;
        let account = manners.accounts_need_if_match && path.starts_with(&self.places().accounts);
        if given.is_none() && (faults.require_etag || manners.needs_if_match || account) {
            return Err(precondition_missing(manners.needs_if_match).into());
        }
        let stale = self.controls.count_down(|faults| &mut faults.stale_etags);
        if stale
            || given.is_some_and(|given| !etag::matches(given, tag, self.tree.manners.etags == Etags::Weak))
        {
            let message = "The ETag supplied did not match the ETag required to change this resource.";
            let mend = "Try the operation again using the appropriate ETag.";
            return Err(error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message, mend).into());
        }
        Ok(())
    }

    /// Tells every group.
    pub(super) fn announce(self: &Arc<Self>, event: &Event) {
        for group in self.groups() {
            group.happened(self, event);
        }
    }
}

/// 428, in the words of the standard or of AMI.
fn precondition_missing(amis: bool) -> Response {
    if amis {
        let message = "The request did not provide the required precondition, such as an If-Match or If-None-Match \
                       header.";
        let id = "Ami.1.0.PreconditionHeaderMissing";
        let mend = "Include the required precondition header in the request";
        return foreign_error(StatusCode::PRECONDITION_REQUIRED, id, message, mend);
    }
    let message = "A precondition header or annotation is required to change this resource.";
    let mend = "Try the operation again using an If-Match header.";
    error(StatusCode::PRECONDITION_REQUIRED, "PreconditionRequired", message, mend)
}

/// A panic elsewhere leaves these tables whole: each change of them is one call.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
