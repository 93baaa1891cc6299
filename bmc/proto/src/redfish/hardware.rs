//! A machine's parts, as a BMC knows them also while the machine is off. Texts are fit to be stored and shown once they
//! are read.
//!
//! Not here: which collections are read in which order (the driver).

use super::chassis::lenient_mac;
use super::common::{Status, lenient_count, lenient_number, lenient_status, lenient_word, whole, word_of};
use super::lenient::{lenient, lenient_list};
use super::models::Link;
use serde::Deserialize;
use serde_json::Value;

const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;

/// What a `ComputerSystem` says of its parts and links to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemParts {
    /// Who made it.
    #[serde(default, deserialize_with = "lenient_word")]
    pub manufacturer: Option<String>,
    /// Its model.
    #[serde(default, deserialize_with = "lenient_word")]
    pub model: Option<String>,
    /// Its serial number.
    #[serde(default, deserialize_with = "lenient_word")]
    pub serial_number: Option<String>,
    /// The maker's order number; Dell has its service tag here.
    #[serde(rename = "SKU", default, deserialize_with = "lenient_word")]
    pub sku: Option<String>,
    /// The SMBIOS UUID.
    #[serde(rename = "UUID", default, deserialize_with = "lenient")]
    pub uuid: Option<String>,
    /// Version of its BIOS.
    #[serde(default, deserialize_with = "lenient_word")]
    pub bios_version: Option<String>,
    /// Memory in sum.
    #[serde(default, deserialize_with = "lenient")]
    pub memory_summary: Option<MemorySummary>,
    /// Processors.
    #[serde(default, deserialize_with = "lenient")]
    pub processors: Option<Link>,
    /// Memory modules.
    #[serde(default, deserialize_with = "lenient")]
    pub memory: Option<Link>,
    /// Storage.
    #[serde(default, deserialize_with = "lenient")]
    pub storage: Option<Link>,
    /// Storage of the simple kind.
    #[serde(default, deserialize_with = "lenient")]
    pub simple_storage: Option<Link>,
    /// Network ports.
    #[serde(default, deserialize_with = "lenient")]
    pub ethernet_interfaces: Option<Link>,
    /// PCIe devices: each a link, or one to a collection.
    #[serde(rename = "PCIeDevices", default, deserialize_with = "lenient_list")]
    pub pcie_devices: Vec<Link>,
    /// Logs.
    #[serde(default, deserialize_with = "lenient")]
    pub log_services: Option<Link>,
}

/// `ComputerSystem.MemorySummary`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct MemorySummary {
    #[serde(rename = "TotalSystemMemoryGiB", default, deserialize_with = "lenient_number")]
    gib: Option<f64>,
}

impl SystemParts {
    /// Memory in bytes.
    pub fn memory_bytes(&self) -> Option<u64> {
        let gib = self.memory_summary.as_ref()?.gib.filter(|gib| *gib > 0.0);
        whole(gib.map(|gib| gib * GIB))
    }
}

/// `Processor`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ProcessorPart {
    #[serde(deserialize_with = "lenient_word")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    socket: Option<String>,
    /// `CPU`, `GPU`, …
    #[serde(rename = "ProcessorType", deserialize_with = "lenient_word")]
    pub kind: Option<String>,
    /// Its model.
    #[serde(deserialize_with = "lenient_word")]
    pub model: Option<String>,
    /// Its cores.
    #[serde(rename = "TotalCores", deserialize_with = "lenient_count")]
    pub cores: Option<u32>,
    /// Its threads.
    #[serde(rename = "TotalThreads", deserialize_with = "lenient_count")]
    pub threads: Option<u32>,
    /// Its highest speed in MHz.
    #[serde(rename = "MaxSpeedMHz", deserialize_with = "lenient_count")]
    pub mhz: Option<u32>,
    #[serde(deserialize_with = "lenient_word")]
    instruction_set: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    processor_architecture: Option<String>,
    /// Whether it sits in its socket, and how it is.
    #[serde(deserialize_with = "lenient_status")]
    pub status: Status,
}

