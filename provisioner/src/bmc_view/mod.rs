//! From what a BMC's driver says to what the API and the CLI show, and back. Pure.

mod audit;
mod parts;
mod scan;
mod settings;

pub(crate) use audit::{audit, audit_options};
pub(crate) use parts::{apply_time, firmware, firmware_update, hardware, log, report, subscription, task};
pub(crate) use scan::found;
pub(crate) use settings::{
    applies, bios, boot_option, keys, media, media_insert, secure_boot, wanted_bios_value,
};

use crate::text::without_logins;
use bmc::{
    AddressSource, Bmc, BmcEvent, BmcInfo, BmcUser, BootOverride, BootTarget, Button, EventLogInfo, Fru,
    Lamp, LanSettings, Persistence, PowerReading, PowerState, Sensor, SensorHealth, Thresholds,
    UserPrivilege, WatchdogState,
};
use jiff::Timestamp;
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcButton, BmcDetails, BmcFru, BmcFruArea, BmcFruField, BmcHealth, BmcIdentify,
    BmcNetwork, BmcPowerReading, BmcSel, BmcSelEntry, BmcSensor, BmcSensorHealth, BmcThresholds,
    BmcUserEntry, BmcUserPrivilege, BmcWatchdog, BootMode, Power,
};
use std::time::Duration;

/// What of a BMC's settings is weak.
pub(crate) fn weak(cipher_suite: Option<u8>) -> Vec<String> {
    let weak = (cipher_suite == Some(3)).then(|| "IPMI cipher suite 3 (SHA-1)".to_owned());
    weak.into_iter().collect()
}

/// What a BMC's driver can do, in words.
pub(crate) fn capabilities(bmc: &dyn Bmc) -> Vec<String> {
    let all = [
        ("power", true),
        ("boot", true),
        ("asset-tag", bmc.asset_tag().is_some()),
        ("bios", bmc.bios().is_some()),
        ("boot-order", bmc.boot_order().is_some()),
        ("console", bmc.console().is_some()),
        ("event-log", bmc.event_log().is_some()),
        ("firmware", bmc.firmware().is_some()),
        ("hardware", bmc.hardware().is_some()),
        ("identify", bmc.identify().is_some()),
        ("inventory", bmc.inventory().is_some()),
        ("logs", bmc.logs().is_some()),
        ("network-settings", bmc.network_settings().is_some()),
        ("power-meter", bmc.power_meter().is_some()),
        ("record", bmc.recorder().is_some()),
        ("reports", bmc.reports().is_some()),
        ("restart", bmc.restart().is_some()),
        ("secure-boot", bmc.secure_boot().is_some()),
        ("sensors", bmc.sensors().is_some()),
        ("tasks", bmc.tasks().is_some()),
        ("users", bmc.users().is_some()),
        ("virtual-media", bmc.virtual_media().is_some()),
        ("watchdog", bmc.watchdog().is_some()),
    ];
    all.into_iter().filter(|(_, can)| *can).map(|(name, _)| name.to_owned()).collect()
}

/// What a BMC says of itself, without what has to be asked for apart.
pub(crate) fn details(info: BmcInfo, address: String, capabilities: Vec<String>) -> BmcDetails {
    BmcDetails {
        address,
        manufacturer: info.manufacturer,
        product: info.product,
        firmware: info.firmware,
        system_uuid: info.system_uuid,
        tls_sha256: info.tls_sha256.map(hex::encode),
        health: BmcHealth::Ok,
        capabilities,
        weak: Vec::new(),
        network: None,
        asset_tag: None,
        power_reading: None,
        watchdog: None,
    }
}

/// Power.
pub(crate) fn power(state: PowerState) -> Power {
    match state {
        PowerState::On => Power::On,
        PowerState::Off => Power::Off,
    }
}

