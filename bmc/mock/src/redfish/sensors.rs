//! Sensors that move a little with every reading, can be made hot, and are without a reading while the machine is off.

use super::group::Group;
use super::state::{Shared, lock};
use crate::ChassisError;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a chassis draws while the machine is off.
const STANDBY_WATTS: u64 = 12;

/// The sensors of a chassis.
#[derive(Default)]
pub struct Sensors {
    readings: AtomicU64,
    /// By id: degrees Celsius.
    heated: Mutex<BTreeMap<String, i32>>,
}

impl Sensors {
    /// Lets the temperature sensor with this id read so, whatever its limits.
    pub fn heat(&self, id: &str, celsius: i32) {
        lock(&self.heated).insert(id.to_owned(), celsius);
    }

    /// A little up or down, another one for each sensor and reading.
    fn wobble(&self, sensor: usize) -> i64 {
        let turn = self.readings.load(Relaxed).wrapping_mul(7).wrapping_add(sensor as u64 * 3);
        i64::try_from(turn % 5).unwrap_or(0) - 2
    }

    fn temperature(&self, number: usize, sensor: &mut Value, on: bool, property: &str, id: &str) {
        if let Some(celsius) = lock(&self.heated).get(id) {
            sensor[property] = (*celsius).into();
            sensor["Status"]["Health"] = "Critical".into();
        } else if !on && !id.to_ascii_lowercase().contains("inlet") {
            unread(sensor, property);
        } else if let Some(reading) = sensor[property].as_f64() {
            sensor[property] = json!(reading + self.wobble(number) as f64);
        }
    }

    fn thermal(&self, resource: &mut Map<String, Value>, on: bool) {
        for (number, sensor) in items(resource, "Temperatures").enumerate() {
            let id = sensor["MemberId"].as_str().unwrap_or_default().to_owned();
            self.temperature(number, sensor, on, "ReadingCelsius", &id);
        }
        for (number, fan) in items(resource, "Fans").enumerate() {
            match fan["Reading"].as_i64() {
                Some(reading) if on => fan["Reading"] = (reading + 10 * self.wobble(number)).into(),
                _ => unread(fan, "Reading"),
            }
        }
    }

    fn power(&self, resource: &mut Map<String, Value>, on: bool) {
        for (number, control) in items(resource, "PowerControl").enumerate() {
            let watts = control["PowerConsumedWatts"].as_i64().unwrap_or(0) + self.wobble(number);
            control["PowerConsumedWatts"] = if on { watts.into() } else { STANDBY_WATTS.into() };
        }
        for voltage in items(resource, "Voltages").filter(|_| !on) {
            unread(voltage, "ReadingVolts");
        }
    }

    fn sensor(&self, path: &str, resource: &mut Map<String, Value>, on: bool) {
        let id = path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut whole = Value::Object(std::mem::take(resource));
        let number = id.len();
        match whole["ReadingType"].as_str() {
            Some("Temperature") => self.temperature(number, &mut whole, on, "Reading", &id),
            Some("Power") if !on => whole["Reading"] = STANDBY_WATTS.into(),
            _ if !on => unread(&mut whole, "Reading"),
            _ => {
                if let Some(reading) = whole["Reading"].as_f64() {
                    whole["Reading"] = json!(reading + self.wobble(number) as f64);
                }
            }
        }
        *resource = super::tree::into_map(whole);
    }
}

/// A sensor of a part without power.
fn unread(sensor: &mut Value, property: &str) {
    sensor[property] = Value::Null;
    sensor["Status"] = json!({"State": "StandbyOffline"});
}

fn items<'r>(resource: &'r mut Map<String, Value>, list: &str) -> impl Iterator<Item = &'r mut Value> {
    resource.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

#[async_trait]
impl Group for Sensors {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        reading: bool,
    ) -> Result<(), ChassisError> {
        let places = bmc.places();
        let is = |places: &[String]| places.iter().any(|place| place == path);
        let below = places
            .sensors
            .iter()
            .any(|place| path.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with('/')));
        let metrics = places.chassis.iter().any(|chassis| *path == format!("{chassis}/EnvironmentMetrics"));
        if !(is(&places.thermal) || is(&places.power) || below || metrics) {
            return Ok(());
        }
        let on = bmc.chassis.power().await?;
        if reading {
            self.readings.fetch_add(1, Relaxed);
        }
        if below {
            self.sensor(path, resource, on);
        } else if metrics {
            if let Some(power) = resource.get_mut("PowerWatts").filter(|_| !on) {
                power["Reading"] = STANDBY_WATTS.into();
            }
        } else if is(&places.thermal) {
            self.thermal(resource, on);
        } else {
            self.power(resource, on);
        }
        Ok(())
    }
}
