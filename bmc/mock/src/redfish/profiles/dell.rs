//! Dell's: iDRAC 9. What is its own: ids such as `System.Embedded.1`, no ETags, accounts in 16 slots, virtual media both
//! under the system and, older, under the manager, jobs (`JID_…`), pages of 50, errors of the registry `IDRAC`.
//!
//! After answers quoted in dell/iDRAC-Redfish-Scripting (issues 60, 290, 324), stmcginnis/gofish issue 75 and the
//! resources in DMTF's and sushy's collections of captures.

use super::attributes::{BiosPlaces, number, one_of, text};
use super::blocks::{Builder, Item};
use super::hardware::{PartNames, SensorNames};
use super::machine::{Own, boot, with_uefi};
use super::manners::{AccountIds, Already, Etags, Manners, Success};
use crate::redfish::tree::Tree;
use serde_json::json;

const MANNERS: Manners = Manners {
    etags: Etags::None,
    page: 50,
    base: "Base.1.12",
    server: "Apache",
    resets: &[
        "On",
        "ForceOff",
        "ForceRestart",
        "GracefulRestart",
        "GracefulShutdown",
        "PushPowerButton",
        "Nmi",
        "PowerCycle",
    ],
    manager_resets: &["GracefulRestart"],
    sessions_full: Some((503, "IDRAC.2.8.RAC0218")),
    accounts: AccountIds::Slots(16),
    success: Success::Message,
    already: Already::Error(409, "IDRAC.2.8.PSU501", "Server is already powered ON or OFF as requested."),
    ..Manners::STANDARD
};

