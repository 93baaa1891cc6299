//! AMI's MegaRAC, as it is in servers of many makers. What is its own: ids `Self`, the boot override and the boot order at
//! the settings resource `SD` only, changes with `If-Match` only, reset types by `ActionInfo`, BIOS attributes with codes
//! for names, pages of 50 log entries.
//!
//! After answers quoted in DMTF/Redfish-Tacklebox issues 111 and 144 and stmcginnis/gofish issue 171, and captures in
//! libredfish's tests.

use super::attributes::{BiosPlaces, flag, number, one_of, text};
use super::blocks::{Builder, Item};
use super::hardware::{PartNames, SensorNames};
use super::machine::{Own, boot, with_uefi};
use super::manners::{AccountIds, Already, Manners, Success};
use crate::redfish::tree::Tree;
use serde_json::json;

const MANNERS: Manners = Manners {
    page: 50,
    queries: true,
    base: "Base.1.12",
    server: "AMI MegaRAC Redfish Service",
    resets: &[
        "ForceOff",
        "ForceOn",
        "ForceRestart",
        "GracefulShutdown",
        "GracefulRestart",
        "On",
        "PowerCycle",
        "Nmi",
    ],
    resets_by_info: true,
    manager_resets: &["ForceRestart"],
    boot_in_settings: true,
    needs_if_match: true,
    accounts: AccountIds::Numbers(1),
    success: Success::NoContent,
    already: Already::Conflict,
    state_when_off: "Disabled",
    ..Manners::STANDARD
};

pub(super) fn tree(ports: usize) -> Tree {
    let mut builder = Builder::new(MANNERS, ports, "Self", "Self", "Self");
    machine(&mut builder);
    hardware(&mut builder);
    setup(&mut builder);
    services(&mut builder);
    builder.root(
        "ServiceRoot.v1_13_0",
        "1.15.1",
        json!({
            "Vendor": "AMI",
            "Product": "AMI Redfish Server",
            "ProtocolFeaturesSupported": {
                "ExcerptQuery": true,
                "FilterQuery": true,
                "OnlyMemberQuery": true,
                "SelectQuery": true,
                "ExpandQuery":
                    {"ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true, "MaxLevels": 5},
            },
            "Oem": {"Ami": {"@odata.type": "#AMIServiceRoot.v1_0_0.AMIServiceRoot", "RtpVersion": "13.4"}},
        }),
    );
    builder.tree
}

fn machine(builder: &mut Builder) {
    let system = builder.system.clone();
    let own = Own {
        system: json!({
            "SKU": "Default string",
            "PartNumber": "Default string",
            "IndicatorLED": "Off",
            "LocationIndicatorActive": false,
            "BiosVersion": "4.02",
        }),
        chassis: json!({"IndicatorLED": "Off", "LocationIndicatorActive": false, "AssetTag": ""}),
        manager: json!({"Model": "AST2600", "FirmwareVersion": "13.04.0"}),
    };
    builder.machine("ASRockRack", own);
    let targets = [
        "None",
        "Pxe",
        "Floppy",
        "Cd",
        "Usb",
        "Hdd",
        "BiosSetup",
        "Utilities",
        "Diags",
        "UefiShell",
        "UefiTarget",
        "UefiBootNext",
        "UefiHttp",
    ];
    let boot = boot(&["Disabled", "Once", "Continuous"], &targets, &["Legacy", "UEFI"], json!({}));
    let boot = with_uefi(boot, &["HttpBootUri", "UefiTargetBootSourceOverride"]);
    builder.own_boot(boot.clone());
    let options = [
        ("Boot0000", "UEFI: PXE IPv4 Intel(R) I210", "PciRoot(0x0)/Pci(0x1C,0x0)/Pci(0x0,0x0)/MAC()/IPv4()"),
        ("Boot0001", "UEFI OS", "HD(1,GPT,9B6E0E2E-0000-4000-8000-000000000001,0x800,0x100000)"),
        ("Boot0002", "UEFI: Built-in EFI Shell", "Fv(5C60F367-A505-419A-859E-2A4FF6CA6FE5)"),
    ];
    let order = builder.boot_options(&format!("{system}/BootOptions"), &options);
    let settings = format!("{system}/SD");
    builder.tree.merge(
        &system,
        json!({
            "Boot": order.clone(),
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_3_5.Settings",
                "SettingsObject": builder.link(&settings),
            },
        }),
    );
    builder.put(&settings, "ComputerSystem.v1_22_1", "System Settings", json!({}));
    let mut pending = boot;
    pending["BootOrder"] = order["BootOrder"].clone();
    builder.tree.set(&settings, "Boot", pending);
    builder.tree.places.system_settings = Some(settings);
    builder.manager_network("eth0");
}

