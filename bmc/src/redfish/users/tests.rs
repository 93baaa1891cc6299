//! Users of every profile: made, changed and removed, proved by logins; lock-out, policies, and BMCs that lie.

use super::*;
use crate::redfish::rig::{Rig, endpoint};
use crate::redfish::timing::QUICK;
use crate::{Bmc, Endpoint};
use bmc_mock::redfish::{Effect, Fault, Faults, Profile};
use std::time::Duration;

const PASSWORDS: [&str; 2] = ["First-Pass-1", "Second-Pass-2"];

fn driver(rig: &Rig, name: &str, password: &str) -> Redfish {
    let mut endpoint: Endpoint = endpoint(rig.address, password, Some(rig.fingerprint));
    endpoint.credentials.username = name.into();
    Redfish::with_timing(&endpoint, QUICK)
}

async fn logs_in(rig: &Rig, name: &str, password: &str) -> bool {
    let bmc = driver(rig, name, password);
    let answer = bmc.power().await;
    bmc.close().await;
    match answer {
        Ok(_) => true,
        Err(BmcError::AuthenticationFailed { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn users_are_made_changed_and_removed_at_every_maker() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let said = |error: BmcError| -> String { panic!("{profile}: {error}") };
        let before = Users::users(bmc).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let ours = before.iter().find(|user| user.name == "admin").expect("our own user");
        assert_eq!((ours.privilege, ours.locked), (UserPrivilege::Administrator, Some(false)), "{profile}");

        let id = bmc.add_user("carol", PASSWORDS[0], UserPrivilege::Operator).await.unwrap_or_else(said);
        let account = rig.controls.account("carol").unwrap();
        assert_eq!(
            (&account.id, account.role.as_str(), account.enabled),
            (&id, "Operator", true),
            "{profile}"
        );
        assert!(!account.must_change, "{profile}");
        assert!(logs_in(&rig, "carol", PASSWORDS[0]).await, "{profile}");
        let users = Users::users(bmc).await.unwrap();
        let carol = users.iter().find(|user| user.id == id).unwrap();
        assert_eq!((carol.name.as_str(), carol.privilege), ("carol", UserPrivilege::Operator), "{profile}");
        let error = bmc.add_user("carol", PASSWORDS[0], UserPrivilege::User).await.unwrap_err();
        assert!(error.to_string().contains("has a user `carol` already"), "{profile}: {error}");

        bmc.set_user_password(&id, PASSWORDS[1]).await.unwrap();
        assert!(
            !logs_in(&rig, "carol", PASSWORDS[0]).await && logs_in(&rig, "carol", PASSWORDS[1]).await,
            "{profile}"
        );
        bmc.set_user_privilege(&id, UserPrivilege::User).await.unwrap();
        assert_eq!(rig.controls.account("carol").unwrap().role, "ReadOnly", "{profile}");
        bmc.set_user_privilege(&id, UserPrivilege::Administrator).await.unwrap();
        bmc.set_user_name(&id, "dora").await.unwrap();
        assert!(logs_in(&rig, "dora", PASSWORDS[1]).await, "{profile}");
        match bmc.set_user_enabled(&id, false).await {
            Ok(()) => {
                assert!(!logs_in(&rig, "dora", PASSWORDS[1]).await, "{profile}");
                bmc.set_user_enabled(&id, true).await.unwrap();
                assert!(logs_in(&rig, "dora", PASSWORDS[1]).await, "{profile}");
            }
            Err(error) => {
                assert!(profile == Profile::Hpe && error.to_string().contains("can't be disabled"), "{error}")
            }
        }

        bmc.remove_user(&id).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        bmc.remove_user(&id).await.unwrap();
        assert_eq!(rig.controls.account("dora"), None, "{profile}");
        assert_eq!(Users::users(bmc).await.unwrap().len(), before.len(), "{profile}");
        // No session of a proof is left.
        bmc.close().await;
        assert_eq!(rig.controls.sessions(), 0, "{profile}");
    }
}

#[tokio::test]
async fn nobody_locks_us_out() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let ours = rig.controls.account("admin").unwrap().id;
        let mut results = vec![
            bmc.set_user_name(&ours, "somebody").await,
            bmc.set_user_name(&ours, "").await,
            bmc.set_user_privilege(&ours, UserPrivilege::Operator).await,
            bmc.remove_user(&ours).await,
        ];
        if profile != Profile::Hpe {
            results.push(bmc.set_user_enabled(&ours, false).await);
            bmc.set_user_enabled(&ours, true).await.unwrap();
        }
        for result in results {
            let error = result.unwrap_err();
            assert!(error.to_string().contains("log in as another administrator"), "{profile}: {error}");
        }
        bmc.set_user_name(&ours, "admin").await.unwrap();
        bmc.set_user_privilege(&ours, UserPrivilege::Administrator).await.unwrap();
        assert!(rig.writes().is_empty(), "{profile}: {:?}", rig.writes());
        // Our own password may be changed; this session goes on, the next login needs the new one.
        bmc.set_user_password(&ours, PASSWORDS[0]).await.unwrap();
        assert!(logs_in(&rig, "admin", PASSWORDS[0]).await, "{profile}");
        assert_eq!(rig.controls.refused_logins(), 0, "{profile}");
        rig.controls.drop_sessions();
        let error = bmc.power().await.unwrap_err();
        assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{profile}: {error}");
    }
}

