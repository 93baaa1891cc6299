//! The boot order of every profile, and of BMCs that lie.

use super::*;
use crate::redfish::rig::Rig;
use crate::{Bmc as _, PowerState};
use bmc_mock::redfish::{Effect, Fault, Profile};

fn references(options: &[BootOption]) -> Vec<String> {
    options.iter().map(|option| option.reference.clone()).collect()
}

#[tokio::test]
async fn the_last_becomes_the_first() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let options = BootOrder::boot_order(bmc).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert!(
            options.len() > 1 && options.iter().all(|option| option.name.is_some()),
            "{profile}: {options:?}"
        );
        let mut wanted = references(&options);
        wanted.rotate_right(1);
        let first = wanted[..1].to_vec();
        bmc.set_boot_order(&first).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(references(&BootOrder::boot_order(bmc).await.unwrap()), wanted, "{profile}");
        let before = rig.writes().len();
        bmc.set_boot_order(&first).await.unwrap();
        assert_eq!(rig.writes().len(), before, "{profile}: it was so already");
        bmc.set_power(PowerState::On).await.unwrap();
        assert_eq!(rig.parts().boot_options.order(), Some(wanted.clone()), "{profile}");
        assert_eq!(references(&BootOrder::boot_order(bmc).await.unwrap()), wanted, "{profile}");
    }
}

#[tokio::test]
async fn what_is_said_to_be_done_and_is_not_is_an_error() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let last = references(&BootOrder::boot_order(&rig.redfish).await.unwrap()).pop().unwrap();
        rig.ignore("/redfish/v1/Systems/*");
        let error = rig.redfish.set_boot_order(&[last]).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error:?}");
    }
}

#[tokio::test]
async fn a_pending_order_is_taken_back_or_it_is_told() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let order = references(&BootOrder::boot_order(bmc).await.unwrap());
        bmc.set_boot_order(&order[order.len() - 1..]).await.unwrap();
        rig.ignore("/redfish/v1/Systems/*");
        let error = bmc.set_boot_order(&order).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error:?}");
        rig.controls.clear_faults();
        if profile != Profile::Dell {
            bmc.set_boot_order(&order).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
            bmc.set_power(PowerState::On).await.unwrap();
            assert_eq!(references(&BootOrder::boot_order(bmc).await.unwrap()), order, "{profile}");
        }
    }
}

#[tokio::test]
async fn the_order_is_not_that_of_the_collection() {
    let rig = Rig::of(Profile::Generic).await;
    let order = references(&BootOrder::boot_order(&rig.redfish).await.unwrap());
    let system = rig.redfish.system().await.unwrap();
    let collection = options_link(&system.raw).unwrap();
    let mut members: Vec<Value> =
        rig.redfish.read::<Value>(&collection, READ).await.unwrap()["Members"].as_array().unwrap().clone();
    members.reverse();
    let merged = serde_json::json!({ "Members": members });
    rig.controls.add_fault(Fault::new(Effect::Merge(merged)).at(collection.path()));
    assert_eq!(references(&BootOrder::boot_order(&rig.redfish).await.unwrap()), order);
}

#[tokio::test]
async fn unknown_options_are_told_before_anything_is_sent() {
    let rig = Rig::of(Profile::Generic).await;
    let error = rig.redfish.set_boot_order(&["Boot9999".into()]).await.unwrap_err();
    assert!(error.to_string().contains("no boot option `Boot9999`"), "{error}");
    assert!(rig.writes().is_empty());
}
