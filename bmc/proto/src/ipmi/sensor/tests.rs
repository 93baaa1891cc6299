//! Conversions by the formula, units, and what answers mean.

use super::*;
use crate::ipmi::sdr::{BMC, Form, Sensor, Sharing};
use crate::ipmi::{IpmiCommand, Message};
use proptest::prelude::*;

fn scale(linearization: u8, format: Format, m: i16, b: i16, b_exponent: i8, exponent: i8) -> Scale {
    Scale { format, linearization, factors: Factors { m, b, b_exponent, exponent } }
}

#[test]
fn conversions() {
    use Format::{OnesComplement, TwosComplement, Unsigned};
    let table = [
        // The linear ones: 12 V of a Supermicro board (M 63, K2 -3), an inlet of a Dell with B -128.
        (scale(0, Unsigned, 63, 0, 0, -3), 0xC0, 12.096),
        (scale(0, Unsigned, 1, -128, 0, 0), 0x99, 25.0),
        (scale(0, Unsigned, 2, 5, 2, -1), 10, 52.0),
        (scale(0, Unsigned, -1, 0, 0, 0), 200, -200.0),
        (scale(0, OnesComplement, 1, 0, 0, 0), 0xFE, -1.0),
        (scale(0, OnesComplement, 1, 0, 0, 0), 0xFF, 0.0),
        (scale(0, OnesComplement, 1, 0, 0, 0), 0x7F, 127.0),
        (scale(0, TwosComplement, 1, 0, 0, 0), 0xFE, -2.0),
        (scale(0, TwosComplement, 1, 0, 0, 0), 0x80, -128.0),
        // The functions of table 43-1, in their order.
        (scale(1, Unsigned, 1, 0, 0, 0), 1, 0.0),
        (scale(2, Unsigned, 1, 0, 0, 0), 100, 2.0),
        (scale(3, Unsigned, 1, 0, 0, 0), 8, 3.0),
        (scale(4, Unsigned, 1, 0, 0, 0), 1, std::f64::consts::E),
        (scale(5, Unsigned, 1, 0, 0, 0), 3, 1000.0),
        (scale(6, Unsigned, 1, 0, 0, 0), 10, 1024.0),
        (scale(7, Unsigned, 1, 0, 0, 0), 4, 0.25),
        (scale(8, Unsigned, 1, 0, 0, 0), 12, 144.0),
        (scale(9, Unsigned, 1, 0, 0, 0), 5, 125.0),
        (scale(10, Unsigned, 1, 0, 0, 0), 144, 12.0),
        (scale(11, Unsigned, 1, 0, 0, 0), 125, 5.0),
    ];
    for (scale, raw, expected) in table {
        let value = scale.convert(raw).unwrap();
        assert!((value - expected).abs() < 1e-9, "{scale:?} {raw}: {value} is not {expected}");
    }
    // What is no number is none.
    assert_eq!(scale(7, Unsigned, 1, 0, 0, 0).convert(0), None);
    assert_eq!(scale(1, Unsigned, 1, 0, 0, 0).convert(0), None);
    assert_eq!(scale(10, TwosComplement, 1, 0, 0, 0).convert(0x80), None);
    // Factors that depend on the reading must be asked for.
    let curved = scale(0x70, Unsigned, 1, 0, 0, 0);
    assert_eq!(curved.convert(3), None);
    assert_eq!(curved.convert_with(3, &Factors { m: 5, ..Factors::default() }), Some(15.0));
}

#[test]
fn units() {
    let table = [
        ((0x00, 1, 0), Some("degrees C")),
        ((0x01, 0, 0), Some("percent")),
        ((0x01, 18, 0), Some("% RPM")),
        ((0x20, 70, 0), Some("byte per minute")),
        ((0x18, 0, 0), Some("per second")),
        ((0x02, 4, 22), Some("Volts/second")),
        ((0x04, 6, 24), Some("Watts*hour")),
        ((0x06, 6, 24), Some("Watts")),
        ((0x00, 0, 0), None),
        ((0x00, 59, 0), None),
        ((0x00, 255, 0), None),
    ];
    for ((flags, base, modifier), expected) in table {
        assert_eq!(Units { flags, base, modifier }.text().as_deref(), expected);
    }
}

