//! The driver against the simulated BMC, over TLS on loopback: power, boot, sessions, and what goes wrong.

use super::rig::{Rig, UUID, endpoint};
use super::timing::{self, QUICK};
use super::*;
use crate::{BootMode, BootTarget, Drivers, Persistence};
use bmc_mock::redfish::Faults;
use bmc_mock::{BootDevice, BootFlags, Chassis, ChassisError, MemoryChassis};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const SET_POWER: &str = power::SWITCHING;
const SET_BOOT: &str = boot::SETTING;
const PXE_ONCE: BootOverride =
    BootOverride { target: BootTarget::Network, persistence: Persistence::Once, mode: Some(BootMode::Uefi) };

#[tokio::test]
async fn power_goes_on_and_off() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    for target in [PowerState::On, PowerState::On, PowerState::Off, PowerState::Off, PowerState::On] {
        bmc.set_power(target).await.unwrap();
        assert_eq!(bmc.power().await.unwrap(), target);
        assert_eq!(rig.is_on().await, target == PowerState::On);
    }
}

#[tokio::test]
async fn the_public_way_in_works_too() {
    let rig = Rig::new().await;
    let bmc = Drivers::default().connect(rig.endpoint(None));
    bmc.set_power(PowerState::On).await.unwrap();
    assert!(rig.is_on().await);
    bmc.close().await;
    assert_eq!(rig.controls.sessions(), 0);
}

#[tokio::test]
async fn boot_is_set_and_read_back() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    let none = BootOverride { target: BootTarget::Default, persistence: Persistence::Persistent, mode: None };
    let disk = BootOverride {
        target: BootTarget::Disk,
        persistence: Persistence::Persistent,
        mode: Some(BootMode::Bios),
    };
    for (set, device, persistent, uefi) in [
        (PXE_ONCE, Some(BootDevice::Network), false, true),
        (disk, Some(BootDevice::Disk), true, false),
        (none, None, false, false),
        (PXE_ONCE, Some(BootDevice::Network), false, true),
    ] {
        bmc.set_boot(set.clone()).await.unwrap();
        assert_eq!(rig.chassis.boot().await.unwrap(), BootFlags { device, persistent, uefi });
        let read = bmc.boot().await.unwrap().unwrap();
        assert_eq!((read.target, read.persistence), (set.target, set.persistence));
        assert!(set.mode.is_none() || read.mode == set.mode);
    }
    // The chassis used it up.
    rig.chassis.set_boot(BootFlags::default()).await.unwrap();
    assert_eq!(bmc.boot().await.unwrap().unwrap().target, BootTarget::Default);
    // Set by somebody else.
    for (device, target) in [(BootDevice::Cd, BootTarget::Cd), (BootDevice::Setup, BootTarget::Setup)] {
        let flags = BootFlags { device: Some(device), ..BootFlags::default() };
        rig.chassis.set_boot(flags).await.unwrap();
        assert_eq!(bmc.boot().await.unwrap().unwrap().target, target);
    }
}

