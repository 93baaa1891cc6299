//! An entry of the event log in words, as `ipmitool sel elist` has them.

use super::extra::extra;
use super::record::{Body, Event, Record};
use super::time;
use crate::ipmi::sdr::Sensor;
use crate::ipmi::sensor::{THRESHOLD, offset_text, sensor_type_text};
use crate::ipmi::text::printable;

/// An entry in words. All of it can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// When, in seconds since 1970 UTC; `None`: the clock was not set, or the record has no time.
    pub at: Option<i64>,
    /// The sensor's name, or `#0x30`; empty where there is none.
    pub sensor: String,
    /// What the sensor measures; `OEM record c0` and the like for others.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// False: it is no longer so.
    pub asserted: bool,
}

/// Puts an entry into words. `sensors` are the BMC's, for names and units; `offset` is what its clock is ahead of
/// UTC, in minutes.
pub fn describe(record: &Record, sensors: &[Sensor], offset: i16) -> Description {
    let at = record.timestamp().and_then(|timestamp| time::unix(timestamp, offset));
    let oem = |kind: u8, message: String| Description {
        at,
        sensor: String::new(),
        kind: format!("OEM record {kind:02x}"),
        message,
        asserted: true,
    };
    match record.body {
        Body::Event(event) => describe_event(&event, sensors, at),
        Body::OemTimed { kind, manufacturer: [low, middle, high], data, .. } => {
            oem(kind, format!("{} {}", hex(&[high, middle, low]), hex(&data)))
        }
        // What Linux writes with CONFIG_IPMI_PANIC_STRING: address, sequence number, then eleven characters.
        Body::Oem { kind: 0xF0, data } => {
            let text = printable(&String::from_utf8_lossy(&data[2..]));
            Description { kind: "Linux kernel panic".into(), ..oem(0xF0, text) }
        }
        Body::Oem { kind, data } => oem(kind, hex(&data)),
    }
}

fn describe_event(event: &Event, sensors: &[Sensor], at: Option<i64>) -> Description {
    let sensor = find(event, sensors);
    let name = match sensor {
        Some(sensor) => sensor.name.clone(),
        None if event.number == 0 => String::new(),
        None => format!("#{:#04x}", event.number),
    };
    let mut message = match offset_text(event.sensor_type, event.reading_type, event.offset()) {
        Some(text) => text.to_owned(),
        None => {
            let [first, second, third] = event.data;
            format!("event type {:#04x}, data {first:02x} {second:02x} {third:02x}", event.reading_type)
        }
    };
    let more = if event.reading_type == THRESHOLD { crossed(event, sensor) } else { extra(event) };
    if let Some(more) = more {
        message = format!("{message} ({more})");
    }
    let kind = sensor_type_text(event.sensor_type);
    Description { at, sensor: name, kind, message, asserted: !event.deasserted }
}

/// The sensor that the event is about: owner, number and type must agree, since the BIOS and others number theirs
/// themselves.
fn find<'a>(event: &Event, sensors: &'a [Sensor]) -> Option<&'a Sensor> {
    sensors.iter().find(|sensor| {
        sensor.owner == event.generator[0]
            && sensor.number == event.number
            && sensor.sensor_type == event.sensor_type
            && !sensor.name.is_empty()
    })
}

/// The reading that crossed a threshold, and the threshold (table 29-6), in the sensor's unit.
fn crossed(event: &Event, sensor: Option<&Sensor>) -> Option<String> {
    let [first, second, third] = event.data;
    let scale = sensor.and_then(|sensor| sensor.scale.as_ref());
    let in_unit = |raw| scale.and_then(|scale| scale.convert(raw)).map(number);
    let reading = (first >> 6 == 0b01).then(|| in_unit(second)).flatten();
    let threshold = (first >> 4 & 0b11 == 0b01).then(|| in_unit(third)).flatten();
    // Odd offsets go up, and the way back is the other way.
    let up = (event.offset() % 2 == 1) != event.deasserted;
    let sign = if up { '>' } else { '<' };
    let unit = sensor.and_then(|sensor| sensor.units.text()).map_or(String::new(), |unit| format!(" {unit}"));
    Some(match (reading, threshold) {
        (Some(reading), Some(threshold)) => format!("reading {reading} {sign} threshold {threshold}{unit}"),
        (Some(reading), None) => format!("reading {reading}{unit}"),
        (None, Some(threshold)) => format!("threshold {threshold}{unit}"),
        (None, None) => return None,
    })
}

/// Two digits behind the point, or none where it has none; powers of ten for what no sensor reads.
fn number(value: f64) -> String {
    if value.abs() >= 1e12 {
        return format!("{value:.2e}");
    }
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
