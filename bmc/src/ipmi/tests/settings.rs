//! Users, network, lamp, power meter, asset tag and watchdog: the driver against the simulated BMC, and against its
//! oddities.

use super::*;
use crate::capability::{
    AddressSource, AssetTag, BmcUser, Identify, Lamp, NetworkSettings, PowerMeter, UserPrivilege, Users,
    Watchdog,
};
use bmc_mock::ipmi::{DcmiParts, Identity, LanIdentity, UserQuirks};
use bmc_proto::ipmi::command::device::SelfTest;
use bmc_proto::ipmi::command::identify::{GetLamp, LampState};
use bmc_proto::ipmi::command::user::AccessLimit;
use bmc_proto::ipmi::command::watchdog::{
    GetWatchdogTimer, ResetWatchdogTimer, SetWatchdogTimer, TimeoutAction, WatchdogTimer,
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Slot of the user that we log in as.
const OURS: &str = "2";

fn quirks(rig: &Rig, quirks: UserQuirks) {
    rig.control.admin().users().set_quirks(quirks);
}

async fn logs_in(rig: &Rig, cipher: Cipher, name: &str, password: &str) -> bool {
    let bmc = Ipmi::with_timing(endpoint(rig.port, cipher, name, password), cipher, quick());
    let result = bmc.power().await;
    bmc.close().await;
    match result {
        Ok(_) => true,
        Err(BmcError::AuthenticationFailed { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn users_are_added_and_removed() {
    let (rig, cipher) = (Rig::new().await, Cipher::Suite17);
    let bmc = driver(rig.port, cipher);
    let id = bmc.add_user("carol", "sixteen-letters!", UserPrivilege::Operator).await.unwrap();
    assert!(logs_in(&rig, cipher, "carol", "sixteen-letters!").await);
    let users = Users::users(&bmc).await.unwrap();
    let carol = users.iter().find(|user| user.id == id).unwrap();
    assert_eq!((carol.name.as_str(), carol.privilege), ("carol", UserPrivilege::Operator));
    let error = bmc.add_user("carol", "sixteen-letters!", UserPrivilege::User).await.unwrap_err();
    assert!(error.to_string().contains("has a user `carol` already"), "{error}");
    bmc.remove_user(&id).await.unwrap();
    assert!(!logs_in(&rig, cipher, "carol", "sixteen-letters!").await);
    bmc.remove_user(&id).await.unwrap();
    let error = bmc.remove_user(OURS).await.unwrap_err();
    assert!(error.to_string().contains("lock us out"), "{error}");

    let error = bmc.add_user("dora", "twenty-one-letters-xy", UserPrivilege::Operator).await.unwrap_err();
    assert!(error.to_string().contains("20 bytes"), "{error}");
    let users = Users::users(&bmc).await.unwrap();
    assert!(users.iter().all(|user| user.name != "dora"), "nobody is left behind: {users:?}");
}

#[tokio::test]
async fn users_are_made_and_log_in() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let bmc = driver(rig.port, cipher);
        let users = Users::users(&bmc).await.unwrap();
        assert_eq!(users.len(), 16);
        let admin = BmcUser {
            id: OURS.into(),
            name: NAME.into(),
            enabled: Some(true),
            locked: None,
            privilege: UserPrivilege::Administrator,
        };
        assert_eq!(users[1], admin);
        assert_eq!((users[0].name.as_str(), users[0].enabled), ("", Some(false)));
        assert_eq!(users[9].privilege, UserPrivilege::NoAccess);

        bmc.set_user_name("5", "carol").await.unwrap();
        bmc.set_user_password("5", "seventeen-letters").await.unwrap();
        bmc.set_user_privilege("5", UserPrivilege::Operator).await.unwrap();
        assert!(!logs_in(&rig, cipher, "carol", "seventeen-letters").await, "not enabled yet");
        bmc.set_user_enabled("5", true).await.unwrap();
        let slot = rig.control.admin().users().slot(5).unwrap();
        assert_eq!((slot.name.as_str(), slot.enabled, slot.limit), ("carol", true, AccessLimit::Operator));
        assert!(logs_in(&rig, cipher, "carol", "seventeen-letters").await);
        bmc.set_user_password("5", "short").await.unwrap();
        assert!(!logs_in(&rig, cipher, "carol", "seventeen-letters").await);
        assert!(logs_in(&rig, cipher, "carol", "short").await);
        bmc.set_user_privilege("5", UserPrivilege::NoAccess).await.unwrap();
        assert!(!logs_in(&rig, cipher, "carol", "short").await);
        bmc.set_user_privilege("5", UserPrivilege::Administrator).await.unwrap();
        assert!(logs_in(&rig, cipher, "carol", "short").await);
        bmc.set_user_enabled("5", false).await.unwrap();
        assert!(!logs_in(&rig, cipher, "carol", "short").await);
        bmc.set_user_name("5", "").await.unwrap();
        assert_eq!(rig.control.admin().users().slot(5).unwrap().name, "");
        bmc.close().await;
        rig.stop().await;
    }
}

#[tokio::test]
async fn nobody_locks_us_out() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let results = [
        bmc.set_user_enabled(OURS, false).await,
        bmc.set_user_name(OURS, "somebody").await,
        bmc.set_user_name(OURS, "").await,
        bmc.set_user_privilege(OURS, UserPrivilege::Operator).await,
        bmc.set_user_privilege(OURS, UserPrivilege::NoAccess).await,
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("log in as another administrator"), "{error}");
    }
    // What is so already is no change.
    bmc.set_user_name(OURS, NAME).await.unwrap();
    bmc.set_user_enabled(OURS, true).await.unwrap();
    bmc.set_user_privilege(OURS, UserPrivilege::Administrator).await.unwrap();
    // Our own password may be changed; the next login needs the new one.
    bmc.set_user_password(OURS, "the next one").await.unwrap();
    bmc.close().await;
    assert!(logs_in(&rig, Cipher::Suite17, NAME, "the next one").await);
    assert!(!logs_in(&rig, Cipher::Suite17, NAME, PASSWORD).await);
    rig.stop().await;
}

#[tokio::test]
async fn what_can_not_be_is_not_sent() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let results = [
        (bmc.set_user_name("5", "seventeen-letters").await, "16 bytes"),
        (bmc.set_user_password("5", "twenty-one-letters-xy").await, "20 bytes"),
        (bmc.set_user_password("5", "").await, "empty password"),
        (bmc.set_user_name("0", "carol").await, "no user slot 0"),
        (bmc.set_user_enabled("64", true).await, "no user slot 64"),
        (bmc.set_asset_tag(&"x".repeat(64)).await, "63 bytes"),
        (Identify::identify(&bmc, Lamp::For(Duration::from_secs(256))).await, "255 s"),
    ];
    for (result, words) in results {
        let error = result.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_was_accepted_and_not_done_is_told() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    quirks(&rig, UserQuirks { deaf: true, ..UserQuirks::default() });
    let results = [
        bmc.set_user_name("5", "carol").await,
        bmc.set_user_password("3", "another").await,
        bmc.set_user_enabled("3", false).await,
        bmc.set_user_privilege("3", UserPrivilege::User).await,
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn odd_bmcs_are_borne_with() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    quirks(&rig, UserQuirks { empty_names_refused: true, silent_status: true, ..UserQuirks::default() });
    let users = Users::users(&bmc).await.unwrap();
    assert_eq!(users.len(), 16);
    assert!(users.iter().all(|user| user.enabled.is_none()));
    assert_eq!(users.iter().filter(|user| !user.name.is_empty()).count(), 2);
    bmc.set_user_name("7", "erin").await.unwrap();
    bmc.set_user_enabled("7", true).await.unwrap();

    quirks(&rig, UserQuirks { short_passwords_only: true, ..UserQuirks::default() });
    let error = bmc.set_user_password("7", "seventeen-letters").await.unwrap_err();
    assert!(error.to_string().contains("choose a shorter one"), "{error}");
    bmc.set_user_password("7", "sixteen-letters!").await.unwrap();

    quirks(&rig, UserQuirks { names_stay: true, ..UserQuirks::default() });
    let error = bmc.set_user_name("7", "").await.unwrap_err();
    assert!(error.to_string().contains("disable the user instead"), "{error}");
    let error = bmc.set_user_name("1", "root").await.unwrap_err();
    assert!(error.to_string().contains("choose another slot"), "{error}");

    // The LAN is channel 8, and 0xE is not known.
    let lan = LanIdentity { channel: 8, present_unknown: true, ..LanIdentity::default() };
    rig.control.admin().set_lan(lan);
    quirks(&rig, UserQuirks::default());
    bmc.set_user_privilege("7", UserPrivilege::User).await.unwrap();
    assert_eq!(Users::users(&bmc).await.unwrap()[6].privilege, UserPrivilege::User);
    assert_eq!(bmc.lan().await.unwrap().address.as_deref(), Some("127.0.0.1"));
    rig.stop().await;
}

#[tokio::test]
async fn the_network_is_told() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let bmc = driver(rig.port, cipher);
        let identity = LanIdentity {
            source: 2,
            address: Ipv4Addr::new(10, 1, 2, 3),
            netmask: Ipv4Addr::new(255, 255, 255, 0),
            gateway: Ipv4Addr::new(10, 1, 2, 254),
            mac: [2, 0, 0, 0xAA, 0xBB, 0xCC],
            vlan: Some(42),
            ..LanIdentity::default()
        };
        rig.control.admin().set_lan(identity.clone());
        let lan = bmc.lan().await.unwrap();
        assert_eq!(lan.source, Some(AddressSource::Dhcp));
        assert_eq!(lan.address.as_deref(), Some("10.1.2.3"));
        assert_eq!(lan.netmask.as_deref(), Some("255.255.255.0"));
        assert_eq!(lan.gateway.as_deref(), Some("10.1.2.254"));
        assert_eq!(lan.mac.as_deref(), Some("02:00:00:aa:bb:cc"));
        assert_eq!(lan.vlan, Some(42));
        assert_eq!(lan.cipher_suites, [17, 3]);

        let none = Ipv4Addr::UNSPECIFIED;
        let ipv6: Ipv6Addr = "2001:db8::17".parse().unwrap();
        rig.control.admin().set_lan(LanIdentity {
            address: none,
            gateway: none,
            vlan: None,
            ipv6: Some((ipv6, 64)),
            ..identity
        });
        let lan = bmc.lan().await.unwrap();
        assert_eq!(lan.address.as_deref(), Some("2001:db8::17"));
        assert_eq!(lan.netmask.as_deref(), Some("/64"));
        assert_eq!((lan.gateway, lan.vlan), (None, None));
        rig.stop().await;
    }
}

