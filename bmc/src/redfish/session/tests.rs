//! Sessions: found again after a crash, never used up, and never a locked account.

use super::*;
use crate::redfish::Redfish;
use crate::redfish::rig::{Memory, Rig, endpoint};
use crate::redfish::timing::{QUICK, Timing};
use crate::{Bmc as _, Endpoint, PowerState};
use bmc_mock::redfish::{Effect, Fault, Faults};
use std::time::Duration;

#[tokio::test]
async fn a_session_is_found_again_after_a_crash() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    // Forty processes that are killed, at a BMC with eight sessions.
    for _ in 0..40 {
        let bmc = rig.driver_kept(&keeper);
        assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
        drop(bmc);
    }
    assert_eq!((rig.controls.logins(), rig.controls.sessions(), rig.controls.basic()), (1, 1, 0));
    let bmc = rig.driver_kept(&keeper);
    bmc.power().await.unwrap();
    bmc.close().await;
    assert_eq!(rig.controls.sessions(), 0);
    assert!(keeper.0.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_kept_session_that_is_gone_is_made_anew() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    rig.driver_kept(&keeper).power().await.unwrap();
    let before = keeper.0.lock().unwrap().clone();
    rig.controls.drop_sessions();
    rig.driver_kept(&keeper).power().await.unwrap();
    assert_eq!((rig.controls.logins(), rig.controls.sessions()), (2, 1));
    assert_ne!(*keeper.0.lock().unwrap(), before);
}

#[tokio::test]
async fn no_kill_leaves_a_session_that_could_not_be_kept() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    rig.driver_kept(&keeper).power().await.unwrap();
    // Twenty processes that are killed, at a BMC with eight sessions.
    keeper.set_away(true);
    for _ in 0..20 {
        let bmc = rig.driver_kept(&keeper);
        bmc.power().await.unwrap();
        bmc.power().await.unwrap();
        assert_eq!(rig.controls.sessions(), 1, "the one that is kept");
    }
    let bmc = rig.driver_kept(&keeper);
    bmc.power().await.unwrap();
    let logins = rig.controls.logins();
    keeper.set_away(false);
    bmc.power().await.unwrap();
    assert_eq!((rig.controls.logins(), rig.controls.sessions()), (logins, 1), "the kept one is found again");
    bmc.close().await;
    assert_eq!((rig.controls.sessions(), keeper.0.lock().unwrap().is_none()), (0, true));
}

#[tokio::test]
async fn a_session_is_kept_as_soon_as_it_can_be() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    let bmc = rig.driver_kept(&keeper);
    bmc.power().await.unwrap();
    // The session ends while nobody can be told of the next.
    rig.controls.drop_sessions();
    keeper.set_away(true);
    bmc.power().await.unwrap();
    assert_eq!(rig.controls.sessions(), 0);
    keeper.set_away(false);
    bmc.power().await.unwrap();
    bmc.power().await.unwrap();
    assert_eq!(rig.controls.sessions(), 1);
    let logins = rig.controls.logins();
    rig.driver_kept(&keeper).power().await.unwrap();
    assert_eq!((rig.controls.logins(), rig.controls.sessions()), (logins, 1));
}

#[tokio::test]
async fn a_kept_session_does_not_hide_that_the_password_is_wrong() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    rig.driver_kept(&keeper).power().await.unwrap();
    let kept = keeper.clone() as Arc<dyn SessionKeeper>;
    let wrong = Endpoint { keeper: Some(kept), ..endpoint(rig.address, "wrong", Some(rig.fingerprint)) };
    let error = Redfish::with_timing(&wrong, QUICK).power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error:?}");
    // It was ours, so it was ended.
    assert_eq!(rig.controls.sessions(), 0);
}

