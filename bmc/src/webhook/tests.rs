//! The driver against a simulated service, over TLS on loopback.

use super::*;
use bmc_mock::webhook::{Faults, Webhook as Service};
use bmc_mock::{BootDevice, Chassis as _, MemoryChassis};
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

/// Waits that a test can afford. They bound failures only.
const QUICK: Timing = Timing {
    connect: Duration::from_secs(30),
    request: Duration::from_secs(30),
    settle: Duration::from_millis(20),
    poll: Duration::from_millis(1),
};

struct Rig {
    service: Service,
    chassis: Arc<MemoryChassis>,
    _stop: DropGuard,
}

impl Rig {
    async fn new() -> Self {
        let stop = CancellationToken::new();
        let chassis = Arc::new(MemoryChassis::new());
        let login = Some(("ops", "s3cret"));
        let service = Service::serve(chassis.clone(), login, stop.clone()).await.unwrap();
        Self { service, chassis, _stop: stop.drop_guard() }
    }

    fn driver_with(&self, trust: &Trust, password: &str) -> Webhook {
        Webhook::with_timing(&self.service.url(), trust, login("ops", password), QUICK)
    }

    fn driver(&self) -> Webhook {
        self.driver_with(&Trust::Pinned(self.service.certificate_sha256()), "s3cret")
    }
}

fn login(username: &str, password: &str) -> Credentials {
    Credentials { username: username.into(), password: Zeroizing::new(password.into()), bmc_key: None }
}

fn boot(target: BootTarget, persistence: Persistence) -> BootOverride {
    BootOverride { target, persistence, mode: None }
}

#[tokio::test]
async fn it_switches_and_reads_back() {
    let rig = Rig::new().await;
    let driver = rig.driver();
    assert_eq!(driver.power().await.unwrap(), PowerState::Off);
    for target in [PowerState::On, PowerState::On, PowerState::Off] {
        driver.set_power(target).await.unwrap();
        assert_eq!(rig.chassis.power().await.unwrap(), target == PowerState::On);
    }
    driver.set_boot(boot(BootTarget::Network, Persistence::Once)).await.unwrap();
    assert_eq!(rig.chassis.boot().await.unwrap().device, Some(BootDevice::Network));
    let disk = boot(BootTarget::Disk, Persistence::Persistent);
    driver.set_boot(disk.clone()).await.unwrap();
    assert_eq!(driver.boot().await.unwrap(), Some(disk));
    let info = driver.info().await.unwrap();
    assert_eq!(info.tls_sha256, Some(rig.service.certificate_sha256()));
    let error =
        driver.set_boot(boot(BootTarget::UefiDevice("x".into()), Persistence::Once)).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn yes_is_not_believed() {
    let rig = Rig::new().await;
    rig.service.set_faults(Faults { ignores: true, ..Faults::default() });
    let driver = rig.driver();
    let error = driver.set_power(PowerState::On).await.unwrap_err();
    assert!(matches!(&error, BmcError::NotDone { found, .. } if found == "off"), "{error}");
    let error = driver.set_boot(boot(BootTarget::Network, Persistence::Once)).await.unwrap_err();
    assert!(matches!(&error, BmcError::NotDone { found, .. } if found == "none"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_is_told_apart() {
    let rig = Rig::new().await;
    let pinned = Trust::Pinned(rig.service.certificate_sha256());
    let error = rig.driver_with(&pinned, "wrong").power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    let error = rig.driver_with(&Trust::Pinned([7; 32]), "s3cret").power().await.unwrap_err();
    assert!(matches!(error, BmcError::WrongCertificate { .. }), "{error}");
    rig.driver_with(&Trust::FirstUse, "s3cret").power().await.unwrap();
    let driver = rig.driver();
    for (faults, told) in [
        (Faults { status: Some(500), ..Faults::default() }, "500 Internal Server Error: out of order"),
        (Faults { status: Some(302), ..Faults::default() }, "redirects are not followed"),
        (Faults { endless: true, ..Faults::default() }, "larger than"),
    ] {
        rig.service.set_faults(faults);
        let error = driver.power().await.unwrap_err().to_string();
        assert!(error.contains(told), "{faults:?}: {error}");
    }
    rig.service.set_faults(Faults { without_boot: true, ..Faults::default() });
    assert_eq!(driver.boot().await.unwrap(), None);
    let error = driver.set_boot(boot(BootTarget::Disk, Persistence::Once)).await.unwrap_err();
    assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
    drop(rig);
}

#[tokio::test]
async fn only_https_and_nothing_but_a_place() {
    for (url, told) in [
        ("http://127.0.0.1/hook", "plain http"),
        ("https://a:b@127.0.0.1/hook", "host, port and path only"),
        ("https://127.0.0.1/hook?x=1", "host, port and path only"),
        ("nowhere", "URL is none"),
    ] {
        let error = Webhook::new(url, &Trust::FirstUse, login("", "")).power().await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{url}: {error}");
        assert!(error.to_string().contains(told), "{url}: {error}");
    }
}

#[tokio::test]
async fn silence_is_never_off() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("https://{gone}/hook");
    let error = Webhook::new(&url, &Trust::FirstUse, login("", "")).power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. } | BmcError::NotABmc { .. }), "{error}");
}

/// What the service sends stands in errors: without what a terminal obeys, without our password, and cut.
#[test]
fn a_hostile_answer_is_harmless_in_an_error() {
    let webhook =
        Webhook::with_timing("https://127.0.0.1:1/m1", &Trust::FirstUse, login("ops", "s3cret"), QUICK);
    let word = format!("\\u001b[2J s3cret {}", "x".repeat(10_000));
    let body = format!(r#"{{"power":"{word}"}}"#);
    let parsed = webhook.parse::<Power>(body.as_bytes(), READ_POWER).unwrap_err();
    let refused = webhook.judge(StatusCode::IM_A_TEAPOT, b"s3cret is \x1b[2J wrong", READ_POWER).unwrap_err();
    for error in [parsed, refused] {
        let told = error.to_string();
        assert!(told.len() < 500 && told.contains("***"), "{told}");
        assert!(!told.contains("s3cret") && !told.contains(char::is_control), "{told}");
    }
}

proptest::proptest! {
    #[test]
    fn any_answer_is_judged(status in 100u16..1000, body in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let webhook = Webhook::with_timing("webhook+https://127.0.0.1:1/m1", &Trust::FirstUse, login("ops", "pw"), QUICK);
        let status = StatusCode::from_u16(status).unwrap();
        let judged = webhook.judge(status, &body, READ_BOOT);
        proptest::prop_assert_eq!(judged.is_ok(), status.is_success());
        if let Err(error) = judged {
            let sentence = error.to_string();
            proptest::prop_assert!(sentence.chars().count() < 500 && !sentence.contains(char::is_control), "{sentence}");
        }
        if let Ok(power) = webhook.parse::<Power>(&body, READ_BOOT) {
            let written = serde_json::to_vec(&power).unwrap();
            proptest::prop_assert_eq!(webhook.parse::<Power>(&written, READ_BOOT).unwrap().power, power.power);
        }
    }
}
