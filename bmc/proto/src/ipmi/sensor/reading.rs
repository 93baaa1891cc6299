//! What a sensor's answers mean: the number in its unit, the states in words, its limits, and how it is.

use super::Health;
use super::command::{RawThresholds, Reading};
use super::offsets::{THRESHOLD, offset_health, offset_text};
use super::scale::Factors;
use crate::ipmi::sdr::Sensor;
use std::collections::BTreeMap;

/// How bad each bit of the threshold comparisons is, and its words, in the order of the bits (table 35-15).
const COMPARISONS: [(Health, &str); 6] = [
    (Health::Warning, "at or below lower non-critical"),
    (Health::Critical, "at or below lower critical"),
    (Health::NonRecoverable, "at or below lower non-recoverable"),
    (Health::Warning, "at or above upper non-critical"),
    (Health::Critical, "at or above upper critical"),
    (Health::NonRecoverable, "at or above upper non-recoverable"),
];

/// What a sensor says.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// The number, finite, if it has one now.
    pub value: Option<f64>,
    /// The states that hold, in words.
    pub states: Vec<String>,
    /// How it is.
    pub health: Health,
    /// Its limits, in the order of [`RawThresholds`], finite.
    pub thresholds: [Option<f64>; 6],
}

/// The factors of the readings of a non-linear sensor, by raw reading.
pub type FactorTable = BTreeMap<u8, Factors>;

/// The raw readings whose factors must be asked for before [`interpret`] can say numbers.
pub fn wants_factors(sensor: &Sensor, reading: Option<&Reading>, thresholds: &RawThresholds) -> Vec<u8> {
    if !sensor.scale.is_some_and(|scale| scale.is_non_linear()) {
        return Vec::new();
    }
    let mut wanted: Vec<u8> = thresholds.present().chain(reading.map(|reading| reading.raw)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Says what a sensor's answers mean. `reading`: `None` when it could not be read.
pub fn interpret(
    sensor: &Sensor,
    reading: Option<&Reading>,
    thresholds: &RawThresholds,
    factors: &FactorTable,
) -> Meaning {
    let number = |raw: u8| -> Option<f64> {
        let scale = sensor.scale.as_ref()?;
        if scale.is_non_linear() { scale.convert_with(raw, factors.get(&raw)?) } else { scale.convert(raw) }
    };
    let mut limits = [None; 6];
    for (bit, limit) in limits.iter_mut().enumerate() {
        *limit = (thresholds.mask >> bit & 1 != 0).then(|| number(thresholds.values[bit])).flatten();
    }
    let Some(reading) = reading.filter(|reading| reading.available && reading.scanning) else {
        return Meaning { value: None, states: Vec::new(), health: Health::Unavailable, thresholds: limits };
    };
    let value = has_number(sensor).then(|| number(reading.raw)).flatten();
    let (states, health) = if sensor.reading_type == THRESHOLD {
        compare(reading.states, value, &limits)
    } else {
        discrete(sensor, reading.states.unwrap_or(0))
    };
    Meaning { value, states, health, thresholds: limits }
}

/// Threshold sensors read numbers; of others those that have a unit, as some makers do it.
fn has_number(sensor: &Sensor) -> bool {
    sensor.scale.is_some() && (sensor.reading_type == THRESHOLD || sensor.units.text().is_some())
}

/// The BMC's own comparisons with the thresholds; where it left them out, ours.
fn compare(states: Option<u16>, value: Option<f64>, limits: &[Option<f64>; 6]) -> (Vec<String>, Health) {
    let beyond = |bit: usize| match (states, value, limits[bit]) {
        (Some(states), _, _) => states >> bit & 1 != 0,
        (None, Some(value), Some(limit)) if bit < 3 => value <= limit,
        (None, Some(value), Some(limit)) => value >= limit,
        _ => false,
    };
    let holding = COMPARISONS.iter().enumerate().filter(|(bit, _)| beyond(*bit));
    let mut states = Vec::new();
    let mut health = Health::Ok;
    for (_, (badness, words)) in holding {
        states.push((*words).to_owned());
        health = health.max(*badness);
    }
    (states, health)
}

fn discrete(sensor: &Sensor, states: u16) -> (Vec<String>, Health) {
    let (kind, reading_type) = (sensor.sensor_type, sensor.reading_type);
    // 15 offsets; the last bit is reserved.
    let holding = (0..15u8).filter(|offset| states >> offset & 1 != 0);
    let mut words = Vec::new();
    let mut health = Health::Ok;
    for offset in holding {
        let text =
            offset_text(kind, reading_type, offset).map_or_else(|| format!("state {offset}"), str::to_owned);
        words.push(text);
        health = health.max(offset_health(kind, reading_type, offset));
    }
    (words, health)
}