/// A button.
pub(crate) fn button(button: BmcButton) -> Button {
    match button {
        BmcButton::Cycle => Button::Cycle,
        BmcButton::Reset => Button::Reset,
        BmcButton::Soft => Button::ShutDown,
        BmcButton::Diag => Button::Diagnostic,
        BmcButton::Restart => Button::Restart,
        BmcButton::Push => Button::PushPower,
        BmcButton::FullCycle => Button::FullCycle,
        BmcButton::Suspend => Button::Suspend,
        BmcButton::Pause => Button::Pause,
        BmcButton::Resume => Button::Resume,
    }
}

/// The override that is set; one that the BMC has no word of ours for is `Other`.
pub(crate) fn boot(set: Option<BootOverride>) -> BmcBoot {
    let Some(set) = set else { return BmcBoot { device: BmcBootDevice::Other, ..BmcBoot::default() } };
    let (mut uri, mut path) = (None, None);
    let device = match set.target {
        BootTarget::Default => BmcBootDevice::None,
        BootTarget::Network => BmcBootDevice::Pxe,
        BootTarget::Disk => BmcBootDevice::Disk,
        BootTarget::Cd => BmcBootDevice::Cdrom,
        BootTarget::Setup => BmcBootDevice::Bios,
        BootTarget::Usb => BmcBootDevice::Usb,
        BootTarget::Http { uri: from } => {
            uri = from.as_deref().map(without_logins);
            BmcBootDevice::Http
        }
        BootTarget::UefiDevice(device) => {
            path = Some(device);
            BmcBootDevice::UefiDevice
        }
    };
    let mode = set.mode.map(|mode| match mode {
        bmc::BootMode::Bios => BootMode::Bios,
        bmc::BootMode::Uefi => BootMode::Uefi,
    });
    BmcBoot { device, persistent: set.persistence == Persistence::Persistent, mode, uri, path }
}

/// The override that is wanted; none for `Other`, which can only be read, and for a UEFI device without its path.
pub(crate) fn boot_override(boot: &BmcBoot) -> Option<BootOverride> {
    let target = match boot.device {
        BmcBootDevice::None => BootTarget::Default,
        BmcBootDevice::Pxe => BootTarget::Network,
        BmcBootDevice::Disk => BootTarget::Disk,
        BmcBootDevice::Cdrom => BootTarget::Cd,
        BmcBootDevice::Bios => BootTarget::Setup,
        BmcBootDevice::Usb => BootTarget::Usb,
        BmcBootDevice::Http => BootTarget::Http { uri: boot.uri.clone() },
        BmcBootDevice::UefiDevice => BootTarget::UefiDevice(boot.path.clone()?),
        BmcBootDevice::Other => return None,
    };
    let mode = boot.mode.map(|mode| match mode {
        BootMode::Bios => bmc::BootMode::Bios,
        BootMode::Uefi => bmc::BootMode::Uefi,
    });
    let persistence = if boot.persistent { Persistence::Persistent } else { Persistence::Once };
    Some(BootOverride { target, persistence, mode })
}

/// What the lamp shall do.
pub(crate) fn lamp(identify: &BmcIdentify) -> Lamp {
    match identify.seconds {
        None => Lamp::On,
        Some(0) => Lamp::Off,
        Some(seconds) => Lamp::For(Duration::from_secs(seconds.into())),
    }
}

