//! The simulated BMC's sensors: its repository of sensor data records (section 33) and what the sensors read
//! (section 35). They follow the machine's power.
//!
//! - `model`: which sensors there are; many BMCs share one model;
//! - here: what one BMC's sensors read, and its answers.

pub(super) mod model;

use super::group::{Done, Request, answer, lock, refuse};
use bmc_proto::ipmi::sdr::{GetDeviceSdrInfo, GetRepositoryInfo, GetSdr, ReserveSdr};
use bmc_proto::ipmi::sensor::{
    GET_EVENT_ENABLE, GET_EVENT_STATUS, GET_HYSTERESIS, GetReadingFactors, GetSensorReading,
    GetSensorThresholds, SET_THRESHOLDS, THRESHOLD,
};
use bmc_proto::ipmi::{Answer, NetFn, chain};
use model::{ModelSensor, SensorModel, SensorReading};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const RESERVATION_CANCELLED: u8 = 0xC5;
const OUT_OF_RANGE: u8 = 0xC9;
const TOO_MANY_BYTES: u8 = 0xCA;
const NOT_PRESENT: u8 = 0xCB;
const ILLEGAL_FOR_SENSOR: u8 = 0xCD;
/// When the records of a new model were added, by the BMC's clock.
const ADDED: u32 = 0x6000_0000;

/// The sensors of one BMC.
pub struct SensorSet(Mutex<State>);

/// What a BMC's sensor data records do other than most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SensorQuirks {
    /// No more bytes of a record than these at once; more are refused.
    pub at_once: Option<u8>,
    /// So many reservations more are cancelled when they are used.
    pub cancels: u32,
    /// There is no repository: the device keeps its own records.
    pub device_records: bool,
    /// The last record's next is the second one.
    pub circle: bool,
}

struct State {
    model: Arc<SensorModel>,
    /// How often the model was replaced.
    generation: u32,
    readings: BTreeMap<u8, SensorReading>,
    thresholds: BTreeMap<u8, [u8; 6]>,
    reservation: u16,
    records_read: u64,
    quirks: SensorQuirks,
}

impl SensorSet {
    pub(super) fn new(model: Arc<SensorModel>) -> Self {
        Self(Mutex::new(State {
            model,
            generation: 0,
            readings: BTreeMap::new(),
            thresholds: BTreeMap::new(),
            reservation: 0,
            records_read: 0,
            quirks: SensorQuirks::default(),
        }))
    }

    /// Makes a sensor read so, whatever the power is. `None`: as the model has it.
    pub fn set_reading(&self, number: u8, reading: Option<SensorReading>) {
        let mut state = lock(&self.0);
        match reading {
            Some(reading) => state.readings.insert(number, reading),
            None => state.readings.remove(&number),
        };
    }

    /// Replaces the sensors; its repository tells that it was changed.
    pub fn set_model(&self, model: Arc<SensorModel>) {
        let mut state = lock(&self.0);
        state.model = model;
        state.generation += 1;
        state.reservation = state.reservation.wrapping_add(1);
    }

    /// Behaves so from now on.
    pub fn set_quirks(&self, quirks: SensorQuirks) {
        lock(&self.0).quirks = quirks;
    }

    /// How often a part of a record was asked for.
    pub fn record_reads(&self) -> u64 {
        lock(&self.0).records_read
    }

    pub(super) fn execute(&self, request: &Request<'_>) -> Option<Done> {
        let mut state = lock(&self.0);
        match request.netfn {
            NetFn::Storage if !state.quirks.device_records => state.repository(request),
            NetFn::SensorEvent => state.device(request).or_else(|| state.sensor(request)),
            _ => None,
        }
    }
}

impl State {
    fn repository(&mut self, request: &Request<'_>) -> Option<Done> {
        Some(match request.command {
            GetRepositoryInfo::COMMAND => {
                let count = u16::try_from(self.model.records.len()).unwrap_or(u16::MAX);
                let mut data = vec![0x51];
                data.extend(count.to_le_bytes());
                data.extend([0xFF, 0xFF]);
                data.extend((ADDED + self.generation).to_le_bytes());
                data.extend([0; 4]);
                // Reserving and allocation info; changes without a modal state.
                data.push(0x23);
                answer(data)
            }
            GetRepositoryInfo::ALLOCATION => answer([0; 9]),
            GetRepositoryInfo::TIME => answer(request.unix.to_le_bytes()),
            ReserveSdr::COMMAND => self.reserve(),
            GetSdr::COMMAND => self.record(request.body),
            _ => return None,
        })
    }

    fn device(&mut self, request: &Request<'_>) -> Option<Done> {
        if !self.quirks.device_records {
            return None;
        }
        Some(match request.command {
            GetDeviceSdrInfo::COMMAND => {
                let count = u8::try_from(self.model.sensors.len()).unwrap_or(u8::MAX);
                // Dynamic, sensors on LUN 0.
                answer([&[count, 0x81][..], &self.generation.to_le_bytes()].concat())
            }
            ReserveSdr::COMMAND => self.reserve(),
            GetSdr::DEVICE_COMMAND => self.record(request.body),
            _ => return None,
        })
    }

    fn reserve(&mut self) -> Done {
        self.reservation = self.reservation.wrapping_add(1).max(1);
        answer(self.reservation.to_le_bytes())
    }

