//! BIOS attributes: changes are pending in the settings object until the machine boots; bad ones are refused by the
//! registry.

use super::answer::{
    Refusal, error, foreign_error, not_in_list, read_only, unknown_property, with_json, wrong_type,
};
use super::group::{Event, Group, Request};
use super::profiles::Profile;
use super::state::{Shared, lock};
use super::tasks::Deed;
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// BIOS attributes.
#[derive(Default)]
pub struct Bios {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What differs from the profile's tree.
    now: BTreeMap<String, Value>,
    pending: BTreeMap<String, Value>,
    /// Pending, but no job carries it out.
    idle: bool,
    /// Pending changes show as if they held already.
    early: bool,
}

impl Bios {
    /// The value of an attribute, if it was ever changed.
    pub fn changed(&self, name: &str) -> Option<Value> {
        lock(&self.state).now.get(name).cloned()
    }

    /// What is pending.
    pub fn pending(&self) -> BTreeMap<String, Value> {
        lock(&self.state).pending.clone()
    }

    /// Whether pending values show as if they held already, as iDRAC does it.
    pub fn set_early(&self, early: bool) {
        lock(&self.state).early = early;
    }

    async fn change(&self, bmc: &Shared, request: &Request, settings: &str) -> Result<Response, Refusal> {
        bmc.precondition(request, settings).await?;
        let body = request.json()?;
        let other = |name: &&String| !matches!(name.as_str(), "Attributes" | "@Redfish.SettingsApplyTime");
        if let Some(name) = body.keys().find(other) {
            return Err(unknown_property(name).into());
        }
        let Some(changes) = body.get("Attributes").and_then(Value::as_object) else {
            return Err(super::answer::no_operation().into());
        };
        let registry = bmc.places().bios_registry.as_deref().and_then(|path| bmc.tree.get(path));
        let entries = registry.and_then(|registry| registry["RegistryEntries"]["Attributes"].as_array());
        let entry = |name: &str| entries?.iter().find(|entry| entry["AttributeName"] == name);
        for (name, value) in changes {
            check(entry(name).ok_or_else(|| Box::new(unknown_property(name)))?, name, value)?;
        }
        let dell = bmc.profile == Profile::Dell;
        let with_time = body.contains_key("@Redfish.SettingsApplyTime");
        let mut state = lock(&self.state);
        if dell && !state.pending.is_empty() && !state.idle {
            let text = "Pending configuration values are already committed, unable to perform another set operation.";
            return Err(foreign_error(
                StatusCode::BAD_REQUEST,
                "IDRAC.2.8.SYS428",
                text,
                "Wait for the job.",
            )
            .into());
        }
        for (name, value) in changes {
            let at_once = entry(name).is_some_and(|entry| entry["ResetRequired"] == false);
            let to = if at_once { &mut state.now } else { &mut state.pending };
            to.insert(name.clone(), value.clone());
        }
        state.idle = dell && !with_time;
        let job = dell && with_time && !state.pending.is_empty();
        drop(state);
        Ok(self.answer(bmc, request, settings, job))
    }

    fn answer(&self, bmc: &Shared, request: &Request, settings: &str, job: bool) -> Response {
        if job {
            let name = "ConfigBIOS:BIOS.Setup.1-1";
            return bmc.controls.parts().tasks.start(bmc, request, name, Deed::Elsewhere, true);
        }
        if bmc.profile == Profile::Supermicro {
            // No task is there: the resource itself is what `Location` says.
            let mut response =
                with_json(StatusCode::ACCEPTED, &json!({"Success": {"code": "Base.v1_4_0.Success"}}));
            if let Ok(location) = HeaderValue::from_str(settings) {
                response.headers_mut().insert(LOCATION, location);
            }
            return response;
        }
        bmc.tree.manners.done()
    }

