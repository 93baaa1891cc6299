//! The driver against the simulated BMC, through a lossy relay, and against OpenIPMI's ipmi_sim.

use super::*;
use crate::Drivers;
use crate::driver::{BootMode, BootTarget, Credentials, Persistence, Privilege, Protocol};
use bmc_mock::ipmi::{CipherSuite as Suite, Control, Identity, Server, User};
use bmc_mock::{BootFlags, Chassis, ChassisError, MemoryChassis};
use bmc_proto::ipmi::Retransmission;
use bmc_proto::ipmi::command::boot::{BootFlags as BmcFlags, Device};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

const NAME: &str = "admin";
const PASSWORD: &str = "correct-horse";
const UUID: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0x4D, 0xEF, 0x81, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];
const BOTH: [Cipher; 2] = [Cipher::Suite17, Cipher::Suite3];
const NETWORK_ONCE: BootOverride =
    BootOverride { target: BootTarget::Network, persistence: Persistence::Once, mode: Some(BootMode::Uefi) };

/// Quick enough for tests, slow enough for a loaded machine.
fn quick() -> Timing {
    Timing {
        retransmission: Retransmission { interval: Duration::from_millis(100), tries: 5 },
        call: Duration::from_secs(10),
        busy: Duration::from_millis(5),
        full: Duration::from_millis(50),
        poll: Duration::from_millis(20),
        confirm: Duration::from_millis(5),
        power: Duration::from_millis(300),
        insist: Duration::from_millis(100),
        idle: Duration::from_secs(30),
        keep_alive: Duration::from_secs(25),
    }
}

fn endpoint(port: u16, cipher: Cipher, username: &str, password: &str) -> Endpoint {
    Endpoint {
        protocol: Protocol::Ipmi { cipher, privilege: Privilege::default() },
        host: "127.0.0.1".into(),
        port: Some(port),
        credentials: Credentials {
            username: username.into(),
            password: Zeroizing::new(password.into()),
            bmc_key: None,
        },
        keeper: None,
    }
}

fn driver(port: u16, cipher: Cipher) -> Ipmi {
    Ipmi::with_timing(endpoint(port, cipher, NAME, PASSWORD), cipher, quick())
}

/// A simulated BMC that runs.
struct Rig {
    port: u16,
    control: Control,
    shutdown: CancellationToken,
    running: JoinHandle<std::io::Result<()>>,
}

impl Rig {
    async fn new() -> Self {
        Self::with(Arc::new(MemoryChassis::new())).await
    }

    async fn with(chassis: Arc<dyn Chassis>) -> Self {
        Self::at(0, chassis, &Suite::ALL).await
    }

    async fn at(port: u16, chassis: Arc<dyn Chassis>, suites: &[Suite]) -> Self {
        let users = vec![User::administrator(NAME, PASSWORD), User::operator("watch", PASSWORD)];
        let suites = suites.to_vec();
        Self::of(port, Identity { suites, ..Identity::new(users, chassis, UUID) })
    }

    fn of(port: u16, identity: Identity) -> Self {
        let server = Server::new(([127, 0, 0, 1], port).into(), identity).unwrap();
        let (port, control) = (server.local_addr().unwrap().port(), server.control());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(server.run(shutdown.clone()));
        Self { port, control, shutdown, running }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Waits until it is so, for 10 s at most.
async fn until(what: impl Fn() -> bool) {
    let soon = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), soon).await.expect("never so");
}

