//! Sensors and the power meter, from the resources of before 2020 or from those since, whichever a chassis has.

use super::Redfish;
use crate::capability::{PowerMeter, PowerReading, Sensor, SensorHealth, Sensors, Thresholds};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::redfish::chassis::Chassis;
use bmc_proto::redfish::sensors::{
    Consumption, Judgement, Measurement, consumption, environment_consumption, fan, power, power_supply,
    sensor, supply_metrics, supply_watts, thermal, thermal_metrics, without_repetitions,
};
use bmc_proto::redfish::{ResourcePath, path_of};
use serde_json::Value;
use std::time::Duration;

const READING: &str = "read the sensors";
const METERING: &str = "read the power meter";
/// The most chassis that are looked at.
const CHASSIS_MAX: usize = 16;
/// The most sensors of a chassis.
const SENSORS_MAX: usize = 1024;
/// The most power supplies, or fans.
const PARTS_MAX: usize = 64;

#[async_trait]
impl Sensors for Redfish {
    async fn sensors(&self) -> Result<Vec<Sensor>, BmcError> {
        let (mut found, mut problems, mut places) = (Vec::new(), Vec::new(), 0);
        for path in self.chassis_paths().await?.into_iter().take(CHASSIS_MAX) {
            let Some(chassis) = self.noted(&path, &mut problems).await? else { continue };
            let chassis: Chassis = self.model(&chassis, READING)?;
            places += usize::from(has_sensors(&chassis));
            found.extend(self.chassis_sensors(&chassis, &mut problems).await?);
        }
        for problem in &problems {
            tracing::debug!(address = %self.address, %problem, "some sensors are left out");
        }
        if found.is_empty() {
            return match problems.into_iter().next() {
                Some(problem) => Err(self.cannot(format!("no sensor can be read: {problem}"))),
                None if places == 0 => Err(self.cannot("its chassis has no sensors")),
                None => Ok(Vec::new()),
            };
        }
        Ok(without_repetitions(found).into_iter().map(told).collect())
    }
}

fn has_sensors(chassis: &Chassis) -> bool {
    let links = [
        &chassis.sensors,
        &chassis.thermal,
        &chassis.power,
        &chassis.thermal_subsystem,
        &chassis.power_subsystem,
    ];
    links.iter().any(|link| link.is_some())
}

impl Redfish {
    /// Reads a resource; one that can't be read is told of.
    async fn noted(
        &self,
        path: &ResourcePath,
        problems: &mut Vec<String>,
    ) -> Result<Option<Value>, BmcError> {
        match self.read_optional(path, READING).await {
            Ok(resource) => Ok(resource),
            Err(error) => self.note(problems, error).map(|()| None),
        }
    }

