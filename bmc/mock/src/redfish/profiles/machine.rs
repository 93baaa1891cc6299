//! The three resources that every profile has: system, chassis and manager, with what is common to all makers.

use super::blocks::{Builder, fine, with};
use crate::redfish::system::reset_action;
use serde_json::{Value, json};

/// What a maker's system, chassis and manager have of their own; `null` takes away what is common.
pub(super) struct Own {
    pub(super) system: Value,
    pub(super) chassis: Value,
    pub(super) manager: Value,
}

impl Builder {
    /// The system, the chassis and the manager, made by `maker`.
    pub(super) fn machine(&mut self, maker: &str, own: Own) {
        let (system, chassis, manager) = (self.system.clone(), self.chassis.clone(), self.manager.clone());
        let resets = self.tree.manners.resets;
        let by_info = self.tree.manners.resets_by_info;
        let base = json!({
            "SystemType": "Physical",
            "Manufacturer": maker,
            "Model": "{{model}}",
            "SerialNumber": "{{serial}}",
            "AssetTag": "",
            "UUID": "{{uuid}}",
            "BiosVersion": "1.4.2",
            "PowerState": "Off",
            "Status": fine(),
            "Links": {"Chassis": [self.link(&chassis)], "ManagedBy": [self.link(&manager)]},
            "Actions": {"#ComputerSystem.Reset": reset_action(&system, resets, by_info)},
        });
        self.put(&system, "ComputerSystem.v1_22_1", "{{name}}", with(base, own.system));
        let info = json!({"Parameters":
            [{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": resets}]});
        self.put(&format!("{system}/ResetActionInfo"), "ActionInfo.v1_4_2", "Reset Action Info", info);
        let links = json!({"ComputerSystems": [self.link(&system)], "ManagedBy": [self.link(&manager)]});
        let base = json!({
            "ChassisType": "RackMount",
            "Manufacturer": maker,
            "Model": "{{model}}",
            "SerialNumber": "{{serial}}",
            "PowerState": "Off",
            "Status": fine(),
            "Links": links,
        });
        self.put(&chassis, "Chassis.v1_25_1", "{{name}} chassis", with(base, own.chassis));
        let links = json!({
            "ManagerForServers": [self.link(&system)],
            "ManagerForChassis": [self.link(&chassis)],
        });
        let base = json!({
            "ManagerType": "BMC",
            "UUID": "{{uuid}}",
            "PowerState": "On",
            "DateTime": "2026-01-01T00:00:00+00:00",
            "DateTimeLocalOffset": "+00:00",
            "Status": fine(),
            "Links": links,
            "Actions": {"#Manager.Reset": {
                "target": format!("{manager}/Actions/Manager.Reset"),
                "ResetType@Redfish.AllowableValues": self.tree.manners.manager_resets,
            }},
        });
        self.put(&manager, "Manager.v1_19_1", "{{name}} BMC", with(base, own.manager));
    }

    /// What the system says of its boot override.
    pub(super) fn own_boot(&mut self, boot: Value) {
        let system = self.system.clone();
        self.tree.set(&system, "Boot", boot);
    }
}

/// What the boot override can be; `more` says what a maker has besides.
pub(super) fn boot(enabled: &[&str], targets: &[&str], modes: &[&str], more: Value) -> Value {
    let base = json!({
        "BootSourceOverrideEnabled": "Disabled",
        "BootSourceOverrideEnabled@Redfish.AllowableValues": enabled,
        "BootSourceOverrideTarget": "None",
        "BootSourceOverrideTarget@Redfish.AllowableValues": targets,
        "BootSourceOverrideMode": "UEFI",
        "BootSourceOverrideMode@Redfish.AllowableValues": modes,
    });
    with(base, more)
}

/// What UEFI HTTP boot and targets need. Not merged: `null` there is a value.
pub(super) fn with_uefi(mut boot: Value, names: &[&str]) -> Value {
    for name in names {
        boot[*name] = Value::Null;
    }
    boot
}
