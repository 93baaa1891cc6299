use super::*;
use crate::redfish::sensors::tests::any_json;
use proptest::prelude::*;
use serde_json::json;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn sizes_are_bytes() {
    let module: MemoryPart =
        read(json!({"CapacityMiB": 32768, "DeviceLocator": "DIMM A1", "Id": "DIMM.Socket.A1"}));
    assert_eq!((module.bytes(), module.place().as_str()), (Some(34_359_738_368), "DIMM A1"));
    let system: SystemParts = read(json!({"MemorySummary": {"TotalSystemMemoryGiB": 1.5}}));
    assert_eq!(system.memory_bytes(), Some(1_610_612_736));
    let none: SystemParts = read(json!({"MemorySummary": {"TotalSystemMemoryGiB": 0}}));
    assert_eq!(none.memory_bytes(), None);
    let drive: DrivePart = read(json!({"CapacityBytes": "960197124096", "Revision": "1.0"}));
    assert_eq!((drive.bytes(), drive.firmware().as_deref()), (Some(960_197_124_096), Some("1.0")));
}

#[test]
fn empty_places_are_not_parts() {
    let memory = |value: Value| read::<MemoryPart>(value).is_present();
    assert!(memory(json!({"CapacityMiB": 1024})) && memory(json!({"Status": {"State": "Enabled"}})));
    assert!(!memory(json!({"CapacityMiB": 0})) && !memory(json!({"Status": {"State": "Absent"}})));
    assert!(!read::<ProcessorPart>(json!({"Status": {"State": "Absent"}})).status.is_present());
}

#[test]
fn ports_are_known_by_the_address_that_they_were_made_with() {
    let port: PortPart = read(
        json!({"Id": "NIC.1", "MACAddress": "02:00:00:00:00:01", "PermanentMACAddress": "B0-26-28-AA-BB-CC", "LinkStatus": "LinkUp", "SpeedMbps": 25000}),
    );
    assert_eq!(port.mac().as_deref(), Some("b0:26:28:aa:bb:cc"));
    assert_eq!((port.link(), port.mbit), (Some(true), Some(25_000)));
    let unset: PortPart =
        read(json!({"PermanentMACAddress": "", "MACAddress": "AA:BB:CC:DD:EE:FF", "LinkStatus": null}));
    assert_eq!((unset.mac().as_deref(), unset.link()), (Some("aa:bb:cc:dd:ee:ff"), None));
}

#[test]
fn storage_names_its_controller() {
    let part: StoragePart =
        read(json!({"Id": "RAID.1", "Name": "PERC", "StorageControllers": [{"Model": "PERC H740P"}],
        "Drives": [{"@odata.id": "/d/1"}, "nonsense"]}));
    assert_eq!((part.controller().as_deref(), part.drives.len()), (Some("PERC H740P"), 1));
    assert_eq!(read::<StoragePart>(json!({"Id": "1"})).controller().as_deref(), Some("1"));
    let (name, devices) = simple_storage(
        &json!({"Name": "AHCI", "Devices": [{"Name": "SATA Bay 1", "Model": "X", "CapacityBytes": 10}, 3]}),
    );
    assert_eq!((name.as_deref(), devices.len(), devices[0].id().as_str()), (Some("AHCI"), 1, "SATA Bay 1"));
}

proptest! {
    #[test]
    fn nothing_that_a_bmc_says_makes_it_panic(value in any_json()) {
        let _ = serde_json::from_value::<SystemParts>(value.clone()).map(|part| part.memory_bytes());
        let _ = serde_json::from_value::<ProcessorPart>(value.clone()).map(|part| (part.place(), part.cores, part.status.health()));
        let _ = serde_json::from_value::<MemoryPart>(value.clone()).map(|part| (part.place(), part.bytes()));
        let _ = serde_json::from_value::<StoragePart>(value.clone()).map(|part| part.controller());
        let _ = serde_json::from_value::<DrivePart>(value.clone()).map(|part| (part.id(), part.bytes()));
        let _ = serde_json::from_value::<PortPart>(value.clone()).map(|part| (part.mac(), part.link()));
        let _ = serde_json::from_value::<PciPart>(value.clone()).map(|part| (part.name(), part.listed_functions().len()));
        simple_storage(&value);
        pci_function(&value);
    }
}
