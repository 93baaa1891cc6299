//! Event log, sensors and inventory.

use super::rig::{BOTH, PASSWORD, Rig, has};
use bmc_mock::ipmi::{FruQuirks, LogQuirks, SensorQuirks, SensorReading};
use std::path::Path;

/// The cells of a sensor's line of `sensor list`.
#[track_caller]
fn cells(list: &str, sensor: &str) -> Vec<String> {
    let line = list.lines().find(|line| line.split('|').next().is_some_and(|name| name.trim() == sensor));
    let line = line.unwrap_or_else(|| panic!("no {sensor} in:\n{list}"));
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Revision, sensor type, number, direction and type, three bytes of data: CPU1 too hot, and no more; a power supply
/// fails; a memory module.
const EVENTS: [&str; 4] = [
    "0x04 0x01 0x01 0x01 0x59 0x60 0x5f",
    "0x04 0x01 0x01 0x81 0x59 0x5a 0x5f",
    "0x04 0x08 0x30 0x6f 0x01 0xff 0xff",
    "0x04 0x0c 0x00 0x6f 0x20 0xff 0x21",
];

/// A file with them, for `ipmitool sel add`.
fn events(folder: &Path) -> String {
    let path = folder.join("events");
    std::fs::write(&path, EVENTS.join("\n") + "\n").unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn event_log() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        has(
            &rig.tool("sel info").await,
            &["Version : 1.5 (v1.5, v2 compliant)", "Entries : 0", "Overflow : false"],
        );
        has(&rig.tool("sel info").await, &["# of Alloc Units : 512", "Alloc Unit Size : 16"]);
        let folder = tempfile::tempdir().unwrap();
        // Their generator is the tool itself (41h), not the BMC, so that they aren't its sensors'.
        rig.tool(&format!("sel add {}", events(folder.path()))).await;
        has(
            &rig.tool("sel elist").await,
            &[
                "Temperature #0x01 | Upper Critical going high",
                "Memory | Correctable ECC | Asserted | CPU 1 DIMM 2",
            ],
        );
        rig.tool("sel clear").await;
        for event in EVENTS {
            let id = rig.tool(&format!("raw 0x0a 0x44 0 0 2 0 0 0 0 0x20 0 {event}")).await;
            assert_ne!(id.trim(), "00 00");
        }
        assert_eq!(rig.control.storage().log().records().len(), EVENTS.len());
        let list = rig.tool("sel elist").await;
        has(
            &list,
            &[
                "Temperature CPU1 Temp | Upper Critical going high | Asserted | Reading 96 > Threshold 95 degrees C",
                "Temperature CPU1 Temp | Upper Critical going high | Deasserted | Reading 90 < Threshold 95 degrees C",
                "Power Supply PSU1 Status | Failure detected | Asserted",
                "Memory | Correctable ECC | Asserted | CPU 1 DIMM 2",
            ],
        );
        assert_eq!(list.lines().count(), 4);
        // An event, of the kind that comes to the BMC by itself; in 1.8.19 number 1 is one of CPU temperature.
        rig.tool("event 1").await;
        has(&rig.tool("sel list last 1").await, &["Temperature", "Upper Critical going high", "Asserted"]);
        // Numbers go on behind those that were cleared: the third of the second four.
        has(&rig.tool("sel get 0x0007").await, &["Sensor Number : 30", "Event Direction : Assertion Event"]);
        rig.tool("sel delete 6").await;
        assert_eq!(rig.tool("sel list").await.lines().count(), 4);
        rig.tool("sel clear").await;
        has(&rig.tool("sel info").await, &["Entries : 0"]);
        rig.stop().await;
    }
}

#[tokio::test]
async fn power_is_in_the_log() {
    let Some(rig) = Rig::new("17") else { return };
    rig.tool("power on").await;
    rig.tool("power off").await;
    has(
        &rig.tool("sel elist").await,
        &["System ACPI Power State ACPI State | S0/G0: working", "ACPI State | S5/G2: soft-off"],
    );
    rig.stop().await;
}

