use super::*;
use proptest::prelude::*;
use serde_json::json;

fn only(mut measurements: Vec<Measurement>) -> Measurement {
    assert_eq!(measurements.len(), 1, "{measurements:?}");
    measurements.remove(0)
}

#[test]
fn the_old_resources_are_read() {
    let resource = json!({
        "Temperatures": [
            {"MemberId": "0", "Name": "CPU1 Temp", "PhysicalContext": "CPU", "ReadingCelsius": 47,
             "UpperThresholdNonCritical": 85, "UpperThresholdCritical": 95, "UpperThresholdFatal": 0,
             "LowerThresholdCritical": 3, "Status": {"State": "Enabled", "Health": "OK"}},
            {"Name": "GPU Temp", "ReadingCelsius": null, "Status": {"State": "Absent"}},
            {"ReadingCelsius": 20}, "nonsense",
        ],
        "Fans": [
            {"FanName": "Fan 1", "Reading": 21, "ReadingUnits": "Percent", "Status": {"State": "Enabled", "Health": "OK"}},
            {"Name": "Fan 2", "ReadingRPM": 5400},
            {"Name": "Fan 3", "Reading": 900, "ReadingUnits": "RPM", "LowerThresholdCritical": 1000},
        ],
    });
    let all = thermal(&resource);
    let names: Vec<_> = all.iter().map(|measurement| measurement.name.as_str()).collect();
    assert_eq!(names, ["CPU1 Temp", "GPU Temp", "Fan 1", "Fan 2", "Fan 3"]);
    assert_eq!(
        all[0],
        Measurement {
            name: "CPU1 Temp".into(),
            context: "CPU".into(),
            kind: "Temperature",
            reading: Some(47.0),
            unit: Some("degrees C"),
            states: vec![],
            judgement: Judgement::Ok,
            limits: Limits {
                lower_critical: Some(3.0),
                upper_caution: Some(85.0),
                upper_critical: Some(95.0),
                ..Limits::default()
            },
        }
    );
    assert_eq!(
        (all[1].reading, all[1].judgement, &all[1].states[..]),
        (None, Judgement::Unavailable, &["Absent".to_owned()][..])
    );
    assert_eq!((all[2].reading, all[2].unit), (Some(21.0), Some("percent")));
    assert_eq!((all[3].reading, all[3].unit, all[3].judgement), (Some(5400.0), Some("RPM"), Judgement::Ok));
    // Without a word of the BMC the limits judge.
    assert_eq!(all[4].judgement, Judgement::Critical);
}

#[test]
fn power_supplies_are_judged_by_their_health() {
    let resource = json!({
        "Voltages": [{"Name": "12V", "ReadingVolts": "12.1", "Status": {"State": "Enabled", "Health": "OK"}}],
        "PowerSupplies": [
            {"Name": "PSU1", "PowerInputWatts": 120, "Status": {"State": "Enabled", "Health": "OK"}},
            {"MemberId": "PSU2", "Status": {"State": "Enabled", "Health": "Critical"}},
            {"Name": "PSU3", "Status": {"State": "Absent", "Health": "OK"}},
        ],
    });
    let all = power(&resource);
    let told: Vec<_> =
        all.iter().map(|one| (one.name.as_str(), one.kind, one.reading, one.judgement)).collect();
    assert_eq!(
        told,
        [
            ("12V", "Voltage", Some(12.1), Judgement::Ok),
            ("PSU1", "Power Supply", Some(120.0), Judgement::Ok),
            ("PSU2", "Power Supply", None, Judgement::Critical),
            ("PSU3", "Power Supply", None, Judgement::Unavailable),
        ]
    );
    assert_eq!(all[1].states, ["Presence detected"]);
}