impl ProcessorPart {
    /// Where it sits.
    pub fn place(&self) -> String {
        self.socket.as_ref().or(self.id.as_ref()).cloned().unwrap_or_default()
    }

    /// `x86-64`, `ARM-A64`, …
    pub fn instruction_set(&self) -> Option<String> {
        self.instruction_set.as_ref().or(self.processor_architecture.as_ref()).cloned()
    }
}

/// `Memory`: a module.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MemoryPart {
    #[serde(deserialize_with = "lenient_word")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    device_locator: Option<String>,
    #[serde(rename = "CapacityMiB", deserialize_with = "lenient_number")]
    capacity_mib: Option<f64>,
    /// `DDR5`, …
    #[serde(rename = "MemoryDeviceType", deserialize_with = "lenient_word")]
    pub kind: Option<String>,
    /// Its speed in MT/s; the property's name says MHz, and all makers write transfers.
    #[serde(rename = "OperatingSpeedMhz", deserialize_with = "lenient_count")]
    pub speed: Option<u32>,
    /// Who made it.
    #[serde(deserialize_with = "lenient_word")]
    pub manufacturer: Option<String>,
    /// Its serial number.
    #[serde(deserialize_with = "lenient_word")]
    pub serial_number: Option<String>,
    /// Its part number.
    #[serde(deserialize_with = "lenient_word")]
    pub part_number: Option<String>,
    /// How it is.
    #[serde(deserialize_with = "lenient_status")]
    pub status: Status,
}

impl MemoryPart {
    /// Whether there is one in the slot: AMI and Supermicro show empty slots as modules of no size.
    pub fn is_present(&self) -> bool {
        self.status.is_present() && self.capacity_mib != Some(0.0)
    }

    /// Where it sits.
    pub fn place(&self) -> String {
        self.device_locator.as_ref().or(self.id.as_ref()).cloned().unwrap_or_default()
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> Option<u64> {
        whole(self.capacity_mib.map(|mib| mib * MIB)).filter(|bytes| *bytes > 0)
    }
}

/// `Storage`: controllers and drives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct StoragePart {
    #[serde(deserialize_with = "lenient_word")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient_list")]
    storage_controllers: Vec<Value>,
    /// The drives.
    #[serde(deserialize_with = "lenient_list")]
    pub drives: Vec<Link>,
}

impl StoragePart {
    /// What its controller is called.
    pub fn controller(&self) -> Option<String> {
        let text = |controller: &Value, property: &str| word_of(controller.get(property)?.as_str());
        let inline = self.storage_controllers.first();
        inline
            .and_then(|controller| text(controller, "Model").or_else(|| text(controller, "Name")))
            .or_else(|| self.name.clone())
            .or_else(|| self.id.clone())
    }
}

/// `Drive`, and a device of a `SimpleStorage`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DrivePart {
    #[serde(deserialize_with = "lenient_word")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    name: Option<String>,
    /// Its model.
    #[serde(deserialize_with = "lenient_word")]
    pub model: Option<String>,
    /// Its serial number.
    #[serde(deserialize_with = "lenient_word")]
    pub serial_number: Option<String>,
    #[serde(deserialize_with = "lenient_number")]
    capacity_bytes: Option<f64>,
    /// `HDD`, `SSD`, …
    #[serde(rename = "MediaType", deserialize_with = "lenient_word")]
    pub media: Option<String>,
    /// `NVMe`, `SATA`, `SAS`, …
    #[serde(deserialize_with = "lenient_word")]
    pub protocol: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    revision: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    firmware_version: Option<String>,
    /// Whether it is in its bay, and how it is.
    #[serde(deserialize_with = "lenient_status")]
    pub status: Status,
}

