//! What every part of the driver is made of: reading resources and collections, writing with the version in hand, and
//! waiting until something is so. Resources are found by link from the service root, never by a built address.
//!
//! Not here: being logged in (`session`), one exchange (`transport`), what to write (`bmc_proto::redfish`).

use super::Redfish;
use super::listing::TREES_MAX;
use super::session::{judge, path_of};
use super::transport::{Answer, Request, Transport};
use crate::{BmcError, TaskHandle};
use bmc_proto::redfish::{
    Action, ActionInfo, Collection, ComputerSystem, Identity, Manager, Quirks, Receipt, ResourcePath,
    ServiceRoot, Verdict, manager_path, parse, pick_system, printable, receipt, tree_size,
};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SYSTEM: &str = "read the computer system";

/// The most systems that are looked at to find the machine.
const SYSTEMS_MAX: usize = 8;
/// The most members of a collection that are read, and the most pages.
const MEMBERS_MAX: usize = 4096;
const PAGES_MAX: usize = 256;

/// The most characters of an error's words. Names of a BMC's things are in them.
const WORDS_MAX: usize = 600;

/// A system as it was read, and its version.
pub(super) struct Loaded {
    /// What the core of the driver uses of it.
    pub(super) system: ComputerSystem,
    /// All of it, for the parts that use more.
    pub(super) raw: Value,
    /// Its version, if it tells one.
    pub(super) etag: Option<HeaderValue>,
    /// Where it is.
    pub(super) path: ResourcePath,
}

/// What a write brought. A success status with an error inside its body is an error, not this.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// Done, as far as the BMC says.
    Done {
        /// The answer's body, if it has one that is JSON.
        body: Option<Value>,
        /// Where what was made is.
        location: Option<ResourcePath>,
    },
    /// A task does it.
    Task(TaskHandle),
}

/// Where things are, once found. BMCs number them anew after an update, so a 404 forgets all.
#[derive(Default)]
pub(super) struct Places {
    system: Option<ResourcePath>,
    manager: Option<ResourcePath>,
    /// With the time when they were found out: an update of the firmware changes them.
    quirks: Option<(Quirks, Instant)>,
}

impl Places {
    /// Where the system is, if that is known.
    pub(super) fn known_system(&self) -> Option<ResourcePath> {
        self.system.clone()
    }
}

impl Redfish {
    /// The way to the BMC, or what about its address or settings is wrong.
    pub(super) fn transport(&self) -> Result<&Transport, BmcError> {
        let unsupported =
            |what: &String| BmcError::Unsupported { address: self.address.clone(), what: what.clone() };
        self.transport.as_ref().map_err(unsupported)
    }

    /// It lacks something; `what`, and what may mend it.
    pub(super) fn cannot(&self, what: impl Into<String>) -> BmcError {
        let what = printable(&what.into(), WORDS_MAX);
        BmcError::Unsupported { address: self.address.clone(), what }
    }

    /// It said yes and it is not so.
    pub(super) fn not_done(&self, during: &'static str, found: impl Into<String>) -> BmcError {
        let found = printable(&found.into(), WORDS_MAX);
        BmcError::NotDone { address: self.address.clone(), during, found }
    }

    /// Sends a request; any status comes back.
    pub(super) async fn call(&self, request: &Request) -> Result<Answer, BmcError> {
        self.session.call(self.transport()?, request).await
    }

    /// The service root (cached).
    pub(super) async fn root(&self) -> Result<ServiceRoot, BmcError> {
        self.session.root(self.transport()?).await
    }