#[tokio::test]
async fn the_whole_trait_works_in_one_session() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let bmc = Drivers::default().connect(endpoint(rig.port, cipher, NAME, PASSWORD));
        let info = bmc.info().await.unwrap();
        assert_eq!(info.system_uuid.as_deref(), Some("12345678-9abc-4def-8123-456789abcdef"));
        assert_eq!(info.firmware.as_deref(), Some("1.00"));

        assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
        for target in [PowerState::On, PowerState::On, PowerState::Off, PowerState::Off] {
            bmc.set_power(target).await.unwrap();
            assert_eq!(bmc.power().await.unwrap(), target);
        }

        let none = BootOverride { target: BootTarget::Default, persistence: Persistence::Once, mode: None };
        assert_eq!(bmc.boot().await.unwrap(), Some(none.clone()));
        let disk = BootOverride {
            target: BootTarget::Disk,
            persistence: Persistence::Persistent,
            mode: Some(BootMode::Bios),
        };
        for boot in [NETWORK_ONCE, disk.clone(), NETWORK_ONCE] {
            bmc.set_boot(boot.clone()).await.unwrap();
            assert_eq!(bmc.boot().await.unwrap(), Some(boot));
        }
        // The mode stays when it isn't said.
        bmc.set_boot(BootOverride { mode: None, ..disk.clone() }).await.unwrap();
        assert_eq!(bmc.boot().await.unwrap(), Some(BootOverride { mode: Some(BootMode::Uefi), ..disk }));
        bmc.set_boot(none.clone()).await.unwrap();
        assert_eq!(bmc.boot().await.unwrap(), Some(none));

        assert_eq!((rig.control.logins(), rig.control.open_sessions()), (1, 1));
        bmc.close().await;
        assert_eq!(rig.control.open_sessions(), 0);
        bmc.power().await.unwrap();
        assert_eq!(rig.control.logins(), 2);
        rig.stop().await;
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_as_such() {
    let rig = Rig::new().await;
    for cipher in BOTH {
        for (name, password) in [(NAME, "canary-8472"), ("nobody", "canary-8472"), ("watch", "")] {
            let bmc = Ipmi::with_timing(endpoint(rig.port, cipher, name, password), cipher, quick());
            let error = bmc.power().await.unwrap_err();
            assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{name}: {error}");
            assert!(!format!("{error:?} {error}").contains("canary"), "{error}");
        }
    }
    assert_eq!(rig.control.logins(), 0);
    let long = "x".repeat(21);
    let bmc = Ipmi::with_timing(endpoint(rig.port, Cipher::Suite3, NAME, &long), Cipher::Suite3, quick());
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains("20 bytes")), "{error}");
    assert!(!error.to_string().contains(&long));
    rig.stop().await;
}

#[tokio::test]
async fn an_operator_may_switch_the_power() {
    let rig = Rig::new().await;
    let cipher = Cipher::Suite17;
    let bmc = Ipmi::with_timing(endpoint(rig.port, cipher, "watch", PASSWORD), cipher, quick());
    bmc.set_power(PowerState::On).await.unwrap();
    bmc.set_boot(NETWORK_ONCE).await.unwrap();
    rig.stop().await;
}

