//! Attributes, registries, what may be set, what reads back, and quirks by their fixtures.

use super::*;
use crate::redfish::quirks::Identity;
use crate::redfish::settings::{settings_object, with_apply_time};
use crate::redfish::{Manager, ServiceRoot};
use proptest::prelude::*;

fn fixture(text: &str) -> (Value, Quirks) {
    let fixture: Value = serde_json::from_str(text).unwrap();
    let part = |name: &str| fixture["identity"][name].clone();
    let root: ServiceRoot = serde_json::from_value(part("root")).unwrap();
    let system = serde_json::from_value(part("system")).unwrap();
    let manager: Manager = serde_json::from_value(part("manager")).unwrap();
    let quirks = Quirks::of(&Identity::of(&root, Some(&system), Some(&manager)));
    (fixture, quirks)
}

fn registry() -> Registry {
    let file = json!({"Id": "x", "Noise": [[1, {"a": null}], "b"], "RegistryEntries": {"Menus": [{"a": 1}], "Attributes": [
        {"AttributeName": "BootMode", "Type": "Enumeration", "DisplayName": "Boot Mode",
            "Value": [{"ValueName": "Uefi"}, {"ValueName": "Bios"}, 3], "ResetRequired": true, "DefaultValue": "Uefi"},
        {"AttributeName": "Cores", "Type": "Integer", "LowerBound": 2, "UpperBound": 64, "ScalarIncrement": 2},
        {"AttributeName": "AssetTag", "Type": "String", "MinLength": 1, "MaxLength": 8},
        {"AttributeName": "NumLock", "Type": "Boolean"},
        {"AttributeName": "Serial", "Type": "String", "ReadOnly": true},
        {"AttributeName": "SetupPassword", "Type": "Password"},
        {"AttributeName": 5}, "nonsense", null,
    ]}});
    Registry::parse(file.to_string().as_bytes()).unwrap()
}

fn bios() -> Value {
    json!({"Attributes": {"BootMode": "Bios", "Cores": 8, "AssetTag": "x", "NumLock": true, "Serial": "S1",
        "SetupPassword": null, "Vendor/Own": "a", "Odd@Redfish.AllowableValues": [], "Fraction": 1.5}})
}

fn settings(values: Value) -> Value {
    json!({ "Attributes": values })
}

fn attributes() -> Vec<Attribute> {
    read_attributes(&bios(), Some(&settings(json!({"Cores": 16, "BootMode": "Bios"}))), Some(&registry()))
}

fn text(text: &str) -> Setting {
    Setting::Text(text.into())
}

