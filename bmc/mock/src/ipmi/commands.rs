//! What a simulated BMC does inside a session: who may, and which part of it does it.

use super::admin::Admin;
use super::boot::BootOptions;
use super::faults::Faulty;
use super::group::{Done, Group, Outbox, PayloadGroup, Request, answer, lock, refuse};
use super::identity::Identity;
use super::lan::LanIdentity;
use super::power::{self, PowerUnit};
use super::privileges;
use super::sol::Sol;
use super::storage::{Hardware, Storage};
use super::users::UserTable;
use crate::Chassis;
use bmc_proto::ipmi::command::boot;
use bmc_proto::ipmi::command::identify::LampState;
use bmc_proto::ipmi::message::LanMessage;
use bmc_proto::ipmi::{Answer, CipherSuite, NetFn};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const GET_DEVICE_ID: u8 = 0x01;

/// The commands of one BMC.
pub(super) struct Commands {
    power: PowerUnit,
    boot: BootOptions,
    maker: (u32, u16),
    seed: Seed,
    /// Made when first needed: of ten thousand BMCs few are asked for more than their power.
    groups: OnceLock<Groups>,
}

/// What the groups are made of.
struct Seed {
    users: Arc<Mutex<UserTable>>,
    lan: LanIdentity,
    hardware: Hardware,
    suites: Vec<CipherSuite>,
    outbox: Outbox,
}

/// Everything that is a file of its own.
struct Groups {
    admin: Arc<Admin>,
    sol: Arc<Sol>,
    storage: Arc<Storage>,
    /// Asked in turn.
    commands: Vec<Arc<dyn Group>>,
    /// Serial over LAN.
    payloads: Option<Arc<dyn PayloadGroup>>,
}

impl Seed {
    fn grow(&self, chassis: &Arc<dyn Chassis>) -> Groups {
        let suites = self.suites.iter().map(|suite| suite.id()).collect();
        let admin =
            Arc::new(Admin::new(Arc::clone(&self.users), self.lan.clone(), suites, Arc::clone(chassis)));
        let sol = Sol::new(Arc::clone(chassis), self.outbox.clone());
        let payloads: Option<Arc<dyn PayloadGroup>> = Some(sol.clone());
        let storage = Arc::new(Storage::new(&self.hardware));
        Groups { commands: vec![admin.clone(), sol.clone(), storage.clone()], admin, sol, storage, payloads }
    }
}

/// A request, and what goes with it.
pub(super) struct Call<'a> {
    pub(super) request: &'a LanMessage,
    pub(super) session: u32,
    pub(super) privilege: u8,
    pub(super) now: Duration,
    /// How long boot flags hold without a power command.
    pub(super) hold: Duration,
    pub(super) faults: &'a Mutex<Option<Box<Faulty>>>,
}

impl Call<'_> {
    pub(super) fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// What a faulty BMC does; `None` for one that isn't.
    pub(super) fn faulty<T>(&self, act: impl FnOnce(&mut Faulty) -> T) -> Option<T> {
        lock(self.faults).as_deref_mut().map(act)
    }
}

impl Commands {
    pub(super) fn new(identity: Identity, users: Arc<Mutex<UserTable>>, outbox: Outbox) -> Self {
        Self {
            boot: BootOptions::default(),
            power: PowerUnit::new(identity.chassis),
            maker: identity.maker,
            seed: Seed {
                users,
                lan: identity.lan,
                hardware: identity.hardware,
                suites: identity.suites,
                outbox,
            },
            groups: OnceLock::new(),
        }
    }

    /// The machine.
    pub(super) fn power_unit(&self) -> &PowerUnit {
        &self.power
    }

    /// The settings.
    pub(super) fn admin(&self) -> &Arc<Admin> {
        &self.groups().admin
    }

    /// Event log, sensors, inventory.
    pub(super) fn storage(&self) -> &Arc<Storage> {
        &self.groups().storage
    }