#[tokio::test]
async fn power_meter_and_asset_tag() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    rig.control.admin().set_watts(350, 20);
    let reading = bmc.power_reading().await.unwrap();
    assert_eq!((reading.now, reading.minimum, reading.maximum, reading.active), (20, 20, 20, true));
    bmc.set_power(PowerState::On).await.unwrap();
    let reading = bmc.power_reading().await.unwrap();
    assert_eq!((reading.now, reading.minimum, reading.maximum, reading.average), (350, 20, 350, 185));

    let longest = "x".repeat(63);
    for tag in ["", "rack 7", "exactly 16 bytes", "17 bytes are more", "Straße 7", longest.as_str(), "short"]
    {
        bmc.set_asset_tag(tag).await.unwrap();
        assert_eq!(AssetTag::asset_tag(&bmc).await.unwrap(), tag);
    }
    assert_eq!(rig.control.admin().asset_tag(), b"short");

    rig.control.admin().set_dcmi(DcmiParts { meter: false, texts: false });
    let errors = [
        (bmc.power_reading().await.unwrap_err(), "power meter (DCMI)"),
        (AssetTag::asset_tag(&bmc).await.unwrap_err(), "asset tag (DCMI)"),
        (bmc.set_asset_tag("x").await.unwrap_err(), "asset tag (DCMI)"),
    ];
    for (error, words) in errors {
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn the_lamp_obeys() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    for (lamp, expected) in [
        (Lamp::On, LampState::On),
        (Lamp::Off, LampState::Off),
        (Lamp::For(Duration::from_millis(199_500)), LampState::Temporary),
    ] {
        Identify::identify(&bmc, lamp).await.unwrap();
        assert_eq!(bmc.call(GetLamp, "looking").await.unwrap(), Some(expected));
    }
    rig.control.advance(Duration::from_secs(200));
    assert_eq!(bmc.call(GetLamp, "looking").await.unwrap(), Some(LampState::Off));
    rig.control.admin().set_timed_lamp(true);
    let error = Identify::identify(&bmc, Lamp::On).await.unwrap_err();
    assert!(error.to_string().contains("ask for a time"), "{error}");
    rig.stop().await;
}

