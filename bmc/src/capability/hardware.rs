//! What the BMC knows of the machine's parts, also while it is off.

use crate::BmcError;
use async_trait::async_trait;

/// A BMC with an inventory of the machine.
#[async_trait]
pub trait Hardware: Send + Sync {
    /// All that it knows. What can't be read is left out, and `problems` says so.
    async fn hardware(&self) -> Result<HardwareInventory, BmcError>;
}

/// A machine's parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HardwareInventory {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// The maker's order number.
    pub sku: Option<String>,
    /// UUID, lower case with dashes.
    pub uuid: Option<String>,
    /// Version of its BIOS.
    pub bios_version: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processors that are present.
    pub processors: Vec<Processor>,
    /// Memory modules that are present.
    pub memory: Vec<MemoryModule>,
    /// Drives.
    pub drives: Vec<Drive>,
    /// Network ports.
    pub ports: Vec<NetworkPort>,
    /// PCI devices.
    pub pci: Vec<PciDevice>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// A processor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Processor {
    /// Where it sits.
    pub id: String,
    /// `CPU`, `GPU`, …
    pub kind: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Cores.
    pub cores: Option<u32>,
    /// Threads.
    pub threads: Option<u32>,
    /// Its highest speed in MHz.
    pub mhz: Option<u32>,
    /// `x86-64`, `ARM-A64`, …, as the BMC says it.
    pub instruction_set: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

/// A memory module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryModule {
    /// Where it sits.
    pub id: String,
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// `DDR5`, …
    pub kind: Option<String>,
    /// Speed in MT/s.
    pub speed: Option<u32>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Part number.
    pub part_number: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

/// A drive.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drive {
    /// Its id at the BMC.
    pub id: String,
    /// The controller that it is behind.
    pub controller: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// `HDD`, `SSD`, …
    pub media: Option<String>,
    /// `NVMe`, `SATA`, `SAS`, …
    pub protocol: Option<String>,
    /// Version of its firmware.
    pub firmware: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

/// A network port.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkPort {
    /// Its id at the BMC.
    pub id: String,
    /// MAC address, lower case with colons.
    pub mac: Option<String>,
    /// Whether it has a link.
    pub link: Option<bool>,
    /// Its speed in Mbit/s.
    pub mbit: Option<u32>,
    /// Its UEFI device path.
    pub uefi_path: Option<String>,
    /// `OK`, `Warning`, `Critical`.
    pub health: Option<String>,
}

/// A PCI device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PciDevice {
    /// Its id at the BMC.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Vendor id, such as `0x8086`.
    pub vendor_id: Option<String>,
    /// Device id.
    pub device_id: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// Version of its firmware.
    pub firmware: Option<String>,
}
