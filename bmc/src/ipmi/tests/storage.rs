//! Event log, sensors and inventory of the simulated BMC, with what real ones do wrong.

use super::*;
use crate::capability::{BmcEvent, EventLog, Inventory, Sensor, SensorHealth, Sensors};
use bmc_mock::ipmi::{FruQuirks, LogQuirks, SensorModel, SensorQuirks, SensorReading};
use bmc_proto::ipmi::fru::{BoardArea, Contents};
use bmc_proto::ipmi::sdr;
use bmc_proto::ipmi::sel::{AddSelEntry, Record};

fn entry(hex_text: &str) -> [u8; 16] {
    hex::decode(hex_text.replace(' ', "")).unwrap().try_into().unwrap()
}

/// 2024-03-16 18:12:16 UTC.
const AT: i64 = 1_710_612_736;

fn put(rig: &Rig, hex_text: &str) {
    rig.control.storage().log().put(Record::parse(&entry(hex_text))).unwrap();
}

fn hot(rig: &Rig) {
    put(rig, "0000 02 00e1f565 2000 04 01 01 01 59 60 5f");
}

#[track_caller]
fn find<'a>(sensors: &'a [Sensor], name: &str) -> &'a Sensor {
    sensors.iter().find(|sensor| sensor.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn the_event_log() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let bmc = driver(rig.port, cipher);
        assert!(bmc.events().await.unwrap().is_empty());
        bmc.clear_events().await.unwrap();
        hot(&rig);
        put(&rig, "0000 02 05000000 2000 04 08 30 ef 01 ff ff");
        put(&rig, "0000 c1 00e1f565 a20200 010203040506");
        put(&rig, "0000 e0 0102030405060708090a0b0c0d");
        let events = bmc.events().await.unwrap();
        assert_eq!(
            events[0],
            BmcEvent {
                id: "1".into(),
                at: Some(AT),
                sensor: "CPU1 Temp".into(),
                kind: "Temperature".into(),
                message: "Upper Critical going high (reading 96 > threshold 95 degrees C)".into(),
                asserted: true,
                raw: "01000200e1f56520000401010159605f".into(),
            }
        );
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.at, event.kind.as_str(), event.message.as_str(), event.asserted))
            .collect();
        assert_eq!(told[1], (None, "Power Supply", "Failure detected", false), "its clock was not set");
        assert_eq!(told[2], (Some(AT), "OEM record c1", "0002a2 010203040506", true));
        assert_eq!(told[3], (None, "OEM record e0", "0102030405060708090a0b0c0d", true));

        let info = bmc.log_info().await.unwrap();
        assert_eq!((info.entries, info.free, info.overflow), (4, Some(508), false));
        bmc.set_log_clock(AT).await.unwrap();
        let clock = bmc.log_info().await.unwrap().clock.unwrap();
        assert!((AT..AT + 60).contains(&clock), "{clock}");
        // An entry that is added gets the time of the log's clock.
        let added = AddSelEntry(entry("0000 02 00000000 2000 04 10 62 6f 05 ff ff"));
        let id = bmc.call(added, "adding an entry").await.unwrap();
        let events = bmc.events().await.unwrap();
        assert_eq!(id.to_string(), events[4].id);
        assert!((AT..AT + 60).contains(&events[4].at.unwrap()));

        bmc.clear_events().await.unwrap();
        assert!(bmc.events().await.unwrap().is_empty());
        assert_eq!(rig.control.logins(), 1);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_log_ahead_of_utc() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    hot(&rig);
    rig.control.storage().log().set_utc_offset(120);
    assert_eq!(bmc.events().await.unwrap()[0].at, Some(AT - 7200));
    bmc.set_log_clock(AT).await.unwrap();
    let clock = bmc.log_info().await.unwrap().clock.unwrap();
    assert!((AT..AT + 60).contains(&clock), "{clock}");
    let error = bmc.set_log_clock(0).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
    rig.stop().await;
}