/// The old password must not be tried again: it would be one of few guesses, and the answer to it none of ours.
#[tokio::test]
async fn our_own_password_is_changed_where_that_ends_our_session() {
    for profile in Profile::ALL {
        for faults in [
            Faults { password_ends_sessions: true, ..Faults::default() },
            Faults { no_sessions: true, ..Faults::default() },
        ] {
            let rig = Rig::of(profile).await;
            rig.faults(faults);
            let ours = rig.controls.account("admin").unwrap().id;
            let done = rig.redfish.set_user_password(&ours, PASSWORDS[0]).await;
            done.unwrap_or_else(|error| panic!("{profile}: {error}"));
            assert_eq!(rig.controls.refused_logins(), 0, "{profile}");
            assert!(logs_in(&rig, "admin", PASSWORDS[0]).await, "{profile}");
        }
    }
}

#[tokio::test]
async fn what_was_accepted_and_not_done_is_told() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let bmc = &rig.redfish;
        let id = bmc.add_user("carol", PASSWORDS[0], UserPrivilege::Operator).await.unwrap();
        rig.controls.add_fault(Fault::new(Effect::Ignore).by("PATCH"));
        rig.controls.add_fault(Fault::new(Effect::Ignore).by("DELETE").at("*Accounts*"));
        let refused = rig.controls.refused_logins();
        let results = [
            bmc.set_user_password(&id, PASSWORDS[1]).await,
            bmc.set_user_name(&id, "dora").await,
            bmc.set_user_privilege(&id, UserPrivilege::User).await,
            bmc.remove_user(&id).await,
        ];
        for result in results {
            let error = result.unwrap_err();
            assert!(matches!(error, BmcError::NotDone { .. }), "{profile}: {error}");
        }
        // More would lock the user out at some.
        assert!(rig.controls.refused_logins() - refused <= 2, "{profile}");
    }
}

#[tokio::test]
async fn a_user_who_is_not_made_is_told() {
    let rig = Rig::new().await;
    let bmc = &rig.redfish;
    Users::users(bmc).await.unwrap();
    rig.controls.add_fault(Fault::new(Effect::Ignore).by("POST").at("*/Accounts"));
    let error = bmc.add_user("carol", PASSWORDS[0], UserPrivilege::Operator).await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    rig.controls.clear_faults();
    // Its answer was lost, and the user is there.
    rig.controls.add_fault(Fault::new(Effect::LoseAnswer).by("POST").at("*/Accounts"));
    bmc.add_user("carol", PASSWORDS[0], UserPrivilege::Operator).await.unwrap();
    assert!(logs_in(&rig, "carol", PASSWORDS[0]).await);
}