pub(super) fn tree(ports: usize) -> Tree {
    let ids = ("System.Embedded.1", "iDRAC.Embedded.1", "System.Embedded.1");
    let mut builder = Builder::new(MANNERS, ports, ids.0, ids.1, ids.2);
    machine(&mut builder);
    hardware(&mut builder);
    setup(&mut builder);
    services(&mut builder);
    builder.root(
        "ServiceRoot.v1_11_0",
        "1.15.0",
        json!({
            "Vendor": "Dell",
            "Product": "Integrated Dell Remote Access Controller",
            "ProtocolFeaturesSupported": {
                "ExcerptQuery": false,
                "FilterQuery": true,
                "OnlyMemberQuery": true,
                "SelectQuery": true,
                "ExpandQuery":
                    {"ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true, "MaxLevels": 1},
            },
            "Oem": {"Dell": {
                "@odata.type": "#DellServiceRoot.v1_0_0.DellServiceRoot",
                "IsBranded": 0,
                "ManagerMACAddress": "02:00:00:00:00:01",
                "ServiceTag": "{{serial}}",
            }},
        }),
    );
    builder.tree
}

fn own(builder: &Builder) -> Own {
    let manager = &builder.manager;
    Own {
        system: json!({
            "HostName": "",
            "SKU": "{{serial}}",
            "PartNumber": "0MJ5RYA02",
            "IndicatorLED": "Off",
            "LocationIndicatorActive": false,
            "BiosVersion": "1.9.2",
            "Oem": {"Dell": {
                "@odata.type": "#DellOem.v1_3_0.DellOemResources",
                "DellSystem": {
                    "@odata.type": "#DellSystem.v1_3_0.DellSystem",
                    "BIOSReleaseDate": "11/17/2022",
                    "ChassisServiceTag": "{{serial}}",
                    "ExpressServiceCode": "12345678901",
                    "LastSystemInventoryTime": "2026-01-01T00:00:00+00:00",
                    "MachineName": null,
                    "ServerAllocationWatts": null,
                    "smbiosGUID": "{{uuid}}",
                },
            }},
        }),
        chassis: json!({"SKU": "{{serial}}", "PartNumber": "0MJ5RYA02", "AssetTag": "", "LocationIndicatorActive": false}),
        manager: json!({
            "Model": "16G Monolithic",
            "FirmwareVersion": "6.10.30.00",
            "Links": {"Oem": {"Dell": {
                "@odata.type": "#DellOem.v1_3_0.DellOemLinks",
                "Jobs": builder.link(&format!("{manager}/Oem/Dell/Jobs")),
            }}},
            "Actions": {"Oem": {
                "#OemManager.ExportSystemConfiguration": {
                    "target": format!("{manager}/Actions/Oem/EID_674_Manager.ExportSystemConfiguration"),
                },
                "#DellManager.ResetToDefaults": {
                    "DellResetToDefaultsType@Redfish.AllowableValues": ["All", "Default", "CustomDefaults"],
                    "target": format!("{manager}/Actions/Oem/DellManager.ResetToDefaults"),
                },
            }},
        }),
    }
}

fn machine(builder: &mut Builder) {
    let (system, manager) = (builder.system.clone(), builder.manager.clone());
    let own = own(builder);
    builder.machine("Dell Inc.", own);
    builder.put(
        &format!("{manager}/Oem/Dell/Jobs"),
        "DellJobCollection.v1_0_0",
        "JobQueue",
        json!({"@odata.type": "#DellJobCollection.DellJobCollection", "Members": [], "Members@odata.count": 0}),
    );
    builder.tree.places.jobs = Some(format!("{manager}/Oem/Dell/Jobs"));
    let targets =
        ["None", "Pxe", "Floppy", "Cd", "Hdd", "BiosSetup", "Utilities", "UefiTarget", "SDCard", "UefiHttp"];
    let more = json!({"StopBootOnFault": "Never"});
    let boot = boot(&["Once", "Continuous", "Disabled"], &targets, &["UEFI", "Legacy"], more);
    builder.own_boot(with_uefi(boot, &["HttpBootUri", "UefiTargetBootSourceOverride"]));
    let options = [
        (
            "Boot0003",
            "PXE Device 1: Embedded NIC 1 Port 1 Partition 1",
            "VenHw(3A191845-5F86-4E78-8FCE-C4CFF59F9DAA)",
        ),
        ("Boot0004", "RAID Controller in SL 3: OS", "PciRoot(0x3)/Pci(0x1,0x0)/Pci(0x0,0x0)/Ctrl(0x0)"),
        ("Boot0000", "Virtual Optical Drive", "PciRoot(0x0)/Pci(0x14,0x0)/USB(0xD,0x0)/USB(0x0,0x0)"),
    ];
    let order = builder.boot_options(&format!("{system}/BootOptions"), &options);
    let settings = format!("{system}/Settings");
    builder.tree.merge(
        &system,
        json!({
            "Boot": order.clone(),
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_3_5.Settings",
                "SettingsObject": builder.link(&settings),
                "SupportedApplyTimes": ["OnReset", "AtMaintenanceWindowStart", "InMaintenanceWindowOnReset"],
            },
        }),
    );
    builder.put(
        &settings,
        "ComputerSystem.v1_22_1",
        "System Settings",
        json!({"Boot": {"BootOrder": order["BootOrder"]}}),
    );
    builder.tree.places.system_settings = Some(settings);
    builder.manager_network("NIC.1");
}

