//! Lenovo's: XCC. What is its own: an override holds once only, virtual media in many slots of which two are for URLs,
//! `Bios/Pending`, changes of accounts with `If-Match` only.
//!
//! After Lenovo's "XCC REST API" guide (pubs.lenovo.com/xcc-restapi: pushes to `/fwupdate` and `/mfwupdate`, tasks as the
//! answer to updates), lenovo/python-redfish-lenovo and ansible/ansible issue 56050.

use super::attributes::{BiosPlaces, number, one_of, text};
use super::blocks::{Builder, Item};
use super::hardware::{PartNames, SensorNames};
use super::machine::{Own, boot, with_uefi};
use super::manners::{AccountIds, Already, Manners, Success};
use crate::redfish::tree::Tree;
use serde_json::json;

const MANNERS: Manners = Manners {
    queries: true,
    base: "Base.1.12",
    server: "XCC Web Server",
    resets: &["On", "Nmi", "GracefulShutdown", "GracefulRestart", "ForceOn", "ForceOff", "ForceRestart"],
    manager_resets: &["GracefulRestart", "ForceRestart"],
    accounts: AccountIds::Numbers(1),
    accounts_need_if_match: true,
    success: Success::NoContent,
    already: Already::Fine,
    state_when_off: "StandbyOffline",
    ..Manners::STANDARD
};

