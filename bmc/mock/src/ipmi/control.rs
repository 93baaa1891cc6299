//! Looks at and disturbs a running BMC.

use super::admin::Admin;
use super::bmc::Bmc;
use super::faults::{Faults, Faulty, Stale};
use super::group::lock;
use super::identity::Limits;
use super::sol::Sol;
use super::storage::Storage;
use std::sync::Arc;
use std::time::Duration;

/// Looks at and disturbs a running BMC.
#[derive(Clone)]
pub struct Control {
    pub(super) bmc: Arc<Bmc>,
}

impl Control {
    /// Forgets all sessions, and goes on at once.
    pub fn forget_sessions(&self) {
        lock(&self.bmc.sessions).forget();
        self.bmc.tell_ends();
    }

    /// Restarts the BMC: sessions are gone, and for a while it hears nothing.
    pub fn restart(&self) {
        self.bmc.restart();
    }

    /// Answers the next commands (not those about sessions) with these completion codes, and does nothing.
    pub fn refuse_next(&self, completions: &[u8]) {
        lock(&self.bmc.sessions).refusals.extend(completions);
    }

    /// Misbehaves from now on; what was told before is forgotten.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.bmc.faults) = (faults != Faults::default()).then(|| Box::new(Faulty::new(faults)));
    }

    /// Tells this power state from now on, for so long.
    pub fn lie_about_power(&self, on: bool, how: Stale) {
        let now = self.bmc.now();
        lock(&self.bmc.faults).get_or_insert_default().lie_about_power(on, how, now);
    }

    /// Says in the chassis status that the power supply has a fault, or not.
    pub fn set_power_fault(&self, fault: bool) {
        self.bmc.commands.power_unit().set_fault(fault);
    }

    /// Changes the limits, for logins and sessions from now on.
    pub fn set_limits(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut lock(&self.bmc.sessions).limits);
    }

    /// Puts the BMC's clock forward: sessions grow old, boot flags and lies expire.
    pub fn advance(&self, by: Duration) {
        self.bmc.advance(by);
        let now = self.bmc.now();
        lock(&self.bmc.sessions).expire(now);
        self.bmc.tell_ends();
    }

    /// How many sessions are open.
    pub fn open_sessions(&self) -> usize {
        lock(&self.bmc.sessions).open_sessions()
    }

    /// How many logins are begun and not finished.
    pub fn half_open_sessions(&self) -> usize {
        lock(&self.bmc.sessions).half_open_sessions()
    }

    /// How many logins succeeded since the start.
    pub fn logins(&self) -> u64 {
        lock(&self.bmc.sessions).logins()
    }

    /// How many logins with a wrong password there were since the start.
    pub fn refused_logins(&self) -> u64 {
        lock(&self.bmc.sessions).refused()
    }

    /// Its serial over LAN.
    pub fn sol(&self) -> Arc<Sol> {
        Arc::clone(self.bmc.commands.sol())
    }

    /// Its event log, sensors and inventory.
    pub fn storage(&self) -> Arc<Storage> {
        Arc::clone(self.bmc.commands.storage())
    }

    /// Its settings.
    pub fn admin(&self) -> Arc<Admin> {
        Arc::clone(self.bmc.commands.admin())
    }
}
