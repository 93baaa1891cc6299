//! Secure Boot of every profile, and of BMCs that lie.

use super::*;
use crate::redfish::rig::Rig;
use crate::{Bmc as _, PowerState};
use bmc_mock::redfish::Profile;

#[tokio::test]
async fn it_is_set_for_the_next_boot() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let state = SecureBoot::secure_boot(bmc).await.unwrap();
        assert_eq!((state.enabled, state.current), (Some(false), Some(false)), "{profile}");
        bmc.set_secure_boot(true).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let state = SecureBoot::secure_boot(bmc).await.unwrap();
        assert_eq!(
            (state.enabled, state.current, state.mode.as_deref()),
            (Some(true), Some(false), Some("UserMode"))
        );
        let before = rig.writes().len();
        bmc.set_secure_boot(true).await.unwrap();
        assert_eq!(rig.writes().len(), before, "{profile}: it was so already");
        bmc.set_power(PowerState::On).await.unwrap();
        assert_eq!(SecureBoot::secure_boot(bmc).await.unwrap().current, Some(true), "{profile}");
        assert!(rig.parts().secure_boot.current(), "{profile}");
    }
}

#[tokio::test]
async fn what_is_said_to_be_done_and_is_not_is_an_error() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.ignore("*SecureBoot*");
        let error = rig.redfish.set_secure_boot(true).await.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error:?}");
    }
}

#[tokio::test]
async fn keys_are_reset() {
    let rig = Rig::of(Profile::Generic).await;
    let bmc = &rig.redfish;
    bmc.reset_secure_boot_keys(KeysReset::DeleteAll).await.unwrap();
    assert_eq!(SecureBoot::secure_boot(bmc).await.unwrap().mode.as_deref(), Some("SetupMode"));
    // No platform key is there any more.
    bmc.reset_secure_boot_keys(KeysReset::DeletePk).await.unwrap();
    assert_eq!(rig.parts().secure_boot.resets(), 1);
    bmc.reset_secure_boot_keys(KeysReset::Default).await.unwrap();
    assert_eq!(SecureBoot::secure_boot(bmc).await.unwrap().mode.as_deref(), Some("UserMode"));
    assert_eq!(rig.parts().secure_boot.resets(), 2);
}

#[tokio::test]
async fn keys_are_reset_at_every_maker_or_it_says_how() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        for reset in [KeysReset::DeleteAll, KeysReset::Default] {
            let before = rig.parts().secure_boot.resets();
            match rig.redfish.reset_secure_boot_keys(reset).await {
                Ok(()) => assert_eq!(rig.parts().secure_boot.resets(), before + 1, "{profile} {reset:?}"),
                Err(error) => {
                    let said = matches!(error, BmcError::Unsupported { .. });
                    assert!(said && error.to_string().contains("keys"), "{profile} {reset:?}: {error}");
                    assert_eq!(rig.parts().secure_boot.resets(), before, "{profile} {reset:?}");
                }
            }
        }
    }
}
