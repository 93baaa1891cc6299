//! The machine's parts as the BMC knows them, also while it is off, and the identity of system and chassis.
//!
//! One collection that can't be read hides no other: it is told of among the problems.

use super::Redfish;
use crate::capability::{
    Drive, Fru, FruArea, FruField, Hardware, HardwareInventory, Inventory, MemoryModule, NetworkPort,
    PciDevice, Processor,
};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::redfish::chassis::{Chassis, identity_fields};
use bmc_proto::redfish::hardware::{
    DrivePart, MemoryPart, PciPart, PortPart, ProcessorPart, StoragePart, SystemParts, pci_function,
    simple_storage,
};
use bmc_proto::redfish::{Link, ResourcePath, normal_uuid, path_of, word_of};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::time::Instant;

const READING: &str = "read the machine's parts";
/// The most parts of a kind.
const PARTS_MAX: usize = 512;
/// The most chassis that are looked at.
const CHASSIS_MAX: usize = 16;

/// What is being put together.
struct Reader<'a> {
    bmc: &'a Redfish,
    problems: Vec<String>,
    /// When what is not yet read is left out.
    deadline: Instant,
}

impl Reader<'_> {
    /// The members of a collection as models; what can't be read is noted.
    async fn parts<T: DeserializeOwned>(&mut self, link: Option<&Link>) -> Result<Vec<T>, BmcError> {
        let resources = self.resources(path_of(link)).await?;
        Ok(resources.iter().filter_map(|resource| self.bmc.model(resource, READING).ok()).collect())
    }

    async fn resources(&mut self, collection: Option<ResourcePath>) -> Result<Vec<Value>, BmcError> {
        if collection.is_none() || self.is_late() {
            return Ok(Vec::new());
        }
        self.bmc.list_optional(collection, PARTS_MAX, READING, &mut self.problems).await
    }

    /// One resource; `None` when it is not there or can't be read.
    async fn one<T: DeserializeOwned>(&mut self, path: &ResourcePath) -> Result<Option<T>, BmcError> {
        if self.is_late() {
            return Ok(None);
        }
        match self.bmc.read_optional(path, READING).await {
            Ok(resource) => Ok(resource),
            Err(error) => self.bmc.note(&mut self.problems, error).map(|()| None),
        }
    }

    fn is_late(&mut self) -> bool {
        let late = Instant::now() >= self.deadline;
        let words = "reading it all took too long, the rest is left out";
        if late && self.problems.last().is_none_or(|last| last != words) {
            self.problems.push(words.into());
        }
        late
    }

    async fn drives(&mut self, parts: &SystemParts) -> Result<Vec<Drive>, BmcError> {
        let (mut drives, mut seen) = (Vec::new(), BTreeSet::new());
        for storage in self.parts::<StoragePart>(parts.storage.as_ref()).await? {
            let controller = storage.controller();
            for path in storage.drives.iter().filter_map(|link| path_of(Some(link))).take(PARTS_MAX) {
                // A drive behind two controllers is one drive.
                if !seen.insert(path.clone()) {
                    continue;
                }
                let part: Option<DrivePart> = self.one(&path).await?;
                drives.extend(
                    part.filter(|part| part.status.is_present()).map(|part| drive(&part, controller.clone())),
                );
            }
        }
        if !drives.is_empty() {
            return Ok(drives);
        }
        for resource in self.resources(path_of(parts.simple_storage.as_ref())).await? {
            let (controller, devices) = simple_storage(&resource);
            let present = devices.iter().filter(|part| part.status.is_present());
            drives.extend(present.map(|part| drive(part, controller.clone())));
        }
        Ok(drives)
    }

    async fn pci(&mut self, parts: &SystemParts, chassis: &[Chassis]) -> Result<Vec<PciDevice>, BmcError> {
        let (mut devices, mut seen) = (Vec::new(), BTreeSet::new());
        let mut resources = Vec::new();
        for path in parts.pcie_devices.iter().filter_map(|link| path_of(Some(link))).take(PARTS_MAX) {
            if let Some(resource) = self.one::<Value>(&path).await? {
                // Some link to the collection instead of its members.
                if resource.get("Members").is_some() {
                    resources.extend(self.resources(Some(path)).await?);
                } else {
                    resources.push(resource);
                }
            }
        }
        if resources.is_empty() {
            for chassis in chassis {
                resources.extend(self.resources(path_of(chassis.pcie_devices.as_ref())).await?);
            }
        }
        for resource in resources {
            let Ok(part) = self.bmc.model::<PciPart>(&resource, READING) else { continue };
            if part.status.is_present() && seen.insert(part.id.clone()) {
                devices.push(self.pci_device(&part).await?);
            }
        }
        Ok(devices)
    }

    async fn pci_device(&mut self, part: &PciPart) -> Result<PciDevice, BmcError> {
        // The first function is the device's own for all that matters here.
        let first = match part.listed_functions().first() {
            Some(link) => path_of(Some(link)),
            None => match path_of(part.functions.as_ref()) {
                Some(path) if !self.is_late() => match self.bmc.members(&path, READING).await {
                    Ok(members) => members.into_iter().next(),
                    Err(error) => self.bmc.note(&mut self.problems, error).map(|()| None)?,
                },
                _ => None,
            },
        };
        let function: Option<Value> = match first {
            Some(path) => self.one(&path).await?,
            None => None,
        };
        let (vendor_id, device_id, class) = function.as_ref().map(pci_function).unwrap_or_default();
        Ok(PciDevice {
            id: part.id.clone().unwrap_or_default(),
            name: part.name(),
            manufacturer: part.manufacturer.clone(),
            vendor_id,
            device_id,
            class,
            firmware: part.firmware.clone(),
        })
    }

    async fn chassis(&mut self) -> Result<Vec<(Value, Chassis)>, BmcError> {
        let mut all = Vec::new();
        for path in self.bmc.chassis_paths().await?.iter().take(CHASSIS_MAX) {
            if let Some(resource) = self.one::<Value>(path).await?
                && let Ok(chassis) = self.bmc.model(&resource, READING)
            {
                all.push((resource, chassis));
            }
        }
        Ok(all)
    }
}

