//! A machine's parts, as a BMC knows them also while the machine is off.
//!
//! Not here: which collections are read in which order (the driver).

use super::chassis::normal_mac;
use super::common::{Status, lenient_number, whole, word_of};
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
    #[serde(default, deserialize_with = "lenient")]
    pub manufacturer: Option<String>,
    /// Its model.
    #[serde(default, deserialize_with = "lenient")]
    pub model: Option<String>,
    /// Its serial number.
    #[serde(default, deserialize_with = "lenient")]
    pub serial_number: Option<String>,
    /// The maker's order number; Dell has its service tag here.
    #[serde(rename = "SKU", default, deserialize_with = "lenient")]
    pub sku: Option<String>,
    /// The SMBIOS UUID.
    #[serde(rename = "UUID", default, deserialize_with = "lenient")]
    pub uuid: Option<String>,
    /// Version of its BIOS.
    #[serde(default, deserialize_with = "lenient")]
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
#[serde(rename_all = "PascalCase")]
pub struct ProcessorPart {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    socket: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    processor_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    total_cores: Option<f64>,
    #[serde(default, deserialize_with = "lenient_number")]
    total_threads: Option<f64>,
    #[serde(rename = "MaxSpeedMHz", default, deserialize_with = "lenient_number")]
    max_speed_mhz: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    instruction_set: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    processor_architecture: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
}

impl ProcessorPart {
    /// Whether it sits in its socket.
    pub fn is_present(&self) -> bool {
        self.status.as_ref().is_none_or(Status::is_present)
    }

    /// Where it sits.
    pub fn place(&self) -> String {
        word_of(self.socket.as_deref()).or_else(|| word_of(self.id.as_deref())).unwrap_or_default()
    }

    /// `CPU`, `GPU`, …
    pub fn kind(&self) -> Option<String> {
        word_of(self.processor_type.as_deref())
    }

    /// Its model.
    pub fn model(&self) -> Option<String> {
        word_of(self.model.as_deref())
    }

    /// Its cores.
    pub fn cores(&self) -> Option<u32> {
        count(self.total_cores)
    }

    /// Its threads.
    pub fn threads(&self) -> Option<u32> {
        count(self.total_threads)
    }

    /// Its highest speed in MHz.
    pub fn mhz(&self) -> Option<u32> {
        count(self.max_speed_mhz)
    }

    /// `x86-64`, `ARM-A64`, …
    pub fn instruction_set(&self) -> Option<String> {
        word_of(self.instruction_set.as_deref()).or_else(|| word_of(self.processor_architecture.as_deref()))
    }

    /// `OK`, `Warning`, `Critical`.
    pub fn health(&self) -> Option<String> {
        self.status.as_ref()?.health()
    }
}

/// A count of which 0 means "not known".
fn count(number: Option<f64>) -> Option<u32> {
    whole(number).filter(|count| *count > 0).and_then(|count| u32::try_from(count).ok())
}

/// `Memory`: a module.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemoryPart {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    device_locator: Option<String>,
    #[serde(rename = "CapacityMiB", default, deserialize_with = "lenient_number")]
    capacity_mib: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    memory_device_type: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    operating_speed_mhz: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    manufacturer: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    serial_number: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    part_number: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
}

impl MemoryPart {
    /// Whether there is one in the slot: AMI and Supermicro show empty slots as modules of no size.
    pub fn is_present(&self) -> bool {
        self.status.as_ref().is_none_or(Status::is_present) && self.capacity_mib != Some(0.0)
    }

    /// Where it sits.
    pub fn place(&self) -> String {
        word_of(self.device_locator.as_deref()).or_else(|| word_of(self.id.as_deref())).unwrap_or_default()
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> Option<u64> {
        whole(self.capacity_mib.map(|mib| mib * MIB)).filter(|bytes| *bytes > 0)
    }

    /// `DDR5`, …
    pub fn kind(&self) -> Option<String> {
        word_of(self.memory_device_type.as_deref())
    }

    /// Its speed in MT/s; the property's name says MHz, and all makers write transfers.
    pub fn speed(&self) -> Option<u32> {
        count(self.operating_speed_mhz)
    }

    /// Who made it.
    pub fn manufacturer(&self) -> Option<String> {
        word_of(self.manufacturer.as_deref())
    }

    /// Its serial number.
    pub fn serial(&self) -> Option<String> {
        word_of(self.serial_number.as_deref())
    }

    /// Its part number.
    pub fn part_number(&self) -> Option<String> {
        word_of(self.part_number.as_deref())
    }

    /// `OK`, `Warning`, `Critical`.
    pub fn health(&self) -> Option<String> {
        self.status.as_ref()?.health()
    }
}

/// `Storage`: controllers and drives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StoragePart {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    storage_controllers: Vec<Value>,
    /// The drives.
    #[serde(default, deserialize_with = "lenient_list")]
    pub drives: Vec<Link>,
}