    fn record(&mut self, body: &[u8]) -> Done {
        let &[r0, r1, i0, i1, offset, length] = body else { return refuse(Answer::INVALID_LENGTH) };
        self.records_read += 1;
        let cancelled = self.quirks.cancels > 0;
        if cancelled {
            self.quirks.cancels -= 1;
            self.reservation = self.reservation.wrapping_add(1);
        }
        if cancelled || offset > 0 && u16::from_le_bytes([r0, r1]) != self.reservation {
            return refuse(RESERVATION_CANCELLED);
        }
        // Records are numbered from 1; 0 is the first, 0xFFFF the last.
        let count = self.model.records.len();
        let at = match u16::from_le_bytes([i0, i1]) {
            chain::FIRST => 0,
            chain::LAST => count.saturating_sub(1),
            id => usize::from(id) - 1,
        };
        let Some(record) = self.model.records.get(at) else { return refuse(NOT_PRESENT) };
        let next = match at + 2 {
            number if number <= count => u16::try_from(number).unwrap_or(chain::LAST),
            _ if self.quirks.circle => 2,
            _ => chain::LAST,
        };
        let Some(rest) = record.get(usize::from(offset)..) else { return refuse(OUT_OF_RANGE) };
        let wanted = if length == 0xFF { rest.len() } else { usize::from(length).min(rest.len()) };
        if self.quirks.at_once.is_some_and(|most| wanted > usize::from(most)) {
            return refuse(TOO_MANY_BYTES);
        }
        answer([&next.to_le_bytes()[..], &rest[..wanted]].concat())
    }

    fn sensor(&mut self, request: &Request<'_>) -> Option<Done> {
        let (&number, rest) = request.body.split_first()?;
        let commands = [
            GetSensorReading::COMMAND,
            GetSensorThresholds::COMMAND,
            GetReadingFactors::COMMAND,
            GET_HYSTERESIS,
            GET_EVENT_ENABLE,
            GET_EVENT_STATUS,
            SET_THRESHOLDS,
        ];
        if !commands.contains(&request.command) {
            return None;
        }
        let model = Arc::clone(&self.model);
        let Some(sensor) = model.sensors.get(&number) else { return Some(refuse(NOT_PRESENT)) };
        Some(match request.command {
            GetSensorReading::COMMAND => self.reading(sensor, request.power),
            GetSensorThresholds::COMMAND => match self.limits(sensor) {
                Some(limits) => answer([&[sensor.sensor.threshold_mask()][..], &limits].concat()),
                None => refuse(ILLEGAL_FOR_SENSOR),
            },
            SET_THRESHOLDS => self.set_thresholds(sensor, rest),
            GetReadingFactors::COMMAND => match (sensor.sensor.scale, rest) {
                (Some(scale), &[raw]) => {
                    let factors = sensor.factors.map_or(scale.factors, |of| of(raw));
                    answer([&[raw][..], &factors.encode()].concat())
                }
                (None, _) => refuse(ILLEGAL_FOR_SENSOR),
                _ => refuse(Answer::INVALID_LENGTH),
            },
            GET_HYSTERESIS if sensor.sensor.scale.is_some() => answer(sensor.sensor.hysteresis),
            GET_HYSTERESIS => refuse(ILLEGAL_FOR_SENSOR),
            GET_EVENT_ENABLE => {
                let [assertions, deassertions, _] = sensor.sensor.masks;
                answer([&[0xC0][..], &assertions.to_le_bytes(), &deassertions.to_le_bytes()].concat())
            }
            // No event is pending.
            _ => answer([0xC0, 0, 0, 0, 0]),
        })
    }

    fn limits(&self, sensor: &ModelSensor) -> Option<[u8; 6]> {
        self.thresholds.get(&sensor.sensor.number).copied().or(sensor.sensor.thresholds)
    }

    fn reading(&self, sensor: &ModelSensor, power: bool) -> Done {
        let own = if power { sensor.on } else { sensor.off };
        let threshold = sensor.sensor.reading_type == THRESHOLD;
        match self.readings.get(&sensor.sensor.number).copied().unwrap_or(own) {
            SensorReading::Refused(completion) => refuse(completion),
            SensorReading::Unavailable => answer([0, 0xE0, 0, 0x80]),
            SensorReading::NotScanned => answer([0, 0x80, 0, 0x80]),
            SensorReading::Raw(raw) if threshold => answer([raw, 0xC0, self.comparisons(sensor, raw) | 0xC0]),
            SensorReading::Raw(raw) => answer([raw, 0xC0, 0, 0x80]),
            SensorReading::States(states) => {
                let [low, high] = states.to_le_bytes();
                answer([0, 0xC0, low, high | 0x80])
            }
        }
    }

    /// One bit for each threshold that is reached (table 35-15).
    fn comparisons(&self, sensor: &ModelSensor, raw: u8) -> u8 {
        let Some(limits) = self.limits(sensor) else { return 0 };
        let number = |raw: u8| match sensor.sensor.scale {
            Some(scale) if !scale.is_non_linear() => scale.convert(raw),
            _ => Some(f64::from(raw)),
        };
        let reached = |bit: &usize| match (number(raw), number(limits[*bit])) {
            (Some(value), Some(limit)) if *bit < 3 => value <= limit,
            (Some(value), Some(limit)) => value >= limit,
            _ => false,
        };
        let bits = (0..limits.len()).filter(reached).fold(0, |bits, bit| bits | 1 << bit);
        bits & sensor.sensor.threshold_mask()
    }

    fn set_thresholds(&mut self, sensor: &ModelSensor, body: &[u8]) -> Done {
        let (Some(mut limits), &[mask, ref values @ ..]) = (self.limits(sensor), body) else {
            return refuse(ILLEGAL_FOR_SENSOR);
        };
        if values.len() != limits.len() {
            return refuse(Answer::INVALID_LENGTH);
        }
        for (bit, limit) in limits.iter_mut().enumerate().filter(|(bit, _)| mask >> bit & 1 != 0) {
            *limit = values[bit];
        }
        self.thresholds.insert(sensor.sensor.number, limits);
        answer([])
    }
}
