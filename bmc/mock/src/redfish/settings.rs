//! Small settings: identify lamp, asset tag, the BMC's clock.

use super::answer::{Refusal, error, not_in_list, wrong_type};
use super::group::Group;
use super::profiles::Profile;
use super::state::{Shared, lock};
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use bmc_proto::redfish::{date_time, timestamp};
use serde_json::{Map, Value, json};
use std::sync::Mutex;
use tokio::time::Instant;

/// What the clock says when the BMC is made: 2026-01-01.
const BORN: i64 = 1_767_225_600;
/// The longest asset tag in bytes.
const TAG_MAX: usize = 63;

/// Lamp, tag and clock.
pub struct SmallSettings {
    clock: Mutex<(Instant, i64)>,
}

impl Default for SmallSettings {
    fn default() -> Self {
        Self { clock: Mutex::new((Instant::now(), BORN)) }
    }
}

impl SmallSettings {
    /// What the BMC's clock says, seconds since 1970 UTC.
    pub fn clock(&self) -> i64 {
        let (set, seconds) = *lock(&self.clock);
        seconds + i64::try_from(set.elapsed().as_secs()).unwrap_or(0)
    }

    /// Sets the BMC's clock.
    pub fn set_clock(&self, seconds: i64) {
        *lock(&self.clock) = (Instant::now(), seconds);
    }

    fn set(bmc: &Shared, path: &str, property: &str, value: &Value) -> Result<(), Refusal> {
        match (property, value) {
            ("IndicatorLED", Value::String(word)) if words(bmc.profile).contains(&word.as_str()) => {}
            ("IndicatorLED", Value::String(_)) => return Err(not_in_list(property, value).into()),
            ("LocationIndicatorActive", Value::Bool(_)) => {}
            ("AssetTag", Value::String(tag)) if tag.len() <= TAG_MAX => {}
            ("AssetTag", Value::String(_)) => return Err(too_long(property).into()),
            _ => return Err(wrong_type(property, value).into()),
        }
        bmc.merge(path, json!({ property: value }));
        Ok(())
    }
}

/// What an `IndicatorLED` takes.
fn words(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Dell => &["Lit", "Blinking"],
        Profile::Hpe => &["Lit", "Off"],
        _ => &["Lit", "Blinking", "Off"],
    }
}

fn too_long(property: &str) -> axum::response::Response {
    let message = format!("The value for the property {property} exceeds the length limit of {TAG_MAX}.");
    let mend = "Correct the value for the property in the request body and resubmit the request.";
    error(StatusCode::BAD_REQUEST, "PropertyValueFormatError", &message, mend)
}

fn has_settings(bmc: &Shared, path: &str) -> bool {
    let places = bmc.places();
    path == places.system || places.chassis.iter().any(|chassis| chassis == path)
}

#[async_trait]
impl Group for SmallSettings {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        _reading: bool,
    ) -> Result<(), ChassisError> {
        let places = bmc.places();
        if (path == places.manager || places.logs.iter().any(|log| log == path))
            && let Some(shown) = resource.get_mut("DateTime")
        {
            *shown = date_time(self.clock()).into();
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
        if path == bmc.places().manager && property == "DateTime" {
            let Some(seconds) = value.as_str().and_then(timestamp) else {
                return Some(Err(wrong_type(property, value).into()));
            };
            self.set_clock(seconds);
            return Some(Ok(()));
        }
        let known = ["IndicatorLED", "LocationIndicatorActive", "AssetTag"].contains(&property);
        let there = known && has_settings(bmc, path) && bmc.stored(path)?.get(property).is_some();
        there.then(|| Self::set(bmc, path, property, value))
    }

    fn methods(&self, bmc: &Shared, path: &str) -> &'static [Method] {
        if has_settings(bmc, path) || path == bmc.places().manager { &[Method::PATCH] } else { &[] }
    }
}