#[tokio::test]
async fn a_missing_suite_is_not_replaced_by_a_weaker_one() {
    let chassis = Arc::new(MemoryChassis::new());
    let rig = Rig::at(0, chassis.clone(), &[Suite::Three]).await;
    let error = driver(rig.port, Cipher::Suite17).power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains("`-C 3`")), "{error}");
    assert_eq!(rig.control.logins(), 0);
    driver(rig.port, Cipher::Suite3).power().await.unwrap();
    rig.stop().await;

    let rig = Rig::at(0, chassis, &[Suite::Seventeen]).await;
    let error = driver(rig.port, Cipher::Suite3).power().await.unwrap_err();
    assert!(matches!(&error, BmcError::Unsupported { what, .. } if what.contains("`-C 3`")), "{error}");
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_session_is_opened_anew_once() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    bmc.power().await.unwrap();
    rig.control.forget_sessions();
    bmc.set_power(PowerState::On).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), PowerState::On);
    assert_eq!(rig.control.logins(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_bmc_that_goes_and_comes_back() {
    let chassis = Arc::new(MemoryChassis::new());
    let rig = Rig::with(chassis.clone()).await;
    let (port, bmc) = (rig.port, driver(rig.port, Cipher::Suite17));
    bmc.set_power(PowerState::On).await.unwrap();
    rig.stop().await;
    // The port is closed now, and nothing says that the machine is off.
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
    let rig = Rig::at(port, chassis, &Suite::ALL).await;
    assert_eq!(bmc.power().await.unwrap(), PowerState::On);
    rig.stop().await;
}

#[tokio::test]
async fn silence_is_bounded() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let bmc = driver(silent.local_addr().unwrap().port(), Cipher::Suite17);
    let begin = Instant::now();
    let error = bmc.set_boot(NETWORK_ONCE).await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    let hasty = Timing { call: Duration::from_millis(300), ..quick() };
    let endpoint = endpoint(silent.local_addr().unwrap().port(), Cipher::Suite3, NAME, PASSWORD);
    let bmc = Ipmi::with_timing(endpoint, Cipher::Suite3, hasty);
    assert!(matches!(bmc.power().await.unwrap_err(), BmcError::Unreachable { .. }));
}

/// Hands datagrams on between one client and the BMC, and loses each that `lose` says (counted over both ways).
async fn relay(
    bmc: u16,
    lose: impl Fn(usize) -> bool + Send + 'static,
) -> (u16, JoinHandle<()>, Arc<AtomicUsize>) {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    back.connect(("127.0.0.1", bmc)).await.unwrap();
    let port = front.local_addr().unwrap().port();
    let lost = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lost);
    let task = tokio::spawn(async move {
        let (mut there, mut here) = ([0; 2048], [0; 2048]);
        let mut client = None;
        for number in 0.. {
            let (datagram, to_bmc) = tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    client = Some(from);
                    (&there[..length], true)
                }
                Ok(length) = back.recv(&mut here) => (&here[..length], false),
            };
            if lose(number) {
                counter.fetch_add(1, Ordering::Relaxed);
            } else if to_bmc {
                back.send(datagram).await.unwrap();
            } else if let Some(client) = client {
                front.send_to(datagram, client).await.unwrap();
            }
        }
    });
    (port, task, lost)
}

#[tokio::test]
async fn lost_datagrams_are_made_good() {
    for cipher in BOTH {
        let rig = Rig::new().await;
        let (port, relay, lost) = relay(rig.port, |number| number % 4 == 1).await;
        let timing = Timing {
            retransmission: Retransmission { interval: Duration::from_millis(40), tries: 8 },
            power: Duration::from_secs(5),
            ..quick()
        };
        let bmc = Ipmi::with_timing(endpoint(port, cipher, NAME, PASSWORD), cipher, timing);
        for target in [PowerState::On, PowerState::Off] {
            bmc.set_power(target).await.unwrap();
            assert_eq!(bmc.power().await.unwrap(), target);
        }
        bmc.set_boot(NETWORK_ONCE).await.unwrap();
        assert_eq!(bmc.boot().await.unwrap(), Some(NETWORK_ONCE));
        assert!(lost.load(Ordering::Relaxed) > 5);
        relay.abort();
        rig.stop().await;
    }
}

#[tokio::test]
async fn busy_is_asked_again_and_refusals_are_told() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    rig.control.refuse_next(&[0xC0, 0xC3, 0xD2]);
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    rig.control.refuse_next(&[0xC0; 4]);
    let error = bmc.power().await.unwrap_err();
    assert!(error.to_string().contains("0xC0 (node busy)"), "{error}");
    rig.control.refuse_next(&[0xD4]);
    assert!(matches!(bmc.power().await.unwrap_err(), BmcError::AuthenticationFailed { .. }));
    // The options around the flags may be unknown, the flags may not.
    rig.control.refuse_next(&[0x80, 0x80, 0x80]);
    bmc.set_boot(NETWORK_ONCE).await.unwrap();
    rig.control.refuse_next(&[0x80, 0x80, 0x80, 0x80]);
    assert!(matches!(bmc.set_boot(NETWORK_ONCE).await.unwrap_err(), BmcError::Refused { .. }));
    assert_eq!(rig.control.logins(), 1);
    rig.stop().await;
}

