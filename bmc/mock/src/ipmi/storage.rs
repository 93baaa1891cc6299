//! What the simulated BMC knows of its hardware: event log, sensors, inventory. One group, whose parts are in the files
//! of those names.

use super::event_log::EventLog;
use super::fru::{self, FruData, Units};
use super::group::{Done, Group, Request};
use super::sensors::SensorSet;
use super::sensors::model::SensorModel;
use std::sync::Arc;

/// The hardware that a BMC knows of when it is new. Clones share it.
#[derive(Clone)]
pub struct Hardware {
    /// Its sensors.
    pub sensors: Arc<SensorModel>,
    /// Its units' data, by their numbers; see `bmc_proto::ipmi::fru::Contents` for making them.
    pub units: Arc<Units>,
    /// How many entries its event log has room for.
    pub log: u16,
}

impl Default for Hardware {
    /// A server.
    fn default() -> Self {
        Self { sensors: SensorModel::server(), units: fru::server(), log: 512 }
    }
}

/// What a BMC knows of its hardware. Tests look at it and change it here.
pub struct Storage {
    log: EventLog,
    sensors: SensorSet,
    units: FruData,
}

impl Storage {
    pub(super) fn new(hardware: &Hardware) -> Self {
        Self {
            log: EventLog::new(hardware.log),
            sensors: SensorSet::new(Arc::clone(&hardware.sensors)),
            units: FruData::new(Arc::clone(&hardware.units)),
        }
    }

    /// Its event log.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// Its sensors.
    pub fn sensors(&self) -> &SensorSet {
        &self.sensors
    }

    /// Its inventory.
    pub fn units(&self) -> &FruData {
        &self.units
    }
}

impl Group for Storage {
    fn execute(&self, request: &Request<'_>) -> Option<Done> {
        self.log
            .execute(request)
            .or_else(|| self.sensors.execute(request))
            .or_else(|| self.units.execute(request))
    }

    fn power_changed(&self, on: bool, unix: u32) {
        self.log.power_changed(on, unix);
    }
}
