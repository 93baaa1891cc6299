//! The lasting boot order: written at the system, or at its settings object, where it is pending until the machine boots.

use super::answer::{Refusal, not_in_list, unknown_property, wrong_type};
use super::group::{Event, Group, Request};
use super::profiles::Profile;
use super::state::{Shared, lock};
use super::tasks::Deed;
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Mutex;

/// The boot order.
#[derive(Default)]
pub struct BootOptions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None`: as the profile has it.
    order: Option<Vec<String>>,
    pending: Option<Vec<String>>,
}

impl BootOptions {
    /// The order, once it was changed.
    pub fn order(&self) -> Option<Vec<String>> {
        lock(&self.state).order.clone()
    }

    /// The order that the next boot brings.
    pub fn pending(&self) -> Option<Vec<String>> {
        lock(&self.state).pending.clone()
    }

    fn set(&self, bmc: &Shared, path: &str, boot: &Value) -> Result<(), Refusal> {
        if let Some(name) = boot.as_object().and_then(|boot| boot.keys().find(|name| *name != "BootOrder")) {
            return Err(unknown_property(name).into());
        }
        let stored = bmc.stored(&bmc.places().system).unwrap_or_default();
        let mut known = words(&stored["Boot"]["BootOrder"]).unwrap_or_default();
        let order =
            words(&boot["BootOrder"]).ok_or_else(|| Box::new(wrong_type("BootOrder", &boot["BootOrder"])))?;
        let mut sorted = order.clone();
        sorted.sort();
        known.sort();
        if sorted != known {
            return Err(not_in_list("BootOrder", &boot["BootOrder"]).into());
        }
        let mut state = lock(&self.state);
        if bmc.places().system_settings.as_deref() == Some(path) {
            state.pending = Some(order);
        } else {
            state.order = Some(order);
        }
        Ok(())
    }

    async fn by_job(&self, bmc: &Shared, request: &Request, boot: &Value) -> Result<Response, Refusal> {
        bmc.precondition(request, &request.path).await?;
        self.set(bmc, &request.path, boot)?;
        let name = "ConfigBIOS:BIOS.Setup.1-1";
        Ok(bmc.controls.parts().tasks.start(bmc, request, name, Deed::Elsewhere, true))
    }
}

#[async_trait]
impl Group for BootOptions {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        let places = bmc.places();
        let state = lock(&self.state);
        let shown = if path == places.system {
            state.order.as_ref()
        } else if places.system_settings.as_deref() == Some(path) {
            state.pending.as_ref().or(state.order.as_ref())
        } else {
            None
        };
        if let (Some(order), Some(boot)) = (shown, resource.get_mut("Boot").and_then(Value::as_object_mut)) {
            boot.insert("BootOrder".into(), json!(order));
        }
        Ok(())
    }

    async fn patch(
        &self,
        bmc: &Shared,
        path: &str,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        let places = bmc.places();
        let ours = path == places.system || places.system_settings.as_deref() == Some(path);
        if !ours || property != "Boot" || value.get("BootOrder").is_none() {
            return None;
        }
        // Where there is a settings object, it is what takes the order.
        if path == places.system && places.system_settings.is_some() {
            return Some(Err(super::answer::read_only("BootOrder").into()));
        }
        Some(self.set(bmc, path, value))
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let settings = bmc.places().system_settings.as_deref()?;
        if bmc.profile != Profile::Dell || request.method != Method::PATCH || request.path != settings {
            return None;
        }
        let body = request.json().ok()?;
        let boot = body.get("Boot").filter(|boot| boot.get("BootOrder").is_some())?;
        Some(self.by_job(bmc, request, boot).await.unwrap_or_else(|refusal| *refusal))
    }

    fn happened(&self, _bmc: &Shared, event: &Event) {
        if matches!(event, Event::Boot) {
            let mut state = lock(&self.state);
            if let Some(order) = state.pending.take() {
                state.order = Some(order);
            }
        }
    }
}

fn words(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