#[tokio::test]
async fn the_watchdog_is_seen_and_stopped() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    bmc.set_power(PowerState::On).await.unwrap();
    assert!(!Watchdog::watchdog(&bmc).await.unwrap().running);
    bmc.stop_watchdog().await.unwrap();
    let timer = WatchdogTimer {
        unlogged: false,
        running: false,
        user: 3,
        action: TimeoutAction::PowerDown,
        pre_timeout: 0,
        pre_timeout_seconds: 0,
        expired: 0,
        countdown: 6000,
    };
    bmc.call(SetWatchdogTimer(timer), "setting").await.unwrap();
    bmc.call(ResetWatchdogTimer, "starting").await.unwrap();
    let state = Watchdog::watchdog(&bmc).await.unwrap();
    assert!(state.running && state.left <= state.set_to && state.left > Duration::from_secs(500));
    assert_eq!((state.used_by.as_str(), state.action.as_str()), ("OS load", "power down"));
    assert_eq!(state.set_to, Duration::from_secs(600));
    bmc.stop_watchdog().await.unwrap();
    let state = Watchdog::watchdog(&bmc).await.unwrap();
    assert!(!state.running);
    assert_eq!((state.used_by.as_str(), state.set_to), ("OS load", Duration::from_secs(600)));

    // Started anew with a short time, it does what it was told to.
    bmc.call(SetWatchdogTimer(WatchdogTimer { countdown: 1, ..timer }), "setting").await.unwrap();
    bmc.call(ResetWatchdogTimer, "starting").await.unwrap();
    let off = async {
        while bmc.power().await.unwrap() == PowerState::On {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), off).await.expect("the watchdog slept");
    let (timer, _) = bmc.call(GetWatchdogTimer, "reading").await.unwrap();
    assert_eq!((timer.running, timer.expired), (false, 1 << 3));
    rig.stop().await;
}

