//! Parts of every profile, while the machine is off, and with resources that are broken.

use super::*;
use crate::redfish::rig::{Rig, UUID};
use bmc_mock::redfish::{Effect, Fault, Profile};

#[tokio::test]
async fn every_maker_tells_its_parts_while_it_is_off() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let parts = rig.redfish.hardware().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert_eq!(parts.problems, Vec::<String>::new(), "{profile}");
        assert!(
            parts.manufacturer.is_some() && parts.serial.is_some() && parts.bios_version.is_some(),
            "{profile}"
        );
        assert_eq!(parts.uuid.as_deref(), Some(UUID), "{profile}");
        assert_eq!(parts.processors.len(), 2, "{profile}: {:?}", parts.processors);
        assert_eq!(
            (parts.processors[0].cores, parts.processors[0].threads),
            (Some(32), Some(64)),
            "{profile}"
        );
        // One slot of them is empty.
        let sum: u64 = parts.memory.iter().filter_map(|module| module.bytes).sum();
        assert_eq!(Some(sum), parts.memory_bytes, "{profile}: {:?}", parts.memory);
        assert_eq!(parts.memory[0].bytes, Some(32 << 30), "{profile}");
        assert_eq!(parts.memory[0].part_number.as_deref(), Some("M393A4K40EB3-CWE"), "{profile}");
        assert_eq!(parts.drives.len(), 2, "{profile}: {:?}", parts.drives);
        assert_eq!(parts.drives[0].bytes, Some(960_197_124_096), "{profile}");
        assert_eq!(parts.drives[0].controller.as_deref(), Some("MegaRAID 9560-8i"), "{profile}");
        assert_eq!(parts.ports[0].mac.as_deref(), Some("52:54:00:00:00:01"), "{profile}");
        assert_eq!(parts.pci.len(), 1, "{profile}: {:?}", parts.pci);
        assert_eq!(parts.pci[0].vendor_id.as_deref(), Some("0x8086"), "{profile}");
    }
}

#[tokio::test]
async fn one_broken_resource_hides_no_other() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        rig.controls.add_fault(Fault::new(Effect::Status(500)).at("*/Memory"));
        rig.controls.add_fault(Fault::new(Effect::Answer(200, "{".into())).at("*/Drives/*").times(1));
        let parts = rig.redfish.hardware().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        assert!(parts.memory.is_empty() && parts.processors.len() == 2, "{profile}");
        assert!(parts.memory_bytes.is_some(), "{profile}: the sum is the system's own");
        assert!(!parts.problems.is_empty() && parts.problems.len() <= 2, "{profile}: {:?}", parts.problems);
        assert!(parts.drives.len() <= 2 && !parts.drives.is_empty(), "{profile}: {:?}", parts.drives);
    }
}

#[tokio::test]
async fn a_bmc_that_is_gone_has_no_parts() {
    let rig = Rig::new().await;
    rig.redfish.system().await.unwrap();
    rig.controls.add_fault(Fault::new(Effect::Cut).at("*/Processors"));
    let error = rig.redfish.hardware().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn simple_storage_does_where_there_is_no_other() {
    let rig = Rig::new().await;
    let change = serde_json::json!({"Storage": null, "SimpleStorage": {"@odata.id": "/redfish/v1/Systems/1/SimpleStorage"}});
    rig.controls.add_fault(Fault::new(Effect::Merge(change)).at("/redfish/v1/Systems/1").by("GET"));
    let list = serde_json::json!({"Members": [{"@odata.id": "/redfish/v1/Systems/1/SimpleStorage/1"}]});
    rig.controls.add_fault(Fault::new(Effect::Answer(200, list.to_string())).at("*/SimpleStorage"));
    let one = serde_json::json!({"Id": "1", "Name": "SATA", "Devices": [
        {"Name": "Bay 1", "Model": "Disk", "CapacityBytes": 1000, "Status": {"State": "Enabled", "Health": "OK"}},
        {"Name": "Bay 2", "Status": {"State": "Absent"}}]});
    rig.controls.add_fault(Fault::new(Effect::Answer(200, one.to_string())).at("*/SimpleStorage/1"));
    let drives = rig.redfish.hardware().await.unwrap().drives;
    assert!(
        matches!(drives.as_slice(), [one] if one.id == "Bay 1" && one.bytes == Some(1000) && one.controller.as_deref() == Some("SATA")),
        "{drives:?}"
    );
}

#[tokio::test]
async fn system_and_chassis_are_known_by_their_numbers() {
    for profile in Profile::ALL {
        let rig = Rig::of(profile).await;
        let units = rig.redfish.units().await.unwrap_or_else(|error| panic!("{profile}: {error}"));
        let kinds: Vec<_> = units[0].areas.iter().map(|area| area.kind).collect();
        assert_eq!(kinds, ["chassis", "product"], "{profile}");
        for area in &units[0].areas {
            let serial = area.fields.iter().find(|field| field.name == "serial");
            assert!(serial.is_some_and(|serial| !serial.value.is_empty()), "{profile}: {area:?}");
        }
        assert!(units[0].problems.is_empty(), "{profile}");
    }
}
