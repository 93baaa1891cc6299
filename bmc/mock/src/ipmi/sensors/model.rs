//! Which sensors a simulated server has. A model is shared by all BMCs that have it.

use bmc_proto::ipmi::sdr::{BMC, ControllerLocator, Form, FruLocator, Record, Sensor, Sharing};
use bmc_proto::ipmi::sensor::{Factors, Format, SENSOR_SPECIFIC, Scale, THRESHOLD, Units};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Sensors and other records.
#[derive(Default)]
pub struct SensorModel {
    /// The records, from number 1 on.
    pub(super) records: Vec<Vec<u8>>,
    pub(super) sensors: BTreeMap<u8, ModelSensor>,
}

/// A sensor and what it reads when nobody says otherwise.
pub(super) struct ModelSensor {
    pub(super) sensor: Sensor,
    pub(super) on: SensorReading,
    pub(super) off: SensorReading,
    /// Of a non-linear one: the factors at a raw reading.
    pub(super) factors: Option<fn(u8) -> Factors>,
}

/// What a sensor reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensorReading {
    /// A raw number.
    Raw(u8),
    /// States, one bit each.
    States(u16),
    /// There is nothing to be read now.
    Unavailable,
    /// It is not scanned.
    NotScanned,
    /// The command is refused with this completion code.
    Refused(u8),
}

use SensorReading::{Raw, States, Unavailable};

impl SensorModel {
    /// Without any sensor.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server: temperatures, fans, voltages, power supplies, drives, watts; the same one for everybody.
    pub fn server() -> Arc<Self> {
        static SERVER: LazyLock<Arc<SensorModel>> = LazyLock::new(|| Arc::new(build_server()));
        Arc::clone(&SERVER)
    }

    /// Adds a sensor that reads so while the machine is on, and off; a record that several share makes several.
    #[must_use]
    pub fn sensor(mut self, sensor: Sensor, on: SensorReading, off: SensorReading) -> Self {
        let factors =
            (sensor.scale.is_some_and(|scale| scale.is_non_linear())).then_some(bent as fn(u8) -> Factors);
        self = self.record(&Record::Sensor(Box::new(sensor.clone())));
        if sensor.form != Form::EventOnly {
            for sensor in sensor.expand() {
                self.sensors.insert(sensor.number, ModelSensor { sensor, on, off, factors });
            }
        }
        self
    }

    /// Adds another record.
    #[must_use]
    pub fn record(mut self, record: &Record) -> Self {
        let id = u16::try_from(self.records.len() + 1).unwrap_or(u16::MAX);
        self.records.extend(record.encode(id));
        self
    }

    /// Adds a record of these bytes, but for its id.
    #[must_use]
    pub fn raw_record(mut self, mut bytes: Vec<u8>) -> Self {
        let id = u16::try_from(self.records.len() + 1).unwrap_or(u16::MAX);
        if let Some(start) = bytes.get_mut(..2) {
            start.copy_from_slice(&id.to_le_bytes());
        }
        self.records.push(bytes);
        self
    }
}

/// A curve: the higher the reading, the steeper.
fn bent(raw: u8) -> Factors {
    Factors { m: 1 + i16::from(raw) / 32, b: i16::from(raw) / 16, b_exponent: 0, exponent: 0 }
}

/// A sensor without anything special.
fn plain(number: u8, name: &str, sensor_type: u8, reading_type: u8, entity: (u8, u8)) -> Sensor {
    Sensor {
        form: Form::Compact,
        owner: BMC,
        channel: 0,
        lun: 0,
        number,
        entity,
        // Scanning and events are on.
        initialization: 0x63,
        capabilities: 0x40,
        sensor_type,
        reading_type,
        masks: [0x7FFF, 0x7FFF, 0x7FFF],
        units: Units::of(0),
        scale: None,
        thresholds: None,
        hysteresis: [0; 2],
        sharing: Sharing::default(),
        name: name.into(),
    }
}

/// A state.
fn discrete(number: u8, name: &str, sensor_type: u8, reading_type: u8, entity: (u8, u8)) -> Sensor {
    plain(number, name, sensor_type, reading_type, entity)
}

/// How a number comes about: unit, linearisation and factors.
#[derive(Clone, Copy)]
struct Analog {
    unit: u8,
    format: Format,
    linearization: u8,
    m: i16,
    exponent: i8,
}

impl Analog {
    const fn linear(unit: u8, m: i16, exponent: i8) -> Self {
        Self { unit, format: Format::Unsigned, linearization: 0, m, exponent }
    }
}

/// A number with limits: lower non-critical, critical, non-recoverable, upper the same; `None`: it has no such limit.
fn analog(
    number: u8,
    name: &str,
    sensor_type: u8,
    entity: (u8, u8),
    analog: Analog,
    limits: [Option<u8>; 6],
) -> Sensor {
    let mask =
        limits.iter().enumerate().fold(0u16, |mask, (bit, limit)| mask | u16::from(limit.is_some()) << bit);
    Sensor {
        form: Form::Full,
        // Limits are readable and settable, hysteresis is readable.
        capabilities: 0x40 | 0x10 | 0x08,
        masks: [0x0A95, 0x0A95, mask << 8 | mask],
        units: Units::of(analog.unit),
        scale: Some(Scale {
            format: analog.format,
            linearization: analog.linearization,
            factors: Factors { m: analog.m, exponent: analog.exponent, ..Factors::default() },
        }),
        thresholds: Some(limits.map(|limit| limit.unwrap_or(0))),
        hysteresis: [2, 2],
        ..plain(number, name, sensor_type, THRESHOLD, entity)
    }
}

