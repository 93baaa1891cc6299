//! Sensors: all that the records name, each read now.

use super::Ipmi;
use crate::capability::{Sensor, SensorHealth, Sensors, Thresholds};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::sdr::{self, Form, ThresholdAccess, entity_text};
use bmc_proto::ipmi::sensor::{
    FactorTable, GetReadingFactors, GetSensorReading, GetSensorThresholds, Health, Meaning, RawThresholds,
    Reading, THRESHOLD, interpret, sensor_type_text, wants_factors,
};
use bmc_proto::ipmi::{Answer, IpmiCommand};
use std::time::Duration;

const READING: &str = "reading its sensors";
/// For all sensors together: a blade centre has hundreds, behind a slow BMC.
const LIMIT: Duration = Duration::from_secs(120);

#[async_trait]
impl Sensors for Ipmi {
    async fn sensors(&self) -> Result<Vec<Sensor>, BmcError> {
        self.bounded(LIMIT, READING, self.read_sensors()).await
    }
}

impl Ipmi {
    /// Those that only send events are left out: there is nothing to be read of them.
    async fn read_sensors(&self) -> Result<Vec<Sensor>, BmcError> {
        let records = self.records(READING).await?;
        let mut found = Vec::with_capacity(records.sensors.len());
        for sensor in records.sensors.iter().filter(|sensor| sensor.form != Form::EventOnly) {
            let meaning = self.read_sensor(sensor).await?;
            found.push(tell(sensor, meaning));
        }
        Ok(found)
    }

    async fn read_sensor(&self, sensor: &sdr::Sensor) -> Result<Meaning, BmcError> {
        if !sensor.is_readable() {
            return Ok(interpret(sensor, None, &RawThresholds::default(), &FactorTable::new()));
        }
        let reading: Option<Reading> = self.if_readable(GetSensorReading(sensor.number)).await?;
        let thresholds = self.read_thresholds(sensor).await?;
        let mut factors = FactorTable::new();
        for raw in wants_factors(sensor, reading.as_ref(), &thresholds) {
            if let Some(found) = self.if_readable(GetReadingFactors { number: sensor.number, raw }).await? {
                factors.insert(raw, found);
            }
        }
        Ok(interpret(sensor, reading.as_ref(), &thresholds, &factors))
    }

    async fn read_thresholds(&self, sensor: &sdr::Sensor) -> Result<RawThresholds, BmcError> {
        let recorded = sensor
            .thresholds
            .map(|values| RawThresholds { mask: sensor.threshold_mask(), values })
            .unwrap_or_default();
        if sensor.reading_type != THRESHOLD {
            return Ok(RawThresholds::default());
        }
        match sensor.threshold_access() {
            ThresholdAccess::None => Ok(RawThresholds::default()),
            ThresholdAccess::Fixed => Ok(recorded),
            ThresholdAccess::Readable => {
                let read = self.if_readable(GetSensorThresholds(sensor.number)).await?;
                Ok(read.unwrap_or(recorded))
            }
        }
    }

    /// An answer, if the BMC gives one that makes sense: that one sensor can't be read is no reason not to read the
    /// others.
    async fn if_readable<C: IpmiCommand>(&self, command: C) -> Result<Option<C::Output>, BmcError> {
        let answer = self.answer(command.into(), READING).await?;
        match answer.completion {
            Answer::OK => Ok(C::parse_success_response(&answer.data).ok()),
            Answer::INSUFFICIENT_PRIVILEGE => Err(self.errors.refused(&answer, READING)),
            _ => Ok(None),
        }
    }
}

fn tell(sensor: &sdr::Sensor, meaning: Meaning) -> Sensor {
    let name = if sensor.name.is_empty() { format!("#{:#04x}", sensor.number) } else { sensor.name.clone() };
    let [lower_non_critical, lower_critical, lower_non_recoverable, ..] = meaning.thresholds;
    let [.., upper_non_critical, upper_critical, upper_non_recoverable] = meaning.thresholds;
    Sensor {
        name,
        number: Some(sensor.number),
        entity: entity_text(sensor.entity),
        kind: sensor_type_text(sensor.sensor_type),
        reading: meaning.value,
        unit: sensor.scale.and_then(|_| sensor.units.text()),
        states: meaning.states,
        health: match meaning.health {
            Health::Unavailable => SensorHealth::Unavailable,
            Health::Ok => SensorHealth::Ok,
            Health::Warning => SensorHealth::Warning,
            Health::Critical => SensorHealth::Critical,
            Health::NonRecoverable => SensorHealth::NonRecoverable,
        },
        thresholds: Thresholds {
            lower_non_recoverable,
            lower_critical,
            lower_non_critical,
            upper_non_critical,
            upper_critical,
            upper_non_recoverable,
        },
    }
}
