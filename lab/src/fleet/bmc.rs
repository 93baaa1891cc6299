//! The BMCs of a fleet: thousands behind one UDP port (IPMI) and one TCP port (Redfish), an address of 127.0.0.0/8 each;
//! and what goes wrong with them, by the names that scenarios use.
//!
//! What a BMC controls is `sim::chassis`; what BMCs say is `bmc_mock`.

use anyhow::{Context as _, Result};
use bmc_mock::redfish::{Certificate, Controls, Effect, Fault, Profile};
use bmc_mock::{Chassis, ipmi, redfish};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The user of every BMC.
pub(super) const USER: &str = "admin";
/// Its password. Nothing but a simulated BMC has it.
pub(super) const PASSWORD: &str = "s3cret-of-bmc";

/// IPMI: 127.128.0.0/16 and on; Redfish: 127.192.0.0/16 and on. The number of the machine counts from 1.
const IPMI_FIRST: u32 = u32::from_be_bytes([127, 128, 0, 1]);
const REDFISH_FIRST: u32 = u32::from_be_bytes([127, 192, 0, 1]);

/// How long a slow BMC takes for an answer, and a lying one lies.
const LONG: Duration = Duration::from_secs(5);
/// How long `dead-30s` lasts.
const DEAD: Duration = Duration::from_secs(30);
/// Readings for which a lying Redfish BMC lies.
const STALE_READINGS: u32 = 5;
/// IPMI's completion code "node busy" (table 5-2), and how often it is answered in the place of 503.
const BUSY: [u8; 8] = [0xc0; 8];

/// A protocol of BMCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// IPMI 2.0.
    Ipmi,
    /// Redfish.
    Redfish,
}

/// What goes wrong with a BMC, named as in scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BmcFault {
    /// `dead`: it answers nothing.
    Dead,
    /// `dead-30s`: the same, for half a minute at the most.
    DeadForAWhile,
    /// `stale-power`: after each change of power it goes on telling the old state for a while.
    StalePower,
    /// `ignores-boot`: it says yes to boot flags and forgets them.
    IgnoresBoot,
    /// `503`: it is too busy for anything (IPMI: for some commands).
    Busy,
    /// `slow-5s`: each answer takes five seconds.
    Slow,
    /// `no-sessions`: all its sessions are taken.
    NoSessions,
}

impl BmcFault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Dead,
        Self::DeadForAWhile,
        Self::StalePower,
        Self::IgnoresBoot,
        Self::Busy,
        Self::Slow,
        Self::NoSessions,
    ];

    /// Its name in scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::DeadForAWhile => "dead-30s",
            Self::StalePower => "stale-power",
            Self::IgnoresBoot => "ignores-boot",
            Self::Busy => "503",
            Self::Slow => "slow-5s",
            Self::NoSessions => "no-sessions",
        }
    }
}

impl fmt::Display for BmcFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such fault.
#[derive(Debug, thiserror::Error)]
#[error(
    "BMCs have no fault `{0}`; there are dead, dead-30s, stale-power, ignores-boot, 503, slow-5s and no-sessions"
)]
pub struct NoSuchBmcFault(String);

impl FromStr for BmcFault {
    type Err = NoSuchBmcFault;

    fn from_str(name: &str) -> Result<Self, NoSuchBmcFault> {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| NoSuchBmcFault(name.to_owned()))
    }
}

/// What a BMC says that its machine is.
pub(super) struct Nameplate<'a> {
    pub(super) number: u32,
    pub(super) name: &'a str,
    pub(super) uuid: [u8; 16],
    pub(super) mac: String,
}

/// A BMC of the fleet's, to look at and to disturb.
pub(super) enum Bmc {
    Ipmi { address: SocketAddr, control: ipmi::Control },
    Redfish { address: SocketAddr, controls: Arc<Controls> },
}

/// All BMCs of a fleet.
pub(super) struct Bmcs {
    ipmi: Arc<ipmi::Fleet>,
    redfish: redfish::Fleet,
    ipmi_port: u16,
    redfish_port: u16,
    ipmi_user: ipmi::User,
}