#[tokio::test]
async fn it_says_what_it_is() {
    let rig = Rig::new().await;
    let info = rig.driver().info().await.unwrap();
    assert_eq!(info.manufacturer.as_deref(), Some("Billet"));
    assert_eq!(info.product.as_deref(), Some("Model 1"));
    assert_eq!(info.firmware.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(info.system_uuid.as_deref(), Some(UUID));
    assert_eq!(info.tls_sha256, Some(rig.fingerprint));
}

#[tokio::test]
async fn one_that_is_asked_seldom_gets_a_connection_that_ends_with_the_answer() {
    let rig = Rig::new().await;
    let seldom = timing::Timing { kept: Duration::ZERO, ..QUICK };
    let bmc = rig.driver_with(seldom);
    bmc.power().await.unwrap();
    let transport = bmc.transport().unwrap();
    for (on, state) in [(true, PowerState::On), (false, PowerState::Off)] {
        transport.disconnect();
        rig.chassis.set_power(on).await.unwrap();
        let before = (rig.controls.connections(), rig.controls.requests());
        assert_eq!(bmc.power().await.unwrap(), state);
        assert_eq!((rig.controls.connections(), rig.controls.requests()), (before.0 + 1, before.1 + 1));
        assert!(!transport.is_connected(), "nothing is kept");
    }
    // What is odd is asked for by the client, and answered all the same.
    rig.controls.cut_connections();
    rig.controls.drop_sessions();
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off, "it logs in anew");
    transport.disconnect();
    let logins = rig.controls.logins();
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    assert_eq!(rig.controls.logins(), logins);
    transport.disconnect();
    rig.stop().await;
    let error = bmc.power().await.unwrap_err();
    let refused = |reason: &Option<String>| reason.as_ref().is_some_and(|why| why.contains("refused"));
    assert!(matches!(&error, BmcError::Unreachable { reason, .. } if refused(reason)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_tried_once() {
    let rig = Rig::new().await;
    for faults in [Faults::default(), Faults { no_sessions: true, ..Faults::default() }] {
        rig.faults(faults);
        let bmc = Redfish::with_timing(&endpoint(rig.address, "wrong", Some(rig.fingerprint)), QUICK);
        let before = rig.controls.requests();
        let error = bmc.power().await.unwrap_err();
        assert!(
            matches!(&error, BmcError::AuthenticationFailed { username, .. } if username == "admin"),
            "{error}"
        );
        // The root, the login and, without sessions, one request by password: more would lock the account.
        assert!(rig.controls.requests() - before <= 3);
    }
    assert_eq!(rig.controls.logins(), 0);
}

#[tokio::test]
async fn the_pinned_certificate_is_held_to() {
    let rig = Rig::new().await;
    rig.driver().power().await.unwrap();
    let mut other = rig.fingerprint;
    other[0] ^= 1;
    let bmc = Redfish::with_timing(&rig.endpoint(Some(other)), QUICK);
    let before = rig.controls.requests();
    for _ in 0..2 {
        match bmc.power().await.unwrap_err() {
            BmcError::WrongCertificate { address, seen, pinned } => {
                assert_eq!(address, rig.address.to_string());
                assert_eq!((seen, pinned), (hex::encode(rig.fingerprint), hex::encode(other)));
            }
            error => panic!("{error:?}"),
        }
    }
    // Not even the root was asked for.
    assert_eq!(rig.controls.requests(), before);
}

#[tokio::test]
async fn the_first_certificate_is_trusted_and_then_held_to() {
    let mut rig = Rig::new().await;
    let bmc = Redfish::with_timing(&rig.endpoint(None), QUICK);
    assert_eq!(bmc.info().await.unwrap().tls_sha256, Some(rig.fingerprint));
    let (address, first) = (rig.address, rig.fingerprint);
    rig = stopped_and_replaced(rig, address).await;
    assert_ne!(rig.fingerprint, first);
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::WrongCertificate { .. }), "{error:?}");
    assert_eq!(rig.controls.requests(), 0);
}

/// Another BMC at the same address.
async fn stopped_and_replaced(rig: Rig, address: SocketAddr) -> Rig {
    rig.stop().await;
    let chassis = Arc::new(MemoryChassis::new());
    Rig::serve(chassis.clone(), chassis, &address.to_string()).await
}

#[tokio::test]
async fn one_session_serves_all_requests_one_at_a_time() {
    let rig = Rig::new().await;
    let bmc = Arc::new(rig.driver());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let bmc = Arc::clone(&bmc);
        tasks.spawn(async move { bmc.power().await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 8);
    bmc.set_power(PowerState::On).await.unwrap();
    bmc.set_boot(PXE_ONCE).await.unwrap();
    assert_eq!((rig.controls.logins(), rig.controls.sessions()), (1, 1));
    assert_eq!((rig.controls.most_in_flight(), rig.controls.basic()), (1, 0));
    bmc.close().await;
    assert_eq!(rig.controls.sessions(), 0);
    bmc.close().await;
    // Closing is not for ever.
    bmc.power().await.unwrap();
    assert_eq!(rig.controls.logins(), 2);
}

#[tokio::test]
async fn a_lost_session_is_made_anew_once() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    for logins in 2..4 {
        rig.controls.drop_sessions();
        bmc.set_power(if logins == 2 { PowerState::On } else { PowerState::Off }).await.unwrap();
        assert_eq!(rig.controls.logins(), logins);
    }
}

#[tokio::test]
async fn without_sessions_the_password_serves() {
    let rig = Rig::new().await;
    rig.faults(Faults { no_sessions: true, ..Faults::default() });
    let bmc = rig.driver();
    bmc.set_power(PowerState::On).await.unwrap();
    bmc.set_boot(PXE_ONCE).await.unwrap();
    assert!(rig.is_on().await);
    assert_eq!(rig.controls.logins(), 0);
    assert!(rig.controls.basic() > 0);
    bmc.close().await;
}

#[tokio::test]
async fn with_all_sessions_taken_the_password_serves() {
    let rig = Rig::new().await;
    let others: Vec<Redfish> = (0..8).map(|_| rig.driver()).collect();
    for other in &others {
        other.power().await.unwrap();
    }
    let bmc = rig.driver();
    bmc.set_power(PowerState::On).await.unwrap();
    assert!(rig.is_on().await);
    assert_eq!(rig.controls.logins(), 8);
    // Once there is room again, and it is closed, it has a session again.
    others[0].close().await;
    bmc.close().await;
    bmc.power().await.unwrap();
    assert_eq!(rig.controls.logins(), 9);
}

#[tokio::test]
async fn a_forgotten_boot_override_is_not_taken_for_done() {
    let rig = Rig::new().await;
    rig.faults(Faults { ignore_boot: true, ..Faults::default() });
    match rig.driver().set_boot(PXE_ONCE).await.unwrap_err() {
        BmcError::NotDone { during, found, .. } => {
            assert_eq!(during, SET_BOOT);
            assert!(found.contains("BootSourceOverrideTarget None"), "{found}");
        }
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_forgotten_reset_is_not_taken_for_done() {
    let rig = Rig::new().await;
    rig.faults(Faults { ignore_reset: true, ..Faults::default() });
    match rig.driver().set_power(PowerState::On).await.unwrap_err() {
        BmcError::NotDone { during, found, .. } => {
            assert_eq!((during, found.as_str()), (SET_POWER, "PowerState Off"));
        }
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_stale_power_state_is_waited_out() {
    let rig = Rig::new().await;
    rig.faults(Faults { stale_power: 5, ..Faults::default() });
    let bmc = Redfish::with_timing(
        &rig.endpoint(Some(rig.fingerprint)),
        Timing { power: Duration::from_secs(30), ..QUICK },
    );
    bmc.set_power(PowerState::On).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), PowerState::On);
}

/// A chassis that reads off once more though it is on: somebody else pressed the button in between.
struct PressedByAnother {
    inner: Arc<MemoryChassis>,
    asked: AtomicBool,
}

#[async_trait]
impl Chassis for PressedByAnother {
    async fn power(&self) -> Result<bool, ChassisError> {
        if !self.asked.swap(true, SeqCst) {
            return Ok(false);
        }
        self.inner.power().await
    }
    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        self.inner.set_power(on).await
    }
    async fn reset(&self) -> Result<(), ChassisError> {
        self.inner.reset().await
    }
    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.inner.shut_down().await
    }
    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        self.inner.boot().await
    }
    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.inner.set_boot(flags).await
    }
}