/// Says yes and does nothing.
struct Liar;

#[async_trait]
impl Chassis for Liar {
    async fn power(&self) -> Result<bool, ChassisError> {
        Ok(false)
    }
    async fn set_power(&self, _: bool) -> Result<(), ChassisError> {
        Ok(())
    }
    async fn reset(&self) -> Result<(), ChassisError> {
        Ok(())
    }
    async fn shut_down(&self) -> Result<(), ChassisError> {
        Ok(())
    }
    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        Ok(BootFlags::default())
    }
    async fn set_boot(&self, _: BootFlags) -> Result<(), ChassisError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_not_so_is_not_done() {
    let rig = Rig::with(Arc::new(Liar)).await;
    let bmc = driver(rig.port, Cipher::Suite17);
    let error = bmc.set_power(PowerState::On).await.unwrap_err();
    assert!(matches!(&error, BmcError::NotDone { found, .. } if found == "off"), "{error}");
    let error = bmc.set_boot(NETWORK_ONCE).await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_valid_bit_is_tolerated_another_device_is_not() {
    let bmc = driver(1, Cipher::Suite17);
    let flags = |valid, device| BmcFlags { valid, persistent: valid, efi: valid, device };
    let (network, disk, none) = (Device::Network, Device::Disk, Device::None);
    let table = [
        (flags(true, network), flags(true, network), true),
        (flags(true, network), flags(false, network), true),
        (flags(true, network), flags(true, disk), false),
        (flags(true, network), flags(false, none), false),
        (flags(false, none), flags(false, none), true),
        (flags(false, none), flags(false, disk), true),
        (flags(false, none), flags(true, disk), false),
    ];
    for (wanted, found, fine) in table {
        assert_eq!(bmc.compare(wanted, found).is_ok(), fine, "{wanted:?} {found:?}");
    }
}

#[tokio::test]
async fn idle_and_abandoned_sessions_are_closed() {
    let rig = Rig::new().await;
    let timing = Timing { idle: Duration::from_millis(50), ..quick() };
    let cipher = Cipher::Suite17;
    let idle = Ipmi::with_timing(endpoint(rig.port, cipher, NAME, PASSWORD), cipher, timing);
    for logins in 1..3 {
        idle.power().await.unwrap();
        assert_eq!(rig.control.logins(), logins);
        until(|| rig.control.open_sessions() == 0).await;
    }
    let abandoned = driver(rig.port, cipher);
    abandoned.power().await.unwrap();
    assert_eq!(rig.control.open_sessions(), 1);
    drop(abandoned);
    until(|| rig.control.open_sessions() == 0).await;
    rig.stop().await;
}

/// Tells its power only when it is let to.
struct Slow {
    inner: MemoryChassis,
    gate: Semaphore,
}

#[async_trait]
impl Chassis for Slow {
    async fn power(&self) -> Result<bool, ChassisError> {
        self.gate.acquire().await.unwrap().forget();
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
async fn a_call_that_was_dropped_does_not_disturb_the_next() {
    let slow = Arc::new(Slow { inner: MemoryChassis::new(), gate: Semaphore::new(1) });
    let rig = Rig::with(slow.clone()).await;
    let bmc = driver(rig.port, Cipher::Suite17);
    bmc.power().await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(50), bmc.power()).await;
    assert!(dropped.is_err(), "the gate was open");
    // Now the answer to the dropped call comes late, while another one is awaited.
    slow.inner.set_power(true).await.unwrap();
    slow.gate.add_permits(10);
    bmc.set_boot(NETWORK_ONCE).await.unwrap();
    assert_eq!(bmc.boot().await.unwrap(), Some(NETWORK_ONCE));
    assert_eq!(bmc.power().await.unwrap(), PowerState::On);
    assert_eq!(rig.control.logins(), 1);
    rig.stop().await;
}

mod console;
mod errors;
mod fleet;
mod ipmi_sim;
mod power;
mod sessions;
mod settings;
mod storage;