const CELSIUS: Analog = Analog::linear(1, 1, 0);

fn build_server() -> SensorModel {
    let model = SensorModel::new().record(&Record::Controller(ControllerLocator {
        address: BMC,
        channel: 0,
        capabilities: 0x8F,
        entity: (6, 1),
        name: "BMC".into(),
    }));
    let model = supplies(fans_and_volts(temperatures(model)));
    let log = Sensor {
        form: Form::EventOnly,
        initialization: 0,
        capabilities: 0,
        masks: [0; 3],
        ..discrete(0x62, "SEL", 0x10, SENSOR_SPECIFIC, (6, 1))
    };
    model
        .sensor(discrete(0x60, "ACPI State", 0x22, SENSOR_SPECIFIC, (7, 1)), States(1), States(1 << 5))
        .sensor(discrete(0x61, "Watchdog", 0x23, SENSOR_SPECIFIC, (6, 1)), States(0), States(0))
        .sensor(log, Unavailable, Unavailable)
        .record(&fru(0, "Builtin FRU", (7, 1)))
        .record(&fru(1, "PSU1 FRU", (10, 1)))
}

fn fru(id: u8, name: &str, entity: (u8, u8)) -> Record {
    Record::Fru(FruLocator { address: BMC, id, logical: true, lun: 0, channel: 0, entity, name: name.into() })
}

fn temperatures(mut model: SensorModel) -> SensorModel {
    let hot = [None, None, None, Some(85), Some(95), Some(105)];
    for (number, name, raw) in [(1, "CPU1 Temp", 45), (2, "CPU2 Temp", 47)] {
        model = model.sensor(analog(number, name, 1, (3, number), CELSIUS, hot), Raw(raw), Unavailable);
    }
    // Where it may freeze: -7 °C is 0xF9.
    let room = [Some(3), Some(0xF9), None, Some(42), Some(47), None];
    let signed = Analog { format: Format::TwosComplement, ..CELSIUS };
    model.sensor(analog(3, "Inlet Temp", 1, (0x40, 1), signed, room), Raw(23), Raw(21))
}

fn fans_and_volts(mut model: SensorModel) -> SensorModel {
    let slow = [Some(7), Some(5), None, None, None, None];
    for fan in 1..=4 {
        let sensor = analog(0x0F + fan, &format!("Fan{fan}"), 4, (29, fan), Analog::linear(18, 120, 0), slow);
        model = model.sensor(sensor, Raw(70 + fan), Unavailable);
    }
    let band = [Some(175), Some(170), None, Some(205), Some(212), None];
    for (number, name, millivolts, raw) in
        [(0x20, "12V", 63, 192), (0x21, "5V", 26, 193), (0x22, "3.3V", 17, 195)]
    {
        let sensor = analog(number, name, 2, (7, 1), Analog::linear(4, millivolts, -3), band);
        model = model.sensor(sensor, Raw(raw), Unavailable);
    }
    let battery = [None, Some(160), None, None, None, None];
    model
        .sensor(analog(0x23, "VBAT", 2, (40, 1), Analog::linear(4, 16, -3), battery), Raw(190), Raw(190))
        .sensor(
            analog(
                0x24,
                "Airflow",
                4,
                (7, 1),
                Analog { linearization: 0x70, ..Analog::linear(17, 1, 0) },
                [None; 6],
            ),
            Raw(64),
            Raw(0),
        )
        // The root of the raw reading.
        .sensor(
            analog(
                0x25,
                "Exhaust Speed",
                0x0B,
                (7, 1),
                Analog { linearization: 10, ..Analog::linear(34, 1, 0) },
                [None; 6],
            ),
            Raw(144),
            Raw(0),
        )
}

fn supplies(mut model: SensorModel) -> SensorModel {
    for number in 1..=2 {
        let sensor =
            discrete(0x2F + number, &format!("PSU{number} Status"), 8, SENSOR_SPECIFIC, (10, number));
        model = model.sensor(sensor, States(1), States(1));
    }
    let drives = Sensor {
        sharing: Sharing { count: 4, letters: false, offset: 0, instances: true },
        ..discrete(0x40, "Drive", 0x0D, SENSOR_SPECIFIC, (4, 0))
    };
    let watts = analog(
        0x50,
        "System Power",
        0x0B,
        (7, 1),
        Analog::linear(6, 4, 0),
        [None, None, None, Some(175), Some(188), None],
    );
    model
        .sensor(discrete(0x32, "PSU Redundancy", 9, 0x0B, (19, 1)), States(1), States(1))
        .sensor(drives, States(1), States(1))
        .sensor(watts, Raw(60), Raw(2))
}
