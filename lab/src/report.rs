//! `lab.json`: what a running lab consists of, for the programs that use it.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::spec::{Architecture, BmcKind, Firmware};

/// A running lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The daemon, which holds the namespaces.
    pub pid: u32,
    /// Its folder.
    pub dir: PathBuf,
    /// The interface that the service binds.
    pub interface: String,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// The network, `a.b.c.d/len`.
    pub subnet: String,
    /// Every frame that reached the switch, as classic pcap.
    pub capture: PathBuf,
    /// The machines, in the spec's order.
    pub machines: Vec<MachineReport>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineReport {
    /// Its name.
    pub name: String,
    /// Its processor.
    pub architecture: Architecture,
    /// Its firmware.
    pub firmware: Firmware,
    /// RAM in MiB.
    pub memory: u32,
    /// Its network card's address.
    pub mac: String,
    /// The addresses of its further cards.
    #[serde(default)]
    pub further_macs: Vec<String>,
    /// Its SMBIOS UUID.
    pub uuid: String,
    /// Its SMBIOS serial number.
    pub serial: String,
    /// Its disks, the first one first.
    pub disks: Vec<DiskReport>,
    /// Its BMC.
    pub bmc: BmcReport,
    /// Everything that its serial port said since the lab was started.
    pub console_log: PathBuf,
    /// Unix socket of its serial port.
    pub console: PathBuf,
}

/// One disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskReport {
    /// The raw file.
    pub path: PathBuf,
    /// The serial number that the machine sees.
    pub serial: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A BMC. Its addresses are inside the lab's network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmcReport {
    /// What plays it.
    pub kind: BmcKind,
    /// Its address.
    pub address: IpAddr,
    /// User name, for all protocols.
    pub username: String,
    /// Password, for all protocols.
    pub password: String,
    /// IPMI over LAN, if it speaks it.
    pub ipmi: Option<IpmiReport>,
    /// Redfish, if it speaks it.
    pub redfish: Option<RedfishReport>,
    /// The URI of the libvirt daemon that makes the machine, if one does.
    pub libvirt: Option<String>,
}

/// How a BMC is reached by IPMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpmiReport {
    /// Address and port (UDP).
    pub address: SocketAddr,
    /// The cipher suite that it speaks: 3 or 17.
    pub cipher: u8,
}

/// How a BMC is reached by Redfish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedfishReport {
    /// `https://address`.
    pub url: String,
    /// SHA-256 of its certificate, lower case hex.
    pub tls_sha256: String,
}

impl Report {
    /// Writes it whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let draft = path.with_added_extension("new");
        std::fs::write(&draft, self.to_json()?)?;
        Ok(std::fs::rename(&draft, path)?)
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The machine of that name.
    pub fn machine(&self, name: &str) -> Option<&MachineReport> {
        self.machines.iter().find(|machine| machine.name == name)
    }
}
