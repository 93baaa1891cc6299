//! Nobody's BMC: what the standard has (DSP8010), all of it, in both forms where there is an older and a newer one.

use super::attributes::{BiosPlaces, flag, number, one_of, text};
use super::blocks::{Builder, Item, with};
use super::hardware::{PartNames, SensorNames};
use super::machine::{Own, boot, with_uefi};
use super::manners::Manners;
use crate::redfish::tree::Tree;
use serde_json::json;

pub(super) fn tree(ports: usize) -> Tree {
    let mut builder = Builder::new(Manners::STANDARD, ports, "1", "1", "1");
    machine(&mut builder);
    hardware(&mut builder);
    firmware_setup(&mut builder);
    services(&mut builder);
    builder.root(
        "ServiceRoot.v1_17_0",
        "1.20.0",
        json!({
            "Vendor": "Billet",
            "Product": "Simulated BMC",
            "ProtocolFeaturesSupported": {
                "ExcerptQuery": false,
                "FilterQuery": false,
                "SelectQuery": true,
                "OnlyMemberQuery": true,
                "ExpandQuery":
                    {"ExpandAll": true, "Levels": true, "Links": true, "NoLinks": true, "MaxLevels": 6},
            },
        }),
    );
    builder.tree
}

fn machine(builder: &mut Builder) {
    let system = builder.system.clone();
    let boot = boot(
        &["Disabled", "Once", "Continuous"],
        &["None", "Pxe", "Hdd", "Cd", "BiosSetup", "Usb", "UefiHttp", "UefiTarget"],
        &["UEFI", "Legacy"],
        json!({}),
    );
    let lamp = json!({"IndicatorLED": "Off", "LocationIndicatorActive": false});
    let own = Own {
        system: with(json!({"SKU": "BLT-1U-2", "PartNumber": "BLT-0001"}), lamp.clone()),
        chassis: with(json!({"PartNumber": "BLT-C-0001", "AssetTag": ""}), lamp),
        manager: json!({
            "Manufacturer": "Billet",
            "Model": "Simulated BMC",
            "FirmwareVersion": env!("CARGO_PKG_VERSION"),
        }),
    };
    builder.machine("Billet", own);
    builder.own_boot(with_uefi(boot, &["HttpBootUri", "UefiTargetBootSourceOverride"]));
    let options = [
        ("Boot0000", "PXE IPv4 Network port 1", "PciRoot(0x0)/Pci(0x1C,0x0)/Pci(0x0,0x0)/MAC()/IPv4()"),
        (
            "Boot0001",
            "HTTP IPv4 Network port 1",
            "PciRoot(0x0)/Pci(0x1C,0x0)/Pci(0x0,0x0)/MAC()/IPv4()/Uri()",
        ),
        ("Boot0002", "Hard disk", "PciRoot(0x0)/Pci(0x17,0x0)/Sata(0x0,0xFFFF,0x0)"),
        ("Boot0003", "UEFI shell", "Fv(7CB8BDC9-F8EB-4F34-AAEA-3EE4AF6516A1)"),
    ];
    let order = builder.boot_options(&format!("{system}/BootOptions"), &options);
    builder.tree.merge(&system, json!({ "Boot": order }));
    builder.manager_network("eth0");
}

fn hardware(builder: &mut Builder) {
    let (system, chassis) = (builder.system.clone(), builder.chassis.clone());
    builder.ethernet(|number| (number + 1).to_string(), &json!({}));
    builder.parts(&PartNames {
        processors: &["CPU1", "CPU2"],
        memory: &["DIMM1", "DIMM2", "DIMM3"],
        storage: "1",
        drives: &["0", "1"],
        drives_at: None,
        pci_at: &format!("{chassis}/PCIeDevices"),
        pci: &["NIC1"],
    });
    let names = SensorNames {
        temperatures: &[("Inlet", "Inlet temperature", 23), ("CPU1Temp", "CPU 1 temperature", 45)],
        fans: &["Fan1", "Fan2", "Fan3"],
        supplies: &["PSU1", "PSU2"],
        voltage: "12V",
        power_control: "0",
        power_sensor: "TotalPower",
    };
    builder.thermal_and_power(&names);
    builder.number_members();
    builder.sensors(&names);
    let slots: [(&str, &[&str]); 2] = [("Cd", &["CD", "DVD"]), ("Usb", &["USBStick", "Floppy"])];
    builder.media(&system, &slots, &json!({"TransferMethod": "Stream"}));
}

fn firmware_setup(builder: &mut Builder) {
    let bios = format!("{}/Bios", builder.system);
    let uri = "/redfish/v1/Registries/BiosAttributeRegistry/BiosAttributeRegistry.v1_0_0.json";
    let attributes = [
        one_of("BootMode", "Boot mode", &["Uefi", "Bios"]),
        one_of("ProcVirtualization", "Virtualization technology", &["Enabled", "Disabled"]),
        one_of("LogicalProc", "Logical processor", &["Enabled", "Disabled"]),
        number("PxeRetryCount", "PXE retries", 3, 0, 10, 1),
        number("SetupTimeout", "Setup prompt timeout in seconds", 5, 5, 60, 5),
        text("AssetTag", "Asset tag", "", 63),
        flag("QuietBoot", "Quiet boot", true).at_once(),
        text("BiosVersion", "BIOS version", "1.4.2", 32).read_only(),
    ];
    let places = BiosPlaces {
        bios: &bios,
        settings: &format!("{bios}/Settings"),
        registry: "BiosAttributeRegistry.v1_0_0",
        registry_uri: uri,
    };
    builder.setup(&places, &attributes, &["OnReset"]);
}

fn services(builder: &mut Builder) {
    let (system, manager) = (builder.system.clone(), builder.manager.clone());
    builder.sessions("SessionService.v1_1_9");
    builder.accounts("AccountService.v1_15_0", json!({}));
    builder.tasks();
    builder.events("/redfish/v1/EventService/SSE", json!({}));
    let items = [
        Item::new("BMC", "BMC firmware", "2.10.0"),
        Item::new("BIOS", "System BIOS", "1.4.2"),
        Item::fixed("CPLD", "System CPLD", "1.0.6"),
    ];
    let more = json!({"MaxImageSizeBytes": 67_108_864});
    builder.updates(
        Some("/redfish/v1/UpdateService/update"),
        Some("/redfish/v1/UpdateService/upload"),
        &items,
        more,
    );
    for (owner, id, kind, name) in
        [(&system, "SEL", "SEL", "System Event Log"), (&manager, "Log", "Event", "Manager Event Log")]
    {
        builder.logs(owner, &[(id, kind, name)]);
    }
}
