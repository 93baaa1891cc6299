//! Virtual media over Redfish. Which slot and what is sent is decided in `bmc_proto::redfish::media`.

use super::Redfish;
use super::client::Outcome;
use crate::{BmcError, MediaInsert, MediaKind, MediaSlot, TaskHandle, VirtualMedia};
use async_trait::async_trait;
use bmc_proto::redfish::media::{
    Change, Kind, MediaRefusal, Slot, choose, find_slot, insert_info, media_link, mend_insert, next_choice,
    plan_eject, plan_insert,
};
use bmc_proto::redfish::{Quirks, ResourcePath};
use serde_json::Value;

const LIST: &str = "list the virtual media";
const INSERT: &str = "insert virtual media";
const EJECT: &str = "eject virtual media";

/// A slot, where it is, and all that it says.
struct Found {
    path: ResourcePath,
    resource: Value,
    slot: Slot,
}

#[async_trait]
impl VirtualMedia for Redfish {
    async fn media(&self) -> Result<Vec<MediaSlot>, BmcError> {
        let quirks = self.quirks().await?;
        Ok(self.slots(&quirks).await?.iter().map(|found| shown(&found.slot)).collect())
    }

    async fn insert_media(&self, insert: &MediaInsert) -> Result<MediaSlot, BmcError> {
        let quirks = self.quirks().await?;
        let all = self.slots(&quirks).await?;
        let slots: Vec<Slot> = all.iter().map(|found| found.slot.clone()).collect();
        let kind = kind(insert.kind);
        let mut index = choose(&slots, insert.slot.as_deref(), kind, &insert.image, &quirks)
            .map_err(|refusal| self.cannot(refusal.to_string()))?;
        let (mut refused, mut first) = (Vec::new(), None);
        loop {
            let error = match self.put_in(&all[index], kind, &insert.image, &quirks).await {
                Err(error @ BmcError::Refused { .. }) if insert.slot.is_none() => error,
                other => return other,
            };
            refused.push(index);
            // What the fittest slot said is worth the most.
            let error = first.take().unwrap_or(error);
            let Some(next) = next_choice(&slots, &refused, kind, &insert.image, &quirks) else {
                return Err(error);
            };
            (index, first) = (next, Some(error));
        }
    }

