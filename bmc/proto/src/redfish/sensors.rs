//! What a chassis measures: the old `Thermal` and `Power`, the new `Sensor`, `Fan`, `PowerSupply` and
//! `EnvironmentMetrics`, all made one kind of reading.
//!
//! Not here: which of them a chassis has and in which order they are read (the driver).

use super::common::{Status, lenient_number, number, whole, word_of};
use super::lenient::{lenient, lenient_list};
use super::models::Link;
use super::text::printable;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// The longest name.
const NAME_MAX: usize = 96;

/// A sensor and what it reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurement {
    /// Its name.
    pub name: String,
    /// What it is at, such as `CPU`, `Intake`, `PowerSupply`, as DSP8010 `PhysicalContext` has it; may be empty.
    pub context: String,
    /// What it measures, in IPMI's words.
    pub kind: &'static str,
    /// The reading.
    pub reading: Option<f64>,
    /// The unit of reading and limits.
    pub unit: Option<&'static str>,
    /// States that hold, in words.
    pub states: Vec<String>,
    /// How it is.
    pub judgement: Judgement,
    /// Its limits.
    pub limits: Limits,
}

/// How a sensor is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing can be read now.
    #[default]
    Unavailable,
    /// All is well.
    Ok,
    /// Beyond a non-critical limit, or the BMC says `Warning`.
    Warning,
    /// Beyond a critical limit, or the BMC says `Critical`.
    Critical,
    /// Beyond a fatal limit.
    Fatal,
}

/// A sensor's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Lower fatal.
    pub lower_fatal: Option<f64>,
    /// Lower critical.
    pub lower_critical: Option<f64>,
    /// Lower non-critical.
    pub lower_caution: Option<f64>,
    /// Upper non-critical.
    pub upper_caution: Option<f64>,
    /// Upper critical.
    pub upper_critical: Option<f64>,
    /// Upper fatal.
    pub upper_fatal: Option<f64>,
}

impl Limits {
    /// BMCs write 0 for "no limit".
    fn without_nought(mut self) -> Self {
        for upper in [&mut self.upper_caution, &mut self.upper_critical, &mut self.upper_fatal] {
            *upper = upper.filter(|limit| *limit > 0.0);
        }
        for lower in [&mut self.lower_caution, &mut self.lower_critical, &mut self.lower_fatal] {
            *lower = lower.filter(|limit| *limit != 0.0);
        }
        self
    }

    fn judge(&self, reading: f64) -> Judgement {
        let over = |limit: Option<f64>| limit.is_some_and(|limit| reading >= limit);
        let under = |limit: Option<f64>| limit.is_some_and(|limit| reading <= limit);
        if over(self.upper_fatal) || under(self.lower_fatal) {
            Judgement::Fatal
        } else if over(self.upper_critical) || under(self.lower_critical) {
            Judgement::Critical
        } else if over(self.upper_caution) || under(self.lower_caution) {
            Judgement::Warning
        } else {
            Judgement::Ok
        }
    }
}

/// The BMC's word, else what reading and limits say.
fn judge(status: Option<&Status>, reading: Option<f64>, limits: &Limits) -> Judgement {
    let off = status.and_then(|status| status.state.as_deref()).is_some_and(|state| {
        matches!(state, "Absent" | "Disabled" | "UnavailableOffline" | "StandbyOffline" | "Deferring")
    });
    let Some(reading) = reading else {
        return Judgement::Unavailable;
    };
    if off {
        return Judgement::Unavailable;
    }
    match status.and_then(|status| status.health.as_deref()) {
        // It is told more exactly by the limits, if they say so.
        Some("Critical") => match limits.judge(reading) {
            Judgement::Fatal => Judgement::Fatal,
            _ => Judgement::Critical,
        },
        Some("Warning") => Judgement::Warning,
        Some("OK") => Judgement::Ok,
        _ => limits.judge(reading),
    }
}

/// `Thermal`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Thermal {
    #[serde(default, deserialize_with = "lenient_list")]
    temperatures: Vec<OldSensor>,
    #[serde(default, deserialize_with = "lenient_list")]
    fans: Vec<OldSensor>,
}

/// `Power`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Power {
    #[serde(default, deserialize_with = "lenient_list")]
    voltages: Vec<OldSensor>,
    #[serde(default, deserialize_with = "lenient_list")]
    power_supplies: Vec<Supply>,
    #[serde(default, deserialize_with = "lenient_list")]
    power_control: Vec<PowerControl>,
}