    /// GET, parsed.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<T, BmcError> {
        let transport = self.transport()?;
        let answer = self.call(&Request::get(path, during)).await?;
        transport.parse(&transport.success(answer, during)?, during)
    }

    /// As `read`; `None` for what is not there.
    pub(super) async fn read_optional<T: DeserializeOwned>(
        &self,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<Option<T>, BmcError> {
        let transport = self.transport()?;
        let answer = self.call(&Request::get(path, during)).await?;
        if !answer.status.is_success() && judge(&answer) == Verdict::Absent {
            return Ok(None);
        }
        transport.parse(&transport.success(answer, during)?, during).map(Some)
    }

    /// All members of a collection, over all pages, each once; a next link that leads back ends them.
    pub(super) async fn members(
        &self,
        collection: &ResourcePath,
        during: &'static str,
    ) -> Result<Vec<ResourcePath>, BmcError> {
        let mut pages = BTreeSet::new();
        let (mut seen, mut members) = (BTreeSet::new(), Vec::new());
        let mut next = Some(collection.clone());
        let deadline = Instant::now() + self.timing.collection;
        while let Some(path) =
            next.take().filter(|path| pages.len() < PAGES_MAX && pages.insert(path.clone()))
        {
            let page: Collection = self.read(&path, during).await?;
            let new = page.members.iter().filter_map(path_of).filter(|member| seen.insert(member.clone()));
            members.extend(new);
            if members.len() >= MEMBERS_MAX {
                members.truncate(MEMBERS_MAX);
                break;
            }
            next = page.next_link.as_deref().and_then(ResourcePath::from_link);
            self.in_time(deadline, collection, during)?;
        }
        Ok(members)
    }

    /// All members, read. Those that can't be read are left out, with their errors; that the BMC doesn't answer at all
    /// is an error.
    pub(super) async fn read_members(
        &self,
        collection: &ResourcePath,
        during: &'static str,
    ) -> Result<(Vec<(ResourcePath, Value)>, Vec<BmcError>), BmcError> {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + self.timing.collection;
        let mut held = 0;
        for path in self.members(collection, during).await? {
            self.in_time(deadline, collection, during)?;
            match self.read::<Value>(&path, during).await {
                Ok(member) => {
                    held += tree_size(&member);
                    if held > TREES_MAX {
                        return Err(self.transport()?.broken(during, format!("{collection} is too large")));
                    }
                    found.push((path, member));
                }
                Err(error @ (BmcError::Refused { .. } | BmcError::Protocol { .. })) => errors.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok((found, errors))
    }

    /// Whether there is time left for a collection: one of thousands of slow members would take hours, and a part of it
    /// is no ground to decide on.
    pub(super) fn in_time(
        &self,
        deadline: Instant,
        collection: &ResourcePath,
        during: &'static str,
    ) -> Result<(), BmcError> {
        if Instant::now() < deadline {
            return Ok(());
        }
        let most = self.timing.collection.as_secs();
        Err(self.transport()?.broken(during, format!("reading {collection} took longer than {most} s")))
    }

    /// The system (fresh), found first if need be.
    pub(super) async fn system(&self) -> Result<Loaded, BmcError> {
        let known = self.places.lock().await.system.clone();
        if let Some(path) = known {
            let answer = self.call(&Request::get(&path, SYSTEM)).await?;
            if answer.status != StatusCode::NOT_FOUND {
                return self.loaded(&self.transport()?.success(answer, SYSTEM)?, path);
            }
            *self.places.lock().await = Places::default();
            self.session.forget_root().await;
        }
        let path = self.find_system().await?;
        let answer = self.call(&Request::get(&path, SYSTEM)).await?;
        let loaded = self.loaded(&self.transport()?.success(answer, SYSTEM)?, path)?;
        self.places.lock().await.system = Some(loaded.path.clone());
        Ok(loaded)
    }

    fn loaded(&self, answer: &Answer, path: ResourcePath) -> Result<Loaded, BmcError> {
        let raw: Value = self.transport()?.parse(answer, SYSTEM)?;
        let system: ComputerSystem = self.model(&raw, SYSTEM)?;
        let in_body = || HeaderValue::from_str(system.odata_etag.as_deref()?).ok();
        Ok(Loaded { etag: answer.etag().or_else(in_body), system, raw, path })
    }

    async fn find_system(&self) -> Result<ResourcePath, BmcError> {
        let root = self.root().await?;
        let Some(collection) = root.systems.as_ref().and_then(path_of) else {
            return Err(self.cannot("its service root links to no computer systems"));
        };
        let mut paths = self.members(&collection, "list the computer systems").await?;
        paths.truncate(SYSTEMS_MAX);
        if let [only] = paths.as_slice() {
            return Ok(only.clone());
        }
        let mut systems = Vec::new();
        for path in &paths {
            systems.push(self.read::<ComputerSystem>(path, SYSTEM).await?);
        }
        let index = pick_system(&systems).map_err(|error| self.cannot(error.to_string()))?;
        Ok(paths[index].clone())
    }

    /// Reads a model out of a resource that is already here.
    pub(super) fn model<T: DeserializeOwned>(
        &self,
        raw: &Value,
        during: &'static str,
    ) -> Result<T, BmcError> {
        T::deserialize(raw).map_err(|error| {
            let what = format!("the resource can't be read: {error}");
            BmcError::Protocol { address: self.address.clone(), during, what }
        })
    }

    /// The manager of the system: as it links to it, else the first that the BMC lists.
    pub(super) async fn manager_path(&self) -> Result<Option<ResourcePath>, BmcError> {
        let known = self.places.lock().await.manager.clone();
        if known.is_some() {
            return Ok(known);
        }
        let linked = manager_path(&self.system().await?.system);
        let found = match linked {
            Some(path) => Some(path),
            None => {
                let root = self.root().await?;
                let Some(list) = root.managers.as_ref().and_then(path_of) else { return Ok(None) };
                self.members(&list, "list the managers").await?.into_iter().next()
            }
        };
        self.places.lock().await.manager.clone_from(&found);
        Ok(found)
    }

    /// The chassis of the system: as it links to them, else all that the BMC lists.
    pub(super) async fn chassis_paths(&self) -> Result<Vec<ResourcePath>, BmcError> {
        let system = self.system().await?.system;
        let linked: Vec<ResourcePath> =
            system.links.iter().flat_map(|links| &links.chassis).filter_map(path_of).collect();
        if !linked.is_empty() {
            return Ok(linked);
        }
        let root = self.root().await?;
        let Some(list) = root.chassis.as_ref().and_then(path_of) else { return Ok(Vec::new()) };
        self.members(&list, "list the chassis").await
    }

    /// The quirks that hold for this BMC. Who it is is read now and then.
    pub(super) async fn quirks(&self) -> Result<Quirks, BmcError> {
        let known = self.places.lock().await.quirks.clone();
        match known {
            Some((quirks, at)) if at.elapsed() < self.timing.identity => return Ok(quirks),
            Some(_) => self.session.forget_root().await,
            None => {}
        }
        let during = "read the manager";
        let root = self.root().await?;
        let system = self.system().await?.system;
        let manager = match self.manager_path().await? {
            // A manager that can't be read leaves the maker and the model to go by.
            Some(path) => match self.read::<Manager>(&path, during).await {
                Ok(manager) => Some(manager),
                Err(BmcError::Refused { .. }) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let quirks = Quirks::of(&Identity::of(&root, Some(&system), manager.as_ref()));
        self.places.lock().await.quirks = Some((quirks.clone(), Instant::now()));
        Ok(quirks)
    }

    /// What a parameter of an action may be: as the resource says, or the `ActionInfo`; empty when neither does.
    pub(super) async fn allowable(&self, action: &Action, parameter: &str) -> Result<Vec<String>, BmcError> {
        let told = action.allowable(parameter);
        match &action.info {
            Some(path) if told.is_empty() => {
                let during = "read what an action takes";
                let info: Option<ActionInfo> = self.read_optional(path, during).await?;
                Ok(info.map(|info| info.allowable(parameter).to_vec()).unwrap_or_default())
            }
            _ => Ok(told.to_vec()),
        }
    }

    /// PATCH with the version of a fresh read.
    pub(super) async fn patch(
        &self,
        path: &ResourcePath,
        body: Value,
        during: &'static str,
    ) -> Result<Outcome, BmcError> {
        let etag = self.version(path, during).await?;
        self.patch_from(path, etag, body, during).await
    }

    /// PATCH of what is read back afterwards: when the answer is lost, the reading tells. The task that does it, if one
    /// was made.
    pub(super) async fn patch_and_look(
        &self,
        path: &ResourcePath,
        body: Value,
        during: &'static str,
    ) -> Result<Option<TaskHandle>, BmcError> {
        let etag = self.version(path, during).await?;
        or_look(self.patch_from(path, etag, body, during).await)
    }

    /// PATCH of a resource that was read with this version. When it is another one by now it is read and patched once
    /// more. BMCs differ in what they want then: a weak tag as it is, the same as a strong one, none at all, or any.
    pub(super) async fn patch_from(
        &self,
        path: &ResourcePath,
        etag: Option<HeaderValue>,
        body: Value,
        during: &'static str,
    ) -> Result<Outcome, BmcError> {
        let mut request = Request::new(Method::PATCH, path, during);
        request.body = Some(body);
        request.if_match = etag;
        let mut answer = self.insist(&request).await?;
        if answer.status.is_success() {
            return self.outcome(answer, during).await;
        }
        match judge(&answer) {
            Verdict::VersionWanted => {
                let etag = self.version(path, during).await?;
                request.if_match = Some(etag.unwrap_or_else(|| HeaderValue::from_static("*")));
                answer = self.insist(&request).await?;
            }
            Verdict::Changed => {
                let etag = self.version(path, during).await?;
                let any = HeaderValue::from_static("*");
                let strong = etag.as_ref().and_then(strong);
                let tries = if strong.is_some() { vec![strong, None, Some(any)] } else { vec![etag] };
                for tag in tries {
                    request.if_match = tag;
                    answer = self.insist(&request).await?;
                    if !matches!(judge(&answer), Verdict::Changed | Verdict::VersionWanted) {
                        break;
                    }
                }
            }
            _ => {}
        }
        self.outcome(answer, during).await
    }

    /// The version of a resource. Settings resources that can be written and not read have none.
    async fn version(
        &self,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<Option<HeaderValue>, BmcError> {
        let answer = self.call(&Request::get(path, during)).await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        let in_body = || {
            let body: Value = parse(&answer.body).ok()?;
            HeaderValue::from_str(body.get("@odata.etag")?.as_str()?).ok()
        };
        Ok(answer.etag().or_else(in_body))
    }

    /// POST of what is not the same when it is done twice. `BmcError::Unknown` when the answer is lost.
    pub(super) async fn post(
        &self,
        path: &ResourcePath,
        body: Value,
        during: &'static str,
    ) -> Result<Outcome, BmcError> {
        let mut request = Request::post(path, body, during);
        request.once = true;
        let answer = self.insist(&request).await?;
        self.outcome(answer, during).await
    }

    /// DELETE. What is not there any more is deleted.
    pub(super) async fn delete(
        &self,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<Outcome, BmcError> {
        let answer = self.insist(&Request::new(Method::DELETE, path, during)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Outcome::Done { body: None, location: None });
        }
        self.outcome(answer, during).await
    }

    /// Sends a write, again and again for a while when the BMC can't do it now.
    pub(super) async fn insist(&self, request: &Request) -> Result<Answer, BmcError> {
        let deadline = Instant::now() + self.timing.not_now;
        loop {
            let answer = self.call(request).await?;
            let not_now = !answer.status.is_success() && judge(&answer) == Verdict::NotNow;
            if !not_now || Instant::now() >= deadline {
                return Ok(answer);
            }
            sleep(self.timing.poll * 3).await;
        }
    }

    /// What the answer to a write brought.
    pub(super) async fn outcome(&self, answer: Answer, during: &'static str) -> Result<Outcome, BmcError> {
        let transport = self.transport()?;
        let answer = transport.success(answer, during)?;
        let location = answer.location();
        // Most answers have nothing about them that depends on who the BMC is.
        let quirks = match answer.status {
            // That it can't be found out is no reason to call a write failed that was taken.
            StatusCode::ACCEPTED => self.quirks().await.unwrap_or_default(),
            _ => Quirks::default(),
        };
        match receipt(answer.status.as_u16(), location.as_ref(), &answer.body, &quirks) {
            Receipt::Failed(report) => Err(transport.refused(answer.status, &report, during)),
            Receipt::Task(path) => {
                let task = TaskHandle(path.to_string());
                self.note_made(&task);
                Ok(Outcome::Task(task))
            }
            Receipt::Done => Ok(Outcome::Done { body: parse(&answer.body).ok(), location }),
        }
    }

    /// An open stream of server-sent events, beside other requests.
    pub(super) async fn stream(
        &self,
        path: &ResourcePath,
        during: &'static str,
    ) -> Result<reqwest::Response, BmcError> {
        let transport = self.transport()?;
        let response = self.session.open(transport, path, during).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        Err(transport.refused(status, &bmc_proto::redfish::ErrorReport::default(), during))
    }

    /// Looks until `look` says yes, or `NotDone` with its last words after `patience`. Errors that may pass while
    /// something changes are waited through.
    pub(super) async fn await_that<T, Look>(
        &self,
        patience: Duration,
        during: &'static str,
        // Not `AsyncFnMut`: that its future is `Send` can't be said yet.
        mut look: impl FnMut() -> Look,
    ) -> Result<T, BmcError>
    where
        Look: Future<Output = Result<Result<T, String>, BmcError>>,
    {
        let deadline = Instant::now() + patience;
        loop {
            let late = Instant::now() >= deadline;
            match look().await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(found)) if late => return Err(self.not_done(during, found)),
                Err(error) if late || !is_passing(&error) => return Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(self.timing.poll).await;
        }
    }
}

/// The task of a change that is read back afterwards; an answer that was lost is none, because the reading tells.
pub(super) fn or_look(done: Result<Outcome, BmcError>) -> Result<Option<TaskHandle>, BmcError> {
    match done {
        Ok(Outcome::Task(task)) => Ok(Some(task)),
        Ok(Outcome::Done { .. }) => Ok(None),
        Err(lost @ (BmcError::Unknown { .. } | BmcError::Unreachable { .. })) => {
            tracing::debug!(error = %lost, "the answer to a redfish change was lost; looking at what came of it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether it may pass while something changes: a BMC that shares its port with the host loses the link for some
/// seconds, others answer nonsense meanwhile, and one that restarts is let alone for a moment.
pub(super) fn is_passing(error: &BmcError) -> bool {
    matches!(
        error,
        BmcError::Unreachable { .. }
            | BmcError::NotABmc { .. }
            | BmcError::Protocol { .. }
            | BmcError::Refused { .. }
            | BmcError::Resting { credentials: false, .. }
    )
}

/// The strong tag within a weak one.
fn strong(tag: &HeaderValue) -> Option<HeaderValue> {
    HeaderValue::from_bytes(tag.as_bytes().strip_prefix(b"W/")?).ok()
}
