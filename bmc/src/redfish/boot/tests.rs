//! Overrides that a maker has elsewhere.

use crate::redfish::rig::Rig;
use crate::{Bmc as _, BmcError, BootOverride, BootTarget, Button, Persistence, PowerState};
use bmc_mock::redfish::{Effect, Fault, Profile};
use bmc_mock::{BootDevice, Chassis as _};
use serde_json::{Value, json};

const ATTRIBUTES: &str = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/iDRAC.Embedded.1";

/// More in what is read there.
fn merge(rig: &Rig, at: &str, more: Value) {
    rig.controls.add_fault(Fault::new(Effect::Merge(more)).at(at).by("GET"));
}

/// An iDRAC with this firmware, whose first boot device is this whatever is written.
async fn idrac(firmware: &str, device: &str) -> Rig {
    let rig = Rig::of(Profile::Dell).await;
    let links = json!({"Oem": {"Dell": {"DellAttributes": [{"@odata.id": ATTRIBUTES}]}}});
    merge(&rig, "/redfish/v1/Managers/*.1", json!({"FirmwareVersion": firmware, "Links": links}));
    let shown =
        json!({"Attributes": {"ServerBoot.1.BootOnce": "Enabled", "ServerBoot.1.FirstBootDevice": device}});
    rig.controls.add_fault(Fault::new(Effect::Answer(200, shown.to_string())).at(ATTRIBUTES));
    rig
}

fn once(target: BootTarget) -> BootOverride {
    BootOverride { target, persistence: Persistence::Once, mode: None }
}

#[tokio::test]
async fn an_old_idrac_boots_its_virtual_cd_by_an_attribute() {
    let rig = idrac("4.40.00.00", "VCD-DVD").await;
    rig.redfish.set_boot(once(BootTarget::Cd)).await.unwrap();
    assert_eq!(rig.writes(), [format!("PATCH {ATTRIBUTES}")]);
    rig.redfish.set_boot(once(BootTarget::Network)).await.unwrap();
    assert_eq!(rig.writes().len(), 2, "the override does for all else");
    assert_ne!(rig.writes()[1], format!("PATCH {ATTRIBUTES}"));

    let rig = idrac("4.40.00.00", "Normal").await;
    let error = rig.redfish.set_boot(once(BootTarget::Cd)).await.unwrap_err();
    let said = matches!(&error, BmcError::NotDone { found, .. } if found.contains("FirstBootDevice Normal"));
    assert!(said, "{error:?}");

    let rig = idrac("6.10.30.00", "Normal").await;
    rig.redfish.set_boot(once(BootTarget::Cd)).await.unwrap();
    assert_ne!(rig.writes(), [format!("PATCH {ATTRIBUTES}")]);
}

#[tokio::test]
async fn an_address_for_http_boot_that_a_bmc_has_no_place_for_is_named() {
    for profile in [Profile::Hpe, Profile::Supermicro] {
        let rig = Rig::of(profile).await;
        let uri = Some("http://10.0.0.1/boot.efi".to_owned());
        let error = rig.redfish.set_boot(once(BootTarget::Http { uri })).await.unwrap_err();
        let said = matches!(&error, BmcError::Unsupported { what, .. } if what.contains("HttpBootUri"));
        assert!(said, "{profile:?}: {error:?}");
        rig.redfish.set_boot(once(BootTarget::Http { uri: None })).await.unwrap();
    }
}

#[tokio::test]
async fn standby_power_is_taken_away_by_the_makers_action() {
    for (profile, action, body) in [
        (
            Profile::Hpe,
            json!({"Oem": {"Hpe": {"Actions": {"#HpeComputerSystemExt.SystemReset": {"target": "/makers/reset"}}}}}),
            "AuxCycle",
        ),
        (
            Profile::Lenovo,
            json!({"Actions": {"Oem": {"#LenovoComputerSystem.SystemReset": {"target": "/makers/reset"}}}}),
            "ACPowerCycle",
        ),
    ] {
        let rig = Rig::of(profile).await;
        let system = rig.redfish.system().await.unwrap().path.to_string();
        merge(&rig, &system, action.clone());
        rig.controls.add_fault(Fault::new(Effect::Answer(200, "{}".into())).at("/makers/reset"));
        rig.redfish
            .press(Button::FullCycle)
            .await
            .unwrap_or_else(|error| panic!("{profile} {body}: {error}"));
        assert_eq!(rig.writes(), ["POST /makers/reset"], "{profile}");
        // Another's BMC with the same action is not asked.
        let rig = Rig::of(Profile::Dell).await;
        let system = rig.redfish.system().await.unwrap().path.to_string();
        merge(&rig, &system, action);
        let error = rig.redfish.press(Button::FullCycle).await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_reset_that_would_hang_the_machine_is_not_given() {
    for (firmware, hangs) in [("QGX340J 9.10 2024-05-15", true), ("QGX352B 9.52 2024-11-01", false)] {
        let rig = Rig::of(Profile::Lenovo).await;
        rig.redfish.set_power(PowerState::On).await.unwrap();
        let rig_system = rig.redfish.system().await.unwrap().path.to_string();
        merge(&rig, &rig_system, json!({"Model": "ThinkSystem SR675 V3"}));
        merge(&rig, "/redfish/v1/Managers/1", json!({"FirmwareVersion": firmware}));
        let before = rig.writes().len();
        // Who it is is read once.
        let bmc = rig.driver();
        match bmc.press(Button::Reset).await {
            Ok(()) => assert!(!hangs && rig.writes().len() == before + 1, "{firmware}"),
            Err(error) => {
                assert!(hangs && error.to_string().contains("off and on"), "{firmware}: {error}");
                assert_eq!(rig.writes().len(), before);
            }
        }
    }
}

#[tokio::test]
async fn a_cd_is_booted_in_every_makers_words() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let set = rig.redfish.set_boot(once(BootTarget::Cd)).await;
        set.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(rig.chassis.boot().await.unwrap().device, Some(BootDevice::Cd), "{profile}");
        let shown = rig.redfish.boot().await.unwrap().map(|boot| boot.target);
        assert_eq!(shown, Some(BootTarget::Cd), "{profile}");
    }
}
