//! Supermicro's, X12 and later. What is its own: reset types by `ActionInfo` only, `Success` as an answer, BIOS attributes
//! with numbers in their names, `Bios/SD`, an old Base registry, no newer form of sensors.
//!
//! After captures in libredfish's and sushy's tests and Supermicro's Redfish user's guide.

use super::attributes::{BiosPlaces, number, one_of, text};
use super::blocks::{Builder, Item};
use super::hardware::{PartNames, SensorNames};
use super::machine::{Own, boot, with_uefi};
use super::manners::{AccountIds, Already, Manners, Success};
use crate::redfish::tree::Tree;
use serde_json::json;

const MANNERS: Manners = Manners {
    queries: false,
    base: "Base.v1_10_3",
    server: "lighttpd",
    resets: &["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi", "ForceOn"],
    resets_by_info: true,
    manager_resets: &["GracefulRestart", "ForceRestart"],
    accounts: AccountIds::Numbers(2),
    success: Success::Named,
    already: Already::Fine,
    state_when_off: "Disabled",
    ..Manners::STANDARD
};

pub(super) fn tree(ports: usize) -> Tree {
    let mut builder = Builder::new(MANNERS, ports, "1", "1", "1");
    machine(&mut builder);
    hardware(&mut builder);
    setup(&mut builder);
    services(&mut builder);
    builder.root(
        "ServiceRoot.v1_5_2",
        "1.11.0",
        json!({
            "Vendor": "Supermicro",
            "Product": null,
            "Oem": {"Supermicro": {"@odata.type": "#SmcServiceRootExtensions.v1_0_0.ServiceRoot"}},
        }),
    );
    builder.tree
}

fn machine(builder: &mut Builder) {
    let system = builder.system.clone();
    let own = Own {
        system: json!({
            "SKU": "To be filled by O.E.M.",
            "PartNumber": "SYS-120U-TNR",
            "IndicatorLED": "Off",
            "BiosVersion": "1.4b",
            "Oem": {"Supermicro": {"@odata.type": "#SmcSystemExtensions.v1_0_0.System"}},
        }),
        chassis: json!({"PartNumber": "CSE-119U3TS-R1K22P-T", "IndicatorLED": "Off"}),
        manager: json!({"Model": "ASPEED", "FirmwareVersion": "01.01.54"}),
    };
    builder.machine("Supermicro", own);
    let targets =
        ["None", "Pxe", "Floppy", "Cd", "Usb", "Hdd", "BiosSetup", "UsbCd", "UefiBootNext", "UefiHttp"];
    let more = json!({"BootSourceOverrideMode": "UEFI"});
    let boot = boot(&["Once", "Disabled", "Continuous"], &targets, &["Legacy", "UEFI"], more);
    builder.own_boot(with_uefi(boot, &["BootNext"]));
    let options = [
        ("Boot0003", "UEFI PXE IPv4 Intel Network 00", "PciRoot(0x1)/Pci(0x2,0x0)/Pci(0x0,0x0)/MAC()/IPv4()"),
        ("Boot0004", "UEFI Hard Disk", "PciRoot(0x0)/Pci(0x11,0x5)/Sata(0x4,0xFFFF,0x0)"),
        ("Boot0001", "UEFI: Built-in EFI Shell", "Fv(5C60F367-A505-419A-859E-2A4FF6CA6FE5)"),
    ];
    let order = builder.boot_options(&format!("{system}/BootOptions"), &options);
    builder.tree.merge(&system, json!({ "Boot": order }));
    builder.manager_network("1");
}

fn hardware(builder: &mut Builder) {
    let (manager, chassis) = (builder.manager.clone(), builder.chassis.clone());
    builder.ethernet(|number| (number + 1).to_string(), &json!({}));
    builder.parts(&PartNames {
        processors: &["1", "2"],
        memory: &["1", "2", "3"],
        storage: "HA-RAID",
        drives: &["Disk.Bay.0", "Disk.Bay.1"],
        drives_at: Some(&format!("{chassis}/Drives")),
        pci_at: &format!("{chassis}/PCIeDevices"),
        pci: &["NIC1"],
    });
    let names = SensorNames {
        temperatures: &[("0", "CPU1 Temp", 41), ("1", "System Temp", 28)],
        fans: &["0", "1", "2"],
        supplies: &["0", "1"],
        voltage: "0",
        power_control: "0",
        power_sensor: "0",
    };
    builder.thermal_and_power(&names);
    let kinds: &[&str] = &["CD", "DVD", "USBStick"];
    builder.media(
        &manager,
        &[("VirtualMedia1", kinds), ("VirtualMedia2", kinds)],
        &json!({"UserName": "", "Password": null}),
    );
}

fn setup(builder: &mut Builder) {
    let bios = format!("{}/Bios", builder.system);
    let uri = "/redfish/v1/Registries/BiosAttributeRegistry.1.0.0/en-US.json";
    let attributes = [
        one_of("BootModeSelect_0018", "Boot Mode Select", &["UEFI", "LEGACY", "DUAL"]),
        one_of(
            "IntelVirtualizationTechnology_003B",
            "Intel Virtualization Technology",
            &["Enable", "Disable"],
        ),
        one_of("Hyper_Threading_ALL__0037", "Hyper-Threading [ALL]", &["Enable", "Disable"]),
        one_of("QuietBoot_0043", "Quiet Boot", &["Checked", "Unchecked"]),
        number("PXEBootWaitTime_0057", "PXE Boot Wait Time", 0, 0, 5, 1),
        text("AssetTag_00AA", "Asset Tag", "", 63),
        text("BIOSVersion_0001", "BIOS Version", "1.4b", 16).read_only(),
    ];
    let places = BiosPlaces {
        bios: &bios,
        settings: &format!("{bios}/SD"),
        registry: "BiosAttributeRegistry.1.0.0",
        registry_uri: uri,
    };
    builder.setup(&places, &attributes, &[]);
}

fn services(builder: &mut Builder) {
    builder.sessions("SessionService.v1_1_6");
    builder.accounts("AccountService.v1_5_0", json!({"MinPasswordLength": 8, "MaxPasswordLength": 20}));
    builder.tasks();
    builder.events("/redfish/v1/EventService/SSE", json!({}));
    let items = [
        Item::new("BMC", "BMC", "01.01.54"),
        Item::new("BIOS", "BIOS", "BIOS Date: 07/27/2022 Ver 1.4b"),
        Item::fixed("CPLD_Motherboard_1", "CPLD", "F1.02.B6"),
    ];
    builder.updates(
        None,
        Some("/redfish/v1/UpdateService/upload"),
        &items,
        json!({"Oem": {"Supermicro": {}}}),
    );
    for (owner, name) in [
        (builder.system.clone(), "Health Event Log Service"),
        (builder.manager.clone(), "Maintenance Event Log Service"),
    ] {
        let kind = if owner.contains("Systems") { "SEL" } else { "OEM" };
        builder.logs(&owner, &[("Log1", kind, name)]);
    }
}
