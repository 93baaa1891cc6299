//! Entries of real machines in words, times, and what noise becomes.

use super::*;
use crate::ipmi::sdr::{BMC, Form, Sensor, Sharing};
use crate::ipmi::sensor::{Factors, Format, Scale, Units};
use crate::ipmi::text::is_printable;
use crate::ipmi::{IpmiCommand, Message};
use proptest::prelude::*;

fn record(hex_text: &str) -> Record {
    Record::parse(&hex::decode(hex_text.replace(' ', "")).unwrap().try_into().unwrap())
}

fn temperature() -> Sensor {
    Sensor {
        form: Form::Full,
        owner: BMC,
        channel: 0,
        lun: 0,
        number: 0x30,
        entity: (3, 1),
        initialization: 0,
        capabilities: 0x68,
        sensor_type: 1,
        reading_type: 1,
        masks: [0; 3],
        units: Units::of(1),
        scale: Some(Scale {
            format: Format::Unsigned,
            linearization: 0,
            factors: Factors { m: 1, ..Factors::default() },
        }),
        thresholds: None,
        hysteresis: [0; 2],
        sharing: Sharing::default(),
        name: "CPU Temp".into(),
    }
}

/// Sensor, kind, message and "asserted" of an entry.
fn words(hex_text: &str) -> (String, String, String, bool) {
    let told = describe(&record(hex_text), &[temperature()], 0);
    (told.sensor, told.kind, told.message, told.asserted)
}

/// An entry; sensor, kind, message, and whether it is so.
type Told = (&'static str, &'static str, &'static str, &'static str, bool);

const ENTRIES: &[Told] = &[
    // id   ty time     gen  rv st no di d1 d2 d3
    (
        "0100 02 00e1f565 2000 04 01 30 01 59 5c 5a",
        "CPU Temp",
        "Temperature",
        "Upper Critical going high (reading 92 > threshold 90 degrees C)",
        true,
    ),
    (
        "0200 02 00e1f565 2000 04 01 30 81 59 50 5a",
        "CPU Temp",
        "Temperature",
        "Upper Critical going high (reading 80 < threshold 90 degrees C)",
        false,
    ),
    // Another owner's sensor 0x30 is not ours.
    ("0300 02 00e1f565 4100 04 01 30 01 59 5c 5a", "#0x30", "Temperature", "Upper Critical going high", true),
    (
        "0400 02 00e1f565 2000 04 10 00 6f 02 ff ff",
        "",
        "Event Logging Disabled",
        "Log area reset/cleared",
        true,
    ),
    (
        "0500 02 00e1f565 2000 04 08 51 6f a3 00 02",
        "#0x51",
        "Power Supply",
        "Power Supply AC lost (data 2 0x00, data 3 0x02)",
        true,
    ),
    (
        "0600 02 00e1f565 2000 04 08 51 6f 36 ff 04",
        "#0x51",
        "Power Supply",
        "Config Error (voltage rating mismatch)",
        true,
    ),
    (
        "0700 02 00e1f565 0100 04 0f 00 6f c2 13 ff",
        "",
        "System Firmware Progress",
        "System Firmware Progress (System boot initiated)",
        true,
    ),
    ("0800 02 00e1f565 0100 04 0c 00 6f 30 ff 07", "", "Memory", "Correctable ECC (memory module 7)", true),
    (
        "0900 02 00e1f565 2000 04 23 01 6f c1 44 ff",
        "#0x01",
        "Watchdog 2",
        "Hard reset (timer for SMS/OS)",
        true,
    ),
    (
        "0a00 02 00e1f565 2000 04 09 52 0b 41 f0 ff",
        "#0x52",
        "Power Unit",
        "Redundancy Lost (was Fully Redundant)",
        true,
    ),
    (
        "0b00 02 00e1f565 2000 04 12 00 6f c5 80 ff",
        "",
        "System Event",
        "Timestamp Clock Sync (after the clock was set)",
        true,
    ),
    (
        "0c00 02 00e1f565 2000 04 c8 10 70 01 02 03",
        "#0x10",
        "OEM (0xC8)",
        "event type 0x70, data 01 02 03",
        true,
    ),
    ("0d00 c0 00e1f565 a20200 010203040506", "", "OEM record c0", "0002a2 010203040506", true),
    ("0e00 e0 0102030405060708090a0b0c0d", "", "OEM record e0", "0102030405060708090a0b0c0d", true),
    ("0f00 f0 2000 4f6f70733a20307830 1b07", "", "Linux kernel panic", "Oops: 0x0", true),
];