#[tokio::test]
async fn a_refusal_counts_only_if_it_is_not_so_already() {
    let inner = Arc::new(MemoryChassis::new());
    inner.set_power(true).await.unwrap();
    let behind = PressedByAnother { inner: inner.clone(), asked: AtomicBool::new(false) };
    let rig = Rig::serve(Arc::new(behind), inner, "127.0.0.1:0").await;
    let before = rig.controls.requests();
    rig.driver().set_power(PowerState::On).await.unwrap();
    // Root, login, list, system, the refused reset, system.
    assert_eq!(rig.controls.requests() - before, 6);
}

/// A chassis whose power supply is dead.
struct Dead;

#[async_trait]
impl Chassis for Dead {
    async fn power(&self) -> Result<bool, ChassisError> {
        Ok(false)
    }
    async fn set_power(&self, _on: bool) -> Result<(), ChassisError> {
        Err(ChassisError("power supply failure".into()))
    }
    async fn reset(&self) -> Result<(), ChassisError> {
        Err(ChassisError("power supply failure".into()))
    }
    async fn shut_down(&self) -> Result<(), ChassisError> {
        Ok(())
    }
    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(BootFlags::default())
    }
    async fn set_boot(&self, _flags: BootFlags) -> Result<(), ChassisError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_bmc() {
    let rig = Rig::serve(Arc::new(Dead), Arc::new(MemoryChassis::new()), "127.0.0.1:0").await;
    match rig.driver().set_power(PowerState::On).await.unwrap_err() {
        BmcError::Refused { during, answer, .. } => {
            assert_eq!(during, SET_POWER);
            assert!(answer.contains("500") && answer.contains("power supply failure"), "{answer}");
        }
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again_and_not_for_ever() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    let (logins, before) = (rig.controls.logins(), rig.controls.requests());
    rig.faults(Faults { unavailable: 2, ..Faults::default() });
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    assert_eq!(rig.controls.requests() - before, 3);
    rig.faults(Faults { unavailable: 2, ..Faults::default() });
    bmc.set_power(PowerState::On).await.unwrap();
    assert_eq!(rig.controls.logins(), logins);

    rig.faults(Faults { unavailable: 99, ..Faults::default() });
    let before = rig.controls.requests();
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Refused { answer, .. } if answer.contains("503")), "{error:?}");
    assert_eq!(rig.controls.requests() - before, 1 + timing::RETRIES as usize);
}

