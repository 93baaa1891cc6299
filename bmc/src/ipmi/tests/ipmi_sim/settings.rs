//! What ipmi_sim has of users, network settings and watchdog. It has no self test, lamp or DCMI.

use super::*;
use crate::capability::{NetworkSettings, PowerMeter, UserPrivilege, Users, Watchdog};
use bmc_proto::ipmi::command::watchdog::{
    ResetWatchdogTimer, SetWatchdogTimer, TimeoutAction, WatchdogTimer,
};

#[tokio::test]
async fn a_stranger_has_users() {
    let Some(mut sim) = Sim::start() else { return };
    sim.ready().await;
    let cipher = Cipher::Suite3;
    let bmc = driver(sim.port, cipher);
    let users = Users::users(&bmc).await.unwrap();
    assert_eq!((users[1].id.as_str(), users[1].name.as_str()), ("2", NAME));
    assert_eq!(users[1].privilege, UserPrivilege::Administrator);

    bmc.set_user_name("4", "carol").await.unwrap();
    bmc.set_user_password("4", "short-secret").await.unwrap();
    bmc.set_user_privilege("4", UserPrivilege::Administrator).await.unwrap();
    bmc.set_user_enabled("4", true).await.unwrap();
    let carol = Ipmi::with_timing(endpoint(sim.port, cipher, "carol", "short-secret"), cipher, quick());
    assert_eq!(carol.power().await.unwrap(), PowerState::Off);
    carol.close().await;
    // It cuts longer ones off, and passes every test.
    let error = bmc.set_user_password("4", "seventeen-letters").await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    bmc.set_user_password("4", "sixteen-letters!").await.unwrap();
    let carol = Ipmi::with_timing(endpoint(sim.port, cipher, "carol", "sixteen-letters!"), cipher, quick());
    assert_eq!(carol.power().await.unwrap(), PowerState::Off);
    carol.close().await;
    bmc.set_user_enabled("4", false).await.unwrap();
    let carol = Ipmi::with_timing(endpoint(sim.port, cipher, "carol", "sixteen-letters!"), cipher, quick());
    let error = carol.power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    bmc.close().await;
}

#[tokio::test]
async fn a_stranger_has_settings() {
    let Some(mut sim) = Sim::start() else { return };
    sim.ready().await;
    let bmc = driver(sim.port, Cipher::Suite3);
    let lan = bmc.lan().await.unwrap();
    assert!(lan.cipher_suites.contains(&3), "{lan:?}");

    assert!(!Watchdog::watchdog(&bmc).await.unwrap().running);
    let timer = WatchdogTimer {
        unlogged: true,
        running: false,
        user: 4,
        action: TimeoutAction::None,
        pre_timeout: 0,
        pre_timeout_seconds: 0,
        expired: 0,
        countdown: 3000,
    };
    bmc.call(SetWatchdogTimer(timer), "setting the watchdog").await.unwrap();
    bmc.call(ResetWatchdogTimer, "starting the watchdog").await.unwrap();
    // It never tells that the watchdog runs.
    let state = Watchdog::watchdog(&bmc).await.unwrap();
    assert_eq!((state.used_by.as_str(), state.set_to), ("SMS/OS", Duration::from_secs(300)));
    bmc.stop_watchdog().await.unwrap();
    let error = bmc.power_reading().await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
    bmc.close().await;
}