    /// Serial over LAN.
    pub(super) fn sol(&self) -> &Arc<Sol> {
        &self.groups().sol
    }

    fn groups(&self) -> &Groups {
        self.groups.get_or_init(|| self.seed.grow(self.power.chassis()))
    }

    /// Any command that is not about sessions.
    pub(super) async fn execute(&self, call: &Call<'_>) -> Done {
        let (netfn, command, body) = (NetFn::from(call.request.netfn), call.request.command, call.body());
        if call.privilege < privileges::needed(netfn, command) {
            return refuse(Answer::INSUFFICIENT_PRIVILEGE);
        }
        let chassis = &**self.power.chassis();
        let tell = &|on| self.tell_power(on);
        match (netfn, command) {
            (NetFn::App, GET_DEVICE_ID) => answer(self.device_id()),
            (NetFn::Chassis, power::GET_STATUS) => self.power.status(call, tell, self.lamp(call.now)).await,
            (NetFn::Chassis, power::CONTROL) => self.power.control(call, &self.boot, tell).await,
            (NetFn::Chassis, power::SET_RESTORE_POLICY) => self.power.set_restore_policy(body),
            (NetFn::Chassis, power::GET_RESTART_CAUSE) => self.power.restart_cause(),
            (NetFn::Chassis, power::GET_POWER_ON_HOURS) => self.power.power_on_hours(call.now),
            (NetFn::Chassis, boot::SET_COMMAND) => self.boot.set(call, chassis).await,
            (NetFn::Chassis, boot::GET_COMMAND) => self.boot.get(call, chassis).await,
            _ => self.ask_groups(call, netfn).await,
        }
    }

    fn tell_power(&self, on: bool) {
        let unix = unix();
        self.groups().commands.iter().for_each(|group| group.power_changed(on, unix));
    }

    /// A lamp that nobody touched is off.
    fn lamp(&self, now: Duration) -> LampState {
        self.groups.get().map_or(LampState::Off, |groups| groups.admin.lamp(now))
    }

    async fn ask_groups(&self, call: &Call<'_>, netfn: NetFn) -> Done {
        let groups = &self.groups().commands;
        let request = Request {
            netfn,
            command: call.request.command,
            body: call.body(),
            privilege: call.privilege,
            session: call.session,
            power: self.power.look(call.now, &|on| self.tell_power(on)).await.unwrap_or(false),
            unix: unix(),
            now: call.now,
        };
        let done = groups.iter().find_map(|group| group.execute(&request));
        done.unwrap_or_else(|| refuse(Answer::INVALID_COMMAND))
    }

    /// A payload that is no IPMI message.
    pub(super) fn payload(&self, payload_type: u8, session: u32, bytes: &[u8]) {
        if payload_type == SOL
            && let Some(payloads) = &self.groups().payloads
        {
            payloads.handle(session, bytes);
        }
    }

    /// A session is over.
    pub(super) fn session_closed(&self, session: u32) {
        if let Some(payloads) = self.groups.get().and_then(|groups| groups.payloads.as_ref()) {
            payloads.session_closed(session);
        }
    }

    /// Get Device ID (20.1): device 0x20, firmware 1.00, IPMI 2.0; a chassis with sensors, sensor records, event log
    /// and FRU.
    fn device_id(&self) -> Vec<u8> {
        let (manufacturer, product) = self.maker;
        let [a, b, c, _] = manufacturer.to_le_bytes();
        let [d, e] = product.to_le_bytes();
        vec![0x20, 0x01, 0x01, 0x00, 0x02, 0x8F, a, b, c, d, e]
    }
}

/// Payload type of serial over LAN (table 13-16).
const SOL: u8 = 0x01;

/// Seconds since 1970 UTC, as far as 32 bits go.
#[expect(clippy::disallowed_methods, reason = "the simulated BMC's own clock")]
pub(super) fn unix() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}
