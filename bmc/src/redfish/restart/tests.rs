//! The restart of every profile's BMC.

use super::*;
use crate::Bmc as _;
use crate::redfish::rig::Rig;
use bmc_mock::redfish::{Effect, Fault, Profile};
use std::time::Duration;

#[tokio::test]
async fn it_comes_back() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.parts().manager.set_downtime(Duration::from_millis(20));
        Restart::restart(&rig.redfish).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(rig.parts().manager.restarts(), 1, "{profile}");
        let back = async {
            loop {
                let logins = rig.controls.logins();
                if rig.redfish.power().await.is_ok() && rig.controls.logins() > logins {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), back)
            .await
            .expect("it is back, and its sessions were lost");
    }
}

#[tokio::test]
async fn one_without_the_action_says_so() {
    let rig = Rig::of(Profile::Generic).await;
    let none = serde_json::json!({"Actions": null});
    rig.controls.add_fault(Fault::new(Effect::Merge(none)).at("/redfish/v1/Managers/*").by("GET"));
    let error = Restart::restart(&rig.redfish).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error:?}");
}