#[test]
fn entries_in_words() {
    for (entry, sensor, kind, message, asserted) in ENTRIES {
        assert_eq!(words(entry), ((*sensor).into(), (*kind).into(), (*message).into(), *asserted), "{entry}");
    }
    assert!(record("0400 02 00e1f565 2000 04 10 00 6f 02 ff ff").is_log_cleared());
    assert!(!record("0400 02 00e1f565 2000 04 10 00 6f 03 ff ff").is_log_cleared());
}

#[test]
fn times() {
    assert_eq!(time::unix(0x65F5_E100, 0), Some(1_710_612_736));
    assert_eq!(time::unix(0x65F5_E100, 60), Some(1_710_612_736 - 3600));
    assert_eq!(time::unix(0x1FFF_FFFF, 0), None, "since the BMC's start");
    assert_eq!(time::unix(0xFFFF_FFFF, 0), None, "unspecified");
    assert_eq!(time::from_unix(1_710_612_736, -60), Some(0x65F5_E100 - 3600));
    assert_eq!(time::from_unix(0, 0), None);
    assert_eq!(time::from_unix(i64::MAX, 60), None);
    assert_eq!(describe(&record("0d00 c0 00e1f565 a20200 010203040506"), &[], 0).at, Some(1_710_612_736));
    assert_eq!(describe(&record("0e00 e0 0102030405060708090a0b0c0d"), &[], 0).at, None);
}

#[test]
fn requests_and_answers() {
    let message = |message: Message| (message.netfn_raw(), message.cmd(), hex::encode(message.data()));
    assert_eq!(message(GetSelEntry::whole(0x0102).into()), (0x0A, 0x43, "0000020100ff".into()));
    assert_eq!(message(SetSelTime(0x0403_0201).into()), (0x0A, 0x49, "01020304".into()));
    assert_eq!(message(GetSelTime.into()), (0x0A, 0x48, String::new()));
    let allocation = GetSelAllocation::parse_success_response(&[0, 2, 18, 0, 0xFF, 1, 0xFF, 1, 1]).unwrap();
    assert_eq!(allocation, Allocation { units: 512, unit_size: 18, free: 511 });
    // Eight bytes are one too few by the specification, and enough for us.
    assert!(GetSelAllocation::parse_success_response(&[0; 8]).is_ok());
    assert!(GetSelAllocation::parse_success_response(&[0; 5]).is_err());
    let offset = |bytes: &[u8]| GetSelUtcOffset::parse_success_response(bytes);
    assert_eq!((offset(&[0xC4, 0xFF]), offset(&[0xFF, 0x07])), (Ok(-60), Ok(0)));
    assert!(offset(&[1]).is_err());
    assert_eq!(
        GetSelEntry::parse_success_response(&[0xFF, 0xFF, 1]).unwrap(),
        Part { next: 0xFFFF, bytes: vec![1] }
    );
    assert!(GetSelEntry::parse_success_response(&[0xFF]).is_err());
}

proptest! {
    #[test]
    fn any_entry(bytes: [u8; LENGTH], offset in -1440i16..=1440) {
        let record = Record::parse(&bytes);
        prop_assert_eq!(record.encode(), bytes);
        let told = describe(&record, &[temperature()], offset);
        for text in [&told.sensor, &told.kind, &told.message] {
            prop_assert!(text.chars().all(is_printable), "{:?}", told);
            prop_assert!(text.len() < 256);
        }
    }
}
