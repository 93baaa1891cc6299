//! The choice of a BMC's driver, and what all drivers of a process share.

use crate::driver::{Bmc, Endpoint, Protocol};
use crate::ipmi::{Hub, Ipmi};
use crate::libvirt::Libvirt;
use crate::manual::Manual;
use crate::redfish::Redfish;
use crate::vbox::VirtualBox;
use crate::wake_on_lan::WakeOnLan;
use crate::webhook::Webhook;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Settings that all drivers of a process share.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A folder in which open IPMI sessions are noted, so that after a crash the next process (any process that uses
    /// the same folder) can close them: BMCs have few. `None`: they are left to the BMCs' own time-out of a minute.
    pub sessions: Option<PathBuf>,
    /// The program of libvirt's command line; `None`: `virsh`, as it is found in PATH.
    pub virsh: Option<PathBuf>,
    /// The program of VirtualBox's command line; `None`: `VBoxManage`, as it is found in PATH.
    pub vboxmanage: Option<PathBuf>,
}

/// Makes drivers. There is one for a process; clones are the same.
#[derive(Clone)]
pub struct Drivers {
    hub: Arc<Hub>,
    virsh: Arc<Path>,
    vboxmanage: Arc<Path>,
}

impl Default for Drivers {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Drivers {
    /// Does no I/O yet. Afterwards its drivers are to be used in one tokio runtime only: they share sockets.
    pub fn new(settings: Settings) -> Self {
        let program = |path: Option<PathBuf>, name: &str| path.unwrap_or_else(|| name.into()).into();
        Self {
            hub: Arc::new(Hub::new(settings.sessions)),
            virsh: program(settings.virsh, "virsh"),
            vboxmanage: program(settings.vboxmanage, "VBoxManage"),
        }
    }

    /// Makes the driver for a BMC. Does no I/O yet.
    pub fn connect(&self, endpoint: Endpoint) -> Arc<dyn Bmc> {
        match &endpoint.protocol {
            Protocol::Redfish { .. } => Arc::new(Redfish::new(&endpoint)),
            Protocol::Ipmi { cipher, .. } => {
                let cipher = *cipher;
                Arc::new(Ipmi::new(Arc::clone(&self.hub), endpoint, cipher))
            }
            Protocol::Manual => Arc::new(Manual::default()),
            Protocol::Webhook { url, trust } => Arc::new(Webhook::new(url, trust, endpoint.credentials)),
            Protocol::WakeOnLan { mac, to } => Arc::new(WakeOnLan::new(*mac, *to)),
            Protocol::Libvirt { uri, domain } => Arc::new(Libvirt::new(&self.virsh, uri, domain)),
            Protocol::VirtualBox { machine } => Arc::new(VirtualBox::new(&self.vboxmanage, machine)),
        }
    }
}