#[tokio::test]
async fn a_changed_resource_is_loaded_again_once() {
    let rig = Rig::new().await;
    let bmc = rig.driver();
    rig.faults(Faults { stale_etags: 1, ..Faults::default() });
    bmc.set_boot(PXE_ONCE).await.unwrap();
    rig.faults(Faults { stale_etags: 2, ..Faults::default() });
    let error = bmc.set_boot(PXE_ONCE).await.unwrap_err();
    assert!(matches!(&error, BmcError::Refused { answer, .. } if answer.contains("412")), "{error:?}");
    rig.faults(Faults { weak_etags: true, ..Faults::default() });
    let disk = BootOverride { target: BootTarget::Disk, ..PXE_ONCE };
    bmc.set_boot(disk).await.unwrap();
    assert_eq!(rig.chassis.boot().await.unwrap().device, Some(BootDevice::Disk));
}

#[tokio::test]
async fn reset_types_may_be_told_elsewhere() {
    let rig = Rig::new().await;
    rig.faults(Faults { action_info: true, ..Faults::default() });
    rig.driver().set_power(PowerState::On).await.unwrap();
    assert!(rig.is_on().await);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (rig, elsewhere) = (Rig::new().await, Rig::new().await);
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    rig.faults(Faults {
        redirect: Some(format!("https://{}/redfish/v1/", elsewhere.address)),
        ..Faults::default()
    });
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Protocol { what, .. } if what.contains("redirect")), "{error:?}");
    assert_eq!(elsewhere.controls.requests(), 0);
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let rig = Rig::new().await;
    rig.faults(Faults { padding: 3 * 1024 * 1024, ..Faults::default() });
    let bmc = rig.driver();
    bmc.power().await.unwrap();
    rig.faults(Faults { padding: 4 * 1024 * 1024, ..Faults::default() });
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Protocol { what, .. } if what.contains("larger")), "{error:?}");
}

#[tokio::test]
async fn no_answer_is_unreachable_never_off() {
    let rig = Rig::new().await;
    rig.faults(Faults { silent: true, ..Faults::default() });
    let timing = Timing { request: Duration::from_millis(200), ..QUICK };
    let silent = Redfish::with_timing(&rig.endpoint(Some(rig.fingerprint)), timing);
    let error = silent.power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "{error:?}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let nobody = Redfish::with_timing(&endpoint(address, "secret", None), QUICK);
    let error = nobody.power().await.unwrap_err();
    assert!(
        matches!(&error, BmcError::Unreachable { address: at, .. } if *at == address.to_string()),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_speaks_no_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plain = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Closing with bytes unread would reset the connection, and the answer be lost.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = Redfish::with_timing(&endpoint(address, "secret", None), QUICK).power().await.unwrap_err();
    assert!(matches!(&error, BmcError::NotABmc { what, .. } if what.contains("TLS")), "{error:?}");
    plain.abort();
}

#[tokio::test]
async fn an_address_is_an_address_only() {
    let mut odd = endpoint("127.0.0.1:1".parse().unwrap(), "secret", None);
    for host in ["a b", "user@host", "host/path", "host?x", "host#x", "", "a:b", "[::1", "host:1@other"] {
        odd.host = host.into();
        let error = Redfish::with_timing(&odd, QUICK).power().await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{host}: {error:?}");
    }
    odd.host = "::1".into();
    odd.port = None;
    assert_eq!(address(&odd), "[::1]:443");
}
