//! The Redfish driver: a `Bmc` over HTTPS.
//!
//! - `client`: reading, writing and waiting, which all parts are made of; `session`: being logged in; `kept`: a session
//!   that outlives a crash; `transport`: one HTTP exchange; `tls`, `lost`: whom to believe, and why no answer came;
//! - `power`, `boot` and the like: one thing that a BMC does each.
//!
//! Resources are found by link from the service root, never by a built address. What is sent, how answers are judged
//! and what some makers do otherwise is decided in `bmc_proto::redfish`; here are the requests and the waiting.

mod bios;
mod boot;
mod boot_order;
mod client;
mod firmware;
mod hardware;
mod https;
mod kept;
mod listing;
mod logs;
mod lost;
mod media;
mod power;
mod push;
mod record;
mod reports;
mod restart;
mod secure_boot;
mod security;
mod sensors;
mod session;
mod settings;
mod single;
mod tasks;
mod timing;
mod tls;
mod transport;
mod users;

pub(crate) use https::Https;
pub(crate) use security::lets_in;
pub(crate) use transport::hidden;

use crate::capability::{
    AssetTag, BiosSettings, BootOrder, EventLog, Firmware, Hardware, Identify, Inventory, Logs,
    NetworkSettings, PowerMeter, Recorder, Reports, Restart, SecureBoot, Security, Sensors, Tasks, Users,
    VirtualMedia,
};
use crate::{Bmc, BmcError, BmcInfo, BootOverride, Button, Endpoint, Health, PowerState, TaskHandle};
use async_trait::async_trait;
use bmc_proto::redfish::{Manager, normal_uuid, printable};
use client::Places;
use session::Session;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use timing::Timing;
use tokio::sync::Mutex;
use tokio::time::Instant;
use transport::{Transport, address};

/// A BMC that speaks Redfish.
pub(crate) struct Redfish {
    transport: Result<Transport, String>,
    session: Session,
    timing: Arc<Timing>,
    address: String,
    host: String,
    places: Mutex<Places>,
    /// When power was last switched by us.
    switched: Lock<Option<Instant>>,
    /// The task that was made last for us, and when.
    made: Lock<Option<(TaskHandle, Instant)>>,
}

impl Redfish {
    /// Does no I/O yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self::with_timing(endpoint, Timing::shared())
    }

    fn with_timing(endpoint: &Endpoint, timing: impl Into<Arc<Timing>>) -> Self {
        let timing = timing.into();
        let (credentials, keeper) = (endpoint.credentials.clone(), endpoint.keeper.clone());
        Self {
            transport: Transport::new(endpoint, &timing),
            session: Session::new(credentials, keeper, Arc::clone(&timing)),
            timing,
            address: address(endpoint),
            host: endpoint.host.clone(),
            places: Mutex::default(),
            switched: Lock::default(),
            made: Lock::default(),
        }
    }

    fn switched(&self) -> Option<Instant> {
        *self.switched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_switched(&self) {
        *self.switched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn note_made(&self, task: &TaskHandle) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some((task.clone(), Instant::now()));
    }

    /// Whether a task was made for us moments ago.
    fn is_young(&self, task: &TaskHandle) -> bool {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().is_some_and(|(made, at)| made == task && at.elapsed() < self.timing.young)
    }

    /// The version of the manager's firmware, if it can be read at all.
    async fn manager_firmware(&self) -> Result<Option<String>, BmcError> {
        let Some(path) = self.manager_path().await? else { return Ok(None) };
        match self.read::<Manager>(&path, "read the manager").await {
            Ok(manager) => Ok(clean(manager.firmware_version)),
            // It proves nothing about address or credentials, so it isn't worth failing for.
            Err(BmcError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Bmc for Redfish {
    async fn power(&self) -> Result<PowerState, BmcError> {
        self.observe().await
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        self.switch_power(target).await
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        self.write_boot(&boot).await
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        self.shown_boot().await
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        let system = self.system().await?.system;
        let firmware = self.manager_firmware().await?;
        Ok(BmcInfo {
            manufacturer: clean(system.manufacturer),
            product: clean(system.model),
            firmware,
            system_uuid: system.uuid.as_deref().and_then(normal_uuid),
            tls_sha256: self.transport()?.certificate(),
        })
    }

    async fn close(&self) {
        if let Ok(transport) = &self.transport {
            self.session.close(transport).await;
        }
    }

    async fn press(&self, button: Button) -> Result<(), BmcError> {
        self.press_button(button).await
    }

    fn health(&self) -> Health {
        self.session.health()
    }

    fn identify(&self) -> Option<&dyn Identify> {
        Some(self)
    }

    fn sensors(&self) -> Option<&dyn Sensors> {
        Some(self)
    }

    fn event_log(&self) -> Option<&dyn EventLog> {
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }

    fn users(&self) -> Option<&dyn Users> {
        Some(self)
    }

    fn network_settings(&self) -> Option<&dyn NetworkSettings> {
        Some(self)
    }

    fn power_meter(&self) -> Option<&dyn PowerMeter> {
        Some(self)
    }

    fn asset_tag(&self) -> Option<&dyn AssetTag> {
        Some(self)
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        Some(self)
    }

    fn secure_boot(&self) -> Option<&dyn SecureBoot> {
        Some(self)
    }

    fn bios(&self) -> Option<&dyn BiosSettings> {
        Some(self)
    }

    fn boot_order(&self) -> Option<&dyn BootOrder> {
        Some(self)
    }

    fn firmware(&self) -> Option<&dyn Firmware> {
        Some(self)
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        Some(self)
    }

    fn hardware(&self) -> Option<&dyn Hardware> {
        Some(self)
    }

    fn logs(&self) -> Option<&dyn Logs> {
        Some(self)
    }

    fn reports(&self) -> Option<&dyn Reports> {
        Some(self)
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(self)
    }

    fn security(&self) -> Option<&dyn Security> {
        Some(self)
    }

    fn restart(&self) -> Option<&dyn Restart> {
        Some(self)
    }
}

/// A word of the BMC, fit to be stored and shown; none for an empty one.
fn clean(text: Option<String>) -> Option<String> {
    text.map(|text| printable(&text, 128)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod fault_matrix;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod readers_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;