    async fn chassis_sensors(
        &self,
        chassis: &Chassis,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Measurement>, BmcError> {
        let list =
            self.list_optional(path_of(chassis.sensors.as_ref()), SENSORS_MAX, READING, problems).await?;
        let mut found: Vec<Measurement> = list.iter().filter_map(sensor).collect();
        let complete = !found.is_empty();
        // The new resources quote sensors; the old ones have all. Either way no more than is needed is read.
        match path_of(chassis.thermal.as_ref()) {
            Some(path) if !complete => {
                if let Some(resource) = self.noted(&path, problems).await? {
                    found.extend(thermal(&resource));
                }
            }
            _ => found.extend(self.thermal_subsystem(chassis, complete, problems).await?),
        }
        match path_of(chassis.power_subsystem.as_ref()) {
            Some(path) if complete || chassis.power.is_none() => {
                found.extend(self.power_subsystem(&path, problems).await?);
            }
            _ => {
                if let Some(path) = path_of(chassis.power.as_ref())
                    && let Some(resource) = self.noted(&path, problems).await?
                {
                    found.extend(power(&resource));
                }
            }
        }
        Ok(found)
    }

    async fn thermal_subsystem(
        &self,
        chassis: &Chassis,
        complete: bool,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Measurement>, BmcError> {
        let Some(path) = path_of(chassis.thermal_subsystem.as_ref()) else { return Ok(Vec::new()) };
        let Some(subsystem) = self.noted(&path, problems).await? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        if !complete
            && let Some(path) = link(&subsystem, "ThermalMetrics")
            && let Some(metrics) = self.noted(&path, problems).await?
        {
            found.extend(thermal_metrics(&metrics));
        }
        let fans = self.list_optional(link(&subsystem, "Fans"), PARTS_MAX, READING, problems).await?;
        found.extend(fans.iter().filter_map(fan));
        Ok(found)
    }

    async fn power_subsystem(
        &self,
        path: &ResourcePath,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Measurement>, BmcError> {
        let Some(subsystem) = self.noted(path, problems).await? else { return Ok(Vec::new()) };
        let supplies =
            self.list_optional(link(&subsystem, "PowerSupplies"), PARTS_MAX, READING, problems).await?;
        let mut found = Vec::new();
        for supply in &supplies {
            let Some(mut measurement) = power_supply(supply) else { continue };
            let metrics = path_of(supply_metrics(supply).as_ref());
            if measurement.reading.is_none()
                && let Some(path) = metrics
                && let Some(metrics) = self.noted(&path, problems).await?
            {
                measurement.reading = supply_watts(&metrics);
            }
            found.push(measurement);
        }
        Ok(found)
    }

    async fn meter(&self, chassis: &Chassis) -> Result<Option<Consumption>, BmcError> {
        if let Some(path) = path_of(chassis.power.as_ref())
            && let Some(power) = self.read_optional::<Value>(&path, METERING).await?
            && let Some(found) = consumption(&power)
        {
            return Ok(Some(found));
        }
        let Some(path) = path_of(chassis.environment_metrics.as_ref()) else { return Ok(None) };
        let metrics: Option<Value> = self.read_optional(&path, METERING).await?;
        Ok(metrics.as_ref().and_then(environment_consumption))
    }
}

/// Where a property links to.
pub(super) fn link(resource: &Value, property: &str) -> Option<ResourcePath> {
    bmc_proto::redfish::own_path(resource.get(property)?)
}

#[async_trait]
impl PowerMeter for Redfish {
    async fn power_reading(&self) -> Result<PowerReading, BmcError> {
        let mut silent = None;
        for path in self.chassis_paths().await?.into_iter().take(CHASSIS_MAX) {
            let Some(chassis) = self.read_optional::<Chassis>(&path, METERING).await? else { continue };
            match self.meter(&chassis).await? {
                Some(found) if found.now.is_some() => return Ok(metered(found)),
                Some(found) => silent = Some(found),
                None => {}
            }
        }
        silent.map(metered).ok_or_else(|| self.cannot("it has no power meter"))
    }
}

/// What isn't told of the period is as it is now.
fn metered(found: Consumption) -> PowerReading {
    let now = found.now.unwrap_or(0);
    PowerReading {
        now,
        minimum: found.minimum.unwrap_or(now),
        maximum: found.maximum.unwrap_or(now),
        average: found.average.unwrap_or(now),
        period: Duration::from_secs(u64::from(found.minutes.unwrap_or(0)) * 60),
        active: found.now.is_some(),
    }
}

fn told(measurement: Measurement) -> Sensor {
    let limits = measurement.limits;
    Sensor {
        name: measurement.name,
        number: None,
        entity: measurement.context,
        kind: measurement.kind.into(),
        reading: measurement.reading,
        unit: measurement.unit.map(Into::into),
        states: measurement.states,
        health: match measurement.judgement {
            Judgement::Unavailable => SensorHealth::Unavailable,
            Judgement::Ok => SensorHealth::Ok,
            Judgement::Warning => SensorHealth::Warning,
            Judgement::Critical => SensorHealth::Critical,
            Judgement::Fatal => SensorHealth::NonRecoverable,
        },
        thresholds: Thresholds {
            lower_non_recoverable: limits.lower_fatal,
            lower_critical: limits.lower_critical,
            lower_non_critical: limits.lower_caution,
            upper_non_critical: limits.upper_caution,
            upper_critical: limits.upper_critical,
            upper_non_recoverable: limits.upper_fatal,
        },
    }
}

#[cfg(test)]
mod tests;
