//! Sensors of every profile.

use super::*;
use crate::redfish::rig::Rig;
use crate::{Bmc, PowerState};
use bmc_mock::redfish::{Effect, Fault, Profile};

#[tokio::test]
async fn every_maker_tells_its_sensors_once() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.redfish.set_power(PowerState::On).await.unwrap();
        let sensors =
            Sensors::sensors(&rig.redfish).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let of = |kind: &str| sensors.iter().filter(|sensor| sensor.kind == kind).collect::<Vec<_>>();
        let temperatures = of("Temperature");
        assert!(temperatures.len() > 1 && of("Fan").len() > 1, "{profile}: {sensors:?}");
        assert!(of("Power Supply").len() > 1, "{profile}: {sensors:?}");
        for sensor in &temperatures {
            assert!(
                sensor.reading.is_some_and(|celsius| (5.0..90.0).contains(&celsius)),
                "{profile}: {sensor:?}"
            );
            assert_eq!(
                (sensor.unit.as_deref(), sensor.health),
                (Some("degrees C"), SensorHealth::Ok),
                "{profile}"
            );
            assert!(sensor.thresholds.upper_critical.is_some(), "{profile}: {sensor:?}");
        }
        let mut names: Vec<_> = sensors.iter().map(|sensor| (&sensor.kind, &sensor.name)).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "{profile}: {sensors:?}");
    }
}

#[tokio::test]
async fn what_is_off_has_no_reading_and_is_not_well() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let sensors = Sensors::sensors(&rig.redfish).await.unwrap();
        let fans: Vec<_> = sensors
            .iter()
            .filter(|sensor| sensor.kind == "Fan" && sensor.unit.as_deref() == Some("RPM"))
            .collect();
        assert!(!fans.is_empty(), "{profile}: {sensors:?}");
        for fan in fans.iter().filter(|fan| fan.reading.is_none()) {
            assert_eq!(fan.health, SensorHealth::Unavailable, "{profile}: {fan:?}");
        }
        assert!(fans.iter().any(|fan| fan.reading.is_none()), "{profile}: {fans:?}");
    }
}

#[tokio::test]
async fn a_hot_sensor_is_critical() {
    let rig = Rig::of(Profile::Hpe).await;
    let before = Sensors::sensors(&rig.redfish).await.unwrap();
    assert!(before.iter().all(|sensor| sensor.health <= SensorHealth::Ok), "{before:?}");
    let rig = Rig::new().await;
    rig.parts().sensors.heat("CPU1Temp", 104);
    let sensors = Sensors::sensors(&rig.redfish).await.unwrap();
    let hot: Vec<_> = sensors.iter().filter(|sensor| sensor.health > SensorHealth::Ok).collect();
    assert!(matches!(hot.as_slice(), [one] if one.reading == Some(104.0)), "{hot:?}");
    assert!(hot[0].health >= SensorHealth::Critical);
}

#[tokio::test]
async fn the_meter_is_read_at_every_maker() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let off = PowerMeter::power_reading(&rig.redfish)
            .await
            .unwrap_or_else(|error| panic!("{profile}: {error}"));
        rig.redfish.set_power(PowerState::On).await.unwrap();
        let on = PowerMeter::power_reading(&rig.redfish).await.unwrap();
        assert!(on.active && off.now < 50 && on.now > 100, "{profile}: {off:?} {on:?}");
    }
}

#[tokio::test]
async fn one_broken_resource_hides_no_other() {
    let rig = Rig::of(Profile::Hpe).await;
    rig.controls.add_fault(Fault::new(Effect::Status(500)).at("*/Power"));
    let sensors = Sensors::sensors(&rig.redfish).await.unwrap();
    assert!(sensors.iter().any(|sensor| sensor.kind == "Temperature"));
    assert!(!sensors.iter().any(|sensor| sensor.kind == "Power Supply"));
    rig.controls.add_fault(Fault::new(Effect::Status(500)).at("*/Thermal"));
    let error = Sensors::sensors(&rig.redfish).await.unwrap_err();
    assert!(error.to_string().contains("no sensor can be read"), "{error}");
}

#[tokio::test]
async fn the_old_resources_are_read_where_there_are_no_new_ones() {
    let rig = Rig::new().await;
    rig.controls.add_fault(
        Fault::new(Effect::Merge(serde_json::json!({
            "Sensors": null, "ThermalSubsystem": null, "PowerSubsystem": null, "EnvironmentMetrics": null,
        })))
        .at("/redfish/v1/Chassis/1"),
    );
    let old = Sensors::sensors(&rig.redfish).await.unwrap();
    assert!(old.iter().any(|sensor| sensor.kind == "Voltage"), "{old:?}");
    assert!(!rig.controls.seen().iter().any(|seen| seen.path.contains("/Sensors")));
    rig.controls.add_fault(
        Fault::new(Effect::Merge(serde_json::json!({"Thermal": null, "Power": null})))
            .at("/redfish/v1/Chassis/1"),
    );
    let error = Sensors::sensors(&rig.redfish).await.unwrap_err();
    assert!(error.to_string().contains("has no sensors"), "{error}");
    let error = PowerMeter::power_reading(&rig.redfish).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
}