fn hardware(builder: &mut Builder) {
    let (system, manager, chassis) =
        (builder.system.clone(), builder.manager.clone(), builder.chassis.clone());
    builder.ethernet(
        |number| format!("NIC.Embedded.{}-1-1", number + 1),
        &json!({"Description": "Embedded NIC"}),
    );
    builder.parts(&PartNames {
        processors: &["CPU.Socket.1", "CPU.Socket.2"],
        memory: &["DIMM.Socket.A1", "DIMM.Socket.A2", "DIMM.Socket.B1"],
        storage: "RAID.SL.3-1",
        drives: &[
            "Disk.Bay.0:Enclosure.Internal.0-1:RAID.SL.3-1",
            "Disk.Bay.1:Enclosure.Internal.0-1:RAID.SL.3-1",
        ],
        drives_at: None,
        pci_at: &format!("{chassis}/PCIeDevices"),
        pci: &["3-0"],
    });
    let names = SensorNames {
        temperatures: &[
            ("SystemBoardInletTemp", "System Board Inlet Temp", 23),
            ("CPU1Temp", "CPU1 Temp", 45),
        ],
        fans: &["Fan.Embedded.1A", "Fan.Embedded.1B", "Fan.Embedded.2A"],
        supplies: &["PSU.Slot.1", "PSU.Slot.2"],
        voltage: "PS1Voltage1",
        power_control: "PowerControl",
        power_sensor: "SystemBoardPwrConsumption",
    };
    builder.thermal_and_power(&names);
    builder.sensors(&names);
    // The pair of remote file shares under the system, and the older slots under the manager.
    let kinds: &[&str] = &["CD", "DVD", "USBStick"];
    builder.media(&system, &[("1", kinds), ("2", kinds)], &json!({"TransferMethod": "Stream"}));
    let slots: [(&str, &[&str]); 2] = [("CD", &["CD", "DVD"]), ("RemovableDisk", &["USBStick"])];
    builder.media(&manager, &slots, &json!({}));
}

fn setup(builder: &mut Builder) {
    let bios = format!("{}/Bios", builder.system);
    let uri = "/redfish/v1/Registries/BiosAttributeRegistry/BiosAttributeRegistry.v1_0_1";
    let attributes = [
        one_of("BootMode", "Boot Mode", &["Uefi", "Bios"]),
        one_of("LogicalProc", "Logical Processor", &["Enabled", "Disabled"]),
        one_of("ProcVirtualization", "Virtualization Technology", &["Enabled", "Disabled"]),
        one_of("SysProfile", "System Profile", &["PerfPerWattOptimizedDapc", "PerfOptimized", "Custom"]),
        one_of("PxeDev1EnDis", "PXE Device1", &["Enabled", "Disabled"]),
        number("AcPwrRcvryUserDelay", "User Defined Delay (120s to 600s)", 120, 120, 600, 1),
        text("AssetTag", "Asset Tag", "", 63),
        text("SystemServiceTag", "System Service Tag", "SIMULATED", 7).read_only(),
    ];
    let places = BiosPlaces {
        bios: &bios,
        settings: &format!("{bios}/Settings"),
        registry: "BiosAttributeRegistry.v1_0_1",
        registry_uri: uri,
    };
    let times = ["OnReset", "AtMaintenanceWindowStart", "InMaintenanceWindowOnReset"];
    builder.setup(&places, &attributes, &times);
}

fn services(builder: &mut Builder) {
    builder.sessions("SessionService.v1_1_8");
    builder.accounts("AccountService.v1_12_0", json!({"MinPasswordLength": 0, "MaxPasswordLength": 40}));
    builder.tasks();
    let sse = "/redfish/v1/SSE";
    builder.events(sse, json!({"EventTypesForSubscription": ["Alert", "ResourceUpdated"]}));
    let items = [
        Item::new(
            "Installed-25227-6.10.30.00__iDRAC.Embedded.1-1",
            "Integrated Dell Remote Access Controller",
            "6.10.30.00",
        ),
        Item::new("Installed-159-1.9.2__BIOS.Setup.1-1", "BIOS", "1.9.2"),
        Item::fixed("Previous-159-1.8.2__BIOS.Setup.1-1", "BIOS", "1.8.2"),
        Item::fixed("Installed-0-1.0.6__CPLD.Embedded.1", "System CPLD", "1.0.6"),
    ];
    let push = "/redfish/v1/UpdateService/FirmwareInventory";
    builder.updates(Some(push), Some("/redfish/v1/UpdateService/MultipartUpload"), &items, json!({}));
    let manager = builder.manager.clone();
    let logs = [("Sel", "SEL", "SEL Log Service"), ("Lclog", "OEM", "LifeCycle Controller Log Service")];
    builder.logs(&manager, &logs);
}