/// A temperature, a fan or a voltage of the old kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OldSensor {
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    fan_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    member_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    physical_context: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    reading_celsius: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    reading: Option<f64>,
    #[serde(rename = "ReadingRPM", default, deserialize_with = "lenient_number")]
    reading_rpm: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    reading_volts: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    reading_units: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
    #[serde(default, deserialize_with = "lenient_number")]
    upper_threshold_non_critical: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    upper_threshold_critical: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    upper_threshold_fatal: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    lower_threshold_non_critical: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    lower_threshold_critical: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    lower_threshold_fatal: Option<f64>,
}

impl OldSensor {
    fn measurement(&self, kind: &'static str) -> Option<Measurement> {
        let name = [&self.name, &self.fan_name, &self.member_id]
            .into_iter()
            .find_map(|name| word_of(name.as_deref()));
        let (reading, unit) = match kind {
            TEMPERATURE => (self.reading_celsius, Some("degrees C")),
            VOLTAGE => (self.reading_volts, Some("Volts")),
            _ if self.reading_units.as_deref() == Some("Percent") => (self.reading, Some("percent")),
            _ => (self.reading.or(self.reading_rpm), Some("RPM")),
        };
        let limits = Limits {
            lower_fatal: self.lower_threshold_fatal,
            lower_critical: self.lower_threshold_critical,
            lower_caution: self.lower_threshold_non_critical,
            upper_caution: self.upper_threshold_non_critical,
            upper_critical: self.upper_threshold_critical,
            upper_fatal: self.upper_threshold_fatal,
        };
        let limits = limits.without_nought();
        Some(Measurement {
            name: printable(&name?, NAME_MAX),
            context: word_of(self.physical_context.as_deref()).unwrap_or_default(),
            kind,
            reading,
            unit,
            states: states(self.status.as_ref()),
            judgement: judge(self.status.as_ref(), reading, &limits),
            limits,
        })
    }
}

const TEMPERATURE: &str = "Temperature";
const VOLTAGE: &str = "Voltage";
const FAN: &str = "Fan";
const POWER_SUPPLY: &str = "Power Supply";

/// `PowerSupply`, of the old kind and the new.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Supply {
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    member_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    power_input_watts: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    last_power_output_watts: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
    #[serde(default, deserialize_with = "lenient")]
    metrics: Option<Link>,
}

impl Supply {
    fn measurement(&self) -> Option<Measurement> {
        let name =
            [&self.name, &self.member_id, &self.id].into_iter().find_map(|name| word_of(name.as_deref()));
        let reading = self.power_input_watts.or(self.last_power_output_watts);
        let status = self.status.as_ref();
        let present = status.is_none_or(Status::is_present);
        // Its health is told although not every one measures.
        let judgement = match status.and_then(|status| status.health.as_deref()) {
            _ if !present => Judgement::Unavailable,
            Some("Critical") => Judgement::Critical,
            Some("Warning") => Judgement::Warning,
            Some("OK") => Judgement::Ok,
            _ => judge(status, reading, &Limits::default()),
        };
        let mut states = states(status);
        if states.is_empty() && present {
            states.push("Presence detected".into());
        }
        Some(Measurement {
            name: printable(&name?, NAME_MAX),
            context: POWER_SUPPLY.into(),
            kind: POWER_SUPPLY,
            reading,
            unit: Some("Watts"),
            states,
            judgement,
            limits: Limits::default(),
        })
    }
}

/// A state that says more than that it works.
fn states(status: Option<&Status>) -> Vec<String> {
    let state = status.and_then(|status| status.state.as_deref());
    let telling = state.filter(|state| *state != "Enabled");
    word_of(telling).into_iter().collect()
}

/// Temperatures and fans of a `Thermal` resource.
pub fn thermal(resource: &Value) -> Vec<Measurement> {
    let thermal: Thermal = serde_json::from_value(resource.clone()).unwrap_or_default();
    let temperatures = thermal.temperatures.iter().filter_map(|sensor| sensor.measurement(TEMPERATURE));
    temperatures.chain(thermal.fans.iter().filter_map(|fan| fan.measurement(FAN))).collect()
}

/// Voltages and power supplies of a `Power` resource.
pub fn power(resource: &Value) -> Vec<Measurement> {
    let power: Power = serde_json::from_value(resource.clone()).unwrap_or_default();
    let voltages = power.voltages.iter().filter_map(|sensor| sensor.measurement(VOLTAGE));
    voltages.chain(power.power_supplies.iter().filter_map(Supply::measurement)).collect()
}

/// A `PowerSupply` resource of a `PowerSubsystem`.
pub fn power_supply(resource: &Value) -> Option<Measurement> {
    let supply: Supply = serde_json::from_value(resource.clone()).unwrap_or_default();
    supply.measurement()
}

