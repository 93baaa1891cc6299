//! Sensor data records and readings: any bytes are read or left alone; names print, numbers are finite, and a record
//! that was read is written and read again as the same.
#![no_main]

use bmc_proto::ipmi::IpmiCommand;
use bmc_proto::ipmi::pieces::Pieces;
use bmc_proto::ipmi::sdr::{
    GetDeviceSdrInfo, GetRepositoryInfo, GetSdr, Record, ReserveSdr, Sensor, entity_text, length,
};
use bmc_proto::ipmi::sensor::{
    FactorTable, GetReadingFactors, GetSensorReading, GetSensorThresholds, RawThresholds, interpret,
    sensor_type_text, wants_factors,
};
use bmc_proto::ipmi::text::is_printable;
use libfuzzer_sys::fuzz_target;

/// Bytes before the record: answers to reading, thresholds and factors, and what the BMC returns at once.
const KNOBS: usize = 24;

fuzz_target!(|data: &[u8]| {
    let _ = GetRepositoryInfo::parse_success_response(data);
    let _ = GetDeviceSdrInfo::parse_success_response(data);
    let _ = ReserveSdr::parse_success_response(data);
    if let Ok(part) = GetSdr::parse_success_response(data) {
        assert_eq!(part.bytes.len() + 2, data.len());
    }
    let Some((knobs, bytes)) = data.split_first_chunk::<KNOBS>() else { return };
    in_pieces(knobs, bytes);
    let Some(record) = Record::parse(bytes) else { return };
    again(&record);
    let Record::Sensor(sensor) = record else { return };
    let sensors = sensor.expand();
    assert!((1..=15).contains(&sensors.len()));
    for sensor in &sensors {
        read(sensor, knobs);
    }
});

/// Whatever a BMC returns at once, a record comes out as it is, in an end of exchanges.
fn in_pieces(knobs: &[u8; KNOBS], bytes: &[u8]) {
    let mut pieces = Pieces::new(bytes.len(), usize::from(knobs[0]), 1 + usize::from(knobs[1] & 1));
    let most = usize::from(knobs[2] % 32) + 2;
    // The last word of an odd number of bytes is filled up.
    let padded = [bytes, &[0]].concat();
    for _ in 0..2 * bytes.len() + 10 {
        let Some((offset, wanted)) = pieces.ask() else { break };
        if wanted > most && knobs[3] & 1 == 0 && pieces.halve() {
            continue;
        }
        let end = (offset + wanted.min(most)).min(padded.len());
        assert!(pieces.take(&padded[offset..end]));
    }
    assert_eq!(pieces.into_bytes(), bytes);
}

fn again(record: &Record) {
    let Some(written) = record.encode(7) else { return };
    assert_eq!(length(&written), Some(written.len()));
    let read = Record::parse(&written).expect("we read what we write");
    // A name may have been cut or have lost what Latin-1 doesn't have, once.
    assert_eq!(named(&read), named(record));
    let written = read.encode(7).expect("it was written before");
    assert_eq!(Record::parse(&written), Some(read));
}

/// The record with another name.
fn named(record: &Record) -> Record {
    let mut record = record.clone();
    match &mut record {
        Record::Sensor(sensor) => sensor.name.clear(),
        Record::Fru(locator) => locator.name.clear(),
        Record::Controller(locator) => locator.name.clear(),
        Record::Other { .. } => {}
    }
    record
}

fn read(sensor: &Sensor, knobs: &[u8; KNOBS]) {
    // 31 bytes of BCD plus, and the number of one of several that share a record.
    assert!(sensor.name.chars().all(is_printable) && sensor.name.chars().count() <= 65);
    assert!(entity_text(sensor.entity).chars().all(is_printable));
    assert!(sensor_type_text(sensor.sensor_type).chars().all(is_printable));
    if let Some(unit) = sensor.units.text() {
        assert!(!unit.is_empty() && unit.chars().all(is_printable));
    }
    let reading = GetSensorReading::parse_success_response(&knobs[4..4 + usize::from(knobs[2] % 5)]).ok();
    let thresholds = GetSensorThresholds::parse_success_response(&knobs[8..15]).unwrap_or_default();
    let wanted = wants_factors(sensor, reading.as_ref(), &thresholds);
    assert!(wanted.len() <= 7);
    let factors = GetReadingFactors::parse_success_response(&knobs[15..22]).expect("long enough");
    let factors: FactorTable = wanted.into_iter().map(|raw| (raw, factors)).collect();
    for thresholds in [thresholds, RawThresholds::default()] {
        let meaning = interpret(sensor, reading.as_ref(), &thresholds, &factors);
        assert!(meaning.value.is_none_or(f64::is_finite));
        assert!(meaning.thresholds.iter().flatten().all(|limit| limit.is_finite()));
        assert!(meaning.states.len() <= 15);
        assert!(meaning.states.iter().all(|state| state.chars().all(is_printable)));
    }
}