fn plan(changes: &[(&str, Setting)]) -> Result<BTreeMap<String, Setting>, BiosRefusal> {
    plan_bios(&attributes(), &changes.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
}

#[test]
fn attributes_are_read_with_what_is_pending_and_what_they_may_be() {
    let all = attributes();
    let find = |name: &str| all.iter().find(|attribute| attribute.name == name).unwrap();
    assert_eq!(all.len(), 8);
    assert_eq!(find("Cores").pending, Some(Setting::Number(16)));
    // Pending and the same is not pending.
    assert_eq!(find("BootMode").pending, None);
    assert_eq!(find("SetupPassword").value, None);
    let rule = find("BootMode").rule.as_ref().unwrap();
    assert_eq!(
        (rule.allowed.as_slice(), rule.needs_reset),
        (&["Uefi".to_owned(), "Bios".into()][..], Some(true))
    );
    assert_eq!((rule.display_name.as_deref(), &rule.default), (Some("Boot Mode"), &Some(text("Uefi"))));
    assert_eq!(find("Vendor/Own").rule, None);
    assert!(read_attributes(&json!({"Attributes": []}), None, None).is_empty());
}

#[test]
fn changes_are_fitted_to_the_type_and_what_is_so_is_left_out() {
    let table = [
        ("BootMode", text("uefi"), Some(text("Uefi"))),
        ("BootMode", text("Bios"), None),
        ("Cores", text("32"), Some(Setting::Number(32))),
        // It is 8 and will be 16.
        ("Cores", Setting::Number(16), None),
        ("Cores", Setting::Number(8), Some(Setting::Number(8))),
        ("NumLock", text("False"), Some(Setting::Flag(false))),
        ("AssetTag", Setting::Number(12), Some(text("12"))),
        ("Vendor/Own", text("b"), Some(text("b"))),
    ];
    for (name, wanted, expected) in table {
        let planned = plan(&[(name, wanted.clone())]).unwrap();
        assert_eq!(planned.get(name), expected.as_ref(), "{name} {wanted:?}");
    }
    let planned = plan(&[("BootMode", text("Uefi")), ("Cores", Setting::Number(4))]).unwrap();
    assert_eq!(bios_patch(&planned), json!({"Attributes": {"BootMode": "Uefi", "Cores": 4}}));
}

#[test]
fn what_can_not_be_is_refused_with_what_can() {
    let table = [
        ("BootMode", text("Legacy"), "one of Uefi, Bios"),
        ("Cores", Setting::Number(66), "a number from 2 to 64 in steps of 2"),
        ("Cores", Setting::Number(7), "in steps of 2"),
        ("Cores", text("many"), "a number from"),
        ("AssetTag", text("far too long"), "a text of 1 to 8 characters"),
        ("AssetTag", text(""), "a text of 1 to 8 characters"),
        ("NumLock", Setting::Number(1), "true or false"),
        ("Serial", text("S2"), "read-only"),
        ("SetupPassword", text("x"), "a password"),
        ("bootmod", text("Uefi"), "is `BootMode` meant?"),
        ("Core", text("2"), "`Cores`"),
    ];
    for (name, wanted, expected) in table {
        let refusal = plan(&[(name, wanted)]).unwrap_err().to_string();
        assert!(refusal.contains(name) && refusal.contains(expected), "{refusal}");
    }
    let lost = plan(&[("zzzzzzzz", text("1"))]).unwrap_err().to_string();
    assert!(!lost.contains("meant"), "{lost}");
}

#[test]
fn without_a_registry_the_present_type_counts() {
    let all = read_attributes(&bios(), None, None);
    let plan = |name: &str, value: &str| plan_bios(&all, &BTreeMap::from([(name.to_owned(), text(value))]));
    assert_eq!(plan("Cores", "12").unwrap()["Cores"], Setting::Number(12));
    assert_eq!(plan("NumLock", "false").unwrap()["NumLock"], Setting::Flag(false));
    assert_eq!(plan("BootMode", "Anything").unwrap()["BootMode"], text("Anything"));
    assert!(plan("Cores", "x").unwrap_err().to_string().contains("a number now"));
}

#[test]
fn reading_back_tells_now_next_boot_or_not() {
    let none = Quirks::default();
    let sent =
        BTreeMap::from([("Cores".to_owned(), Setting::Number(32)), ("NumLock".into(), Setting::Flag(true))]);
    let judge = |bios: &Value, settings: Option<&Value>, task| judge_bios(&sent, bios, settings, task, &none);
    let done = json!({"Attributes": {"Cores": 32, "NumLock": true}});
    assert_eq!(judge(&done, None, false), Applied::Now);
    let pending = settings(json!({"Cores": 32}));
    assert_eq!(judge(&bios(), Some(&pending), false), Applied::NextBoot);
    // It was accepted and forgotten.
    let Applied::Not(found) = judge(&bios(), Some(&settings(json!({}))), false) else { panic!() };
    assert!(found.contains("Cores 8"), "{found}");
    assert!(matches!(judge(&bios(), None, false), Applied::Not(_)));
    // It is so until the next boot.
    let Applied::Not(found) = judge(&done, Some(&settings(json!({"Cores": 8}))), false) else { panic!() };
    assert!(found.contains("Cores 32, and 8 pending"), "{found}");
    assert_eq!(judge(&done, Some(&settings(json!({"Cores": 32}))), false), Applied::Now);
    // A job took it over.
    assert_eq!(judge(&bios(), Some(&settings(json!({}))), true), Applied::NextBoot);
    let contrary = settings(json!({"Cores": 4}));
    assert!(matches!(judge(&bios(), Some(&contrary), true), Applied::Not(_)));
}

#[test]
fn registries_are_found_by_name_and_language() {
    let paths: Vec<ResourcePath> =
        ["/r/Base.1.0", "/r/BiosAttributeRegistryU32/", "/r/BiosAttributeRegistry"]
            .iter()
            .map(|path| ResourcePath::from_link(path).unwrap())
            .collect();
    let found = |name: &str| find_registry(&paths, name).map(|path| path.path().to_owned());
    assert_eq!(found("BiosAttributeRegistry.v1_0_3").as_deref(), Some("/r/BiosAttributeRegistry"));
    assert_eq!(found("BiosAttributeRegistryU32.v1_2_68").as_deref(), Some("/r/BiosAttributeRegistryU32/"));
    assert_eq!(found("BiosAttributeRegistryU3"), None);
    let file = json!({"Location": [{"Language": "ja", "Uri": "/ja"}, {"Language": "en", "Uri": "/en"}]});
    assert_eq!(registry_location(&file).unwrap().path(), "/en");
    let old = json!({"Location": [{"Language": "xx", "Uri": {"extref": "/old"}}]});
    assert_eq!(registry_location(&old).unwrap().path(), "/old");
    let linked = json!({"Location": [{"Uri": {"@odata.id": "/linked"}}]});
    assert_eq!(registry_location(&linked).unwrap().path(), "/linked");
    assert_eq!(registry_location(&json!({"Location": [{"PublicationUri": "http://else/x"}]})), None);
}

#[test]
fn a_packed_registry_is_unpacked_within_bounds() {
    use std::io::Write as _;
    let pack = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    };
    let file =
        json!({"RegistryEntries": {"Attributes": [{"AttributeName": "a", "Type": "String"}]}}).to_string();
    assert!(Registry::parse(&pack(file.as_bytes())).unwrap().rule("a").is_some());
    let bomb = format!("{{\"x\": \"{}\", {}", " ".repeat(17 << 20), &file[1..]);
    assert!(Registry::parse(&pack(bomb.as_bytes())).is_none());
    assert!(Registry::parse(&pack(file.as_bytes())[..20]).is_none());
}

