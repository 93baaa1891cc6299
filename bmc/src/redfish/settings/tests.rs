//! Lamp, tag and network of every profile, and of BMCs that lie.

use super::*;
use crate::redfish::rig::Rig;
use bmc_mock::redfish::{Effect, Fault, Profile};
use std::time::Duration;

#[tokio::test]
async fn every_maker_has_a_lamp() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        for lamp in [Lamp::On, Lamp::On, Lamp::Off, Lamp::Off, Lamp::On] {
            rig.redfish.identify(lamp).await.unwrap_or_else(|error| panic!("{profile}: {lamp:?}: {error}"));
        }
        let patches = rig.writes().len();
        assert!(
            (3..=5).contains(&patches),
            "{profile}: what is so already is not written: {:?}",
            rig.writes()
        );
        let error = rig.redfish.identify(Lamp::For(Duration::from_secs(15))).await.unwrap_err();
        assert!(error.to_string().contains("has no timer"), "{profile}: {error}");
    }
}

/// A Dell of before `LocationIndicatorActive`.
#[tokio::test]
async fn the_light_of_a_healthy_dell_is_no_sign() {
    let rig = Rig::of(Profile::Dell).await;
    let old = json!({"LocationIndicatorActive": null});
    rig.controls.add_fault(Fault::new(Effect::Merge(old)).by("GET").at("*Embedded.1"));
    rig.redfish.identify(Lamp::Off).await.unwrap();
    rig.redfish.identify(Lamp::On).await.unwrap();
    rig.redfish.identify(Lamp::Off).await.unwrap();
    let bodies: Vec<String> =
        rig.controls.seen().into_iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.body).collect();
    assert_eq!(bodies.last().map(String::as_str), Some(r#"{"IndicatorLED":"Lit"}"#), "{bodies:?}");
    assert!(bodies.contains(&r#"{"IndicatorLED":"Blinking"}"#.to_owned()), "{bodies:?}");
    assert!(!bodies.iter().any(|body| body.contains("Off")), "{bodies:?}");
}

#[tokio::test]
async fn a_lamp_that_was_not_switched_is_told() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.ignore("*");
        // Sessions are made by POST, too.
        rig.controls.clear_faults();
        rig.redfish.system().await.unwrap();
        rig.controls.add_fault(Fault::new(Effect::Ignore).by("PATCH"));
        let error = rig.redfish.identify(Lamp::On).await.unwrap_err();
        assert!(
            matches!(&error, BmcError::NotDone { found, .. } if found == "that it is dark"),
            "{profile}: {error}"
        );
        let error = rig.redfish.set_asset_tag("RACK-7").await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error}");
    }
}

#[tokio::test]
async fn a_tag_is_kept() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        assert_eq!(rig.redfish.asset_tag().await.unwrap(), "", "{profile}");
        rig.redfish.set_asset_tag("RACK-7").await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        rig.redfish.set_asset_tag("RACK-7").await.unwrap();
        assert_eq!(rig.redfish.asset_tag().await.unwrap(), "RACK-7", "{profile}");
        assert_eq!(rig.writes().len(), 1, "{profile}: {:?}", rig.writes());
        let error = rig.redfish.set_asset_tag(&"x".repeat(64)).await.unwrap_err();
        assert!(error.to_string().contains("63 bytes"), "{profile}: {error}");
    }
}

#[tokio::test]
async fn the_network_is_told() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let lan = rig.redfish.lan().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let expected = LanSettings {
            source: Some(AddressSource::Dhcp),
            address: Some("192.0.2.10".into()),
            netmask: Some("255.255.255.0".into()),
            gateway: Some("192.0.2.1".into()),
            mac: Some("02:00:00:00:00:01".into()),
            vlan: None,
            cipher_suites: vec![],
        };
        assert_eq!(lan, expected, "{profile}");
    }
}