impl Redfish {
    fn reader(&self) -> Reader<'_> {
        Reader { bmc: self, problems: Vec::new(), deadline: Instant::now() + self.timing.parts }
    }
}

#[async_trait]
impl Hardware for Redfish {
    async fn hardware(&self) -> Result<HardwareInventory, BmcError> {
        let system = self.system().await?;
        let parts: SystemParts = self.model(&system.raw, READING)?;
        let mut reader = self.reader();
        let processors: Vec<ProcessorPart> = reader.parts(parts.processors.as_ref()).await?;
        let memory: Vec<MemoryPart> = reader.parts(parts.memory.as_ref()).await?;
        let ports: Vec<PortPart> = reader.parts(parts.ethernet_interfaces.as_ref()).await?;
        let drives = reader.drives(&parts).await?;
        let chassis: Vec<Chassis> = reader.chassis().await?.into_iter().map(|(_, chassis)| chassis).collect();
        let pci = reader.pci(&parts, &chassis).await?;
        let memory: Vec<MemoryModule> =
            memory.iter().filter(|part| part.is_present()).map(memory_module).collect();
        let memory_bytes = parts.memory_bytes().or_else(|| sum(&memory));
        Ok(HardwareInventory {
            manufacturer: parts.manufacturer,
            model: parts.model,
            serial: parts.serial_number,
            sku: parts.sku,
            uuid: parts.uuid.as_deref().and_then(normal_uuid),
            bios_version: parts.bios_version,
            memory_bytes,
            processors: processors.iter().filter(|part| part.status.is_present()).map(processor).collect(),
            memory,
            drives,
            ports: ports.iter().map(network_port).collect(),
            pci,
            problems: reader.problems,
        })
    }
}

/// The modules together, where each tells its size.
fn sum(modules: &[MemoryModule]) -> Option<u64> {
    let total: Option<u64> = modules.iter().map(|module| module.bytes).sum();
    total.filter(|bytes| *bytes > 0)
}

fn processor(part: &ProcessorPart) -> Processor {
    Processor {
        id: part.place(),
        kind: part.kind.clone(),
        model: part.model.clone(),
        cores: part.cores,
        threads: part.threads,
        mhz: part.mhz,
        instruction_set: part.instruction_set(),
        health: part.status.health(),
    }
}

fn memory_module(part: &MemoryPart) -> MemoryModule {
    MemoryModule {
        id: part.place(),
        bytes: part.bytes(),
        kind: part.kind.clone(),
        speed: part.speed,
        manufacturer: part.manufacturer.clone(),
        serial: part.serial_number.clone(),
        part_number: part.part_number.clone(),
        health: part.status.health(),
    }
}

fn drive(part: &DrivePart, controller: Option<String>) -> Drive {
    Drive {
        id: part.id(),
        controller,
        model: part.model.clone(),
        serial: part.serial_number.clone(),
        bytes: part.bytes(),
        media: part.media.clone(),
        protocol: part.protocol.clone(),
        firmware: part.firmware(),
        health: part.status.health(),
    }
}

fn network_port(part: &PortPart) -> NetworkPort {
    NetworkPort {
        id: part.id.clone().unwrap_or_default(),
        mac: part.mac(),
        link: part.link(),
        mbit: part.mbit,
        uefi_path: part.uefi_path.clone(),
        health: part.status.health(),
    }
}

#[async_trait]
impl Inventory for Redfish {
    async fn units(&self) -> Result<Vec<Fru>, BmcError> {
        let system = self.system().await?.raw;
        let mut reader = self.reader();
        let chassis = reader.chassis().await?;
        let mut areas = Vec::new();
        if let Some((resource, chassis)) = chassis.first() {
            areas.extend(area("chassis", resource, chassis.chassis_type.clone()));
        }
        areas.extend(area("product", &system, None));
        let name = |resource: &Value| word_of(resource.get("Name").and_then(Value::as_str));
        let mut units = vec![Fru {
            id: 0,
            name: name(&system).unwrap_or_else(|| "System".into()),
            areas,
            problems: reader.problems,
        }];
        for (id, (resource, chassis)) in (1..).zip(chassis.iter().skip(1)) {
            let areas = area("chassis", resource, chassis.chassis_type.clone());
            let name = name(resource).unwrap_or_else(|| format!("Chassis {id}"));
            units.push(Fru { id, name, areas: areas.into_iter().collect(), problems: Vec::new() });
        }
        Ok(units)
    }
}

fn area(kind: &'static str, resource: &Value, chassis_type: Option<String>) -> Option<FruArea> {
    let first = chassis_type.map(|text| ("type", text));
    let fields: Vec<FruField> = first
        .into_iter()
        .chain(identity_fields(resource))
        .map(|(name, value)| FruField { name, value })
        .collect();
    (!fields.is_empty()).then_some(FruArea { kind, fields })
}

#[cfg(test)]
mod tests;