impl DrivePart {
    /// Its id.
    pub fn id(&self) -> String {
        self.id.as_ref().or(self.name.as_ref()).cloned().unwrap_or_default()
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> Option<u64> {
        whole(self.capacity_bytes).filter(|bytes| *bytes > 0)
    }

    /// Version of its firmware.
    pub fn firmware(&self) -> Option<String> {
        self.firmware_version.as_ref().or(self.revision.as_ref()).cloned()
    }
}

/// The devices of a `SimpleStorage` and what it is called.
pub fn simple_storage(resource: &Value) -> (Option<String>, Vec<DrivePart>) {
    let devices = resource.get("Devices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = |device: &Value| serde_json::from_value(device.clone()).ok();
    let name = resource.get("Name").or_else(|| resource.get("Id")).and_then(Value::as_str);
    (word_of(name), devices.iter().filter_map(read).collect())
}

/// `EthernetInterface` of a system.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortPart {
    /// Its id.
    #[serde(deserialize_with = "lenient_word")]
    pub id: Option<String>,
    #[serde(rename = "MACAddress", deserialize_with = "lenient_mac")]
    mac: Option<String>,
    #[serde(rename = "PermanentMACAddress", deserialize_with = "lenient_mac")]
    permanent_mac: Option<String>,
    #[serde(deserialize_with = "lenient")]
    link_status: Option<String>,
    /// Its speed in Mbit/s.
    #[serde(rename = "SpeedMbps", deserialize_with = "lenient_count")]
    pub mbit: Option<u32>,
    /// Its UEFI device path.
    #[serde(rename = "UefiDevicePath", deserialize_with = "lenient_word")]
    pub uefi_path: Option<String>,
    /// How it is.
    #[serde(deserialize_with = "lenient_status")]
    pub status: Status,
}

impl PortPart {
    /// Its MAC address, lower case with colons: the one that it was made with, which the firmware boots from.
    pub fn mac(&self) -> Option<String> {
        self.permanent_mac.as_ref().or(self.mac.as_ref()).cloned()
    }

    /// Whether it has a link; `None`: it doesn't tell, as most while the machine is off.
    pub fn link(&self) -> Option<bool> {
        match self.link_status.as_deref()? {
            "LinkUp" | "Up" => Some(true),
            "LinkDown" | "NoLink" | "Down" => Some(false),
            _ => None,
        }
    }
}

/// `PCIeDevice`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PciPart {
    /// Its id.
    #[serde(deserialize_with = "lenient_word")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient_word")]
    model: Option<String>,
    /// Who made it.
    #[serde(deserialize_with = "lenient_word")]
    pub manufacturer: Option<String>,
    /// Version of its firmware.
    #[serde(rename = "FirmwareVersion", deserialize_with = "lenient_word")]
    pub firmware: Option<String>,
    /// Its functions.
    #[serde(rename = "PCIeFunctions", deserialize_with = "lenient")]
    pub functions: Option<Link>,
    #[serde(deserialize_with = "lenient")]
    links: Option<PciLinks>,
    /// Whether it is there, and how it is.
    #[serde(deserialize_with = "lenient_status")]
    pub status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct PciLinks {
    #[serde(rename = "PCIeFunctions", default, deserialize_with = "lenient_list")]
    functions: Vec<Link>,
}

impl PciPart {
    /// What it is called.
    pub fn name(&self) -> Option<String> {
        self.name.as_ref().or(self.model.as_ref()).cloned()
    }

    /// Its functions, where they are listed in itself, as before 2020.
    pub fn listed_functions(&self) -> &[Link] {
        self.links.as_ref().map_or(&[], |links| &links.functions)
    }
}

/// Vendor id, device id and class of a `PCIeFunction`.
pub fn pci_function(resource: &Value) -> (Option<String>, Option<String>, Option<String>) {
    let text = |property: &str| word_of(resource.get(property).and_then(Value::as_str));
    (text("VendorId"), text("DeviceId"), text("DeviceClass"))
}

#[cfg(test)]
mod tests;