    fn reset(&self, bmc: &Shared) -> Response {
        let bios = bmc.places().bios.as_deref().and_then(|path| bmc.tree.get(path));
        let defaults = bios.and_then(|bios| bios["Attributes"].as_object()).cloned().unwrap_or_default();
        let mut state = lock(&self.state);
        state.pending = defaults.into_iter().collect();
        state.idle = false;
        bmc.tree.manners.done()
    }
}

#[async_trait]
impl Group for Bios {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        let places = bmc.places();
        let state = lock(&self.state);
        if places.bios.as_deref() == Some(path) {
            let early = state.early.then_some(&state.pending);
            put(resource, state.now.iter().chain(early.into_iter().flatten()));
        } else if places.bios_settings.as_deref() == Some(path) {
            // Some show a whole copy there, some what is pending only.
            let whole = matches!(bmc.profile, Profile::Hpe | Profile::Supermicro | Profile::Lenovo);
            let bios = places.bios.as_deref().and_then(|bios| bmc.tree.get(bios)).filter(|_| whole);
            if let Some(all) = bios.and_then(|bios| bios["Attributes"].as_object()) {
                put(resource, all.iter());
                put(resource, state.now.iter());
            }
            put(resource, state.pending.iter());
        }
        Ok(())
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let places = bmc.places();
        let (bios, settings) = (places.bios.as_deref()?, places.bios_settings.as_deref()?);
        if request.method == Method::PATCH && request.path == settings {
            let done = self.change(bmc, request, settings).await;
            return Some(done.unwrap_or_else(|refusal| *refusal));
        }
        request.posts_to(&format!("{bios}/Actions/Bios.ResetBios")).then(|| self.reset(bmc))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        if bmc.places().bios_settings.as_deref() == Some(path) { &[Method::PATCH] } else { &[] }
    }

    fn happened(&self, _bmc: &Shared, event: &Event) {
        let mut state = lock(&self.state);
        if matches!(event, Event::Boot) && !state.idle {
            let pending = std::mem::take(&mut state.pending);
            state.now.extend(pending);
        }
    }
}

fn put<'v>(resource: &mut Map<String, Value>, values: impl Iterator<Item = (&'v String, &'v Value)>) {
    let Some(attributes) = resource.get_mut("Attributes").and_then(Value::as_object_mut) else { return };
    for (name, value) in values {
        attributes.insert(name.clone(), value.clone());
    }
}

/// Whether an attribute may have a value, by its entry in the registry.
fn check(entry: &Value, name: &str, value: &Value) -> Result<(), Refusal> {
    if entry["ReadOnly"] == true {
        return Err(read_only(name).into());
    }
    let out_of_range = || {
        let text = format!(
            "The value '{value}' for the property {name} is not in the supported range of acceptable values."
        );
        Box::new(error(StatusCode::BAD_REQUEST, "PropertyValueOutOfRange", &text, "Correct the value."))
    };
    match entry["Type"].as_str() {
        Some("Enumeration") => {
            let words = entry["Value"].as_array().into_iter().flatten();
            let known = words.into_iter().any(|word| word["ValueName"] == *value);
            if known { Ok(()) } else { Err(not_in_list(name, value).into()) }
        }
        Some("Integer") => {
            let number = value.as_i64().ok_or_else(|| Box::new(wrong_type(name, value)))?;
            let least = entry["LowerBound"].as_i64().is_none_or(|least| number >= least);
            let most = entry["UpperBound"].as_i64().is_none_or(|most| number <= most);
            if least && most { Ok(()) } else { Err(out_of_range()) }
        }
        Some("Boolean") if value.is_boolean() => Ok(()),
        Some("String") if value.is_string() => {
            let length = value.as_str().unwrap_or_default().chars().count() as u64;
            let most = entry["MaxLength"].as_u64().is_none_or(|most| length <= most);
            if most { Ok(()) } else { Err(out_of_range()) }
        }
        _ => Err(wrong_type(name, value).into()),
    }
}

#[cfg(test)]
mod tests;
