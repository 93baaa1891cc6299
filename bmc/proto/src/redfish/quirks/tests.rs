//! Each row by its fixture: it is there, its BMC has the quirk, and another maker's has not.

use super::*;
use crate::redfish::boot::{BootPatch, BootRefusal, Mode, Target, Wanted};
use crate::redfish::models::{Boot, ComputerSystem, Manager, ServiceRoot};
use crate::redfish::{Receipt, ResourcePath, receipt};
use serde_json::Value;
use std::path::PathBuf;

/// The fixture of a row.
pub(super) fn fixture(id: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/quirks/{id}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn identity(fixture: &Value) -> Identity {
    let part = |name: &str| fixture["identity"].get(name).cloned();
    let root: ServiceRoot = serde_json::from_value(part("root").expect("a service root")).unwrap();
    let system: Option<ComputerSystem> = part("system").map(|value| serde_json::from_value(value).unwrap());
    let manager: Option<Manager> = part("manager").map(|value| serde_json::from_value(value).unwrap());
    Identity::of(&root, system.as_ref(), manager.as_ref())
}

#[test]
fn every_row_has_a_fixture_that_selects_it() {
    let fixtures: Vec<(&Quirk, Identity)> =
        TABLE.iter().map(|quirk| (quirk, identity(&fixture(quirk.id)))).collect();
    for (quirk, own) in &fixtures {
        assert!(quirk.holds(own), "{}: {own:?}", quirk.id);
        assert!(Quirks::of(own).has(quirk.effect), "{}", quirk.id);
        let stranger = Identity { vendors: vec!["Nobody".into()], ..own.clone() };
        assert_eq!(quirk.holds(&stranger), quirk.vendor == Vendor::Any, "{}", quirk.id);
        for (other, theirs) in fixtures.iter().filter(|(other, _)| other.vendor != quirk.vendor) {
            assert!(quirk.vendor == Vendor::Any || !quirk.holds(theirs), "{} {}", quirk.id, other.id);
        }
    }
}

#[test]
fn rows_tell_what_and_where_it_is_told() {
    let mut ids: Vec<&str> = TABLE.iter().map(|quirk| quirk.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), TABLE.len(), "an id is there twice");
    for quirk in TABLE {
        assert!(quirk.why.len() > 20, "{}", quirk.id);
        assert!(quirk.source.starts_with("https://"), "{}", quirk.id);
        let text = fixture(quirk.id);
        assert!(text["source"].as_str().is_some_and(|source| source.starts_with("https://")), "{}", quirk.id);
        assert!(text["resource"].is_object(), "{}", quirk.id);
    }
}

#[test]
fn no_fixture_is_left_without_its_row() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/quirks");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let id = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(TABLE.iter().any(|quirk| quirk.id == id), "{id} has no row");
    }
}

/// The override that a fixture shows, and the quirks of its BMC.
fn boot_of(id: &str) -> (Boot, Quirks) {
    let fixture = fixture(id);
    let boot = serde_json::from_value(fixture["resource"]["Boot"].clone()).unwrap();
    (boot, Quirks::of(&identity(&fixture)))
}

/// The `Boot` that is sent.
fn sent(boot: &Boot, quirks: &Quirks, target: Target, persistent: bool, mode: Option<Mode>) -> Value {
    let wanted = Wanted { target, persistent, mode };
    let patch = BootPatch::plan(Some(boot), &wanted, quirks).unwrap();
    serde_json::to_value(patch).unwrap()["Boot"].clone()
}

#[test]
fn a_202_without_a_task_is_done() {
    let fixture = fixture("supermicro-accepted-without-task");
    let status = u16::try_from(fixture["status"].as_u64().unwrap()).unwrap();
    let location = ResourcePath::from_link(fixture["location"].as_str().unwrap());
    let body = fixture["resource"].to_string();
    let judge = |quirks: &Quirks| receipt(status, location.as_ref(), body.as_bytes(), quirks);
    assert_eq!(judge(&Quirks::of(&identity(&fixture))), Receipt::Done);
    assert_eq!(judge(&Quirks::default()), Receipt::Task(location.clone().unwrap()));
    // What is a task by its place is one there, too.
    let task = ResourcePath::from_link("/redfish/v1/TaskService/Tasks/1");
    let quirks = Quirks::of(&identity(&fixture));
    assert!(matches!(receipt(202, task.as_ref(), b"{}", &quirks), Receipt::Task(_)));
}

