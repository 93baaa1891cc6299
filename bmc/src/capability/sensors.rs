//! Sensors: temperatures, fans, voltages, and states without a number.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC with sensors.
#[async_trait]
pub trait Sensors: Send + Sync {
    /// All of them, read now, in the BMC's order. One that can't be read is there, without a reading; those that only
    /// send events are not.
    async fn sensors(&self) -> Result<Vec<Sensor>, BmcError>;
}

/// A sensor and what it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Its name as the BMC gives it.
    pub name: String,
    /// Its number at the BMC (IPMI), where it has one.
    pub number: Option<u8>,
    /// What it is at, such as `processor 1`.
    pub entity: String,
    /// What it measures: `Temperature`, `Voltage`, `Fan`, `Power Supply`, …
    pub kind: String,
    /// The reading, if it is a number and there is one now.
    pub reading: Option<f64>,
    /// The unit of reading and thresholds: `degrees C`, `Volts`, `RPM`, `Watts`, …
    pub unit: Option<String>,
    /// States that hold, in words, such as `Presence detected`.
    pub states: Vec<String>,
    /// How it is.
    pub health: SensorHealth,
    /// Its limits, those that it has.
    pub thresholds: Thresholds,
}

/// How a sensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SensorHealth {
    /// Nothing can be read now (a fan of a machine that is off), or scanning is disabled.
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

/// A sensor's limits, in its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Thresholds {
    /// Lower non-recoverable.
    pub lower_non_recoverable: Option<f64>,
    /// Lower critical.
    pub lower_critical: Option<f64>,
    /// Lower non-critical.
    pub lower_non_critical: Option<f64>,
    /// Upper non-critical.
    pub upper_non_critical: Option<f64>,
    /// Upper critical.
    pub upper_critical: Option<f64>,
    /// Upper non-recoverable.
    pub upper_non_recoverable: Option<f64>,
}
