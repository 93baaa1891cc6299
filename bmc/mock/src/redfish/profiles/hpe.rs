//! HPE's: iLO 5. What is its own: a slash at the end of every link, weak ETags, `bios` in lower case, whole URLs in
//! `Location`, 200 with an `error` that says Success, an `Oem.Hpe` everywhere, no newer form of sensors.
//!
//! After the iLO 5 resource definitions that HPE publishes and captures in sushy's and libredfish's tests.

use super::attributes::{BiosPlaces, number, one_of, text};
use super::blocks::{Builder, Item};
use super::hardware::{PartNames, SensorNames};
use super::machine::{Own, boot, with_uefi};
use super::manners::{AccountIds, Already, Etags, Manners, Success};
use crate::redfish::tree::Tree;
use serde_json::json;

const MANNERS: Manners = Manners {
    etags: Etags::Weak,
    trailing_slash: true,
    absolute_locations: true,
    queries: true,
    base: "Base.1.4",
    server: "HPE-iLO-Server/1.30",
    resets: &[
        "On",
        "ForceOff",
        "GracefulShutdown",
        "ForceRestart",
        "Nmi",
        "PushPowerButton",
        "GracefulRestart",
    ],
    manager_resets: &["ForceRestart", "GracefulRestart"],
    state_when_off: "Disabled",
    session_ids: "{user}00000000",
    sessions_full: Some((503, "iLO.2.14.SessionLimitExceeded")),
    accounts: AccountIds::Numbers(1),
    success: Success::Error("iLO.0.10.ExtendedInfo"),
    already: Already::Error(
        400,
        "iLO.2.14.InvalidOperationForSystemState",
        "The operation was not successful due to the current power state.",
    ),
    ..Manners::STANDARD
};

pub(super) fn tree(ports: usize) -> Tree {
    let mut builder = Builder::new(MANNERS, ports, "1", "1", "1");
    machine(&mut builder);
    hardware(&mut builder);
    setup(&mut builder);
    services(&mut builder);
    builder.root(
        "ServiceRoot.v1_5_1",
        "1.13.0",
        json!({
            "Vendor": "HPE",
            "Product": "{{model}}",
            "Oem": {"Hpe": {
                "@odata.type": "#HpeiLOServiceExt.v2_4_0.HpeiLOServiceExt",
                "Manager": [{
                    "DefaultLanguage": "en",
                    "FQDN": "bmc.example",
                    "HostName": "bmc",
                    "ManagerFirmwareVersion": "2.78",
                    "ManagerType": "iLO 5",
                    "Status": {"Health": "OK"},
                }],
                "Moniker": {"PRODABR": "iLO", "PRODGEN": "iLO 5", "VENDABR": "HPE"},
                "Sessions": {"CertCommonName": "bmc", "LocalLoginEnabled": true, "LoginFailureDelay": 0},
            }},
        }),
    );
    builder.tree
}

fn machine(builder: &mut Builder) {
    let system = builder.system.clone();
    let own = Own {
        system: json!({
            "HostName": "",
            "SKU": "P19779-B21",
            "IndicatorLED": "Off",
            "BiosVersion": "U46 v1.68 (07/14/2022)",
            "Oem": {"Hpe": {
                "@odata.type": "#HpeComputerSystemExt.v2_10_0.HpeComputerSystemExt",
                "PostState": "FinishedPost",
                "PowerAutoOn": "Restore",
                "PowerOnDelay": "Minimum",
                "ServerFQDN": "",
            }},
        }),
        chassis: json!({"SKU": "P19779-B21", "IndicatorLED": "Off"}),
        manager: json!({
            "Model": "iLO 5",
            "FirmwareVersion": "iLO 5 v2.78",
            "DateTimeLocalOffset": "+00:00",
            "Oem": {"Hpe": {
                "@odata.type": "#HpeiLO.v2_8_0.HpeiLO",
                "iLOFunctionalityRequired": false,
                "License": {"LicenseString": "iLO Advanced", "LicenseTier": "ADV"},
            }},
        }),
    };
    builder.machine("HPE", own);
    let targets = [
        "None",
        "Cd",
        "Hdd",
        "Usb",
        "SDCard",
        "Utilities",
        "Diags",
        "BiosSetup",
        "Pxe",
        "UefiShell",
        "UefiHttp",
        "UefiTarget",
    ];
    let boot = boot(&["Disabled", "Once", "Continuous"], &targets, &["UEFI", "Legacy"], json!({}));
    builder.own_boot(with_uefi(boot, &["UefiTargetBootSourceOverride"]));
    let options = [
        (
            "Boot000A",
            "Embedded LOM 1 Port 1 (PXE IPv4)",
            "PciRoot(0x2)/Pci(0x0,0x0)/Pci(0x0,0x0)/MAC(020000000001,0x0)/IPv4(0.0.0.0)",
        ),
        (
            "Boot000B",
            "Embedded RAID 1 : HPE Smart Array P408i-a",
            "PciRoot(0x3)/Pci(0x0,0x0)/Pci(0x0,0x0)/Scsi(0x0,0x4000)",
        ),
        ("Boot0007", "Generic USB Boot", "UsbClass(0xFFFF,0xFFFF,0xFF,0xFF,0xFF)"),
    ];
    let order = builder.boot_options(&format!("{system}/BootOptions"), &options);
    builder.tree.merge(&system, json!({ "Boot": order }));
    builder.manager_network("1");
}