fn hardware(builder: &mut Builder) {
    let (manager, chassis) = (builder.manager.clone(), builder.chassis.clone());
    builder.ethernet(|number| format!("EthernetInterface{number}"), &json!({}));
    builder.parts(&PartNames {
        processors: &["DevType1_CPU0", "DevType1_CPU1"],
        memory: &["DevType2_DIMM0", "DevType2_DIMM1", "DevType2_DIMM2"],
        storage: "StorageUnit_0",
        drives: &["Drive_0", "Drive_1"],
        drives_at: None,
        pci_at: &format!("{chassis}/PCIeDevices"),
        pci: &["DevType7_NIC0"],
    });
    let names = SensorNames {
        temperatures: &[("1", "MB Temp", 30), ("2", "CPU1 Temp", 44)],
        fans: &["FAN1", "FAN2", "FAN3"],
        supplies: &["PSU1", "PSU2"],
        voltage: "12V",
        power_control: "0",
        power_sensor: "PSUTotal",
    };
    builder.thermal_and_power(&names);
    builder.sensors(&names);
    let slots: [(&str, &[&str]); 2] = [("CD1", &["CD", "DVD"]), ("HD1", &["USBStick"])];
    builder.media(&manager, &slots, &json!({"TransferMethod": "Stream"}));
    builder.tree.merge(
        &manager,
        json!({
            "Actions": {"Oem": {"#AMIVirtualMedia.EnableRMedia": {
                "target": format!("{manager}/Actions/Oem/AMIVirtualMedia.EnableRMedia"),
            }}},
        }),
    );
}

fn setup(builder: &mut Builder) {
    let bios = format!("{}/Bios", builder.system);
    let uri = "/redfish/v1/Registries/BiosAttributeRegistry0ACLG.en-US.0.1.0.json";
    let attributes = [
        one_of("FBO001", "Boot Mode Select", &["UEFI", "LEGACY", "DUAL"]),
        one_of("PCIS007", "SR-IOV Support", &["Enabled", "Disabled"]),
        one_of("CPU005", "Intel Virtualization Technology", &["Enabled", "Disabled"]),
        number("SETUP001", "Setup Prompt Timeout", 1, 0, 65535, 1),
        flag("QBT001", "Quiet Boot", true),
        text("ASSET001", "Asset Tag", "", 63),
        text("BVER001", "BIOS Version", "4.02", 16).read_only(),
    ];
    let places = BiosPlaces {
        bios: &bios,
        settings: &format!("{bios}/SD"),
        registry: "BiosAttributeRegistry0ACLG.0.1.0",
        registry_uri: uri,
    };
    builder.setup(&places, &attributes, &["OnReset"]);
}

fn services(builder: &mut Builder) {
    builder.sessions("SessionService.v1_1_8");
    builder.accounts("AccountService.v1_12_0", json!({"MinPasswordLength": 8, "MaxPasswordLength": 20}));
    builder.tasks();
    builder.events("/redfish/v1/EventService/SSE", json!({}));
    let items = [
        Item::new("BMCImage1", "BMC", "13.04.0"),
        Item::new("BIOS", "BIOS", "4.02"),
        Item::fixed("CPLD", "CPLD", "1.2"),
    ];
    builder.updates(None, Some("/redfish/v1/UpdateService/upload"), &items, json!({}));
    for (owner, id, kind, name) in [
        (builder.manager.clone(), "SEL", "SEL", "SEL Log Service"),
        (builder.system.clone(), "BIOS", "Event", "BIOS Log Service"),
    ] {
        builder.logs(&owner, &[(id, kind, name)]);
    }
}
