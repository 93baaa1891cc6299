//! What an administrator sets at the simulated BMC: users, network, lamp, watchdog, DCMI; and its self test.
//!
//! One group, so that a BMC among ten thousand stays small. What they do is in the files of those names.

use super::dcmi::{Dcmi, DcmiParts};
use super::group::{Done, Group, Request, answer, lock};
use super::identify::Identify;
use super::lan::{Lan, LanIdentity};
use super::users::{UserTable, Users};
use super::watchdog::Watchdog;
use crate::Chassis;
use bmc_proto::ipmi::NetFn;
use bmc_proto::ipmi::command::dcmi;
use bmc_proto::ipmi::command::device::{GetSelfTestResults, SelfTest};
use bmc_proto::ipmi::command::identify::LampState;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The settings of a simulated BMC. Tests look at them and change them here.
pub struct Admin {
    chassis: Arc<dyn Chassis>,
    users: Users,
    lan: Arc<Lan>,
    lamp: Identify,
    watchdog: Watchdog,
    dcmi: Dcmi,
    self_test: Mutex<SelfTest>,
}

impl Admin {
    /// `suites`: the numbers of the cipher suites that it lists.
    pub(super) fn new(
        users: Arc<Mutex<UserTable>>,
        lan: LanIdentity,
        suites: Vec<u8>,
        chassis: Arc<dyn Chassis>,
    ) -> Self {
        let lan = Arc::new(Lan::new(lan, suites));
        Self {
            chassis,
            users: Users::new(users, Arc::clone(&lan)),
            lan,
            lamp: Identify::new(),
            watchdog: Watchdog::new(),
            dcmi: Dcmi::new(),
            self_test: Mutex::new(SelfTest::Passed),
        }
    }

    /// Its users.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Makes it say that it is so on the network; what was written is forgotten.
    pub fn set_lan(&self, lan: LanIdentity) {
        self.lan.replace(lan);
    }

    /// What its next self test says.
    pub fn set_self_test(&self, result: SelfTest) {
        *lock(&self.self_test) = result;
    }

    /// What it has of DCMI; all of it otherwise.
    pub fn set_dcmi(&self, parts: DcmiParts) {
        self.dcmi.set_parts(parts);
    }

    /// What its power meter reads, in watts, while the machine is on and while it is off.
    pub fn set_watts(&self, on: u16, off: u16) {
        self.dcmi.set_watts(on, off);
    }

    /// Its asset tag.
    pub fn asset_tag(&self) -> Vec<u8> {
        self.dcmi.asset_tag()
    }

    /// Whether its lamp refuses to shine without end.
    pub fn set_timed_lamp(&self, timed_only: bool) {
        self.lamp.set_timed_only(timed_only);
    }

    /// What the lamp does at this time of the BMC's clock.
    pub(super) fn lamp(&self, now: Duration) -> LampState {
        self.lamp.lamp(now)
    }

    fn app(&self, request: &Request<'_>) -> Option<Done> {
        if request.command == GetSelfTestResults::COMMAND {
            return Some(answer(lock(&self.self_test).encode()));
        }
        self.users
            .execute(request)
            .or_else(|| self.lan.channel(request))
            .or_else(|| self.watchdog.execute(request, &self.chassis))
    }
}

impl Group for Admin {
    fn execute(&self, request: &Request<'_>) -> Option<Done> {
        match request.netfn {
            NetFn::App => self.app(request),
            NetFn::Chassis => self.lamp.execute(request),
            NetFn::Transport => self.lan.transport(request),
            dcmi::NETFN => Some(self.dcmi.execute(request)),
            _ => None,
        }
    }
}
