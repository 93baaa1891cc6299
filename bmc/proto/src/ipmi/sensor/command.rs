//! The commands that read a sensor (35.5, 35.9, 35.14).
//!
//! Not `ipmi-rs-core`'s Get Sensor Reading: its answer hides the reading of discrete sensors.

use super::scale::Factors;
use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Number of Get Sensor Hysteresis under the sensor/event network function (35.7).
pub const GET_HYSTERESIS: u8 = 0x25;
/// Number of Set Sensor Thresholds (35.8).
pub const SET_THRESHOLDS: u8 = 0x26;
/// Number of Get Sensor Event Enable (35.11).
pub const GET_EVENT_ENABLE: u8 = 0x29;
/// Number of Get Sensor Event Status (35.13).
pub const GET_EVENT_STATUS: u8 = 0x2B;
/// Number of Platform Event (29.3).
pub const PLATFORM_EVENT: u8 = 0x02;

/// Get Sensor Reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSensorReading(
    /// The sensor's number.
    pub u8,
);

/// What a sensor reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// The raw reading; only of sensors that have a number.
    pub raw: u8,
    /// Whether it is being scanned.
    pub scanning: bool,
    /// Whether there is a reading, or states, now.
    pub available: bool,
    /// The states that hold, one bit each: comparisons with thresholds, or the offsets of a discrete sensor. `None`:
    /// the BMC left them out.
    pub states: Option<u16>,
}

impl GetSensorReading {
    /// Its number under the sensor/event network function.
    pub const COMMAND: u8 = 0x2D;
}

impl From<GetSensorReading> for Message {
    fn from(GetSensorReading(number): GetSensorReading) -> Self {
        Self::new_request(NetFn::SensorEvent, GetSensorReading::COMMAND, vec![number])
    }
}

impl IpmiCommand for GetSensorReading {
    type Output = Reading;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Reading, NotEnoughData> {
        let &[raw, flags, ref states @ ..] = data else { return Err(NotEnoughData) };
        let states = match *states {
            [] => None,
            [low] => Some(u16::from(low)),
            // Bit 15 is always set.
            [low, high, ..] => Some(u16::from_le_bytes([low, high & 0x7F])),
        };
        Ok(Reading { raw, scanning: flags & 0x40 != 0, available: flags & 0x20 == 0, states })
    }
}

/// Get Sensor Thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSensorThresholds(
    /// The sensor's number.
    pub u8,
);

/// A sensor's raw thresholds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RawThresholds {
    /// Which it has, one bit each.
    pub mask: u8,
    /// Lower non-critical, critical, non-recoverable, upper non-critical, critical, non-recoverable.
    pub values: [u8; 6],
}

impl RawThresholds {
    /// Those that it has.
    pub fn present(&self) -> impl Iterator<Item = u8> {
        let mask = self.mask;
        self.values
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| mask >> bit & 1 != 0)
            .map(|(_, value)| value)
    }
}

impl GetSensorThresholds {
    /// Its number under the sensor/event network function.
    pub const COMMAND: u8 = 0x27;
}

impl From<GetSensorThresholds> for Message {
    fn from(GetSensorThresholds(number): GetSensorThresholds) -> Self {
        Self::new_request(NetFn::SensorEvent, GetSensorThresholds::COMMAND, vec![number])
    }
}

impl IpmiCommand for GetSensorThresholds {
    type Output = RawThresholds;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<RawThresholds, NotEnoughData> {
        let (&[mask], values) = data.split_first_chunk().ok_or(NotEnoughData)?;
        let values = *values.first_chunk().ok_or(NotEnoughData)?;
        Ok(RawThresholds { mask: mask & 0x3F, values })
    }
}

/// Get Sensor Reading Factors: for sensors whose factors depend on the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetReadingFactors {
    /// The sensor's number.
    pub number: u8,
    /// The raw reading.
    pub raw: u8,
}

impl GetReadingFactors {
    /// Its number under the sensor/event network function.
    pub const COMMAND: u8 = 0x23;
}

impl From<GetReadingFactors> for Message {
    fn from(get: GetReadingFactors) -> Self {
        Self::new_request(NetFn::SensorEvent, GetReadingFactors::COMMAND, vec![get.number, get.raw])
    }
}

impl IpmiCommand for GetReadingFactors {
    type Output = Factors;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<Factors, NotEnoughData> {
        // The first byte is the reading from which on other factors hold.
        let factors = data.get(1..).and_then(|rest| rest.first_chunk()).ok_or(NotEnoughData)?;
        Ok(Factors::parse(factors))
    }
}
