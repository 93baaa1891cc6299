//! Sensors: the commands to read them (section 35), how bytes become numbers (36.3), and what states mean
//! (section 42).
//!
//! - `command`: reading, thresholds, factors;
//! - `scale`: the conversion of a reading; `unit`: units in words;
//! - `offsets`: events and states in words, and how bad they are;
//! - `reading`: all of it together.
//!
//! Deliberately not here: setting thresholds and event masks; the sensors' records (`sdr`).

mod command;
mod offsets;
mod reading;
mod scale;
mod unit;

pub use command::{
    GET_EVENT_ENABLE, GET_EVENT_STATUS, GET_HYSTERESIS, GetReadingFactors, GetSensorReading,
    GetSensorThresholds, PLATFORM_EVENT, RawThresholds, Reading, SET_THRESHOLDS,
};
pub use offsets::{SENSOR_SPECIFIC, THRESHOLD, offset_health, offset_text};
pub use reading::{FactorTable, Meaning, interpret, wants_factors};
pub use scale::{Factors, Format, Scale};
pub use unit::Units;

use ipmi_rs_core::storage::sdr::SensorType;

/// How a sensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing can be read now.
    Unavailable,
    /// Within its limits, or a state without a judgement.
    Ok,
    /// Beyond a non-critical limit.
    Warning,
    /// Beyond a critical limit.
    Critical,
    /// Beyond a non-recoverable limit.
    NonRecoverable,
}

/// What a sensor measures (table 42-3), in words.
pub fn sensor_type_text(sensor_type: u8) -> String {
    SensorType::from(sensor_type).to_string()
}

#[cfg(test)]
mod tests;