fn hardware(builder: &mut Builder) {
    let (system, manager) = (builder.system.clone(), builder.manager.clone());
    builder.ethernet(|number| (number + 1).to_string(), &json!({"InterfaceEnabled": null}));
    builder.parts(&PartNames {
        processors: &["1", "2"],
        memory: &["proc1dimm1", "proc1dimm2", "proc2dimm1"],
        storage: "DE00A000",
        drives: &["0", "1"],
        drives_at: None,
        pci_at: &format!("{system}/PCIeDevices"),
        pci: &["1"],
    });
    let pci = json!({"PCIeDevices": builder.link(&format!("{system}/PCIeDevices"))});
    builder.tree.merge(&system, json!({"Oem": {"Hpe": {"Links": pci}}}));
    let names = SensorNames {
        temperatures: &[("0", "01-Inlet Ambient", 23), ("1", "02-CPU 1", 40)],
        fans: &["0", "1", "2"],
        supplies: &["0", "1"],
        voltage: "0",
        power_control: "0",
        power_sensor: "0",
    };
    builder.thermal_and_power(&names);
    let slots: [(&str, &[&str]); 2] = [("1", &["Floppy", "USBStick"]), ("2", &["CD", "DVD"])];
    let more = json!({"Oem": {"Hpe": {
        "@odata.type": "#HpeiLOVirtualMedia.v2_2_0.HpeiLOVirtualMedia",
        "BootOnNextServerReset": false,
    }}});
    builder.media(&manager, &slots, &more);
}

fn setup(builder: &mut Builder) {
    let bios = "/redfish/v1/systems/1/bios";
    let uri = "/redfish/v1/registrystore/registries/en/biosattributeregistryu46.v1_1_68";
    let attributes = [
        one_of("BootMode", "Boot Mode", &["Uefi", "LegacyBios"]),
        one_of("ProcVirtualization", "Intel(R) Virtualization Technology", &["Enabled", "Disabled"]),
        one_of("ProcHyperthreading", "Intel(R) Hyper-Threading Options", &["Enabled", "Disabled"]),
        one_of(
            "WorkloadProfile",
            "Workload Profile",
            &["GeneralPowerEfficientCompute", "Virtualization-MaxPerformance", "Custom"],
        ),
        one_of("NetworkBootRetry", "Network Boot Retry Support", &["Enabled", "Disabled"]),
        number("NetworkBootRetryCount", "Network Boot Retry Count", 20, 0, 20, 1),
        text("ServerAssetTag", "Server Asset Tag", "", 32),
        text("SerialNumber", "Serial Number", "SIMULATED", 16).read_only(),
    ];
    let places = BiosPlaces {
        bios,
        settings: "/redfish/v1/systems/1/bios/settings",
        registry: "BiosAttributeRegistryU46.v1_1_68",
        registry_uri: uri,
    };
    builder.setup(&places, &attributes, &[]);
}

fn services(builder: &mut Builder) {
    builder.sessions("SessionService.v1_0_0");
    let more = json!({
        "MinPasswordLength": null,
        "MaxPasswordLength": null,
        "Oem": {"Hpe": {
            "@odata.type": "#HpeiLOAccountService.v2_4_0.HpeiLOAccountService",
            "AuthFailureDelayTimeSeconds": 10,
            "MinPasswordLength": 8,
            "EnforcePasswordComplexity": false,
        }},
    });
    builder.accounts("AccountService.v1_5_0", more);
    builder.tasks();
    let types = ["StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert"];
    builder.events("/redfish/v1/SSE/", json!({"RegistryPrefixes": [], "EventTypesForSubscription": types}));
    let items = [
        Item::new("1", "iLO 5", "2.78 Dec 15 2022"),
        Item::new("2", "System ROM", "U46 v1.68 (07/14/2022)"),
        Item::fixed("5", "System Programmable Logic Device", "0x32"),
    ];
    builder.updates(Some("/cgi-bin/uploadFile"), None, &items, json!({"Oem": {"Hpe": {"State": "Idle"}}}));
    for (owner, id, kind, name) in [
        (builder.system.clone(), "IML", "Event", "Integrated Management Log"),
        (builder.manager.clone(), "IEL", "Event", "iLO Event Log"),
    ] {
        builder.logs(&owner, &[(id, kind, name)]);
    }
}