#[tokio::test]
async fn a_kept_token_goes_to_its_own_origin_only() {
    let (rig, other, keeper) = (Rig::new().await, Rig::new().await, Arc::new(Memory::default()));
    rig.driver_kept(&keeper).power().await.unwrap();
    let token = keeper.0.lock().unwrap().clone().unwrap();
    other.driver_kept(&keeper).power().await.unwrap();
    assert_eq!(other.controls.logins(), 1);
    assert_ne!(keeper.0.lock().unwrap().clone().unwrap(), token);
    for odd in ["", "{}", "[1]", "\u{0}", r#"{"origin":"https://h/","user":"a","check":"","token":"x\ny"}"#] {
        *keeper.0.lock().unwrap() = Some(odd.to_owned());
        rig.driver_kept(&keeper).power().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_kept_holds_no_password() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    rig.driver_kept(&keeper).power().await.unwrap();
    let text = keeper.0.lock().unwrap().clone().unwrap();
    assert!(
        text.contains(&rig.address.to_string()) && text.contains("admin") && !text.contains("secret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_full_bmc_gets_our_lost_session_back() {
    let (rig, keeper) = (Rig::new().await, Arc::new(Memory::default()));
    let bmc = rig.driver_kept(&keeper);
    bmc.power().await.unwrap();
    let others: Vec<Redfish> = (0..7).map(|_| rig.driver()).collect();
    for other in &others {
        other.power().await.unwrap();
    }
    // The token is not taken any more, and the session is still there: some BMCs bind it to an address.
    rig.controls.add_fault(Fault::new(Effect::Status(401)).at("/redfish/v1/Systems/*").times(1));
    bmc.power().await.unwrap();
    assert_eq!((rig.controls.logins(), rig.controls.sessions()), (9, 8));
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_and_again() {
    let rig = Rig::new().await;
    let bmc = Redfish::with_timing(&endpoint(rig.address, "wrong", Some(rig.fingerprint)), QUICK);
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error:?}");
    assert_eq!(rig.controls.refused_logins(), 1);
    let before = rig.controls.requests();
    for _ in 0..20 {
        let error = bmc.power().await.unwrap_err();
        assert!(matches!(error, BmcError::Resting { credentials: true, .. }), "{error:?}");
    }
    assert_eq!((rig.controls.refused_logins(), rig.controls.requests()), (1, before));
    let health = bmc.health();
    assert!(health.failures == 1 && health.rests_for.is_some() && health.last.is_some(), "{health:?}");
}

#[tokio::test]
async fn a_silent_bmc_is_let_alone_for_a_while() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    rig.controls.add_fault(Fault::new(Effect::Cut));
    for _ in 0..3 {
        let error = bmc.power().await.unwrap_err();
        assert!(matches!(error, BmcError::Unreachable { .. }), "{error:?}");
    }
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::Resting { credentials: false, .. }), "{error:?}");
    assert_eq!(bmc.health().failures, 3);
}

#[tokio::test]
async fn a_bmc_that_answers_is_healthy_whatever_it_says() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    rig.controls.add_fault(Fault::new(Effect::Status(500)));
    for _ in 0..5 {
        assert!(matches!(bmc.power().await.unwrap_err(), BmcError::Refused { .. }));
    }
    assert_eq!(bmc.health(), Health::default());
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_told_so() {
    let rig = Rig::new().await;
    let fault = Effect::Error(403, "Base.1.8.PasswordChangeRequired".into(), "Change it.".into());
    rig.controls.add_fault(Fault::new(fault).at("/redfish/v1/SessionService/Sessions").by("POST"));
    let error = rig.driver().power().await.unwrap_err();
    assert!(
        matches!(&error, BmcError::AuthenticationFailed { why, .. } if why.contains("changed first")),
        "{error}"
    );
}

#[tokio::test]
async fn neither_sessions_nor_basic_is_told() {
    let rig = Rig::new().await;
    rig.faults(Faults { no_sessions: true, no_basic: true, ..Faults::default() });
    let error = rig.driver().power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error:?}");
}

#[tokio::test]
async fn sessions_are_tried_anew_some_time_after_all_were_taken() {
    let rig = Rig::new().await;
    rig.faults(Faults { session_cap: Some(0), ..Faults::default() });
    let bmc = rig.driver_with(Timing { full: std::time::Duration::ZERO, ..QUICK });
    bmc.power().await.unwrap();
    assert_eq!((rig.controls.logins(), rig.controls.basic() > 0), (0, true));
    rig.faults(Faults::default());
    bmc.power().await.unwrap();
    assert_eq!(rig.controls.logins(), 1);
}

#[tokio::test]
async fn a_session_that_lets_nobody_in_is_ended() {
    let rig = Rig::new().await;
    let keeper = Arc::new(Memory::default());
    let bmc = rig.driver_kept(&keeper);
    rig.controls.add_fault(Fault::new(Effect::Status(401)).at("/redfish/v1/Systems*"));
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    assert_eq!((rig.controls.logins(), rig.controls.sessions()), (1, 0));
    assert_eq!(*keeper.0.lock().unwrap(), None);
    rig.controls.clear_faults();

    // The same where an old one was lost before.
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    rig.controls.drop_sessions();
    rig.controls.add_fault(Fault::new(Effect::Status(401)).at("/redfish/v1/Systems*"));
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    assert_eq!(rig.controls.sessions(), 0);
}

#[tokio::test]
async fn sessions_that_were_missing_once_are_looked_for_again() {
    let rig = Rig::new().await;
    let bmc = rig.driver_with(Timing { full: Duration::ZERO, ..QUICK });
    rig.controls.add_fault(Fault::new(Effect::Status(404)).by("POST").at("*/Sessions").times(1));
    bmc.power().await.unwrap();
    assert_eq!(
        (rig.controls.basic(), rig.controls.sessions()),
        (1, 1),
        "the first request goes by the password"
    );
}