/// A sensor.
pub(crate) fn sensor(sensor: Sensor) -> BmcSensor {
    let Thresholds {
        lower_non_recoverable,
        lower_critical,
        lower_non_critical,
        upper_non_critical,
        upper_critical,
        upper_non_recoverable,
    } = sensor.thresholds;
    // JSON has no infinite numbers and none that are not one.
    let number = |value: Option<f64>| value.filter(|value| value.is_finite());
    BmcSensor {
        name: sensor.name,
        number: sensor.number,
        entity: sensor.entity,
        kind: sensor.kind,
        reading: number(sensor.reading),
        unit: sensor.unit,
        states: sensor.states,
        health: match sensor.health {
            SensorHealth::Unavailable => BmcSensorHealth::Unavailable,
            SensorHealth::Ok => BmcSensorHealth::Ok,
            SensorHealth::Warning => BmcSensorHealth::Warning,
            SensorHealth::Critical => BmcSensorHealth::Critical,
            SensorHealth::NonRecoverable => BmcSensorHealth::NonRecoverable,
        },
        thresholds: BmcThresholds {
            lower_non_recoverable: number(lower_non_recoverable),
            lower_critical: number(lower_critical),
            lower_non_critical: number(lower_non_critical),
            upper_non_critical: number(upper_non_critical),
            upper_critical: number(upper_critical),
            upper_non_recoverable: number(upper_non_recoverable),
        },
    }
}

/// The hardware's event log.
pub(crate) fn sel(info: EventLogInfo, events: Vec<BmcEvent>) -> BmcSel {
    BmcSel {
        entries: info.entries,
        free: info.free,
        overflow: info.overflow,
        clock: info.clock.and_then(time),
        items: events.into_iter().map(entry).collect(),
    }
}

/// An entry of a log.
pub(crate) fn entry(event: BmcEvent) -> BmcSelEntry {
    BmcSelEntry {
        id: event.id,
        at: event.at.and_then(time),
        sensor: event.sensor,
        kind: event.kind,
        message: without_logins(&event.message),
        asserted: event.asserted,
        raw: event.raw,
    }
}