#[tokio::test]
async fn the_maker_has_a_name() {
    for (maker, name) in [(674, Some("Dell")), (4753, Some("4753")), (0, None)] {
        let users = vec![User::administrator(NAME, PASSWORD)];
        let identity =
            Identity { maker: (maker, 0x0102), ..Identity::new(users, Arc::new(MemoryChassis::new()), UUID) };
        let server = Server::new(([127, 0, 0, 1], 0).into(), identity).unwrap();
        let port = server.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        let bmc = Drivers::default().connect(endpoint(port, Cipher::Suite17, NAME, PASSWORD));
        let info = bmc.info().await.unwrap();
        assert_eq!((info.manufacturer.as_deref(), info.product.as_deref()), (name, Some("0x0102")));
        // Whoever has the trait only gets at the rest by it.
        assert_eq!(bmc.users().unwrap().users().await.unwrap().len(), 16);
        assert!(bmc.network_settings().is_some() && bmc.identify().is_some() && bmc.watchdog().is_some());
        assert!(bmc.power_meter().is_some() && bmc.asset_tag().is_some());
        bmc.close().await;
        shutdown.cancel();
        running.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_failed_self_test_is_no_error() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    for result in [SelfTest::Damaged(0x81), SelfTest::NotImplemented, SelfTest::Fatal(3)] {
        rig.control.admin().set_self_test(result);
        assert_eq!(bmc.info().await.unwrap().firmware.as_deref(), Some("1.00"));
    }
    rig.stop().await;
}

/// A password that ipmitool set logs us in, and one that we set logs ipmitool in.
#[tokio::test]
async fn ipmitool_and_we_share_users() {
    if let Err(error) = std::process::Command::new("ipmitool").arg("-V").output() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs ipmitool: {error}");
        return;
    }
    let rig = Rig::new().await;
    let tool = |user: &'static str, password: &'static str, words: &'static str| {
        let port = rig.port.to_string();
        async move {
            let output = tokio::process::Command::new("ipmitool")
                .args(["-I", "lanplus", "-N", "1", "-C", "17", "-H", "127.0.0.1", "-p", &port])
                .args(["-U", user, "-P", password])
                .args(words.split(' '))
                .output();
            output.await.unwrap().status.success()
        }
    };
    for words in [
        "user set name 6 frank",
        "user set password 6 seventeen-letters 20",
        "channel setaccess 1 6 ipmi=on privilege=3",
        "user enable 6",
    ] {
        assert!(tool(NAME, PASSWORD, words).await, "{words}");
    }
    assert!(logs_in(&rig, Cipher::Suite17, "frank", "seventeen-letters").await);
    let bmc = driver(rig.port, Cipher::Suite17);
    bmc.set_user_password("6", "our own choice").await.unwrap();
    bmc.close().await;
    assert!(!tool("frank", "seventeen-letters", "-L OPERATOR power status").await);
    assert!(tool("frank", "our own choice", "-L OPERATOR power status").await);
    rig.stop().await;
}