/// Where a `PowerSupply` has its measurements.
pub fn supply_metrics(resource: &Value) -> Option<Link> {
    serde_json::from_value::<Supply>(resource.clone()).ok()?.metrics
}

/// The watts that a `PowerSupplyMetrics` says are drawn.
pub fn supply_watts(metrics: &Value) -> Option<f64> {
    number(metrics.get("InputPowerWatts")?.get("Reading")?)
}

/// `Sensor`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewSensor {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reading_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reading_units: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    reading: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    physical_context: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
    #[serde(default, deserialize_with = "lenient")]
    thresholds: Option<Value>,
}

/// `ReadingType` and `ReadingUnits` of a `Sensor`, in IPMI's words for kind and unit.
const KINDS: [(&str, &str, Option<&str>); 18] = [
    ("Temperature", TEMPERATURE, Some("degrees C")),
    ("Rotational", FAN, Some("RPM")),
    ("Voltage", VOLTAGE, Some("Volts")),
    ("Current", "Current", Some("Amps")),
    ("Power", "Power", Some("Watts")),
    ("EnergykWh", "Energy", Some("kWh")),
    ("EnergyJoules", "Energy", Some("Joules")),
    ("EnergyWh", "Energy", Some("Wh")),
    ("Humidity", "Humidity", Some("percent")),
    ("AbsoluteHumidity", "Humidity", Some("grams per cubic meter")),
    ("Percent", "Percent", Some("percent")),
    ("AirFlow", "Air Flow", Some("cubic feet per minute")),
    ("AirFlowCMM", "Air Flow", Some("cubic meters per minute")),
    ("LiquidFlowLPM", "Liquid Flow", Some("liters per minute")),
    ("PressurePa", "Pressure", Some("Pascal")),
    ("PressurekPa", "Pressure", Some("kPa")),
    ("Frequency", "Frequency", Some("Hz")),
    ("Altitude", "Altitude", Some("meters")),
];

fn limit(thresholds: Option<&Value>, name: &str) -> Option<f64> {
    let limit = thresholds?.get(name)?;
    number(limit.get("Reading").unwrap_or(limit))
}

/// A `Sensor` resource.
pub fn sensor(resource: &Value) -> Option<Measurement> {
    let sensor: NewSensor = serde_json::from_value(resource.clone()).unwrap_or_default();
    let name = word_of(sensor.name.as_deref()).or_else(|| word_of(sensor.id.as_deref()))?;
    let told = sensor.reading_type.as_deref();
    let (kind, unit) = match KINDS.iter().find(|(word, ..)| told == Some(word)) {
        // A fan that is told in percent of its speed.
        Some((_, "Percent", unit)) if sensor.physical_context.as_deref() == Some(FAN) => (FAN, *unit),
        Some((_, kind, unit)) => (*kind, *unit),
        None => match sensor.reading_units.as_deref() {
            Some("Cel") => (TEMPERATURE, Some("degrees C")),
            Some("RPM" | "{rev}/min") => (FAN, Some("RPM")),
            Some("V") => (VOLTAGE, Some("Volts")),
            Some("A") => ("Current", Some("Amps")),
            Some("W") => ("Power", Some("Watts")),
            Some("%") => ("Percent", Some("percent")),
            _ => ("Sensor", None),
        },
    };
    let thresholds = sensor.thresholds.as_ref();
    let limits = Limits {
        lower_fatal: limit(thresholds, "LowerFatal"),
        lower_critical: limit(thresholds, "LowerCritical"),
        lower_caution: limit(thresholds, "LowerCaution"),
        upper_caution: limit(thresholds, "UpperCaution"),
        upper_critical: limit(thresholds, "UpperCritical"),
        upper_fatal: limit(thresholds, "UpperFatal"),
    };
    Some(Measurement {
        name: printable(&name, NAME_MAX),
        context: word_of(sensor.physical_context.as_deref()).unwrap_or_default(),
        kind,
        reading: sensor.reading,
        unit,
        states: states(sensor.status.as_ref()),
        judgement: judge(sensor.status.as_ref(), sensor.reading, &limits),
        limits,
    })
}