fn time(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// A field replaceable unit.
pub(crate) fn fru(unit: Fru) -> BmcFru {
    let area = |area: bmc::FruArea| BmcFruArea {
        kind: area.kind.to_owned(),
        fields: area
            .fields
            .into_iter()
            .map(|field| BmcFruField { name: field.name.to_owned(), value: field.value })
            .collect(),
    };
    let areas = unit.areas.into_iter().map(area).collect();
    BmcFru { id: unit.id, name: unit.name, areas, problems: unit.problems }
}

/// A user.
pub(crate) fn user(user: BmcUser) -> BmcUserEntry {
    BmcUserEntry {
        id: user.id,
        name: user.name,
        enabled: user.enabled,
        locked: user.locked,
        privilege: match user.privilege {
            UserPrivilege::NoAccess => BmcUserPrivilege::NoAccess,
            UserPrivilege::Callback => BmcUserPrivilege::Callback,
            UserPrivilege::User => BmcUserPrivilege::User,
            UserPrivilege::Operator => BmcUserPrivilege::Operator,
            UserPrivilege::Administrator => BmcUserPrivilege::Administrator,
            UserPrivilege::Oem => BmcUserPrivilege::Oem,
        },
    }
}

/// What a user shall be allowed.
pub(crate) fn privilege(privilege: BmcUserPrivilege) -> UserPrivilege {
    match privilege {
        BmcUserPrivilege::NoAccess => UserPrivilege::NoAccess,
        BmcUserPrivilege::Callback => UserPrivilege::Callback,
        BmcUserPrivilege::User => UserPrivilege::User,
        BmcUserPrivilege::Operator => UserPrivilege::Operator,
        BmcUserPrivilege::Administrator => UserPrivilege::Administrator,
        BmcUserPrivilege::Oem => UserPrivilege::Oem,
    }
}

/// A BMC's own network settings.
pub(crate) fn network(lan: LanSettings) -> BmcNetwork {
    let source = lan.source.map(|source| match source {
        AddressSource::Static => "static",
        AddressSource::Dhcp => "dhcp",
        AddressSource::System => "system",
        AddressSource::Other => "other",
    });
    BmcNetwork {
        source: source.map(str::to_owned),
        address: lan.address,
        netmask: lan.netmask,
        gateway: lan.gateway,
        mac: lan.mac,
        vlan: lan.vlan,
        cipher_suites: lan.cipher_suites,
    }
}

/// Power drawn.
pub(crate) fn power_reading(reading: PowerReading) -> BmcPowerReading {
    BmcPowerReading {
        now_watts: reading.now,
        minimum_watts: reading.minimum,
        maximum_watts: reading.maximum,
        average_watts: reading.average,
        period_seconds: reading.period.as_secs(),
        active: reading.active,
    }
}

/// A watchdog.
pub(crate) fn watchdog(state: WatchdogState) -> BmcWatchdog {
    BmcWatchdog {
        running: state.running,
        used_by: state.used_by,
        action: state.action,
        set_to_seconds: state.set_to.as_secs(),
        left_seconds: state.left.as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_boot_device_but_other_survives_the_way_there_and_back() {
        use BmcBootDevice as D;
        for device in [D::None, D::Pxe, D::Disk, D::Cdrom, D::Bios, D::Usb, D::Http, D::UefiDevice] {
            for persistent in [false, true] {
                for mode in [None, Some(BootMode::Bios), Some(BootMode::Uefi)] {
                    let uri = (device == D::Http).then(|| "http://a/b.efi".to_owned());
                    let path = (device == D::UefiDevice).then(|| "PciRoot(0x0)/Pci(0x1,0x0)".to_owned());
                    let wanted = BmcBoot { device, persistent, mode, uri, path };
                    assert_eq!(boot(boot_override(&wanted)), wanted);
                }
            }
        }
        let other = BmcBoot { device: D::Other, ..BmcBoot::default() };
        assert_eq!(boot_override(&other), None);
        assert_eq!(boot_override(&BmcBoot { device: D::UefiDevice, ..BmcBoot::default() }), None);
        assert_eq!(boot(None), other);
    }

    #[test]
    fn every_privilege_survives_the_way_there_and_back() {
        use BmcUserPrivilege as P;
        for level in [P::NoAccess, P::Callback, P::User, P::Operator, P::Administrator, P::Oem] {
            let there = BmcUser {
                id: "2".into(),
                name: "x".into(),
                enabled: None,
                locked: None,
                privilege: privilege(level),
            };
            assert_eq!(user(there).privilege, level);
        }
    }

    #[test]
    fn the_lamp_shines_for_ever_for_a_while_or_not() {
        let table = [
            (None, Lamp::On),
            (Some(0), Lamp::Off),
            (Some(1), Lamp::For(Duration::from_secs(1))),
            (Some(255), Lamp::For(Duration::from_secs(255))),
        ];
        for (seconds, want) in table {
            assert_eq!(lamp(&BmcIdentify { seconds }), want);
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_left_out() {
        let info = EventLogInfo { clock: Some(i64::MAX), ..EventLogInfo::default() };
        let event = BmcEvent {
            id: "1".into(),
            at: Some(i64::MAX),
            sensor: String::new(),
            kind: String::new(),
            message: String::new(),
            asserted: true,
            raw: String::new(),
        };
        let sel = sel(info, vec![BmcEvent { at: Some(86_400), ..event.clone() }, event]);
        assert_eq!(sel.clock, None);
        assert_eq!(sel.items[0].at, Some("1970-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(sel.items[1].at, None);
    }

    #[test]
    fn a_reading_that_is_no_number_is_none() {
        let reads = |reading| Sensor {
            name: "x".into(),
            number: None,
            entity: String::new(),
            kind: String::new(),
            reading: Some(reading),
            unit: None,
            states: Vec::new(),
            health: SensorHealth::Ok,
            thresholds: Thresholds { upper_critical: Some(f64::INFINITY), ..Thresholds::default() },
        };
        assert_eq!(sensor(reads(f64::NAN)).reading, None);
        assert_eq!(sensor(reads(42.5)).reading, Some(42.5));
        assert_eq!(sensor(reads(1.0)).thresholds.upper_critical, None);
    }
}