impl StoragePart {
    /// What its controller is called.
    pub fn controller(&self) -> Option<String> {
        let text = |controller: &Value, property: &str| word_of(controller.get(property)?.as_str());
        let inline = self.storage_controllers.first();
        inline
            .and_then(|controller| text(controller, "Model").or_else(|| text(controller, "Name")))
            .or_else(|| word_of(self.name.as_deref()))
            .or_else(|| word_of(self.id.as_deref()))
    }
}

/// `Drive`, and a device of a `SimpleStorage`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DrivePart {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    serial_number: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    capacity_bytes: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    media_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    protocol: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    revision: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    firmware_version: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
}

impl DrivePart {
    /// Whether there is one in the bay.
    pub fn is_present(&self) -> bool {
        self.status.as_ref().is_none_or(Status::is_present)
    }

    /// Its id.
    pub fn id(&self) -> String {
        word_of(self.id.as_deref()).or_else(|| word_of(self.name.as_deref())).unwrap_or_default()
    }

    /// Its model.
    pub fn model(&self) -> Option<String> {
        word_of(self.model.as_deref())
    }

    /// Its serial number.
    pub fn serial(&self) -> Option<String> {
        word_of(self.serial_number.as_deref())
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> Option<u64> {
        whole(self.capacity_bytes).filter(|bytes| *bytes > 0)
    }

    /// `HDD`, `SSD`, …
    pub fn media(&self) -> Option<String> {
        word_of(self.media_type.as_deref())
    }

    /// `NVMe`, `SATA`, `SAS`, …
    pub fn protocol(&self) -> Option<String> {
        word_of(self.protocol.as_deref())
    }

    /// Version of its firmware.
    pub fn firmware(&self) -> Option<String> {
        word_of(self.firmware_version.as_deref()).or_else(|| word_of(self.revision.as_deref()))
    }

    /// `OK`, `Warning`, `Critical`.
    pub fn health(&self) -> Option<String> {
        self.status.as_ref()?.health()
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
#[serde(rename_all = "PascalCase")]
pub struct PortPart {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(rename = "MACAddress", default, deserialize_with = "lenient")]
    mac: Option<String>,
    #[serde(rename = "PermanentMACAddress", default, deserialize_with = "lenient")]
    permanent_mac: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    link_status: Option<String>,
    #[serde(default, deserialize_with = "lenient_number")]
    speed_mbps: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    uefi_device_path: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
}

impl PortPart {
    /// Its id.
    pub fn id(&self) -> String {
        word_of(self.id.as_deref()).unwrap_or_default()
    }

    /// Its MAC address, lower case with colons: the one that it was made with, which the firmware boots from.
    pub fn mac(&self) -> Option<String> {
        self.permanent_mac
            .as_deref()
            .and_then(normal_mac)
            .or_else(|| self.mac.as_deref().and_then(normal_mac))
    }

    /// Whether it has a link; `None`: it doesn't tell, as most while the machine is off.
    pub fn link(&self) -> Option<bool> {
        match self.link_status.as_deref()? {
            "LinkUp" | "Up" => Some(true),
            "LinkDown" | "NoLink" | "Down" => Some(false),
            _ => None,
        }
    }

    /// Its speed in Mbit/s.
    pub fn mbit(&self) -> Option<u32> {
        count(self.speed_mbps)
    }

    /// Its UEFI device path.
    pub fn uefi_path(&self) -> Option<String> {
        word_of(self.uefi_device_path.as_deref())
    }

    /// `OK`, `Warning`, `Critical`.
    pub fn health(&self) -> Option<String> {
        self.status.as_ref()?.health()
    }
}

/// `PCIeDevice`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PciPart {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    manufacturer: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    firmware_version: Option<String>,
    /// Its functions.
    #[serde(rename = "PCIeFunctions", default, deserialize_with = "lenient")]
    pub functions: Option<Link>,
    #[serde(default, deserialize_with = "lenient")]
    links: Option<PciLinks>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<Status>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct PciLinks {
    #[serde(rename = "PCIeFunctions", default, deserialize_with = "lenient_list")]
    functions: Vec<Link>,
}

impl PciPart {
    /// Whether it is there.
    pub fn is_present(&self) -> bool {
        self.status.as_ref().is_none_or(Status::is_present)
    }

    /// Its id.
    pub fn id(&self) -> String {
        word_of(self.id.as_deref()).unwrap_or_default()
    }

    /// What it is called.
    pub fn name(&self) -> Option<String> {
        word_of(self.name.as_deref()).or_else(|| word_of(self.model.as_deref()))
    }

    /// Who made it.
    pub fn manufacturer(&self) -> Option<String> {
        word_of(self.manufacturer.as_deref())
    }

    /// Version of its firmware.
    pub fn firmware(&self) -> Option<String> {
        word_of(self.firmware_version.as_deref())
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