#[test]
fn the_new_resources_are_read() {
    let table = [
        (json!({"ReadingType": "Temperature", "ReadingUnits": "Cel"}), "Temperature", Some("degrees C")),
        (json!({"ReadingUnits": "Cel"}), "Temperature", Some("degrees C")),
        (json!({"ReadingType": "Rotational", "ReadingUnits": "RPM"}), "Fan", Some("RPM")),
        (json!({"ReadingType": "Percent", "PhysicalContext": "Fan"}), "Fan", Some("percent")),
        (json!({"ReadingType": "Percent"}), "Percent", Some("percent")),
        (json!({"ReadingType": "Power"}), "Power", Some("Watts")),
        (json!({"ReadingUnits": "V"}), "Voltage", Some("Volts")),
        (json!({"ReadingType": "Mood"}), "Sensor", None),
    ];
    for (mut resource, kind, unit) in table {
        resource["Name"] = "x".into();
        resource["Reading"] = json!(1.5);
        let read = sensor(&resource).unwrap();
        assert_eq!((read.kind, read.unit, read.reading), (kind, unit, Some(1.5)), "{resource}");
    }
    let hot = json!({
        "Id": "t1", "Reading": 99, "ReadingUnits": "Cel",
        "Status": {"State": "Enabled", "Health": "Critical"},
        "Thresholds": {"UpperCaution": {"Reading": 80}, "UpperCritical": {"Reading": 90}, "UpperFatal": {"Reading": 95}},
    });
    let read = sensor(&hot).unwrap();
    assert_eq!(
        (read.name.as_str(), read.judgement, read.limits.upper_fatal),
        ("t1", Judgement::Fatal, Some(95.0))
    );
    assert_eq!(sensor(&json!({"Reading": 3})), None);

    let turning = fan(&json!({"Name": "Fan Bay 1", "SpeedPercent": {"Reading": 45, "SpeedRPM": 2200},
                              "Status": {"State": "Enabled", "Health": "OK"}}));
    assert_eq!(turning.map(|fan| (fan.reading, fan.unit)), Some((Some(2200.0), Some("RPM"))));
    let quoted = json!({"TemperatureReadingsCelsius": [
        {"DeviceName": "Inlet", "Reading": 24.8}, {"DataSourceUri": "/redfish/v1/Chassis/1/Sensors/CPU1Temp", "Reading": 41}, {}]});
    let quoted = thermal_metrics(&quoted);
    assert_eq!(quoted.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Inlet", "CPU1Temp"]);
}

#[test]
fn what_is_off_is_unavailable() {
    let off = json!({"Fans": [{"Name": "Fan 1", "Reading": 0, "Status": {"State": "StandbyOffline"}}]});
    assert_eq!(only(thermal(&off)).judgement, Judgement::Unavailable);
}

#[test]
fn the_same_sensor_is_told_once() {
    let old = thermal(&json!({"Temperatures": [{"Name": "CPU1 Temp", "ReadingCelsius": 40}]}));
    let new = sensor(&json!({"Name": "CPU1_Temp", "ReadingUnits": "Cel", "Reading": 41})).unwrap();
    let other = sensor(&json!({"Name": "CPU1 Temp", "ReadingUnits": "V", "Reading": 1})).unwrap();
    let told = without_repetitions([vec![new.clone()], old, vec![other.clone()]].concat());
    assert_eq!(told, [new, other]);
}

#[test]
fn consumption_is_found_where_it_is() {
    let power = json!({"PowerControl": [
        {"Name": "nothing"},
        {"PowerConsumedWatts": 228.4,
         "PowerMetrics": {"IntervalInMin": 60, "MinConsumedWatts": 201, "MaxConsumedWatts": 99999, "AverageConsumedWatts": 220}},
    ]});
    let expected = Consumption {
        now: Some(228),
        minimum: Some(201),
        maximum: Some(u16::MAX),
        average: Some(220),
        minutes: Some(60),
    };
    assert_eq!(consumption(&power), Some(expected));
    assert_eq!(consumption(&json!({"PowerControl": []})), None);
    let metrics = json!({"PowerWatts": {"Reading": 374, "DataSourceUri": "/x"}});
    assert_eq!(environment_consumption(&metrics).and_then(|found| found.now), Some(374));
    assert_eq!(environment_consumption(&json!({})), None);
}

/// Any JSON, not too large.
pub(in crate::redfish) fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "Name",
        "Id",
        "Status",
        "State",
        "Health",
        "Temperatures",
        "Fans",
        "Voltages",
        "PowerSupplies",
        "PowerControl",
        "Reading",
        "ReadingCelsius",
        "ReadingUnits",
        "Thresholds",
        "UpperCritical",
        "Members",
        "Events",
        "Message",
        "MessageId",
        "Created",
        "UserName",
        "RoleId",
        "Oem",
        "Hpe",
        "Privileges",
        "Drives",
        "CapacityBytes",
        "Links",
        "Actions",
        "#LogService.ClearLog",
        "target",
        "IndicatorLED",
        "LocationIndicatorActive",
        "IPv4Addresses",
        "Address",
        "VLAN",
        "Devices",
        "@odata.id",
        "OriginOfCondition",
        "EntryCode",
        "SensorNumber",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~\u{200f}é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|map| map
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_a_bmc_says_makes_it_panic(value in any_json()) {
        thermal(&value);
        power(&value);
        sensor(&value);
        fan(&value);
        power_supply(&value);
        thermal_metrics(&value);
        consumption(&value);
        environment_consumption(&value);
    }
}