impl Bmcs {
    /// Takes two free ports on all addresses: that is how the system tells which address of its own was called.
    pub(super) async fn bind() -> Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let ipmi = ipmi::Fleet::bind(any).context("the IPMI BMCs can't listen")?;
        let redfish = redfish::Fleet::bind(any, Some(&Certificate::own())).await?;
        let (ipmi_port, redfish_port) = (ipmi.local_addr()?.port(), redfish.local_addr().port());
        let ipmi_user = ipmi::User::administrator(USER, PASSWORD);
        Ok(Self { ipmi: Arc::new(ipmi), redfish, ipmi_port, redfish_port, ipmi_user })
    }

    /// Adds a BMC.
    pub(super) fn add(&self, plate: &Nameplate<'_>, protocol: Protocol, chassis: Arc<dyn Chassis>) -> Bmc {
        match protocol {
            Protocol::Ipmi => {
                let ip = Ipv4Addr::from(IPMI_FIRST + plate.number);
                let identity = ipmi::Identity::new(vec![self.ipmi_user.clone()], chassis, plate.uuid);
                let serial = format!("SIM{:06}", plate.number);
                let identity = identity.with_product("Billet", "simulated machine", &serial);
                let control = self.ipmi.add(IpAddr::V4(ip), identity);
                Bmc::Ipmi { address: SocketAddr::from((ip, self.ipmi_port)), control }
            }
            Protocol::Redfish => {
                let ip = Ipv4Addr::from(REDFISH_FIRST + plate.number);
                let identity = redfish::Identity {
                    name: plate.name.to_owned(),
                    uuid: uuid::Uuid::from_bytes(plate.uuid).to_string(),
                    macs: vec![plate.mac.clone()],
                    model: "simulated machine".into(),
                };
                let profile = Profile::ALL[plate.number as usize % Profile::ALL.len()];
                let options = redfish::Options::new(USER, PASSWORD, chassis, identity).with_profile(profile);
                let controls = self.redfish.add(IpAddr::V4(ip), &options);
                Bmc::Redfish { address: SocketAddr::from((ip, self.redfish_port)), controls }
            }
        }
    }

    /// Lets them answer until `stop`.
    pub(super) fn run(self, stop: &CancellationToken) {
        let ipmi = self.ipmi;
        tokio::spawn({
            let stop = stop.clone();
            async move {
                if let Err(error) = ipmi.run(stop).await {
                    tracing::error!(%error, "the simulated IPMI BMCs ended");
                }
            }
        });
        tokio::spawn(self.redfish.run(stop.clone()));
    }
}

impl Bmc {
    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Ipmi { .. } => Protocol::Ipmi,
            Self::Redfish { .. } => Protocol::Redfish,
        }
    }

    /// Where it is reached.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Ipmi { address, .. } | Self::Redfish { address, .. } => *address,
        }
    }

    /// How many sessions are open.
    pub(super) fn sessions(&self) -> usize {
        match self {
            Self::Ipmi { control, .. } => control.open_sessions(),
            Self::Redfish { controls, .. } => controls.sessions(),
        }
    }

    /// How many logins are begun and not finished.
    pub(super) fn half_open(&self) -> usize {
        match self {
            Self::Ipmi { control, .. } => control.half_open_sessions(),
            Self::Redfish { .. } => 0,
        }
    }

    /// Forgets its sessions: it lost its power.
    pub(super) fn forget_sessions(&self) {
        match self {
            Self::Ipmi { control, .. } => control.forget_sessions(),
            Self::Redfish { controls, .. } => controls.drop_sessions(),
        }
    }

    /// Does all of this wrong from now on, and nothing else.
    fn misbehave(&self, faults: &BTreeSet<BmcFault>) {
        let has = |fault| faults.contains(&fault);
        let dead = has(BmcFault::Dead) || has(BmcFault::DeadForAWhile);
        match self {
            Self::Ipmi { control, .. } => {
                control.set_limits(|limits| {
                    limits.sessions =
                        if has(BmcFault::NoSessions) { 0 } else { ipmi::Limits::default().sessions };
                });
                control.set_faults(ipmi::Faults {
                    lost_requests: if dead { ipmi::Share::Every(1) } else { ipmi::Share::Never },
                    slow: if has(BmcFault::Slow) { LONG } else { Duration::ZERO },
                    stale_power: has(BmcFault::StalePower).then_some(ipmi::Stale::For(LONG)),
                    ignores_boot_flags: has(BmcFault::IgnoresBoot),
                    ..ipmi::Faults::default()
                });
                if has(BmcFault::Busy) {
                    control.refuse_next(&BUSY);
                }
            }
            Self::Redfish { controls, .. } => {
                controls.clear_faults();
                controls.set_faults(redfish::Faults {
                    silent: dead,
                    unavailable: if has(BmcFault::Busy) { u32::MAX } else { 0 },
                    session_cap: has(BmcFault::NoSessions).then_some(0),
                    stale_power: if has(BmcFault::StalePower) { STALE_READINGS } else { 0 },
                    ignore_boot: has(BmcFault::IgnoresBoot),
                    ..redfish::Faults::default()
                });
                if has(BmcFault::Slow) {
                    controls.add_fault(Fault::new(Effect::Delay(LONG)));
                }
                if dead {
                    controls.cut_connections();
                }
            }
        }
    }
}

/// What is wrong with which BMC.
#[derive(Default)]
pub(super) struct Troubles(Mutex<BTreeMap<u32, BTreeSet<BmcFault>>>);

impl Troubles {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u32, BTreeSet<BmcFault>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault of a machine's BMC begins or ends. Needs a runtime.
    pub(super) fn set(this: &Arc<Self>, number: u32, bmc: &Arc<Bmc>, fault: BmcFault, on: bool) {
        {
            let mut all = this.all();
            let faults = all.entry(number).or_default();
            let changed = if on { faults.insert(fault) } else { faults.remove(&fault) };
            if !changed {
                return;
            }
            bmc.misbehave(faults);
            if faults.is_empty() {
                all.remove(&number);
            }
        }
        if on && fault == BmcFault::DeadForAWhile {
            let (troubles, bmc): (Weak<Self>, Weak<Bmc>) = (Arc::downgrade(this), Arc::downgrade(bmc));
            tokio::spawn(async move {
                tokio::time::sleep(DEAD).await;
                if let (Some(troubles), Some(bmc)) = (troubles.upgrade(), bmc.upgrade()) {
                    Self::set(&troubles, number, &bmc, fault, false);
                }
            });
        }
    }
}