#[tokio::test]
async fn clock() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        rig.say(&["sel", "time", "set", "07/04/31 12:34:56"]).await;
        let time = rig.tool("sel time get").await;
        assert!(time.contains("07/04/31 12:34:5"), "{time}");
        // An event gets the time that was set.
        rig.tool("event 1").await;
        let list = rig.tool("sel list").await;
        assert!(list.contains("07/04/31"), "{list}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_full_log_is_said_to_be() {
    let Some(rig) = Rig::new("3") else { return };
    let storage = rig.control.storage();
    let record = bmc_mock_record();
    while storage.log().put(record).is_some() {}
    has(&rig.tool("sel info").await, &["Entries : 512", "Percent Used : 100%", "Overflow : true"]);
    assert!(!rig.output("admin", PASSWORD, &["event", "1"]).await.status.success());
    storage.log().set_quirks(LogQuirks { tells_erasure: true, slow_erasure: 2, ..LogQuirks::default() });
    rig.tool("sel clear").await;
    // It may still be erasing; asking for the state ends that.
    let list = loop {
        let output = rig.output("admin", PASSWORD, &["sel", "elist"]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains("Log area") {
            break text;
        }
        rig.tool("raw 0x0a 0x42").await;
        let reserved = rig.tool("raw 0x0a 0x42").await;
        let id: Vec<_> = reserved.split_whitespace().map(|byte| format!("0x{byte}")).collect();
        rig.tool(&format!("raw 0x0a 0x47 {} 0x43 0x4c 0x52 0x00", id.join(" "))).await;
    };
    has(&list, &["Event Logging Disabled SEL | Log area reset/cleared | Asserted"]);
    rig.stop().await;
}

fn bmc_mock_record() -> bmc_proto::ipmi::sel::Record {
    let mut bytes = [0xFF; 16];
    bytes[2] = 0xE0;
    bmc_proto::ipmi::sel::Record::parse(&bytes)
}

#[tokio::test]
async fn sensor_records() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        rig.tool("power on").await;
        has(&rig.tool("sdr info").await, &["SDR Version : 0x51", "Record Count : 24"]);
        let list = rig.tool("sdr elist full").await;
        has(
            &list,
            &[
                "CPU1 Temp | 01h | ok | 3.1 | 45 degrees C",
                "Inlet Temp | 03h | ok | 64.1 | 23 degrees C",
                "Fan1 | 10h | ok | 29.1 | 8520 RPM",
                "12V | 20h | ok | 7.1 | 12.10 Volts",
                "System Power | 50h | ok | 7.1 | 240 Watts",
                "Exhaust Speed | 25h | ok | 7.1 | 12 m",
            ],
        );
        has(
            &rig.tool("sdr elist all").await,
            &[
                "PSU1 Status | 30h | ok | 10.1 | Presence detected",
                "PSU Redundancy | 32h | ok | 19.1 | Fully Redundant",
                "ACPI State | 60h | ok | 7.1 | S0/G0: working",
                "SEL | 62h | ns | 6.1 | Event-Only",
                "Builtin FRU | 00h | ns | 7.1 | Logical FRU @00h",
                "BMC | 00h | ok | 6.1 | Dynamic MC @ 20h",
            ],
        );
        rig.control.storage().sensors().set_quirks(SensorQuirks {
            at_once: Some(20),
            cancels: 2,
            ..SensorQuirks::default()
        });
        assert_eq!(rig.tool("sdr elist full").await, list, "in pieces, with cancelled reservations");
        rig.stop().await;
    }
}

#[tokio::test]
async fn sensors_read() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        let off = rig.tool("sensor list").await;
        assert_eq!(cells(&off, "CPU1 Temp")[1..4], ["na", "degrees C", "na"]);
        assert_eq!(cells(&off, "Inlet Temp")[1..4], ["21.000", "degrees C", "ok"]);
        rig.tool("power on").await;
        let sensors = rig.control.storage();
        let sensors = sensors.sensors();
        sensors.set_reading(2, Some(SensorReading::Raw(96)));
        sensors.set_reading(0x10, Some(SensorReading::Raw(0)));
        sensors.set_reading(0x30, Some(SensorReading::States(0b1001)));
        let on = rig.tool("sensor list").await;
        assert_eq!(
            cells(&on, "CPU1 Temp"),
            ["CPU1 Temp", "45.000", "degrees C", "ok", "na", "na", "na", "85.000", "95.000", "105.000"]
        );
        assert_eq!(
            cells(&on, "Inlet Temp"),
            ["Inlet Temp", "23.000", "degrees C", "ok", "na", "-7.000", "3.000", "42.000", "47.000", "na"]
        );
        assert_eq!(cells(&on, "CPU2 Temp")[1..4], ["96.000", "degrees C", "cr"]);
        assert_eq!(cells(&on, "Fan1")[1..4], ["0.000", "RPM", "cr"]);
        assert_eq!(cells(&on, "PSU1 Status")[2..4], ["discrete", "0x0980"]);
        has(
            &rig.say(&["sensor", "get", "12V"]).await,
            &["Sensor Reading : 12.096 (+/- 0) Volts", "Upper Critical : 13.356", "Lower Critical : 10.710"],
        );
        has(
            &rig.say(&["sensor", "get", "PSU1 Status"]).await,
            &["[Presence detected]", "[Power Supply AC lost]"],
        );
        has(
            &rig.say(&["sensor", "thresh", "CPU1 Temp", "ucr", "90"]).await,
            &["Setting sensor \"CPU1 Temp\""],
        );
        assert_eq!(cells(&rig.tool("sensor list").await, "CPU1 Temp")[8], "90.000");
        rig.stop().await;
    }
}

#[tokio::test]
async fn inventory() {
    for suite in BOTH {
        let Some(rig) = Rig::new(suite) else { return };
        let wanted = [
            "FRU Device Description : Builtin FRU Device (ID 0)",
            "Chassis Type : Rack Mount Chassis",
            "Chassis Part Number : BLT-CH-1",
            "Chassis Serial : CH0000001",
            "Board Mfg Date : Sat Dec 31 02:40:00 2022 UTC",
            "Board Mfg : Billet",
            "Board Product : Simulated Board",
            "Board Serial : BD0000001",
            "Product Manufacturer : Billet",
            "Product Name : Simulated Server",
            "Product Version : 1.0",
            "Product Serial : SN0000001",
            "Product Asset Tag : none yet",
            "FRU Device Description : PSU1 FRU (ID 1)",
            "Product Name : Simulated PSU 800 W",
        ];
        has(&rig.tool("fru print").await, &wanted);
        rig.control.storage().units().set_quirks(FruQuirks { at_once: Some(16), ..FruQuirks::default() });
        has(&rig.tool("fru print").await, &wanted);
        rig.control.storage().units().set_quirks(FruQuirks::default());

        rig.say(&["fru", "edit", "0", "field", "p", "4", "SN7654321"]).await;
        has(&rig.tool("fru print 0").await, &["Product Serial : SN7654321"]);
        let (_, problems) = bmc_proto::ipmi::fru::parse(&rig.control.storage().units().get(0).unwrap());
        assert!(problems.is_empty(), "{problems:?}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fru").to_str().unwrap().to_owned();
        rig.tool(&format!("fru read 1 {file}")).await;
        rig.tool(&format!("fru write 0 {file}")).await;
        has(&rig.tool("fru print 0").await, &["Product Name : Simulated PSU 800 W"]);
        rig.stop().await;
    }
}