#[tokio::test]
async fn logs_that_make_it_hard() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    for _ in 0..40 {
        hot(&rig);
    }
    let whole = bmc.events().await.unwrap();
    let storage = rig.control.storage();
    for at_once in [15, 8, 5, 4] {
        storage.log().set_quirks(LogQuirks {
            at_once: Some(at_once),
            no_utc_offset: true,
            ..LogQuirks::default()
        });
        assert_eq!(bmc.events().await.unwrap(), whole, "{at_once} bytes at once");
    }
    for (quirks, words) in [
        (LogQuirks { circle: true, ..LogQuirks::default() }, "go round in a circle: after 41 of them"),
        (LogQuirks { endless: true, ..LogQuirks::default() }, "don't end after 1064"),
    ] {
        storage.log().set_quirks(quirks);
        match bmc.events().await {
            Err(BmcError::Protocol { what, .. }) => assert!(what.contains(words), "{what}"),
            other => panic!("{quirks:?}: {:?}", other.map(|events| events.len())),
        }
    }
    storage.log().set_quirks(LogQuirks { keeps_all: true, ..LogQuirks::default() });
    bmc.set_log_clock(AT + 1000).await.unwrap();
    let error = bmc.clear_events().await.unwrap_err();
    assert!(matches!(&error, BmcError::NotDone { found, .. } if found == "40 of 40 entries"), "{error}");
    // Erasing takes a while, and leaves an entry about itself.
    storage.log().set_quirks(LogQuirks { tells_erasure: true, slow_erasure: 5, ..LogQuirks::default() });
    bmc.clear_events().await.unwrap();
    let events = bmc.events().await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].sensor.as_str(), events[0].message.as_str()), ("SEL", "Log area reset/cleared"));
    // A command is refused at the wrong moment, and the reservation is lost.
    hot(&rig);
    rig.control.refuse_next(&[0xC3, 0x81]);
    bmc.clear_events().await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn the_sensors() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let bmc = driver(rig.port, cipher);
        let sensors = Sensors::sensors(&bmc).await.unwrap();
        let cpu = find(&sensors, "CPU1 Temp");
        assert_eq!((cpu.reading, cpu.health), (None, SensorHealth::Unavailable), "it is off");
        assert_eq!(find(&sensors, "Inlet Temp").reading, Some(21.0));
        assert_eq!(find(&sensors, "ACPI State").states, ["S5/G2: soft-off"]);

        bmc.set_power(PowerState::On).await.unwrap();
        let mock = rig.control.storage();
        mock.sensors().set_reading(2, Some(SensorReading::Raw(96)));
        mock.sensors().set_reading(0x11, Some(SensorReading::Refused(0xCB)));
        mock.sensors().set_reading(0x12, Some(SensorReading::NotScanned));
        mock.sensors().set_reading(0x31, Some(SensorReading::States(0b0010)));
        let sensors = Sensors::sensors(&bmc).await.unwrap();
        let cpu = find(&sensors, "CPU1 Temp");
        assert_eq!(
            (cpu.number, cpu.entity.as_str(), cpu.kind.as_str()),
            (Some(1), "processor 1", "Temperature")
        );
        assert_eq!(
            (cpu.reading, cpu.unit.as_deref(), cpu.health),
            (Some(45.0), Some("degrees C"), SensorHealth::Ok)
        );
        assert_eq!(cpu.thresholds.upper_non_critical, Some(85.0));
        assert_eq!(cpu.thresholds.upper_critical, Some(95.0));
        assert_eq!(cpu.thresholds.upper_non_recoverable, Some(105.0));
        assert_eq!(cpu.thresholds.lower_critical, None);
        let hot = find(&sensors, "CPU2 Temp");
        assert_eq!(hot.health, SensorHealth::Critical);
        assert_eq!(hot.states, ["at or above upper non-critical", "at or above upper critical"]);
        assert_eq!(find(&sensors, "Inlet Temp").thresholds.lower_critical, Some(-7.0));
        let volts = find(&sensors, "12V").reading.unwrap();
        assert!((volts - 12.096).abs() < 1e-9, "{volts}");
        assert_eq!(find(&sensors, "Fan1").reading, Some(8520.0));
        for fan in ["Fan2", "Fan3"] {
            assert_eq!(
                (find(&sensors, fan).reading, find(&sensors, fan).health),
                (None, SensorHealth::Unavailable)
            );
        }
        assert_eq!(find(&sensors, "Exhaust Speed").reading, Some(12.0), "a square root");
        // Raw 64, with the factors that hold there: M 3, B 4.
        assert_eq!(find(&sensors, "Airflow").reading, Some(196.0));
        assert_eq!(find(&sensors, "System Power").unit.as_deref(), Some("Watts"));
        let supply = find(&sensors, "PSU2 Status");
        assert_eq!((supply.states[0].as_str(), supply.health), ("Failure detected", SensorHealth::Critical));
        assert_eq!(find(&sensors, "Drive3").entity, "disk or disk bay 3");
        assert!(sensors.iter().all(|sensor| sensor.name != "SEL"), "it only sends events");
        assert_eq!(rig.control.logins(), 1);
        rig.stop().await;
    }
}

#[tokio::test]
async fn records_are_read_once_and_again_when_they_change() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let mock = rig.control.storage();
    let (first, second) = tokio::join!(Sensors::sensors(&bmc), Sensors::sensors(&bmc));
    assert_eq!(first.unwrap(), second.unwrap());
    let reads = mock.sensors().record_reads();
    assert_eq!(reads, 24, "each record once");
    Sensors::sensors(&bmc).await.unwrap();
    bmc.units().await.unwrap();
    assert_eq!(mock.sensors().record_reads(), reads);

    let sdr::Record::Sensor(mut only) = sdr::Record::parse(
        &hex::decode("0000510222200005070167400c6f010001000100000000000000000000000000c04161").unwrap(),
    )
    .unwrap() else {
        panic!("no sensor");
    };
    only.name = "DIMM".into();
    let foreign = sdr::Sensor { owner: 0x22, number: 9, name: "Elsewhere".into(), ..(*only).clone() };
    let model = SensorModel::new()
        .sensor(*only, SensorReading::States(1), SensorReading::States(1))
        .sensor(foreign, SensorReading::States(1), SensorReading::States(1))
        .raw_record(vec![0, 0, 0x51, 0x01, 2, 0x20, 0x00])
        .raw_record(vec![0, 0, 0x51, 0xC0, 3, 1, 2, 3])
        .raw_record(vec![0, 0, 0x51]);
    mock.sensors().set_model(Arc::new(model));
    let sensors = Sensors::sensors(&bmc).await.unwrap();
    let told: Vec<_> =
        sensors.iter().map(|sensor| (sensor.name.as_str(), sensor.states.len(), sensor.health)).collect();
    // Another controller's sensor is there, and not read.
    assert_eq!(told, [("DIMM", 1, SensorHealth::Warning), ("Elsewhere", 0, SensorHealth::Unavailable)]);
    rig.stop().await;
}

