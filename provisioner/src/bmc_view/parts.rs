//! Firmware, tasks, parts, logs and reports.

use super::time;
use crate::text::without_logins;
use bmc::{
    ApplyTime, Drive, FirmwareItem, FirmwareSource, FirmwareUpdate, HardwareInventory, LogDescription,
    MemoryModule, NetworkPort, PciDevice, Processor, Report, Subscription, Task, TaskState,
};
use provisioner_api::{
    BmcApplyTime, BmcDrive, BmcFirmwareItem, BmcFirmwareUpdate, BmcHardware, BmcLog, BmcMemoryModule,
    BmcNetworkPort, BmcPciDevice, BmcProcessor, BmcReport, BmcSubscription, BmcTask, BmcTaskState,
};

/// A piece of firmware.
pub(crate) fn firmware(item: FirmwareItem) -> BmcFirmwareItem {
    BmcFirmwareItem {
        id: item.id,
        name: item.name,
        version: item.version,
        updateable: item.updateable,
        health: item.health,
    }
}

/// When an update is applied.
pub(crate) fn apply_time(apply: BmcApplyTime) -> ApplyTime {
    match apply {
        BmcApplyTime::Immediate => ApplyTime::Immediate,
        BmcApplyTime::OnReset => ApplyTime::OnReset,
    }
}

/// An update whose image the BMC fetches.
pub(crate) fn firmware_update(update: &BmcFirmwareUpdate) -> FirmwareUpdate {
    FirmwareUpdate {
        source: FirmwareSource::Url(update.url.clone()),
        targets: update.targets.clone(),
        apply: update.apply.map(apply_time),
    }
}

/// A task. Whether it is followed is the caller's to say.
pub(crate) fn task(task: Task) -> BmcTask {
    BmcTask {
        id: task.handle.0,
        name: without_logins(&task.name),
        state: match task.state {
            TaskState::Running => BmcTaskState::Running,
            TaskState::AwaitsBoot => BmcTaskState::AwaitsBoot,
            TaskState::Done => BmcTaskState::Done,
            TaskState::Failed => BmcTaskState::Failed,
            TaskState::Gone => BmcTaskState::Gone,
        },
        percent: task.percent,
        messages: task.messages.iter().map(|said| without_logins(said)).collect(),
        followed: false,
    }
}

/// A machine's parts.
pub(crate) fn hardware(hardware: HardwareInventory) -> BmcHardware {
    BmcHardware {
        manufacturer: hardware.manufacturer,
        model: hardware.model,
        serial: hardware.serial,
        sku: hardware.sku,
        uuid: hardware.uuid,
        bios_version: hardware.bios_version,
        memory_bytes: hardware.memory_bytes,
        processors: hardware.processors.into_iter().map(processor).collect(),
        memory: hardware.memory.into_iter().map(memory).collect(),
        drives: hardware.drives.into_iter().map(drive).collect(),
        ports: hardware.ports.into_iter().map(port).collect(),
        pci: hardware.pci.into_iter().map(pci).collect(),
        problems: hardware.problems,
    }
}

fn processor(processor: Processor) -> BmcProcessor {
    BmcProcessor {
        id: processor.id,
        kind: processor.kind,
        model: processor.model,
        cores: processor.cores,
        threads: processor.threads,
        mhz: processor.mhz,
        instruction_set: processor.instruction_set,
        health: processor.health,
    }
}

fn memory(module: MemoryModule) -> BmcMemoryModule {
    BmcMemoryModule {
        id: module.id,
        bytes: module.bytes,
        kind: module.kind,
        speed: module.speed,
        manufacturer: module.manufacturer,
        serial: module.serial,
        part_number: module.part_number,
        health: module.health,
    }
}

fn drive(drive: Drive) -> BmcDrive {
    BmcDrive {
        id: drive.id,
        controller: drive.controller,
        model: drive.model,
        serial: drive.serial,
        bytes: drive.bytes,
        media: drive.media,
        protocol: drive.protocol,
        firmware: drive.firmware,
        health: drive.health,
    }
}

fn port(port: NetworkPort) -> BmcNetworkPort {
    BmcNetworkPort {
        id: port.id,
        mac: port.mac,
        link: port.link,
        mbit: port.mbit,
        uefi_path: port.uefi_path,
        health: port.health,
    }
}

fn pci(device: PciDevice) -> BmcPciDevice {
    BmcPciDevice {
        id: device.id,
        name: device.name,
        manufacturer: device.manufacturer,
        vendor_id: device.vendor_id,
        device_id: device.device_id,
        class: device.class,
        firmware: device.firmware,
    }
}

/// A log.
pub(crate) fn log(log: LogDescription) -> BmcLog {
    BmcLog { id: log.id, name: log.name, entries: log.entries, clearable: log.clearable }
}

/// What a BMC reports by itself.
pub(crate) fn report(report: Report) -> BmcReport {
    BmcReport {
        at: report.at.and_then(time),
        message_id: report.message_id,
        message: without_logins(&report.message),
        severity: report.severity,
        origin: report.origin,
    }
}

/// A subscription.
pub(crate) fn subscription(subscription: Subscription) -> BmcSubscription {
    BmcSubscription {
        id: subscription.id,
        destination: without_logins(&subscription.destination),
        context: subscription.context,
    }
}