#[test]
fn a_mode_that_would_be_lost_is_sent_again() {
    let (boot, quirks) = boot_of("supermicro-override-mode");
    assert_eq!(sent(&boot, &quirks, Target::Network, false, None)["BootSourceOverrideMode"], "Legacy");
    assert_eq!(sent(&boot, &quirks, Target::Default, false, None)["BootSourceOverrideMode"], "Legacy");
    assert!(
        sent(&boot, &Quirks::default(), Target::Network, false, None).get("BootSourceOverrideMode").is_none()
    );
    assert_eq!(
        sent(&boot, &quirks, Target::Network, false, Some(Mode::Uefi))["BootSourceOverrideMode"],
        "UEFI"
    );
}

#[test]
fn a_virtual_cd_is_booted_by_its_own_name() {
    let (boot, quirks) = boot_of("supermicro-usb-cd");
    assert_eq!(sent(&boot, &quirks, Target::Cd, false, None)["BootSourceOverrideTarget"], "UsbCd");
    assert_eq!(sent(&boot, &Quirks::default(), Target::Cd, false, None)["BootSourceOverrideTarget"], "Cd");
    let (boot, quirks) = boot_of("supermicro-ars-cd");
    assert_eq!(sent(&boot, &quirks, Target::Cd, false, None)["BootSourceOverrideTarget"], "Cd");
}

#[test]
fn a_mode_that_can_not_be_written_is_not_sent() {
    let (boot, quirks) = boot_of("hpe-override-mode");
    let change = sent(&boot, &quirks, Target::Network, false, Some(Mode::Uefi));
    assert!(change.get("BootSourceOverrideMode").is_none(), "{change}");
    assert_eq!(
        sent(&boot, &Quirks::default(), Target::Network, false, Some(Mode::Uefi))["BootSourceOverrideMode"],
        "UEFI"
    );
    let legacy = Wanted { target: Target::Network, persistent: false, mode: Some(Mode::Legacy) };
    let refusal = BootPatch::plan(Some(&boot), &legacy, &quirks).unwrap_err();
    assert_eq!(refusal, BootRefusal::ModeElsewhere { shown: "UEFI".into() });
}

#[test]
fn an_override_is_cleared_in_words_that_are_taken() {
    let (boot, quirks) = boot_of("hpe-clear-override");
    let change = sent(&boot, &quirks, Target::Default, false, None);
    assert_eq!(change, serde_json::json!({"BootSourceOverrideEnabled": "Disabled"}));
    assert_eq!(
        sent(&boot, &Quirks::default(), Target::Default, false, None)["BootSourceOverrideTarget"],
        "None"
    );
}

#[test]
fn once_that_lasts_is_taken_where_nothing_else_can_be_had() {
    let (boot, quirks) = boot_of("sushy-tools-once-lasts");
    let plan = |target, persistent, quirks: &Quirks| {
        BootPatch::plan(Some(&boot), &Wanted { target, persistent, mode: None }, quirks).unwrap()
    };
    assert_eq!(sent(&boot, &quirks, Target::Network, false, None)["BootSourceOverrideEnabled"], "Once");
    assert!(plan(Target::Network, false, &quirks).is_done(Some(&boot)));
    assert!(!plan(Target::Network, false, &Quirks::default()).is_done(Some(&boot)));
    assert!(!plan(Target::Disk, false, &quirks).is_done(Some(&boot)), "another device is shown");
    let once = Boot { enabled: Some("Once".into()), ..boot.clone() };
    assert!(plan(Target::Network, false, &quirks).is_done(Some(&once)));
    assert!(!plan(Target::Network, true, &quirks).is_done(Some(&once)), "what shall last has to");
}

#[test]
fn a_device_path_is_for_one_boot() {
    let (boot, quirks) = boot_of("dell-uefi-target-once");
    let target = || Target::UefiDevice("PciRoot(0x0)".into());
    let lasting = Wanted { target: target(), persistent: true, mode: None };
    assert_eq!(BootPatch::plan(Some(&boot), &lasting, &quirks), Err(BootRefusal::OnceOnly));
    assert!(BootPatch::plan(Some(&boot), &lasting, &Quirks::default()).is_ok());
    assert_eq!(sent(&boot, &quirks, target(), false, None)["BootSourceOverrideEnabled"], "Once");
}