#[test]
fn registries_that_are_none_are_none() {
    for none in [
        "",
        "[]",
        "{}",
        "{\"RegistryEntries\": []}",
        "{\"RegistryEntries\": {\"Attributes\": {}}}",
        "{\"Registry",
    ] {
        assert!(Registry::parse(none.as_bytes()).is_none(), "{none}");
    }
    let deep = format!("{{\"x\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Registry::parse(deep.as_bytes()).is_none());
    let many: Vec<Value> = (0..20_000).map(|number| json!({"AttributeName": format!("a{number}")})).collect();
    let many = json!({"RegistryEntries": {"Attributes": many}}).to_string();
    let many = Registry::parse(many.as_bytes()).unwrap();
    assert!(many.rule("a8191").is_some() && many.rule("a8192").is_none());
}

#[test]
fn quirk_an_apply_time_is_sent_though_none_is_offered() {
    let (fixture, quirks) = fixture(include_str!("../../../fixtures/quirks/dell-settings-apply-time.json"));
    let resource = &fixture["resource"];
    assert_eq!(
        settings_object(resource).unwrap().path(),
        "/redfish/v1/Systems/System.Embedded.1/Bios/Settings"
    );
    let body = with_apply_time(json!({"Attributes": {}}), resource, None, &quirks);
    assert_eq!(body["@Redfish.SettingsApplyTime"], json!({"ApplyTime": "OnReset"}));
    assert_eq!(with_apply_time(json!({}), resource, None, &Quirks::default()), json!({}));
    let offers = json!({"@Redfish.Settings": {"SupportedApplyTimes": ["OnReset", "Immediate"]}});
    assert!(
        with_apply_time(json!({}), &offers, None, &Quirks::default())
            .get("@Redfish.SettingsApplyTime")
            .is_some()
    );
}

#[test]
fn quirk_values_that_show_early_are_pending() {
    let (fixture, quirks) = fixture(include_str!("../../../fixtures/quirks/dell-bios-shows-pending.json"));
    let sent = BTreeMap::from([("MemTest".to_owned(), text("Disabled"))]);
    let (bios, settings) = (&fixture["resource"], &fixture["settings"]);
    assert_eq!(judge_bios(&sent, bios, Some(settings), true, &quirks), Applied::NextBoot);
    assert_eq!(judge_bios(&sent, bios, Some(settings), true, &Quirks::default()), Applied::Now);
}

#[test]
fn quirk_the_reset_says_its_type() {
    let (fixture, quirks) = fixture(include_str!("../../../fixtures/quirks/hpe-bios-reset-type.json"));
    let (bios, settings) = (&fixture["resource"], &fixture["settings"]);
    let (target, body) = plan_bios_reset(bios, Some(settings), &quirks).unwrap();
    assert_eq!(target.path(), "/redfish/v1/Systems/1/Bios/Settings/Actions/Bios.ResetBios");
    assert_eq!(body, json!({"ResetType": "default"}));
    assert_eq!(plan_bios_reset(bios, Some(settings), &Quirks::default()).unwrap().1, json!({}));
    assert_eq!(plan_bios_reset(bios, None, &quirks), Err(BiosRefusal::NoReset));
}

proptest! {
    #[test]
    fn the_distance_of_words_is_a_distance(one in "[a-d]{0,8}", other in "[a-d]{0,8}") {
        let there = edits(&one, &other);
        prop_assert_eq!(there, edits(&other, &one));
        prop_assert_eq!(there == 0, one == other);
        prop_assert!(there <= one.len().max(other.len()) && there >= one.len().abs_diff(other.len()));
    }

    #[test]
    fn any_bytes_and_any_cut_registry_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0usize..400) {
        let _ = Registry::parse(&bytes);
        let file = json!({"RegistryEntries": {"Attributes": [{"AttributeName": "a", "LowerBound": i64::MIN,
            "UpperBound": u64::MAX, "ScalarIncrement": i64::MAX, "Value": [{"ValueName": "x"}]}]}}).to_string();
        let _ = Registry::parse(&file.as_bytes()[..cut.min(file.len())]);
    }

    #[test]
    fn any_number_fits_or_is_refused(number in any::<i64>(), least in any::<i64>(), most in any::<i64>(), step in any::<i64>()) {
        let entry = json!({"RegistryEntries": {"Attributes": [{"AttributeName": "n", "Type": "Integer",
            "LowerBound": least, "UpperBound": most, "ScalarIncrement": step}]}}).to_string();
        let registry = Registry::parse(entry.as_bytes()).unwrap();
        let all = read_attributes(&json!({"Attributes": {"n": 0}}), None, Some(&registry));
        let planned = plan_bios(&all, &BTreeMap::from([("n".to_owned(), Setting::Number(number))]));
        if planned.is_ok() {
            prop_assert!(number >= least && number <= most);
        }
    }
}

/// Packed it has a few KiB, unpacked 14 MiB, and as a tree a GiB.
#[test]
fn a_registry_that_would_fill_the_memory_is_none() {
    let bomb = vec![r#"{"":0}"#; 2_000_000].join(",");
    let bomb = format!(r#"{{"RegistryEntries":{{"Attributes":[{{"AttributeName":"A","x":[{bomb}]}}]}}}}"#);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, bomb.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 64 * 1024, "{}", packed.len());
    assert!(Registry::parse(&packed).is_none());
}