#[tokio::test]
async fn records_that_make_it_hard() {
    let rig = Rig::new().await;
    let mock = rig.control.storage();
    let whole = Sensors::sensors(&driver(rig.port, Cipher::Suite17)).await.unwrap();
    for quirks in [
        SensorQuirks { at_once: Some(31), ..SensorQuirks::default() },
        SensorQuirks { at_once: Some(5), ..SensorQuirks::default() },
        SensorQuirks { at_once: Some(16), cancels: 5, ..SensorQuirks::default() },
        SensorQuirks { cancels: 3, ..SensorQuirks::default() },
        SensorQuirks { device_records: true, ..SensorQuirks::default() },
        SensorQuirks { device_records: true, at_once: Some(10), ..SensorQuirks::default() },
    ] {
        mock.sensors().set_quirks(quirks);
        // A driver without anything in its cache.
        assert_eq!(Sensors::sensors(&driver(rig.port, Cipher::Suite17)).await.unwrap(), whole, "{quirks:?}");
    }
    for (quirks, words) in [
        (SensorQuirks { circle: true, ..SensorQuirks::default() }, "circle"),
        (SensorQuirks { cancels: 1000, ..SensorQuirks::default() }, "reservations"),
    ] {
        mock.sensors().set_quirks(quirks);
        let bmc = driver(rig.port, Cipher::Suite17);
        let error = Sensors::sensors(&bmc).await.unwrap_err();
        assert!(matches!(&error, BmcError::Protocol { what, .. } if what.contains(words)), "{error}");
        // Events and parts are told all the same, by number.
        hot(&rig);
        assert_eq!(bmc.events().await.unwrap()[0].sensor, "#0x01");
        assert_eq!(bmc.units().await.unwrap().len(), 1);
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_inventory() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let bmc = driver(rig.port, cipher);
        let units = bmc.units().await.unwrap();
        assert_eq!(units.len(), 2);
        assert_eq!((units[0].id, units[0].name.as_str()), (0, "Builtin FRU"));
        let kinds: Vec<_> = units[0].areas.iter().map(|area| area.kind).collect();
        assert_eq!(kinds, ["chassis", "board", "product"]);
        let board: Vec<_> =
            units[0].areas[1].fields.iter().map(|field| (field.name, field.value.as_str())).collect();
        assert_eq!(
            board,
            [
                ("made", "2022-12-31T02:40:00Z"),
                ("manufacturer", "Billet"),
                ("name", "Simulated Board"),
                ("serial", "BD0000001"),
                ("part-number", "BLT-BD-1"),
            ]
        );
        assert!(units.iter().all(|unit| unit.problems.is_empty()), "{units:?}");
        for quirks in [
            FruQuirks { at_once: Some(16), words: false },
            FruQuirks { at_once: Some(4), words: false },
            FruQuirks { at_once: None, words: true },
            FruQuirks { at_once: Some(10), words: true },
        ] {
            rig.control.storage().units().set_quirks(quirks);
            assert_eq!(bmc.units().await.unwrap(), units, "{quirks:?}");
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn parts_with_problems() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let mock = rig.control.storage();
    let board = BoardArea { name: "Board".into(), serial: "B7".into(), ..BoardArea::default() };
    let mut data = Contents { board: Some(board), ..Contents::default() }.encode();
    let last = data.len() - 1;
    data[last] ^= 1;
    mock.units().set(0, Some(data));
    mock.units().set(1, None);
    let units = bmc.units().await.unwrap();
    assert_eq!(units[0].problems, ["the checksum of the board area is wrong"]);
    assert!(units[0].areas[0].fields.iter().any(|field| field.value == "B7"));
    assert!(units[1].problems[0].contains("not present"), "{:?}", units[1].problems);
    // Nothing was ever written into it.
    mock.units().set(1, Some(vec![0xFF; 256]));
    assert_eq!(bmc.units().await.unwrap()[1].problems, ["nothing is written into it"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_bmc_without_any_of_it_says_so() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    for (refusals, words) in [(2, "sensor data records"), (1, "event log"), (1, "inventory of parts")] {
        rig.control.refuse_next(&vec![0xC1; refusals]);
        let error = match words {
            "event log" => bmc.events().await.unwrap_err(),
            "sensor data records" => Sensors::sensors(&bmc).await.unwrap_err(),
            _ => bmc.units().await.unwrap_err(),
        };
        assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains(words)), "{error}");
    }
    rig.stop().await;
}