    async fn eject_media(&self, slot: Option<&str>) -> Result<(), BmcError> {
        let quirks = self.quirks().await?;
        let all = self.slots(&quirks).await?;
        let slots: Vec<Slot> = all.iter().map(|found| found.slot.clone()).collect();
        let wanted = match slot {
            Some(id) => {
                let index = find_slot(&slots, id).map_err(|refusal| self.cannot(refusal.to_string()))?;
                &all[index..=index]
            }
            None => &all[..],
        };
        let mut refusal = None;
        for found in wanted.iter().filter(|found| !found.slot.is_empty()) {
            match self.eject(found, &quirks).await {
                // One that a person holds from a console keeps no other in.
                Err(error @ (BmcError::Refused { .. } | BmcError::NotDone { .. })) => {
                    refusal = refusal.or(Some(error));
                }
                other => other?,
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl Redfish {
    /// Puts an image into this slot and sees that it is in.
    async fn put_in(
        &self,
        found: &Found,
        kind: Kind,
        image: &str,
        quirks: &Quirks,
    ) -> Result<MediaSlot, BmcError> {
        if found.slot.has(image) {
            return Ok(shown(&found.slot));
        }
        // Before anything is taken out: what can't be put in shall not throw out what is there.
        let mut change = self.plan(&found.resource, kind, image, quirks).await?;
        if !found.slot.is_empty() {
            self.eject(found, quirks).await?;
            let resource: Value = self.read(&found.path, LIST).await?;
            change = self.plan(&resource, kind, image, quirks).await?;
        }
        let done = self.insert(&found.path, change, image).await;
        let task = self.may_have_done(done)?;
        let slot =
            self.await_slot(&found.path, quirks, INSERT, task.as_ref().ok(), |slot| slot.shows(image)).await;
        match (slot, task) {
            (Err(BmcError::NotDone { .. }), Err(lost)) => Err(lost),
            (slot, _) => slot.map(|slot| shown(&slot)),
        }
    }

    /// All slots: the system's, or else its manager's.
    async fn slots(&self, quirks: &Quirks) -> Result<Vec<Found>, BmcError> {
        let system = self.system().await?.raw;
        let mut found = self.slots_of(&system, quirks).await?;
        if found.is_empty()
            && let Some(manager) = self.manager_path().await?
        {
            let manager: Value = self.read(&manager, "read the manager").await?;
            found = self.slots_of(&manager, quirks).await?;
        }
        if found.is_empty() { Err(self.cannot(MediaRefusal::None.to_string())) } else { Ok(found) }
    }

    async fn slots_of(&self, owner: &Value, quirks: &Quirks) -> Result<Vec<Found>, BmcError> {
        let Some(collection) = media_link(owner) else { return Ok(Vec::new()) };
        let members: Vec<(ResourcePath, Value)> = self.read_all(&collection, LIST).await?;
        let found = members.into_iter().map(|(path, resource)| {
            let slot = Slot::read(&resource, quirks);
            Found { path, resource, slot }
        });
        Ok(found.collect())
    }

    async fn plan(
        &self,
        resource: &Value,
        kind: Kind,
        image: &str,
        quirks: &Quirks,
    ) -> Result<Change, BmcError> {
        let info: Option<Value> = match insert_info(resource) {
            Some(path) => self.read_optional(&path, "read what an action takes").await?,
            None => None,
        };
        plan_insert(resource, info.as_ref(), kind, image, quirks)
            .map_err(|refusal| self.cannot(refusal.to_string()))
    }

    /// Sends the insertion; when the BMC refuses it for a parameter, without that parameter or with it.
    async fn insert(&self, path: &ResourcePath, change: Change, image: &str) -> Result<Outcome, BmcError> {
        let (target, mut body) = match change {
            Change::Patch(body) => return self.patch(path, body, INSERT).await,
            Change::Post(target, body) => (target, body),
        };
        let mut tried = Vec::new();
        loop {
            let refusal = match self.post(&target, body.clone(), INSERT).await {
                Err(BmcError::Refused { address, during, answer }) => (address, during, answer),
                other => return other,
            };
            let (address, during, answer) = refusal;
            let Some((mended, named)) = mend_insert(&body, &answer, image, &tried) else {
                return Err(BmcError::Refused { address, during, answer });
            };
            tracing::debug!(%address, parameter = named, %answer, "virtual media: once more with or without it");
            tried.push(named);
            body = mended;
        }
    }

    async fn eject(&self, found: &Found, quirks: &Quirks) -> Result<(), BmcError> {
        let change =
            plan_eject(&found.resource, quirks).map_err(|refusal| self.cannot(refusal.to_string()))?;
        let done = match change {
            Change::Post(target, body) => self.post(&target, body, EJECT).await,
            Change::Patch(body) => self.patch(&found.path, body, EJECT).await,
        };
        let task = self.may_have_done(done)?;
        let gone =
            self.await_slot(&found.path, quirks, EJECT, task.as_ref().ok(), |slot| !slot.inserted).await;
        match (gone, task) {
            (Err(BmcError::NotDone { .. }), Err(lost)) => Err(lost),
            (gone, _) => gone.map(|_| ()),
        }
    }

    /// The outer error ends it. The inner one is an answer that was lost: doing it twice does no harm, and whether it
    /// was done is read back.
    fn may_have_done(
        &self,
        done: Result<Outcome, BmcError>,
    ) -> Result<Result<Option<TaskHandle>, BmcError>, BmcError> {
        match done {
            Ok(Outcome::Task(task)) => Ok(Ok(Some(task))),
            Ok(Outcome::Done { .. }) => Ok(Ok(None)),
            Err(lost @ (BmcError::Unknown { .. } | BmcError::Unreachable { .. })) => Ok(Err(lost)),
            Err(error) => Err(error),
        }
    }

    async fn await_slot(
        &self,
        path: &ResourcePath,
        quirks: &Quirks,
        during: &'static str,
        task: Option<&Option<TaskHandle>>,
        is_so: impl Fn(&Slot) -> bool,
    ) -> Result<Slot, BmcError> {
        let task = task.and_then(Option::as_ref);
        self.await_that(self.timing.media, during, || async {
            let resource: Value = self.read(path, LIST).await?;
            let slot = Slot::read(&resource, quirks);
            if is_so(&slot) {
                return Ok(Ok(slot));
            }
            self.must_not_have_failed(task, during).await?;
            Ok(Err(slot.describe()))
        })
        .await
    }
}

fn kind(kind: MediaKind) -> Kind {
    match kind {
        MediaKind::Cd => Kind::Cd,
        MediaKind::Dvd => Kind::Dvd,
        MediaKind::Usb => Kind::Usb,
        MediaKind::Floppy => Kind::Floppy,
    }
}

fn shown(slot: &Slot) -> MediaSlot {
    let kinds = slot.kinds.iter().map(|kind| match kind {
        Kind::Cd => MediaKind::Cd,
        Kind::Dvd => MediaKind::Dvd,
        Kind::Usb => MediaKind::Usb,
        Kind::Floppy => MediaKind::Floppy,
    });
    MediaSlot {
        id: slot.id.clone(),
        kinds: kinds.collect(),
        image: slot.image.clone().or_else(|| slot.image_name.clone()),
        inserted: slot.inserted,
        write_protected: slot.write_protected,
    }
}

#[cfg(test)]
mod tests;
