//! Firmware over Redfish: the inventory, and updates that are started here and followed by `tasks`.

use super::Redfish;
use super::client::Outcome;
use super::push::Push;
use super::session::path_of;
use crate::{ApplyTime, BmcError, Firmware, FirmwareItem, FirmwareSource, FirmwareUpdate, TaskHandle};
use async_trait::async_trait;
use bmc_proto::redfish::bios::bios_link;
use bmc_proto::redfish::firmware::{
    Apply, Item, PushPlan, Service, UpdateRefusal, find_targets, inventories, push_targets,
};
use bmc_proto::redfish::{Effect, Quirks, ResourcePath};
use serde_json::Value;
use std::path::Path;

const READ: &str = "read the firmware";
const START: &str = "start a firmware update";

#[async_trait]
impl Firmware for Redfish {
    async fn firmware(&self) -> Result<Vec<FirmwareItem>, BmcError> {
        let (_, service) = self.update_service().await?;
        let items = self.items(&service).await?;
        Ok(items.into_iter().map(|(_, item)| shown(item)).collect())
    }

    async fn start_update(&self, update: &FirmwareUpdate) -> Result<TaskHandle, BmcError> {
        let (path, resource) = self.update_service().await?;
        let service = Service::new(&resource).map_err(|refusal| self.no_update(&refusal))?;
        let targets = self.targets(&resource, &update.targets).await?;
        let apply = update.apply.map(|apply| match apply {
            ApplyTime::Immediate => Apply::Immediate,
            ApplyTime::OnReset => Apply::OnReset,
        });
        let outcome = match &update.source {
            FirmwareSource::Url(image) => {
                let info: Option<Value> = match service.info() {
                    Some(info) => self.read_optional(&info, "read what an action takes").await?,
                    None => None,
                };
                let plan = service.plan_fetch(info.as_ref(), image, &targets, apply);
                let (target, body) = plan.map_err(|refusal| self.no_update(&refusal))?;
                self.post(&target, body, START).await?
            }
            FirmwareSource::File(file) => self.push_file(&path, &service, file, &targets, apply).await?,
        };
        Ok(match outcome {
            Outcome::Task(task) => task,
            // No task: the service itself may show how far it is, or else nothing does.
            Outcome::Done { .. } => TaskHandle(path.to_string()),
        })
    }
}

impl Redfish {
    async fn update_service(&self) -> Result<(ResourcePath, Value), BmcError> {
        let root = self.root().await?;
        let path = root.update_service.as_ref().and_then(path_of);
        let path = path.ok_or_else(|| self.no_update(&UpdateRefusal::None))?;
        let service: Option<Value> = self.read_optional(&path, READ).await?;
        Ok((path, service.ok_or_else(|| self.no_update(&UpdateRefusal::None))?))
    }

    /// All that the inventories list, each once.
    async fn items(&self, service: &Value) -> Result<Vec<(ResourcePath, Item)>, BmcError> {
        let mut items: Vec<(ResourcePath, Item)> = Vec::new();
        for collection in inventories(service) {
            for (path, resource) in self.read_all(&collection, READ).await? {
                let known = items.iter().any(|(known, _)| *known == path);
                items.extend(Item::read(&resource).filter(|_| !known).map(|item| (path, item)));
            }
        }
        Ok(items)
    }

    async fn targets(&self, service: &Value, ids: &[String]) -> Result<Vec<ResourcePath>, BmcError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.items(service).await?;
        find_targets(&items, ids).map_err(|refusal| self.no_update(&refusal))
    }

    async fn push_file(
        &self,
        path: &ResourcePath,
        service: &Service<'_>,
        file: &Path,
        targets: &[ResourcePath],
        apply: Option<Apply>,
    ) -> Result<Outcome, BmcError> {
        let unreadable = |error| self.cannot(format!("{} can't be read here: {error}", file.display()));
        let size = tokio::fs::metadata(file).await.map_err(unreadable)?.len();
        let quirks = self.quirks().await?;
        let targets = self.push_targets(targets, &quirks).await?;
        let plan = service.plan_push(size, &targets, apply, &quirks);
        let file = file.to_path_buf();
        match plan.map_err(|refusal| self.no_update(&refusal))? {
            PushPlan::Multipart { to, parameters, oem } => {
                self.push(&to, Push::Multipart { file, parameters, oem }, START).await
            }
            PushPlan::Plain { to, before } => {
                if let Some(before) = before {
                    self.patch(path, before, START).await?;
                }
                self.push(&to, Push::Plain { file }, START).await
            }
        }
    }

    /// What a push to these items of the inventory names.
    async fn push_targets(
        &self,
        items: &[ResourcePath],
        quirks: &Quirks,
    ) -> Result<Vec<ResourcePath>, BmcError> {
        if items.is_empty() || !quirks.has(Effect::PushTargetsResources) {
            return Ok(items.to_vec());
        }
        let bios = bios_link(&self.system().await?.raw).ok();
        let manager = self.manager_path().await?;
        Ok(push_targets(items.to_vec(), bios.as_ref(), manager.as_ref(), quirks))
    }

    fn no_update(&self, refusal: &UpdateRefusal) -> BmcError {
        self.cannot(refusal.to_string())
    }
}

fn shown(item: Item) -> FirmwareItem {
    let Item { id, name, version, updateable, health } = item;
    FirmwareItem { id, name, version, updateable, health }
}

#[cfg(test)]
mod tests;
