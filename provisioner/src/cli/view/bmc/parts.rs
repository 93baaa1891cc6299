//! Parts: field replaceable units, and the machine's hardware as the BMC knows it.

use crate::cli::{
    text::{bytes, clean},
    ui::HasName,
    view::layout::{Page, table},
};
use provisioner_api::{BmcFru, BmcHardware};

impl HasName for BmcFru {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for BmcHardware {
    fn name(&self) -> String {
        self.serial.clone().or_else(|| self.uuid.clone()).unwrap_or_default()
    }
}

/// Parts, one section for each.
pub(in crate::cli) fn bmc_fru(units: &[BmcFru]) -> String {
    let mut text = String::new();
    for unit in units {
        let mut page = Page::default();
        for area in &unit.areas {
            let mut lines = Page::default();
            for field in &area.fields {
                lines.line(&field.name, &field.value);
            }
            page.block(&area.kind, &lines.end());
        }
        if !unit.problems.is_empty() {
            let problems: String = unit.problems.iter().map(|problem| clean(problem) + "\n").collect();
            page.block("problems", &problems);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{} (number {})\n", clean(&unit.name), unit.id));
        for line in page.end().lines().filter(|line| !line.is_empty()) {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A page: the machine's hardware.
pub(in crate::cli) fn bmc_hardware(hardware: &BmcHardware) -> String {
    let system = [text(hardware.manufacturer.as_deref()), text(hardware.model.as_deref())].join(" ");
    let mut page = Page::default();
    page.line("System", system.trim())
        .line("Serial", text(hardware.serial.as_deref()))
        .line("SKU", text(hardware.sku.as_deref()))
        .line("UUID", text(hardware.uuid.as_deref()))
        .line("BIOS", text(hardware.bios_version.as_deref()))
        .line("Memory", hardware.memory_bytes.map(bytes).unwrap_or_default())
        .block("Processors", &unless_empty(&hardware.processors, processors(hardware)))
        .block("Memory modules", &unless_empty(&hardware.memory, memory(hardware)))
        .block("Drives", &unless_empty(&hardware.drives, drives(hardware)))
        .block("Network ports", &unless_empty(&hardware.ports, ports(hardware)))
        .block("PCI devices", &unless_empty(&hardware.pci, pci(hardware)));
    let problems: String = hardware.problems.iter().map(|problem| clean(problem) + "\n").collect();
    page.block("What could not be read", &problems);
    page.end()
}

fn unless_empty<T>(items: &[T], table: String) -> String {
    if items.is_empty() { String::new() } else { table }
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn number(number: Option<u32>, unit: &str) -> String {
    number.map(|number| format!("{number}{unit}")).unwrap_or_default()
}

fn processors(hardware: &BmcHardware) -> String {
    let rows = hardware.processors.iter().map(|part| {
        [
            part.id.clone(),
            text(part.kind.as_deref()),
            text(part.model.as_deref()),
            number(part.cores, ""),
            number(part.threads, ""),
            number(part.mhz, " MHz"),
            text(part.health.as_deref()),
        ]
    });
    table(["ID", "KIND", "MODEL", "CORES", "THREADS", "SPEED", "HEALTH"], rows)
}

fn memory(hardware: &BmcHardware) -> String {
    let rows = hardware.memory.iter().map(|part| {
        [
            part.id.clone(),
            part.bytes.map(bytes).unwrap_or_default(),
            text(part.kind.as_deref()),
            number(part.speed, " MT/s"),
            text(part.manufacturer.as_deref()),
            text(part.part_number.as_deref()),
            text(part.serial.as_deref()),
            text(part.health.as_deref()),
        ]
    });
    table(["ID", "SIZE", "KIND", "SPEED", "MANUFACTURER", "PART NUMBER", "SERIAL", "HEALTH"], rows)
}

fn drives(hardware: &BmcHardware) -> String {
    let rows = hardware.drives.iter().map(|part| {
        [
            part.id.clone(),
            part.bytes.map(bytes).unwrap_or_default(),
            text(part.media.as_deref()),
            text(part.protocol.as_deref()),
            text(part.model.as_deref()),
            text(part.serial.as_deref()),
            text(part.firmware.as_deref()),
            text(part.controller.as_deref()),
            text(part.health.as_deref()),
        ]
    });
    table(["ID", "SIZE", "MEDIA", "BY", "MODEL", "SERIAL", "FIRMWARE", "CONTROLLER", "HEALTH"], rows)
}

fn ports(hardware: &BmcHardware) -> String {
    let rows = hardware.ports.iter().map(|part| {
        let link = match part.link {
            Some(true) => format!("up {}", number(part.mbit, " Mbit/s")).trim_end().to_owned(),
            Some(false) => "down".to_owned(),
            None => String::new(),
        };
        [
            part.id.clone(),
            text(part.mac.as_deref()),
            link,
            text(part.uefi_path.as_deref()),
            text(part.health.as_deref()),
        ]
    });
    table(["ID", "MAC", "LINK", "UEFI PATH", "HEALTH"], rows)
}

fn pci(hardware: &BmcHardware) -> String {
    let rows = hardware.pci.iter().map(|part| {
        let ids = [text(part.vendor_id.as_deref()), text(part.device_id.as_deref())].join(" ");
        [
            part.id.clone(),
            text(part.name.as_deref()),
            text(part.manufacturer.as_deref()),
            ids.trim().to_owned(),
            text(part.class.as_deref()),
            text(part.firmware.as_deref()),
        ]
    });
    table(["ID", "NAME", "MANUFACTURER", "IDS", "CLASS", "FIRMWARE"], rows)
}