#[tokio::test]
async fn slots_run_out() {
    let rig = Rig::of(Profile::Dell).await;
    let bmc = &rig.redfish;
    for number in 3..=16 {
        let id = bmc.add_user(&format!("user{number}"), PASSWORDS[0], UserPrivilege::User).await.unwrap();
        assert_eq!(id, number.to_string());
    }
    let error = bmc.add_user("late", PASSWORDS[0], UserPrivilege::User).await.unwrap_err();
    assert!(error.to_string().contains("slots are taken"), "{error}");
    // None is free, and it is emptied all the same.
    bmc.remove_user("7").await.unwrap();
    assert_eq!(bmc.add_user("late", PASSWORDS[0], UserPrivilege::User).await.unwrap(), "7");
}

#[tokio::test]
async fn passwords_are_as_the_bmc_wants_them() {
    for (profile, expected) in [
        (Profile::Generic, (8, 20, 4)),
        (Profile::Ami, (8, 20, 3)),
        (Profile::Dell, (8, 40, 3)),
        (Profile::Hpe, (8, 39, 3)),
        (Profile::Lenovo, (10, 32, 4)),
        (Profile::Supermicro, (8, 20, 4)),
    ] {
        let rig = Rig::of(profile).await;
        let policy = rig.redfish.password_policy().await.unwrap();
        assert_eq!((policy.shortest, policy.longest, policy.kinds), expected, "{profile}");
        let id = rig.redfish.add_user("carol", PASSWORDS[0], UserPrivilege::User).await.unwrap();
        let long = format!("Aa1{}", "x".repeat(usize::from(policy.longest) - 3));
        rig.redfish.set_user_password(&id, &long).await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let error = rig.redfish.set_user_password(&id, &format!("{long}y")).await.unwrap_err();
        assert!(matches!(error, BmcError::Refused { .. }), "{profile}: {error}");
        assert!(logs_in(&rig, "carol", &long).await, "{profile}");
        assert!(rig.redfish.set_user_password(&id, "").await.is_err());
    }
}

#[tokio::test]
async fn who_is_locked_out_is_shown_and_let_in_again() {
    let rig = Rig::new().await;
    let id = rig.redfish.add_user("carol", PASSWORDS[0], UserPrivilege::User).await.unwrap();
    rig.controls.set_lock_out(3, Duration::from_secs(3600));
    for _ in 0..3 {
        assert!(!logs_in(&rig, "carol", "wrong").await);
    }
    assert!(!logs_in(&rig, "carol", PASSWORDS[0]).await);
    let users = Users::users(&rig.redfish).await.unwrap();
    assert_eq!(users.iter().find(|user| user.id == id).unwrap().locked, Some(true));
    rig.redfish.set_user_enabled(&id, true).await.unwrap();
    assert!(logs_in(&rig, "carol", PASSWORDS[0]).await);
}

#[tokio::test]
async fn a_password_that_must_be_changed_first_is_told() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.controls.require_password_change("admin");
        let error = rig.redfish.power().await.unwrap_err();
        assert!(
            matches!(&error, BmcError::AuthenticationFailed { why, .. } if why.contains("must be changed")),
            "{profile}: {error:?}"
        );
    }
}

#[tokio::test]
async fn roles_that_are_not_there_are_told() {
    let rig = Rig::new().await;
    let id = rig.redfish.add_user("carol", PASSWORDS[0], UserPrivilege::User).await.unwrap();
    for (privilege, words) in [
        (UserPrivilege::NoAccess, "disable the user instead"),
        (UserPrivilege::Callback, "no such privilege"),
        (UserPrivilege::Oem, "no such privilege"),
    ] {
        let error = rig.redfish.set_user_privilege(&id, privilege).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = rig.redfish.set_user_password("99", PASSWORDS[0]).await.unwrap_err();
    assert!(error.to_string().contains("no user with the id `99`"), "{error}");
    // iDRAC has a role of nobody.
    let rig = Rig::of(Profile::Dell).await;
    let id = rig.redfish.add_user("carol", PASSWORDS[0], UserPrivilege::User).await.unwrap();
    rig.redfish.set_user_privilege(&id, UserPrivilege::NoAccess).await.unwrap();
    let error = rig.redfish.set_user_password("9", PASSWORDS[0]).await.unwrap_err();
    assert!(error.to_string().contains("nobody is in user slot 9"), "{error}");
}
