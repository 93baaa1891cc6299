//! Quirks: what some makers' BMCs do otherwise than the standard says, as data.
//!
//! One table (`table`), a row for each oddity, keyed by maker, model and firmware. The driver never asks who made a
//! BMC: it asks whether an effect holds. Each row has a fixture in `bmc/proto/fixtures/quirks/` and is tested by it.

mod effect;
#[cfg(test)]
mod effects_tests;
mod identity;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod version;

pub use effect::Effect;
pub use identity::Identity;
pub use table::TABLE;

use version::Firmware;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Quirk {
    /// Its name, and that of its fixture.
    pub id: &'static str,
    /// Whose BMCs.
    pub vendor: Vendor,
    /// Which of them: the start of the system's or the manager's model, whatever its case; several with `|` between
    /// them; empty: all.
    pub model: &'static str,
    /// Of which firmware.
    firmware: Firmware,
    /// What is different.
    pub effect: Effect,
    /// What they do, and what comes of it.
    pub why: &'static str,
    /// Where that is told.
    pub source: &'static str,
}

/// Makers of BMCs, or of the firmware in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// AMI MegaRAC, under many makers' names.
    Ami,
    /// ASRock Rack, with AMI's firmware under its own name.
    Asrock,
    /// Cisco CIMC.
    Cisco,
    /// Dell iDRAC.
    Dell,
    /// HPE iLO.
    Hpe,
    /// Huawei iBMC, and xFusion's, which it became.
    Huawei,
    /// Lenovo XCC.
    Lenovo,
    /// Supermicro.
    Supermicro,
    /// OpenStack's sushy-tools, an emulator before virtual machines.
    SushyTools,
    /// Any.
    Any,
}

/// The quirks of one BMC.
#[derive(Debug, Clone, Default)]
pub struct Quirks {
    rows: Vec<&'static Quirk>,
    vendor: Option<Vendor>,
}

impl Quirks {
    /// Those that hold for this BMC.
    pub fn of(identity: &Identity) -> Self {
        let rows = TABLE.iter().filter(|quirk| quirk.holds(identity)).collect();
        Self { rows, vendor: identity.vendor() }
    }

    /// Whether an effect holds.
    pub fn has(&self, effect: Effect) -> bool {
        self.rows.iter().any(|quirk| quirk.effect == effect)
    }

    /// The maker, for what is known of makers beside quirks, such as what passwords they want.
    pub fn vendor(&self) -> Option<Vendor> {
        self.vendor
    }

    /// The rows, for people.
    pub fn rows(&self) -> &[&'static Quirk] {
        &self.rows
    }
}

impl Quirk {
    /// Whether it holds for this BMC.
    pub fn holds(&self, identity: &Identity) -> bool {
        let vendor = self.vendor == Vendor::Any || identity.vendor() == Some(self.vendor);
        vendor && identity.has_model(self.model) && self.firmware.covers(identity.firmware.as_deref())
    }
}