pub(super) fn tree(ports: usize) -> Tree {
    let mut builder = Builder::new(MANNERS, ports, "1", "1", "1");
    machine(&mut builder);
    hardware(&mut builder);
    setup(&mut builder);
    services(&mut builder);
    builder.root(
        "ServiceRoot.v1_15_0",
        "1.17.0",
        json!({
            "Vendor": "Lenovo",
            "Product": "{{model}}",
            "ProtocolFeaturesSupported": {
                "ExcerptQuery": false,
                "FilterQuery": true,
                "OnlyMemberQuery": false,
                "SelectQuery": true,
                "ExpandQuery":
                    {"ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true, "MaxLevels": 2},
            },
            "Oem": {"Lenovo": {"@odata.type": "#LenovoServiceRoot.v1_0_0.LenovoServiceRoot"}},
        }),
    );
    builder.tree
}

fn machine(builder: &mut Builder) {
    let system = builder.system.clone();
    let own = Own {
        system: json!({
            "SKU": "7Z71CTO1WW",
            "PartNumber": "SB27A92818",
            "IndicatorLED": "Off",
            "LocationIndicatorActive": false,
            "BiosVersion": "U8E118D",
            "Oem": {"Lenovo": {
                "@odata.type": "#LenovoComputerSystem.v1_0_0.LenovoSystemProperties",
                "SystemStatus": "SystemPowerOff_StateUnknown",
                "NumberOfReboots": 120,
                "TotalPowerOnHours": 17520,
            }},
        }),
        chassis: json!({"SKU": "7Z71CTO1WW", "AssetTag": "", "LocationIndicatorActive": false}),
        manager: json!({
            "Model": "Lenovo XClarity Controller",
            "FirmwareVersion": "AFBT30O 3.60 2022-12-28",
            "Oem": {"Lenovo": {"@odata.type": "#LenovoManager.v1_0_0.LenovoManagerProperties", "release_name": "whitley_gp_23-1"}},
        }),
    };
    builder.machine("Lenovo", own);
    let targets = ["None", "Pxe", "Cd", "Usb", "Hdd", "BiosSetup", "Diags", "UefiHttp", "UefiTarget"];
    let boot = boot(&["Once", "Disabled"], &targets, &["UEFI", "Legacy"], json!({}));
    builder.own_boot(with_uefi(boot, &["HttpBootUri", "UefiTargetBootSourceOverride"]));
    let options = [
        ("Boot0000", "CD/DVD Rom", "VenMedia(5023B95C-DB26-429B-A648-BD47664C8012)"),
        ("Boot0001", "Hard Disk", "VenMedia(5023B95C-DB26-429B-A648-BD47664C8013)"),
        ("Boot0002", "Network", "VenMedia(5023B95C-DB26-429B-A648-BD47664C8014)"),
    ];
    let order = builder.boot_options(&format!("{system}/BootOptions"), &options);
    builder.tree.merge(&system, json!({ "Boot": order }));
    builder.manager_network("NIC");
}

fn hardware(builder: &mut Builder) {
    let (system, manager, chassis) =
        (builder.system.clone(), builder.manager.clone(), builder.chassis.clone());
    builder.ethernet(|number| format!("NIC{}", number + 1), &json!({}));
    builder.parts(&PartNames {
        processors: &["1", "2"],
        memory: &["1", "2", "3"],
        storage: "RAID_Slot7",
        drives: &["Disk.0", "Disk.1"],
        drives_at: Some(&format!("{chassis}/Drives")),
        pci_at: &format!("{chassis}/PCIeDevices"),
        pci: &["slot_3"],
    });
    let names = SensorNames {
        temperatures: &[("128L0", "Ambient Temp", 23), ("129L0", "CPU1 Temp", 43)],
        fans: &["Fan1FrontTach", "Fan1RearTach", "Fan2FrontTach"],
        supplies: &["PSU1", "PSU2"],
        voltage: "140L0",
        power_control: "0",
        power_sensor: "210L0",
    };
    builder.thermal_and_power(&names);
    builder.sensors(&names);
    let kinds: &[&str] = &["CD", "DVD"];
    let slots = [("EXT1", kinds), ("EXT2", kinds), ("RDOC1", kinds), ("Remote1", kinds)];
    let media = format!("{manager}/VirtualMedia");
    builder.media(&manager, &slots, &json!({"TransferMethod": "Stream", "UserName": ""}));
    // Those for uploaded images and for the viewer have no actions.
    for slot in ["RDOC1", "Remote1"] {
        builder.tree.merge(&format!("{media}/{slot}"), json!({"Actions": null, "TransferMethod": "Upload"}));
    }
    builder.tree.merge(&system, json!({"VirtualMedia": builder.link(&media)}));
}

fn setup(builder: &mut Builder) {
    let bios = format!("{}/Bios", builder.system);
    let uri = "/redfish/v1/schemas/registries/BiosAttributeRegistry.1.0.0.json";
    let attributes = [
        one_of("BootModes_SystemBootMode", "System Boot Mode", &["UEFIMode", "LegacyMode"]),
        one_of(
            "Processors_IntelVirtualizationTechnology",
            "Intel Virtualization Technology",
            &["Enabled", "Disabled"],
        ),
        one_of("Processors_HyperThreading", "Hyper-Threading", &["Enabled", "Disabled"]),
        one_of(
            "OperatingModes_ChooseOperatingMode",
            "Choose Operating Mode",
            &["MaximumEfficiency", "MaximumPerformance", "CustomMode"],
        ),
        number("SystemRecovery_POSTWatchdogTimerValue", "POST Watchdog Timer Value", 5, 5, 20, 1),
        text("Q00001_Asset_Tag", "Asset Tag", "", 32),
        text("ProductData_MachineType", "Machine Type", "7Z71", 4).read_only(),
    ];
    let places = BiosPlaces {
        bios: &bios,
        settings: &format!("{bios}/Pending"),
        registry: "BiosAttributeRegistry.1.0.0",
        registry_uri: uri,
    };
    builder.setup(&places, &attributes, &["OnReset"]);
}

fn services(builder: &mut Builder) {
    builder.sessions("SessionService.v1_1_8");
    let more = json!({"MinPasswordLength": 10, "MaxPasswordLength": 32, "AccountLockoutThreshold": 5});
    builder.accounts("AccountService.v1_11_0", more);
    builder.tasks();
    builder.events("/redfish/v1/EventService/SSE", json!({}));
    let items = [
        Item::new("BMC-Primary", "Firmware:BMC", "3.60"),
        Item::new("UEFI", "Firmware:UEFI", "1.40"),
        Item::fixed("BMC-Backup", "Firmware:BMC-Backup", "3.10"),
    ];
    builder.updates(Some("/fwupdate"), Some("/mfwupdate"), &items, json!({}));
    let system = builder.system.clone();
    let logs =
        [("PlatformLog", "Event", "PlatformLog"), ("AuditLog", "Event", "AuditLog"), ("SEL", "SEL", "SEL")];
    builder.logs(&system, &logs);
}
