//! BIOS attributes over Redfish. What may be set and whether it was done is decided in `bmc_proto::redfish::bios`.

use super::Redfish;
use super::client::Outcome;
use super::session::path_of;
use super::transport::{Request, without};
use crate::{BiosApplied, BiosAttribute, BiosRule, BiosSettings, BiosValue, BmcError};
use async_trait::async_trait;
use bmc_proto::redfish::ResourcePath;
use bmc_proto::redfish::bios::{
    Applied, Attribute, Registry, Rule, Setting, bios_link, bios_patch, find_registry, judge_bios, plan_bios,
    plan_bios_reset, read_attributes, registry_location, registry_name,
};
use bmc_proto::redfish::settings::{applying_failed, with_apply_time};
use serde_json::Value;
use std::collections::BTreeMap;

const READ: &str = "read the BIOS attributes";
const REGISTRY: &str = "read what BIOS attributes may be";
const SET: &str = "set BIOS attributes";
const RESET: &str = "reset the BIOS";

/// What is read at once.
struct Read {
    path: ResourcePath,
    bios: Value,
    settings: Option<(ResourcePath, Value)>,
}

impl Read {
    fn pending(&self) -> Option<&Value> {
        self.settings.as_ref().map(|(_, settings)| settings)
    }
}

#[async_trait]
impl BiosSettings for Redfish {
    async fn bios(&self) -> Result<Vec<BiosAttribute>, BmcError> {
        let read = self.read_bios().await?;
        let registry = self.registry(&read.bios).await?;
        let attributes = read_attributes(&read.bios, read.pending(), registry.as_ref());
        Ok(attributes.into_iter().map(shown).collect())
    }

    async fn set_bios(&self, changes: &BTreeMap<String, BiosValue>) -> Result<BiosApplied, BmcError> {
        let applied = self.apply_bios(changes).await;
        // A refusal may repeat what it refuses, which may be a password of the setup.
        applied.map_err(|error| secrets(changes).fold(error, without))
    }

    async fn reset_bios(&self) -> Result<(), BmcError> {
        let read = self.read_bios().await?;
        let quirks = self.quirks().await?;
        let (target, body) = plan_bios_reset(&read.bios, read.pending(), &quirks)
            .map_err(|refusal| self.cannot(refusal.to_string()))?;
        // The firmware does it at its next run; until then there is nothing to read back but a task that failed.
        if let Outcome::Task(task) = self.post(&target, body, RESET).await? {
            self.must_not_have_failed(Some(&task), RESET).await?;
        }
        Ok(())
    }
}

impl Redfish {
    async fn apply_bios(&self, changes: &BTreeMap<String, BiosValue>) -> Result<BiosApplied, BmcError> {
        let read = self.read_bios().await?;
        let registry = self.registry(&read.bios).await?;
        let attributes = read_attributes(&read.bios, read.pending(), registry.as_ref());
        let wanted = changes.iter().map(|(name, value)| (name.clone(), setting(value))).collect();
        let planned = plan_bios(&attributes, &wanted).map_err(|refusal| self.cannot(refusal.to_string()))?;
        if planned.is_empty() {
            return Ok(BiosApplied::Already);
        }
        let quirks = self.quirks().await?;
        let body = with_apply_time(bios_patch(&planned), &read.bios, read.pending(), &quirks);
        let to = read.settings.as_ref().map_or(&read.path, |(path, _)| path);
        let task = self.patch_and_look(to, body, SET).await?;
        self.await_that(self.timing.setting, SET, || async {
            let lives = self.must_not_have_failed(task.as_ref(), SET).await?;
            let read = self.read_bios().await?;
            match judge_bios(&planned, &read.bios, read.pending(), lives, &quirks) {
                Applied::Now => Ok(Ok(BiosApplied::Now)),
                Applied::NextBoot => Ok(Ok(BiosApplied::NextBoot)),
                Applied::Not(found) => {
                    let why = applying_failed(&read.bios).map(|why| format!(" ({why})")).unwrap_or_default();
                    Ok(Err(format!("{found}{why}")))
                }
            }
        })
        .await
    }

    async fn read_bios(&self) -> Result<Read, BmcError> {
        let system = self.system().await?.raw;
        let path = bios_link(&system).map_err(|refusal| self.cannot(refusal.to_string()))?;
        let bios: Value = self.read(&path, READ).await?;
        let settings = self.read_settings(&bios, READ).await?;
        Ok(Read { path, bios, settings })
    }

    /// What attributes may be; `None` when the BMC has no registry of them, or none that can be read.
    async fn registry(&self, bios: &Value) -> Result<Option<Registry>, BmcError> {
        let Some(name) = registry_name(bios) else { return Ok(None) };
        let root = self.root().await?;
        let Some(all) = root.registries.as_ref().and_then(path_of) else { return Ok(None) };
        let paths = match self.members(&all, REGISTRY).await {
            Ok(paths) => paths,
            Err(BmcError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(file) = find_registry(&paths, name) else { return Ok(None) };
        let file: Option<Value> = self.read_optional(&file, REGISTRY).await?;
        let Some(location) = file.as_ref().and_then(registry_location) else { return Ok(None) };
        let answer = self.call(&Request::get(&location, REGISTRY)).await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        Ok(Registry::parse(&answer.body))
    }
}

/// What of the changes nobody else is to know.
fn secrets(changes: &BTreeMap<String, BiosValue>) -> impl Iterator<Item = &str> {
    let hides = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["pass", "pwd", "secret"].iter().any(|word| name.contains(word))
    };
    changes.iter().filter_map(move |(name, value)| match value {
        BiosValue::Text(text) if hides(name) => Some(text.as_str()),
        _ => None,
    })
}

fn setting(value: &BiosValue) -> Setting {
    match value {
        BiosValue::Text(text) => Setting::Text(text.clone()),
        BiosValue::Number(number) => Setting::Number(*number),
        BiosValue::Flag(flag) => Setting::Flag(*flag),
    }
}

fn value(setting: Setting) -> BiosValue {
    match setting {
        Setting::Text(text) => BiosValue::Text(text),
        Setting::Number(number) => BiosValue::Number(number),
        Setting::Flag(flag) => BiosValue::Flag(flag),
    }
}

fn shown(attribute: Attribute) -> BiosAttribute {
    BiosAttribute {
        name: attribute.name,
        display_name: attribute.rule.as_ref().and_then(|rule| rule.display_name.clone()),
        value: attribute.value.map(value),
        pending: attribute.pending.map(value),
        rule: attribute.rule.map(rule),
    }
}

fn rule(rule: Rule) -> BiosRule {
    BiosRule {
        kind: rule.kind,
        allowed: rule.allowed,
        least: rule.least,
        most: rule.most,
        step: rule.step,
        shortest: rule.shortest,
        longest: rule.longest,
        pattern: rule.pattern,
        read_only: rule.read_only,
        needs_reset: rule.needs_reset,
        default: rule.default.map(value),
    }
}

#[cfg(test)]
mod tests;