/// A `Fan` resource of a `ThermalSubsystem`.
pub fn fan(resource: &Value) -> Option<Measurement> {
    let text = |property: &str| word_of(resource.get(property).and_then(Value::as_str));
    let name = text("Name").or_else(|| text("Id"))?;
    let speed = resource.get("SpeedPercent");
    let rpm = speed.and_then(|speed| number(speed.get("SpeedRPM")?));
    let percent = speed.and_then(|speed| number(speed.get("Reading")?));
    let (reading, unit) = if rpm.is_some() { (rpm, "RPM") } else { (percent, "percent") };
    let status: Option<Status> =
        resource.get("Status").and_then(|status| serde_json::from_value(status.clone()).ok());
    Some(Measurement {
        name: printable(&name, NAME_MAX),
        context: text("PhysicalContext").unwrap_or_default(),
        kind: FAN,
        reading,
        unit: Some(unit),
        states: states(status.as_ref()),
        judgement: judge(status.as_ref(), reading, &Limits::default()),
        limits: Limits::default(),
    })
}

/// The temperatures of a `ThermalMetrics` resource, which quotes sensors.
pub fn thermal_metrics(resource: &Value) -> Vec<Measurement> {
    let list = resource.get("TemperatureReadingsCelsius").and_then(Value::as_array);
    let quoted = |excerpt: &Value| {
        let name = excerpt.get("DeviceName").or_else(|| excerpt.get("DataSourceUri"))?.as_str()?;
        // An address names the sensor by its last part.
        let name = word_of(name.rsplit('/').next())?;
        let reading = number(excerpt.get("Reading")?);
        Some(Measurement {
            name: printable(&name, NAME_MAX),
            context: word_of(excerpt.get("PhysicalContext").and_then(Value::as_str)).unwrap_or_default(),
            kind: TEMPERATURE,
            reading,
            unit: Some("degrees C"),
            states: Vec::new(),
            judgement: judge(None, reading, &Limits::default()),
            limits: Limits::default(),
        })
    };
    list.map(Vec::as_slice).unwrap_or_default().iter().filter_map(quoted).collect()
}

/// Leaves out those that were there before under the same name: a BMC of a time of change shows the same sensor in the
/// old resources and in the new.
pub fn without_repetitions(measurements: Vec<Measurement>) -> Vec<Measurement> {
    let mut seen = BTreeSet::new();
    let key = |measurement: &Measurement| {
        let plain: String = measurement.name.chars().filter(|c| c.is_alphanumeric()).collect();
        (measurement.kind, plain.to_lowercase())
    };
    measurements.into_iter().filter(|measurement| seen.insert(key(measurement))).collect()
}

/// `PowerControl` of a `Power` resource.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PowerControl {
    #[serde(default, deserialize_with = "lenient_number")]
    power_consumed_watts: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    power_metrics: Option<PowerMetrics>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PowerMetrics {
    #[serde(default, deserialize_with = "lenient_number")]
    interval_in_min: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    min_consumed_watts: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    max_consumed_watts: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    average_consumed_watts: Option<f64>,
}

/// Power that is drawn, in watts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumption {
    /// Now; `None`: it is not being measured.
    pub now: Option<u16>,
    /// The least over the period.
    pub minimum: Option<u16>,
    /// The most over the period.
    pub maximum: Option<u16>,
    /// The mean over the period.
    pub average: Option<u16>,
    /// The period in minutes.
    pub minutes: Option<u32>,
}

fn watts(number: Option<f64>) -> Option<u16> {
    whole(number).map(|watts| u16::try_from(watts).unwrap_or(u16::MAX))
}

/// The consumption that a `Power` resource tells; `None` when it has no meter. The first control is the whole chassis'.
pub fn consumption(power: &Value) -> Option<Consumption> {
    let power: Power = serde_json::from_value(power.clone()).unwrap_or_default();
    let measures =
        |control: &&PowerControl| control.power_consumed_watts.is_some() || control.power_metrics.is_some();
    let control = power.power_control.iter().find(measures)?;
    let metrics = control.power_metrics.clone().unwrap_or_default();
    Some(Consumption {
        now: watts(control.power_consumed_watts),
        minimum: watts(metrics.min_consumed_watts),
        maximum: watts(metrics.max_consumed_watts),
        average: watts(metrics.average_consumed_watts),
        minutes: whole(metrics.interval_in_min).and_then(|minutes| u32::try_from(minutes).ok()),
    })
}

/// The consumption that an `EnvironmentMetrics` resource tells.
pub fn environment_consumption(metrics: &Value) -> Option<Consumption> {
    let power = metrics.get("PowerWatts")?;
    let read = |name: &str| watts(power.get(name).and_then(number));
    let found = Consumption {
        now: read("Reading"),
        minimum: read("LowestReading"),
        maximum: read("PeakReading"),
        average: read("AverageReading"),
        minutes: None,
    };
    power.is_object().then_some(found)
}

#[cfg(test)]
pub(super) mod tests;
