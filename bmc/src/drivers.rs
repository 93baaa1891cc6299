//! The choice of a BMC's driver, and what all drivers of a process share.

use crate::driver::{Bmc, Endpoint, Protocol};
use crate::ipmi::{Hub, Ipmi};
use crate::redfish::Redfish;
use std::path::PathBuf;
use std::sync::Arc;

/// Settings that all drivers of a process share.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A folder in which open IPMI sessions are noted, so that after a crash the next process (any process that uses
    /// the same folder) can close them: BMCs have few. `None`: they are left to the BMCs' own time-out of a minute.
    pub sessions: Option<PathBuf>,
}

/// Makes drivers. There is one for a process; clones are the same.
#[derive(Clone)]
pub struct Drivers {
    hub: Arc<Hub>,
}

impl Default for Drivers {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Drivers {
    /// Does no I/O yet. Afterwards its drivers are to be used in one tokio runtime only: they share sockets.
    pub fn new(settings: Settings) -> Self {
        Self { hub: Arc::new(Hub::new(settings.sessions)) }
    }

    /// Makes the driver for a BMC. Does no I/O yet.
    pub fn connect(&self, endpoint: Endpoint) -> Arc<dyn Bmc> {
        match endpoint.protocol {
            Protocol::Redfish { .. } => Arc::new(Redfish::new(&endpoint)),
            Protocol::Ipmi { cipher, .. } => Arc::new(Ipmi::new(Arc::clone(&self.hub), endpoint, cipher)),
        }
    }
}
