//! Event log, sensors and parts of ipmi_sim, read by our driver and by ipmitool, and compared value by value.

use super::*;
use crate::capability::{BmcEvent, EventLog, Fru, Inventory, Sensor, SensorHealth, Sensors};
use bmc_proto::ipmi::fru::{BoardArea, ChassisArea, Contents, ProductArea};
use bmc_proto::ipmi::sdr::{self, BMC, Form, FruLocator, Record, Sharing};
use bmc_proto::ipmi::sel::AddSelEntry;
use bmc_proto::ipmi::sensor::{Factors, Format, SENSOR_SPECIFIC, Scale, THRESHOLD, Units};

/// 2024-03-16 18:12:16 UTC.
const AT: i64 = 1_710_612_736;

/// Records of a Dell PowerEdge R630.
const DELL: [&str; 2] = [
    "0d00510130200032 07017fd4040105300500030000120000780200023000 0754c58bff00ffffff00050701010000 00c546616e3241",
    "12005101352000 0407017f680101853285321b09000100000102 80c230000797c58bff00ffafaa0079830101000000ca496e6c65742054656d70",
];

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(" {byte:#04x}")).collect()
}

/// A sensor with a number: format, linearisation, M, B, K1, K2, units; its reading, and its limits in the order of
/// Get Sensor Thresholds.
struct Analog(&'static str, Format, u8, [i16; 2], [i8; 2], [u8; 3], u8, [Option<u8>; 6]);

const ANALOG: [Analog; 16] = {
    use Format::{OnesComplement as Ones, TwosComplement as Twos, Unsigned};
    const NO: Option<u8> = None;
    const ALL: [Option<u8>; 6] = [Some(30), Some(20), Some(10), Some(200), Some(220), Some(240)];
    [
        Analog("Linear", Unsigned, 0, [63, 0], [0, -3], [0, 4, 0], 192, ALL),
        Analog(
            "Offset",
            Unsigned,
            0,
            [-2, 500],
            [1, -1],
            [0, 1, 0],
            25,
            [Some(30), NO, NO, NO, Some(220), NO],
        ),
        Analog("Ones", Ones, 0, [3, -7], [0, 0], [0, 1, 0], 0xF0, [NO; 6]),
        Analog("Twos", Twos, 0, [511, -512], [-2, -1], [0, 5, 0], 0x85, [NO; 6]),
        Analog("Ln", Unsigned, 1, [1, 0], [0, 0], [0, 66, 0], 50, [NO; 6]),
        Analog("Log10", Unsigned, 2, [1, 0], [0, 0], [0, 60, 0], 50, [NO; 6]),
        Analog("Log2", Unsigned, 3, [1, 0], [0, 0], [0, 0, 0], 50, [NO; 6]),
        Analog("Exp", Unsigned, 4, [1, 0], [0, -1], [0, 12, 0], 50, [NO; 6]),
        Analog("Exp10", Unsigned, 5, [1, 0], [0, -1], [0, 19, 0], 50, [NO; 6]),
        Analog("Exp2", Unsigned, 6, [1, 0], [0, -1], [0, 14, 0], 50, [NO; 6]),
        Analog("Inverse", Unsigned, 7, [5, 0], [0, -3], [0, 18, 0], 50, [NO; 6]),
        Analog("Square", Unsigned, 8, [1, 3], [0, -1], [1, 0, 0], 50, ALL),
        Analog("Cube", Unsigned, 9, [1, 0], [0, -1], [2, 6, 24], 50, [NO; 6]),
        Analog("Root", Unsigned, 10, [1, 0], [0, 0], [4, 6, 24], 210, ALL),
        Analog("Cube Root", Unsigned, 11, [1, 0], [0, 0], [0, 54, 0], 225, ALL),
        Analog("Low", Unsigned, 0, [1, 0], [0, 0], [0, 18, 0], 15, ALL),
    ]
};

/// Name, sensor type, event/reading type and the states that hold.
const DISCRETE: [(&str, u8, u8, &[u8]); 5] = [
    ("PSU Status", 0x08, SENSOR_SPECIFIC, &[0, 3]),
    ("Redundancy", 0x09, 0x0B, &[1]),
    ("Drive Slot", 0x0D, SENSOR_SPECIFIC, &[0, 7, 8]),
    ("Chassis", 0x05, 0x03, &[]),
    ("Severity", 0x07, 0x07, &[2]),
];

fn record(number: u8, name: &str, sensor_type: u8, reading_type: u8) -> sdr::Sensor {
    sdr::Sensor {
        form: Form::Compact,
        owner: BMC,
        channel: 0,
        lun: 0,
        number,
        entity: (7, number),
        initialization: 0x67,
        capabilities: 0x68,
        sensor_type,
        reading_type,
        masks: [0; 3],
        units: Units::of(0),
        scale: None,
        thresholds: None,
        hysteresis: [0; 2],
        sharing: Sharing::default(),
        name: name.into(),
    }
}

fn analog(number: u8, about: &Analog) -> (sdr::Sensor, String) {
    let Analog(
        name,
        format,
        linearization,
        [m, b],
        [b_exponent, exponent],
        [flags, base, modifier],
        raw,
        limits,
    ) = *about;
    let mask =
        limits.iter().enumerate().fold(0u8, |mask, (bit, limit)| mask | u8::from(limit.is_some()) << bit);
    let sensor = sdr::Sensor {
        form: Form::Full,
        masks: [0, 0, u16::from_le_bytes([mask, mask])],
        units: Units { flags, base, modifier },
        scale: Some(Scale { format, linearization, factors: Factors { m, b, b_exponent, exponent } }),
        thresholds: Some(limits.map(|limit| limit.unwrap_or(0))),
        ..record(number, name, 0x01, THRESHOLD)
    };
    let mut lines = format!("sensor_add 0x20 0 {number} 0x01 0x01\n");
    lines += &format!("sensor_set_threshold 0x20 0 {number} settable {mask:06b}");
    for limit in limits.iter().rev() {
        lines += &format!(" {:#x}", limit.unwrap_or(0));
    }
    lines += &format!("\n{}", support(number));
    lines += &format!("sensor_set_value 0x20 0 {number} {raw:#x} 0\n");
    (sensor, lines)
}

fn support(number: u8) -> String {
    let none = "000000000000000";
    format!(
        "sensor_set_event_support 0x20 0 {number} enable scanning per-state {none} {none} {none} {none}\n"
    )
}

fn fru() -> [Vec<u8>; 2] {
    let first = Contents {
        chassis: Some(ChassisArea {
            kind: 0x17,
            part_number: "CH 1".into(),
            serial: "CH-0815".into(),
            extra: vec!["rail kit".into(), "bezel".into()],
        }),
        board: Some(BoardArea {
            made: 14_200_000,
            manufacturer: "Stranger".into(),
            name: "X11".into(),
            serial: "BD-0815".into(),
            part_number: "P/N 7".into(),
            extra: vec!["rev 1.02".into()],
        }),
        product: Some(ProductArea {
            manufacturer: "Stranger".into(),
            name: "Server".into(),
            part_number: "SYS-1".into(),
            version: "0123456789".into(),
            serial: "SN-0815".into(),
            asset_tag: "rack 7".into(),
            extra: vec![],
        }),
    };
    // Other codings: 6-bit ASCII, BCD plus, binary, and nothing.
    let mut area = vec![1, 5, 25];
    area.extend(unhex("83 29dca6  44 12345b78  02 abff  c0  c4 53313233 c0 c0 c1"));
    area.resize(39, 0);
    area.push(area.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg());
    let mut second = unhex("01 00 00 00 01 00 00 fe");
    second.extend(area);
    [first.encode(), second]
}

/// The simulator's commands.
fn emulation() -> String {
    let mut text = String::from(
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\n",
    );
    let mut records = Vec::new();
    for (number, about) in (1..).zip(&ANALOG) {
        let (sensor, lines) = analog(number, about);
        text += &lines;
        records.push(Record::Sensor(Box::new(sensor)).encode(0).unwrap());
    }
    for (number, (name, sensor_type, reading_type, states)) in (0x80..).zip(DISCRETE) {
        text +=
            &format!("sensor_add 0x20 0 {number} {sensor_type:#x} {reading_type:#x}\n{}", support(number));
        for state in states {
            text += &format!("sensor_set_bit 0x20 0 {number} {state} 1 0\n");
        }
        let sensor = record(number, name, sensor_type, reading_type);
        records.push(Record::Sensor(Box::new(sensor)).encode(0).unwrap());
    }
    // The Dell's are at the numbers 0x32 and 0x04 of the simulator's own; 0x04 is there.
    text +=
        "sensor_add 0x20 0 0x32 0x04 0x01\nsensor_set_threshold 0x20 0 0x32 settable 000011 0 0 0 0 5 7\n";
    text += &(support(0x32) + "sensor_set_value 0x20 0 0x32 0x2c 0\n");
    records.extend(DELL.map(unhex));
    // A sensor that nobody has: the reading is refused.
    records.push(Record::Sensor(Box::new(record(0x70, "Ghost", 0x08, SENSOR_SPECIFIC))).encode(0).unwrap());
    let locator = FruLocator {
        address: BMC,
        id: 1,
        logical: true,
        lun: 0,
        channel: 0,
        entity: (10, 1),
        name: "Supply".into(),
    };
    records.push(Record::Fru(locator).encode(0).unwrap());
    for record in records {
        text += &format!("main_sdr_add 0x20{}\n", spaced(&record));
    }
    for (id, data) in fru().iter().enumerate() {
        text += &format!("mc_add_fru_data 0x20 {id} {} data{}\n", data.len(), spaced(data));
    }
    for event in EVENTS {
        text += &format!("sel_add 0x20{}\n", spaced(&unhex(event)));
    }
    text + "mc_enable 0x20\n"
}

/// Record type and thirteen bytes.
const EVENTS: [&str; 19] = [
    "02 00000000 2000 04 01 01 01 59 c8 be",
    "02 00000000 2000 04 01 01 81 59 b0 be",
    "02 00000000 2000 04 01 01 01 52 0a 14",
    "02 00000000 2000 04 01 02 01 57 dc ff",
    "02 00000000 2000 04 08 80 6f 03 ff ff",
    "02 00000000 2000 04 08 80 ef 00 ff ff",
    "02 00000000 2000 04 09 81 0b 01 ff ff",
    "02 00000000 4100 04 07 00 6f 01 ff ff",
    "02 00000000 0100 04 0f 00 6f c2 13 ff",
    "02 00000000 0100 04 0f 00 6f c0 01 ff",
    "02 00000000 2000 04 10 09 6f 02 ff ff",
    "02 00000000 2000 04 22 00 6f 05 ff ff",
    "02 00000000 2000 04 23 00 6f c1 44 ff",
    "02 00000000 2000 04 20 00 6f 01 ff ff",
    "02 00000000 2000 04 2b 00 6f 00 ff ff",
    "02 00000000 2000 04 0c 00 6f 01 ff ff",
    "02 00000000 2000 04 0d 82 6f 01 ff ff",
    "c5 00000000 a20200 010203040506",
    "e1 0102030405060708090a0b0c0d",
];

impl Sim {
    /// Lines of what ipmitool says.
    fn tool(&self, words: &str) -> Option<Vec<String>> {
        let output = Command::new("ipmitool")
            .args(["-I", "lanplus", "-C", "3", "-H", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", NAME, "-P", PASSWORD])
            .args(words.split(' '))
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output();
        match output {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(!text.is_empty(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
                Some(text.lines().map(str::to_owned).collect())
            }
            Err(error) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs ipmitool: {error}");
                let _ = writeln!(std::io::stderr(), "skipped: ipmitool can't be started: {error}");
                None
            }
        }
    }
}

fn like_ipmitool(value: Option<f64>) -> String {
    value.map_or_else(|| "na".to_owned(), |value| format!("{value:.3}"))
}

/// Our sensor as a line of `ipmitool -c sensor`.
fn sensor_line(sensor: &Sensor) -> String {
    let status = match sensor.health {
        SensorHealth::Unavailable => "na",
        SensorHealth::Ok => "ok",
        SensorHealth::Warning => "nc",
        SensorHealth::Critical => "cr",
        SensorHealth::NonRecoverable => "nr",
    };
    let limits = [
        sensor.thresholds.lower_non_recoverable,
        sensor.thresholds.lower_critical,
        sensor.thresholds.lower_non_critical,
        sensor.thresholds.upper_non_critical,
        sensor.thresholds.upper_critical,
        sensor.thresholds.upper_non_recoverable,
    ];
    let unit = sensor.unit.as_deref().unwrap_or("unspecified");
    let reading = like_ipmitool(sensor.reading);
    format!("{},{reading},{unit},{status},{}", sensor.name, limits.map(like_ipmitool).join(","))
}

fn compare_sensors(sim: &Sim, ours: &[Sensor]) {
    let Some(lines) = sim.tool("-c sensor") else { return };
    let mut compared = 0;
    for line in lines.iter().filter(|line| !line.contains("discrete")) {
        let name = line.split(',').next().unwrap();
        let sensor = ours.iter().find(|sensor| sensor.name == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(sensor_line(sensor), *line);
        compared += 1;
    }
    assert_eq!(compared, ANALOG.len() + DELL.len());
    // States are in the other list: name | number | status | entity | states.
    let lines = sim.tool("sdr elist compact").unwrap();
    assert_eq!(lines.len(), DISCRETE.len() + 1);
    for line in lines {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let sensor = ours.iter().find(|sensor| sensor.name == cells[0]).unwrap();
        assert_eq!(format!("{:02X}h", sensor.number.unwrap()), cells[1]);
        if cells[0] == "Ghost" {
            assert_eq!((cells[2], sensor.health), ("ns", SensorHealth::Unavailable));
        } else {
            assert_eq!(sensor.states.join(", "), cells[4], "{line}");
        }
    }
}

/// Our event must say all that ipmitool says of it.
fn compare_event(line: &str, ours: &BmcEvent) {
    let cells: Vec<_> = line.split(',').map(str::trim).collect();
    assert_eq!(format!("{:x}", ours.id.parse::<u32>().unwrap()), cells[0]);
    if let Some(at) = ours.at {
        let day = at.rem_euclid(86_400);
        let clock = format!("{:02}:{:02}:{:02} UTC", day / 3600, day / 60 % 60, day % 60);
        assert_eq!((cells[1], cells[2]), ("03/16/24", clock.as_str()), "{line}");
    } else {
        assert!(cells[1] == "Pre-Init" || cells[1].is_empty(), "{line}");
    }
    if ours.kind.starts_with("OEM") {
        let told: String = cells[3..].join(" ");
        assert_eq!(format!("{} {}", ours.kind, ours.message), told.trim(), "{line}");
        return;
    }
    assert!(cells[3].ends_with(&ours.sensor), "{line}: {ours:?}");
    assert!(ours.message.contains(cells[4]), "{line}: {ours:?}");
    assert_eq!(cells[5], if ours.asserted { "Asserted" } else { "Deasserted" }, "{line}");
    if let Some(reading) = cells.get(6) {
        assert!(
            ours.message.contains(&reading.to_lowercase().replace(" c", " C").replace("volts", "Volts")),
            "{line}: {ours:?}"
        );
    }
}

fn compare_parts(sim: &Sim, ours: &[Fru]) {
    let Some(lines) = sim.tool("fru print") else { return };
    let mut unit = &ours[0];
    let mut compared = 0;
    for line in lines {
        let Some((label, value)) = line.split_once(':') else { continue };
        let (label, value) = (label.trim(), value.trim());
        if label == "FRU Device Description" {
            let id = value.split_once("(ID ").unwrap().1.trim_end_matches(')');
            unit = ours.iter().find(|unit| unit.id.to_string() == id).unwrap();
            continue;
        }
        let (area, name) = match label {
            "Chassis Type" => ("chassis", "type"),
            "Board Mfg" => ("board", "manufacturer"),
            "Board Mfg Date" => ("board", "made"),
            "Board Product" => ("board", "name"),
            _ => {
                let (area, name) = label.split_once(' ').unwrap();
                (area, name)
            }
        };
        let name = name.to_lowercase().replace(' ', "-");
        let area = unit.areas.iter().find(|found| found.kind.eq_ignore_ascii_case(area)).unwrap();
        let found: Vec<_> =
            area.fields.iter().filter(|field| field.name == name).map(|field| field.value.as_str()).collect();
        // Sat Dec 31 02:40:00 2022 UTC
        let wanted = if name == "made" { "2022-12-31T02:40:00Z" } else { value };
        assert!(found.contains(&wanted), "{label}: {value} is not in {found:?}");
        compared += 1;
    }
    let fields: usize = ours.iter().flat_map(|unit| &unit.areas).map(|area| area.fields.len()).sum();
    assert_eq!(compared, fields, "{ours:?}");
    assert!(compared > 20);
}

/// What the log holds once all events were added to the same ones. ipmi_sim does again what it is asked again because it
/// answered late, as it does on a busy machine; then they are added anew.
async fn logged(bmc: &Ipmi) -> Vec<BmcEvent> {
    let mut missing = EVENTS.to_vec();
    for _ in 0..5 {
        for event in missing {
            let bytes = [vec![0, 0], unhex(event)].concat().try_into().unwrap();
            bmc.call(AddSelEntry(bytes), "adding an entry").await.unwrap();
        }
        let events = bmc.events().await.unwrap();
        if events.len() <= 2 * EVENTS.len() {
            return events;
        }
        bmc.clear_events().await.unwrap();
        missing = EVENTS.repeat(2);
    }
    panic!("ipmi_sim answers late each time");
}

#[tokio::test]
async fn a_stranger_is_read_as_ipmitool_reads_it() {
    let Some(mut sim) = Sim::emulating(&emulation(), "") else { return };
    sim.ready().await;
    let bmc = driver(sim.port, Cipher::Suite3);
    let sensors = Sensors::sensors(&bmc).await.unwrap();
    compare_sensors(&sim, &sensors);
    compare_parts(&sim, &bmc.units().await.unwrap());

    bmc.set_log_clock(AT).await.unwrap();
    let clock = bmc.log_info().await.unwrap().clock.unwrap();
    assert!((AT..AT + 60).contains(&clock), "{clock}");
    let events = logged(&bmc).await;
    assert_eq!(events.len(), 2 * EVENTS.len());
    assert_eq!(bmc.log_info().await.unwrap().entries as usize, events.len());
    if let Some(lines) = sim.tool("-c sel elist") {
        assert_eq!(lines.len(), events.len());
        for (line, event) in lines.iter().zip(&events) {
            compare_event(line, event);
        }
    }
    bmc.clear_events().await.unwrap();
    assert!(bmc.events().await.unwrap().is_empty());
    bmc.close().await;
}