#[test]
fn answers() {
    let read = |bytes: &[u8]| GetSensorReading::parse_success_response(bytes);
    let reading = Reading { raw: 0x2C, scanning: true, available: true, states: Some(0x0002) };
    assert_eq!(read(&[0x2C, 0xC0, 0x02, 0x80]), Ok(reading));
    assert_eq!(read(&[0x2C, 0xC0]), Ok(Reading { states: None, ..reading }));
    assert_eq!(
        read(&[0, 0xE0, 0]).unwrap(),
        Reading { raw: 0, available: false, states: Some(0), ..reading }
    );
    assert!(!read(&[0, 0x80]).unwrap().scanning);
    assert!(read(&[0x2C]).is_err());
    let thresholds = GetSensorThresholds::parse_success_response(&[0xFF, 1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(thresholds, RawThresholds { mask: 0x3F, values: [1, 2, 3, 4, 5, 6] });
    assert!(GetSensorThresholds::parse_success_response(&[0xFF, 1, 2, 3, 4, 5]).is_err());
    let factors = GetReadingFactors::parse_success_response(&[9, 0x10, 0xC0, 1, 0x40, 0, 0xE1]).unwrap();
    assert_eq!(factors, Factors { m: 0x310 - 0x400, b: 0x101, b_exponent: 1, exponent: -2 });
    let message: Message = GetReadingFactors { number: 7, raw: 9 }.into();
    assert_eq!((message.netfn_raw(), message.cmd(), message.data()), (4, 0x23, &[7, 9][..]));
}

fn sensor(sensor_type: u8, reading_type: u8, scale: Option<Scale>, base: u8) -> Sensor {
    Sensor {
        form: Form::Full,
        owner: BMC,
        channel: 0,
        lun: 0,
        number: 1,
        entity: (3, 1),
        initialization: 0,
        capabilities: 0x68,
        sensor_type,
        reading_type,
        masks: [0, 0, 0x3F3F],
        units: Units::of(base),
        scale,
        thresholds: None,
        hysteresis: [0; 2],
        sharing: Sharing::default(),
        name: "x".into(),
    }
}

const LIMITS: RawThresholds = RawThresholds { mask: 0b01_1011, values: [10, 5, 0, 80, 90, 0] };

fn meaning(sensor: &Sensor, raw: u8, states: Option<u16>) -> Meaning {
    let reading = Reading { raw, scanning: true, available: true, states };
    interpret(sensor, Some(&reading), &LIMITS, &FactorTable::new())
}

#[test]
fn health_of_numbers() {
    let temperature = sensor(1, 1, Some(scale(0, Format::Unsigned, 1, 0, 0, 0)), 1);
    let told = meaning(&temperature, 50, Some(0b01_0000));
    assert_eq!((told.value, told.health), (Some(50.0), Health::Critical), "the BMC's word counts");
    assert_eq!(told.states, ["at or above upper critical"]);
    assert_eq!(told.thresholds, [Some(10.0), Some(5.0), None, Some(80.0), Some(90.0), None]);
    for (raw, health) in [
        (50, Health::Ok),
        (80, Health::Warning),
        (95, Health::Critical),
        (10, Health::Warning),
        (5, Health::Critical),
    ] {
        assert_eq!(meaning(&temperature, raw, None).health, health, "{raw}");
    }
    for reading in [
        None,
        Some(Reading { raw: 50, scanning: false, available: true, states: Some(0) }),
        Some(Reading { raw: 50, scanning: true, available: false, states: Some(0x3F) }),
    ] {
        let nothing = interpret(&temperature, reading.as_ref(), &LIMITS, &FactorTable::new());
        assert_eq!((nothing.value, nothing.health), (None, Health::Unavailable));
        assert!(nothing.states.is_empty() && nothing.thresholds[3] == Some(80.0));
    }
}

#[test]
fn states_in_words() {
    let supply = sensor(0x08, 0x6F, None, 0);
    let told = meaning(&supply, 0, Some(0b0000_1001));
    assert_eq!(told.states, ["Presence detected", "Power Supply AC lost"]);
    assert_eq!((told.value, told.health), (None, Health::Critical));
    assert_eq!(meaning(&supply, 0, Some(1)).health, Health::Ok);
    assert_eq!(meaning(&supply, 0, Some(1 << 12)).states, ["state 12"]);
    let redundancy = sensor(0x09, 0x0B, None, 0);
    assert_eq!(meaning(&redundancy, 0, Some(2)).states, ["Redundancy Lost"]);
    // A discrete sensor with a unit has a number, too (as HP does it); without one it has none.
    let load = sensor(0x0B, 0x6F, Some(scale(0, Format::Unsigned, 4, 0, 0, 0)), 6);
    assert_eq!(meaning(&load, 50, Some(0)).value, Some(200.0));
    assert_eq!(meaning(&Sensor { units: Units::default(), ..load }, 50, Some(0)).value, None);
}

#[test]
fn non_linear_sensors_want_factors() {
    let curved = sensor(4, 1, Some(scale(0x70, Format::Unsigned, 0, 0, 0, 0)), 18);
    let reading = Reading { raw: 50, scanning: true, available: true, states: Some(0) };
    assert_eq!(wants_factors(&curved, Some(&reading), &LIMITS), [5, 10, 50, 80, 90]);
    let factors = FactorTable::from([(50, Factors { m: 100, ..Factors::default() })]);
    let told = interpret(&curved, Some(&reading), &LIMITS, &factors);
    assert_eq!((told.value, told.thresholds), (Some(5000.0), [None; 6]));
    let linear = sensor(4, 1, Some(scale(0, Format::Unsigned, 1, 0, 0, 0)), 18);
    assert!(wants_factors(&linear, Some(&reading), &LIMITS).is_empty());
}

#[test]
fn every_text_prints() {
    for sensor_type in 0..=u8::MAX {
        assert!(sensor_type_text(sensor_type).chars().all(crate::ipmi::text::is_printable));
        for reading_type in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x6F, 0x70] {
            for offset in 0..16 {
                assert!(offset_text(sensor_type, reading_type, offset).is_none_or(|text| !text.is_empty()));
            }
        }
    }
    assert_eq!(offset_text(1, THRESHOLD, 9), Some("Upper Critical going high"));
    assert_eq!(offset_text(0x10, SENSOR_SPECIFIC, 2), Some("Log area reset/cleared"));
    assert_eq!(offset_text(0x23, SENSOR_SPECIFIC, 5), None);
}

proptest! {
    #[test]
    fn factors_survive(m in -512i16..512, b in -512i16..512, b_exponent in -8i8..8, exponent in -8i8..8) {
        let factors = Factors { m, b, b_exponent, exponent };
        prop_assert_eq!(Factors::parse(&factors.encode()), factors);
    }

    #[test]
    fn numbers_are_finite(bytes: [u8; 6], linearization: u8, raw: u8, units: u8) {
        if let Some(format) = Format::of(units) {
            let scale = Scale { format, linearization: linearization & 0x7F, factors: Factors::parse(&bytes) };
            prop_assert!(scale.convert(raw).is_none_or(f64::is_finite));
        }
    }
}
