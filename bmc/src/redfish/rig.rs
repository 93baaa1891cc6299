//! For tests: a simulated BMC over TLS on loopback, generic or in the shapes of a maker, and drivers that talk to it.

use super::Redfish;
use super::timing::{QUICK, Timing};
use crate::{Credentials, Endpoint, KeeperAway, Protocol, SessionKeeper, Trust};
use async_trait::async_trait;
use bmc_mock::redfish::{Controls, Effect, Fault, Faults, Identity, Options, Parts, Profile, Server};
use bmc_mock::{Chassis, MemoryChassis};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

/// The UUID of the simulated system.
pub(super) const UUID: &str = "4c4c4544-0042-4a10-8051-b4c04f4d3333";

/// A running BMC, off.
pub(super) struct Rig {
    pub(super) chassis: Arc<MemoryChassis>,
    pub(super) controls: Arc<Controls>,
    pub(super) address: SocketAddr,
    pub(super) fingerprint: [u8; 32],
    /// A driver with short waits, not logged in yet.
    pub(super) redfish: Redfish,
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Rig {
    /// One of the generic profile.
    pub(super) async fn new() -> Self {
        Self::of(Profile::Generic).await
    }

    /// One of this profile.
    pub(super) async fn of(profile: Profile) -> Self {
        let chassis = Arc::new(MemoryChassis::new());
        let options = options(chassis.clone()).with_profile(profile);
        Self::start(&options, chassis, "127.0.0.1:0").await
    }

    /// One with this behind it.
    pub(super) async fn serve(behind: Arc<dyn Chassis>, chassis: Arc<MemoryChassis>, listen: &str) -> Self {
        Self::start(&options(behind), chassis, listen).await
    }

    /// One like this.
    pub(super) async fn start(options: &Options, chassis: Arc<MemoryChassis>, listen: &str) -> Self {
        let server = Server::start(listen.parse().unwrap(), options).await.expect("it listens");
        let (address, controls) = (server.local_addr(), server.controls());
        let fingerprint = server.certificate_sha256();
        let stop = CancellationToken::new();
        controls.watch();
        Self {
            chassis,
            controls,
            address,
            fingerprint,
            redfish: Redfish::with_timing(&endpoint(address, "secret", Some(fingerprint)), QUICK),
            stop: stop.clone().drop_guard(),
            task: tokio::spawn(server.run(stop)),
        }
    }

    /// Stops it and waits until its port is free.
    pub(super) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }

    pub(super) fn endpoint(&self, pin: Option<[u8; 32]>) -> Endpoint {
        endpoint(self.address, "secret", pin)
    }

    /// Another driver with short waits.
    pub(super) fn driver(&self) -> Redfish {
        self.driver_with(QUICK)
    }

    pub(super) fn driver_with(&self, timing: Timing) -> Redfish {
        Redfish::with_timing(&self.endpoint(Some(self.fingerprint)), timing)
    }

    /// A driver that remembers its session there.
    pub(super) fn driver_kept(&self, keeper: &Arc<Memory>) -> Redfish {
        let keeper = Some(Arc::clone(keeper) as Arc<dyn SessionKeeper>);
        Redfish::with_timing(&Endpoint { keeper, ..self.endpoint(Some(self.fingerprint)) }, QUICK)
    }

    pub(super) async fn is_on(&self) -> bool {
        self.chassis.power().await.unwrap()
    }

    pub(super) fn faults(&self, faults: Faults) {
        self.controls.set_faults(faults);
    }

    pub(super) fn parts(&self) -> &Parts {
        self.controls.parts()
    }

    /// What changes somebody sent, logins left out.
    pub(super) fn writes(&self) -> Vec<String> {
        let seen = self.controls.seen().into_iter();
        let writes = seen
            .filter(|seen| seen.method != "GET" && !seen.path.trim_end_matches('/').ends_with("/Sessions"));
        writes.map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    /// Every change at paths like this is answered as done and forgotten.
    pub(super) fn ignore(&self, path: &str) {
        for method in ["POST", "PATCH"] {
            self.controls.add_fault(Fault::new(Effect::Ignore).at(path).by(method));
        }
    }
}

/// A BMC with the usual user and this behind it.
pub(super) fn options(behind: Arc<dyn Chassis>) -> Options {
    let identity = Identity {
        name: "node".into(),
        uuid: UUID.to_uppercase(),
        macs: vec!["52:54:00:00:00:01".into()],
        model: "Model 1".into(),
    };
    Options::new("admin", "secret", behind, identity)
}

pub(super) fn endpoint(address: SocketAddr, password: &str, pin: Option<[u8; 32]>) -> Endpoint {
    Endpoint {
        protocol: Protocol::Redfish { trust: pin.map_or(Trust::FirstUse, Trust::Pinned) },
        host: address.ip().to_string(),
        port: Some(address.port()),
        credentials: Credentials {
            username: "admin".into(),
            password: password.to_owned().into(),
            bmc_key: None,
        },
        keeper: None,
    }
}

/// A keeper that outlives drivers, and whether it is away.
#[derive(Default)]
pub(super) struct Memory(pub(super) Mutex<Option<String>>, pub(super) AtomicBool);

impl Memory {
    /// It answers nothing, or does again.
    pub(super) fn set_away(&self, away: bool) {
        self.1.store(away, Ordering::SeqCst);
    }

    fn here(&self) -> Result<(), KeeperAway> {
        if self.1.load(Ordering::SeqCst) { Err(KeeperAway) } else { Ok(()) }
    }
}

#[async_trait]
impl SessionKeeper for Memory {
    async fn load(&self) -> Result<Option<Zeroizing<String>>, KeeperAway> {
        self.here()?;
        Ok(self.0.lock().unwrap().clone().map(Zeroizing::new))
    }

    async fn save(&self, session: Option<&str>) -> Result<(), KeeperAway> {
        self.here()?;
        *self.0.lock().unwrap() = session.map(str::to_owned);
        Ok(())
    }
}
