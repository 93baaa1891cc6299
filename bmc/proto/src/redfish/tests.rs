//! Tables for each decision, captured documents of a stranger's service, and properties over arbitrary input.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn system(value: &Value) -> ComputerSystem {
    parse(value.to_string().as_bytes()).expect("an object")
}

fn boot(value: &Value) -> Boot {
    system(&json!({ "Boot": value })).boot.expect("a Boot")
}

#[test]
fn sushy_documents_are_understood() {
    let root: ServiceRoot = parse(include_bytes!("fixtures/sushy-root.json")).unwrap();
    assert_eq!(root.systems.unwrap().odata_id.as_deref(), Some("/redfish/v1/Systems"));
    assert_eq!(root.managers.unwrap().odata_id.as_deref(), Some("/redfish/v1/Managers"));
    assert!(root.session_service.is_none() && root.links.is_none());

    let systems: Collection = parse(include_bytes!("fixtures/sushy-systems.json")).unwrap();
    assert_eq!(systems.members.len(), 1);

    let system: ComputerSystem = parse(include_bytes!("fixtures/sushy-system.json")).unwrap();
    assert_eq!(read_power(&system), Some(PowerReading::Off));
    assert_eq!(system.manufacturer.as_deref(), Some("Sushy Emulator"));
    assert_eq!(system.uuid.as_deref().and_then(normal_uuid).as_deref(), system.uuid.as_deref());
    let reset = system.reset().expect("an action");
    assert!(reset.target.as_deref().unwrap().ends_with("/Actions/ComputerSystem.Reset"));
    assert_eq!(reset_type(true, &reset.allowable), Some("On"));
    assert_eq!(reset_type(false, &reset.allowable), Some("ForceOff"));
    let boot = system.boot.as_ref().unwrap();
    let disk = Wanted { target: Target::Disk, persistent: true, mode: Some(Mode::Uefi) };
    assert_eq!(read_boot(boot), Reading::Known(disk));
    let managed = manager_path(&system).unwrap();
    assert_eq!(managed.path(), "/redfish/v1/Managers/27946b59-9e44-4fa7-8e91-f3527a1ef094");

    let manager: Manager = parse(include_bytes!("fixtures/sushy-manager.json")).unwrap();
    assert_eq!(manager.firmware_version.as_deref(), Some("1.00"));
    let error = error_report(include_bytes!("fixtures/sushy-error.json"));
    assert_eq!(error.sentence, "Power state Bogus is not supported");
    assert!(error.has("GeneralError"));
}

#[test]
fn wrong_types_count_as_absent() {
    let odd = system(&json!({
        "UUID": 7, "PowerState": ["On"], "Boot": "Pxe", "Model": "M", "Actions": {"#ComputerSystem.Reset": null},
        "Links": {"ManagedBy": {"@odata.id": "/m/1"}}, "More": {"x": [1]},
    }));
    assert_eq!((odd.uuid.as_deref(), odd.model.as_deref()), (None, Some("M")));
    assert!(read_power(&odd).is_none() && odd.boot.is_none() && odd.reset().is_none());
    assert_eq!(manager_path(&odd).unwrap().path(), "/m/1");
    let list: Collection = parse(br#"{"Members":[3,{"@odata.id":"/a"},null,{"@odata.id":9}]}"#).unwrap();
    assert_eq!(list.members, [Link { odata_id: Some("/a".into()) }, Link::default()]);
}

#[test]
fn a_body_must_be_an_object() {
    for body in ["", "[]", "null", "\"x\"", "<html>", "{", &"[".repeat(100_000)] {
        assert!(parse::<ComputerSystem>(body.as_bytes()).is_err(), "{:.20}", body);
    }
}

#[test]
fn power_words() {
    let read = |word: &str| read_power(&system(&json!({ "PowerState": word })));
    assert_eq!(read("On"), Some(PowerReading::On));
    assert_eq!(read("OFF"), Some(PowerReading::Off));
    assert_eq!(read("Reset"), None);
    assert_eq!(read_power(&system(&json!({}))), None);
    assert!(PowerReading::PoweringOff.is_on() && !PowerReading::PoweringOff.is_settled(false));
    assert!(PowerReading::PoweringOff.is_moving(false) && !PowerReading::PoweringOff.is_moving(true));
}

#[test]
fn reset_types_name_an_end() {
    let choose = |on, words: &[&str]| reset_type(on, &words.iter().map(|w| (*w).into()).collect::<Vec<_>>());
    assert_eq!(choose(true, &[]), Some("On"));
    assert_eq!(choose(false, &[]), Some("ForceOff"));
    assert_eq!(choose(true, &["ForceOn", "PushPowerButton"]), Some("ForceOn"));
    assert_eq!(choose(true, &["ForceOn", "On"]), Some("On"));
    assert_eq!(choose(true, &["PushPowerButton", "PowerCycle"]), None);
    assert_eq!(choose(false, &["GracefulShutdown", "PushPowerButton"]), None);
}

#[test]
fn action_info_tells_allowable_values() {
    let info: ActionInfo = parse(
        br#"{"Parameters":[{"Name":"Delay"},{"Name":"ResetType","AllowableValues":["On","ForceOff",1]}]}"#,
    )
    .unwrap();
    assert_eq!(info.allowable("ResetType"), ["On", "ForceOff"]);
    assert!(info.allowable("Delay").is_empty() && info.allowable("Other").is_empty());
}

#[test]
fn boot_patches() {
    let plain = json!({"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"});
    let full = json!({
        "BootSourceOverrideEnabled": "Disabled",
        "BootSourceOverrideTarget": "None",
        "BootSourceOverrideMode": "UEFI",
        "BootSourceOverrideMode@Redfish.AllowableValues": ["UEFI", "Legacy"],
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd"],
    });
    let http = json!({"BootSourceOverrideTarget@Redfish.AllowableValues": ["UefiHttp", "Hdd"]});
    let table = [
        (&plain, Target::Network, false, Some(Mode::Uefi), json!({"T": "Pxe", "E": "Once"})),
        (&full, Target::Network, false, Some(Mode::Uefi), json!({"T": "Pxe", "E": "Once", "M": "UEFI"})),
        (
            &full,
            Target::Network,
            true,
            Some(Mode::Legacy),
            json!({"T": "Pxe", "E": "Continuous", "M": "Legacy"}),
        ),
        (&full, Target::Disk, true, None, json!({"T": "Hdd", "E": "Continuous"})),
        (&full, Target::Default, false, Some(Mode::Uefi), json!({"T": "None", "E": "Disabled"})),
        (&http, Target::Network, false, None, json!({"T": "UefiHttp", "E": "Once"})),
        (&http, Target::Default, false, None, json!({"E": "Disabled"})),
    ];
    for (shown, target, persistent, mode, short) in table {
        let wanted = Wanted { target, persistent, mode };
        let patch = BootPatch::plan(Some(&boot(shown)), &wanted, &Quirks::default()).unwrap();
        let mut change = serde_json::Map::new();
        for (key, name) in [("T", "Target"), ("E", "Enabled"), ("M", "Mode")] {
            if let Some(value) = short.get(key) {
                change.insert(format!("BootSourceOverride{name}"), value.clone());
            }
        }
        assert_eq!(serde_json::to_value(&patch).unwrap(), json!({ "Boot": change }), "{wanted:?}");
    }
}

#[test]
fn boot_patches_that_a_bmc_does_not_offer() {
    let wanted = |mode| Wanted { target: Target::Network, persistent: false, mode };
    let plan = |shown: Option<&Boot>, wanted: Wanted| BootPatch::plan(shown, &wanted, &Quirks::default());
    assert_eq!(plan(None, wanted(None)), Err(BootRefusal::NoOverride));
    let http = boot(&json!({"BootSourceOverrideTarget@Redfish.AllowableValues": ["UefiHttp"]}));
    let refusal = plan(Some(&http), wanted(Some(Mode::Legacy))).unwrap_err();
    assert_eq!(refusal.to_string(), "its BootSourceOverrideTarget can't be Pxe, only UefiHttp");
    let uefi = boot(&json!({
        "BootSourceOverrideMode": "UEFI", "BootSourceOverrideMode@Redfish.AllowableValues": ["UEFI"],
    }));
    assert!(plan(Some(&uefi), wanted(Some(Mode::Legacy))).is_err());
    let lasting =
        boot(&json!({"BootSourceOverrideEnabled@Redfish.AllowableValues": ["Disabled", "Continuous"]}));
    assert!(plan(Some(&lasting), wanted(None)).is_err());
}

#[test]
fn read_back() {
    let shown = |target: &str, enabled: &str, mode: Option<&str>| {
        let mut value = json!({"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled});
        if let Some(mode) = mode {
            value["BootSourceOverrideMode"] = mode.into();
        }
        boot(&value)
    };
    let before = shown("None", "Disabled", Some("UEFI"));
    let once = Wanted { target: Target::Network, persistent: false, mode: Some(Mode::Uefi) };
    let patch = BootPatch::plan(Some(&before), &once, &Quirks::default()).unwrap();
    assert!(patch.is_done(Some(&shown("Pxe", "Once", Some("UEFI")))));
    assert!(patch.is_done(Some(&shown("pxe", "once", None))));
    for other in [
        before.clone(),
        shown("Pxe", "Continuous", Some("UEFI")),
        shown("Pxe", "Once", Some("Legacy")),
        shown("Hdd", "Once", Some("UEFI")),
        Boot::default(),
    ] {
        assert!(!patch.is_done(Some(&other)), "{}", other.describe());
    }
    assert!(!patch.is_done(None));

    let none = Wanted { target: Target::Default, persistent: true, mode: None };
    let patch = BootPatch::plan(Some(&before), &none, &Quirks::default()).unwrap();
    assert!(patch.is_done(Some(&shown("Pxe", "Disabled", None))));
    assert!(patch.is_done(Some(&shown("None", "Continuous", None))));
    assert!(!patch.is_done(Some(&shown("Pxe", "Once", None))));
    assert!(!patch.is_done(Some(&Boot::default())));
}

#[test]
fn addresses_and_devices_are_sent_and_read_back() {
    let shown = |uri: &str| {
        boot(
            &json!({"BootSourceOverrideMode": "Legacy", "HttpBootUri": uri, "BootSourceOverrideEnabled": "Disabled"}),
        )
    };
    let plan = |uri: &str, target: Target| {
        let wanted = Wanted { target, persistent: false, mode: None };
        BootPatch::plan(Some(&shown(uri)), &wanted, &Quirks::default()).unwrap()
    };
    let sent = |patch: &BootPatch| serde_json::to_value(patch).unwrap()["Boot"].clone();
    let to = plan("", Target::Http(Some("http://h/a".into())));
    let mut change = json!({
        "BootSourceOverrideTarget": "UefiHttp", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI",
        "HttpBootUri": "http://h/a",
    });
    assert_eq!(sent(&to), change);
    assert!(to.is_done(Some(&boot(&change))));
    change["HttpBootUri"] = json!("http://h/b");
    assert!(!to.is_done(Some(&boot(&change))));
    // Without an address, one that was set before is taken away.
    let by_dhcp = plan("http://h/a", Target::Http(None));
    assert_eq!(sent(&by_dhcp)["HttpBootUri"], Value::Null);
    assert!(
        sent(&by_dhcp).as_object().unwrap().contains_key("HttpBootUri")
            && !by_dhcp.is_done(Some(&boot(&change)))
    );
    assert!(!sent(&plan("", Target::Http(None))).as_object().unwrap().contains_key("HttpBootUri"));
    let device = plan("", Target::UefiDevice("PciRoot(0x0)".into()));
    let change = sent(&device);
    assert_eq!(
        (&change["BootSourceOverrideTarget"], &change["UefiTargetBootSourceOverride"]),
        (&json!("UefiTarget"), &json!("PciRoot(0x0)"))
    );
    assert!(device.is_done(Some(&boot(&change))));
    let mut other = change.clone();
    other["UefiTargetBootSourceOverride"] = json!("PciRoot(0x1)");
    assert!(!device.is_done(Some(&boot(&other))));
}

#[test]
fn an_override_in_a_settings_resource_is_merged() {
    let system = boot(&json!({"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideMode": "UEFI"}));
    let pending = boot(&json!({
        "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe"],
    }));
    let merged = merged_boot(Some(&system), Some(&pending)).unwrap();
    assert_eq!(
        (merged.target.as_deref(), merged.enabled.as_deref(), merged.mode.as_deref()),
        (Some("Pxe"), Some("Once"), Some("UEFI"))
    );
    assert_eq!(merged_boot(Some(&system), Some(&Boot::default())), None);
    assert_eq!(merged_boot(Some(&system), None), None);
    let link = system_settings("/redfish/v1/Systems/1/SD");
    assert_eq!(boot_settings(&link).unwrap().path(), "/redfish/v1/Systems/1/SD");
    assert_eq!(boot_settings(&ComputerSystem::default()), None);
}

fn system_settings(path: &str) -> ComputerSystem {
    system(&json!({"@Redfish.Settings": {"SettingsObject": {"@odata.id": path}}}))
}

#[test]
fn buttons_are_words_of_the_bmc() {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(press_word(Press::Reset, &words(&["On", "ForceRestart"])), Some("ForceRestart"));
    assert_eq!(press_word(Press::Reset, &words(&["On"])), None);
    assert_eq!(press_word(Press::FullCycle, &[]), Some("FullPowerCycle"));
    assert_eq!(press_names(&words(&["On", "ForceOff"])), Vec::<&str>::new());
    // iLO 5: an operator who asked for `cycle` is told what there is, in words that can be typed.
    let ilo = words(&["On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "PushPowerButton"]);
    assert_eq!(press_names(&ilo), ["reset", "soft", "diag", "push"]);
    assert_eq!(push_type(true, &words(&["PushPowerButton"])), Some("PushPowerButton"));
    assert_eq!(push_type(false, &words(&["PushPowerButton"])), None);
    assert_eq!(push_type(true, &words(&["On"])), None);
}

#[test]
fn power_is_read_out_of_a_body() {
    assert_eq!(
        read_power_of(br#" {"A": {"B": [1]}, "PowerState": "PoweringOn"}"#).unwrap(),
        Ok(PowerReading::PoweringOn)
    );
    assert_eq!(read_power_of(br#"{"PowerState": "Reset"}"#).unwrap(), Err("Reset".to_owned()));
    assert_eq!(read_power_of(br#"{"PowerState": 1}"#).unwrap(), Err(String::new()));
    assert!(matches!(read_power_of(br#"["On"]"#), Err(ParseError::NotAnObject)));
    assert!(matches!(read_power_of(b"<html>"), Err(ParseError::NotJson(_))));
    assert!(read_power_of(b"").is_err() && read_power_of("{".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn writes_and_what_they_brought() {
    let path = |text: &str| ResourcePath::from_link(text).unwrap();
    let judge = |status: u16, location: Option<&str>, body: &Value, quirks: &Quirks| {
        receipt(status, location.map(path).as_ref(), body.to_string().as_bytes(), quirks)
    };
    let none = Quirks::default();
    let monitor = "/redfish/v1/TaskService/TaskMonitors/7";
    let task = json!({"@odata.type": "#Task.v1_7_3.Task", "@odata.id": "/redfish/v1/TaskService/Tasks/7"});
    let made = json!({"@odata.type": "#EventDestination.v1_1_0.EventDestination", "@odata.id": "/x/1"});
    let success = |id: &str, severity: &str| {
        json!({"error": {"code": "iLO.0.10.ExtendedInfo", "message": "See.",
        "@Message.ExtendedInfo": [{"MessageId": id, "Severity": severity}]}})
    };
    for (status, location, body, expected) in [
        (204, None, json!({}), Receipt::Done),
        (202, Some(monitor), json!({}), Receipt::Task(path(monitor))),
        (202, Some(monitor), task.clone(), Receipt::Task(path("/redfish/v1/TaskService/Tasks/7"))),
        (202, None, task, Receipt::Task(path("/redfish/v1/TaskService/Tasks/7"))),
        (202, None, json!({}), Receipt::Done),
        (
            200,
            Some("/redfish/v1/Managers/i/Jobs/JID_1"),
            json!({}),
            Receipt::Task(path("/redfish/v1/Managers/i/Jobs/JID_1")),
        ),
        (201, Some("/x/1"), made, Receipt::Done),
        (200, None, success("Base.0.10.Success", "OK"), Receipt::Done),
        (200, None, success("iLO.2.14.SystemResetRequired", "Warning"), Receipt::Done),
        (200, None, success("IDRAC.2.1.SYS413", "OK"), Receipt::Done),
    ] {
        assert_eq!(judge(status, location, &body, &none), expected, "{status} {location:?} {body}");
    }
    for (id, severity) in [
        ("Base.1.8.PropertyNotWritable", "Warning"),
        ("Maker.1.0.Odd", "Critical"),
        ("Base.1.0.InternalError", ""),
    ] {
        let receipt = judge(200, None, &success(id, severity), &none);
        assert!(
            matches!(&receipt, Receipt::Failed(report) if report.has(id.rsplit('.').next().unwrap())),
            "{id}"
        );
    }
}

#[test]
fn overrides_that_are_set() {
    let read = |target: &str, enabled: &str| {
        read_boot(&boot(&json!({"BootSourceOverrideTarget": target, "BootSourceOverrideEnabled": enabled})))
    };
    let known = |target, persistent| Reading::Known(Wanted { target, persistent, mode: None });
    assert_eq!(read("Pxe", "Disabled"), known(Target::Default, true));
    assert_eq!(read("None", "Once"), known(Target::Default, true));
    assert_eq!(read("UefiHttp", "Once"), known(Target::Http(None), false));
    assert_eq!(read("Usb", "Once"), known(Target::Usb, false));
    assert_eq!(read("UsbCd", "Once"), known(Target::Cd, false));
    // Where there is no PXE, HTTP is how the network is booted.
    let mut http = json!({
        "BootSourceOverrideTarget": "UefiHttp", "BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "UefiHttp"],
    });
    assert_eq!(read_boot(&boot(&http)), known(Target::Network, false));
    http["HttpBootUri"] = json!("http://h/x.efi");
    assert_eq!(read_boot(&boot(&http)), known(Target::Http(Some("http://h/x.efi".into())), false));
    let device = json!({
        "BootSourceOverrideTarget": "UefiTarget", "BootSourceOverrideEnabled": "Once",
        "UefiTargetBootSourceOverride": "PciRoot(0x0)",
    });
    assert_eq!(read_boot(&boot(&device)), known(Target::UefiDevice("PciRoot(0x0)".into()), false));
    assert_eq!(read("Hdd", "Continuous"), known(Target::Disk, true));
    assert_eq!(read("Cd", "Once"), known(Target::Cd, false));
    assert_eq!(read("BiosSetup", "Once"), known(Target::Setup, false));
    assert_eq!(read("Floppy", "Once"), Reading::Unknown);
    assert_eq!(read("Pxe", "Sometimes"), Reading::Unknown);
    assert_eq!(read_boot(&Boot::default()), Reading::Unknown);
}

#[test]
fn the_system_that_is_the_machine() {
    let physical = json!({"SystemType": "Physical", "Actions": {"#ComputerSystem.Reset": {"target": "/r"}}});
    let untyped = json!({"Actions": {"#ComputerSystem.Reset": {"target": "/r"}}});
    let baseboard = json!({"SystemType": "Physical"});
    let composed = json!({"SystemType": "Composed", "Actions": {"#ComputerSystem.Reset": {"target": "/r"}}});
    let pick = |systems: &[&Value]| pick_system(&systems.iter().map(|s| system(s)).collect::<Vec<_>>());
    assert_eq!(pick(&[]), Err(PickError::None));
    assert_eq!(pick(&[&baseboard]), Ok(0));
    assert_eq!(pick(&[&baseboard, &composed, &physical]), Ok(2));
    assert_eq!(pick(&[&physical, &baseboard, &untyped]), Err(PickError::Several { count: 2 }));
    assert_eq!(pick(&[&baseboard, &composed]), Err(PickError::Several { count: 2 }));
}

#[test]
fn uuids() {
    let good = "4c4c4544-0042-4a10-8051-b4c04f4d3333";
    for text in [good, "4C4C4544-0042-4A10-8051-B4C04F4D3333", " 4c4c454400424a108051b4c04f4d3333\n"] {
        assert_eq!(normal_uuid(text).as_deref(), Some(good));
    }
    for text in [
        "",
        "None",
        "00000000-0000-0000-0000-000000000000",
        "4c4c4544",
        "zz4c4544-0042-4a10-8051-b4c04f4d3333",
    ] {
        assert_eq!(normal_uuid(text), None);
    }
    assert_eq!(normal_uuid(&"F".repeat(32)), None);
}

#[test]
fn error_bodies_become_sentences() {
    let table = [
        (
            json!({"error": {"code": "Base.1.8.GeneralError", "message": "See ExtendedInfo.", "@Message.ExtendedInfo": [
                {"MessageId": "Base.1.8.PropertyValueNotInList", "Message": "The value 'X' is not in the list.",
                 "Resolution": "Choose another value."},
                {"MessageId": "Base.1.8.Again", "Message": "The value 'X' is not in the list.", "Resolution": "None."},
            ]}}),
            "The value 'X' is not in the list. Choose another value.",
        ),
        (json!({"error": {"message": "No.\n\u{1b}[31m"}}), "No. [31m"),
        (
            json!({"error": {"@Message.ExtendedInfo": {"Message": "One, not in a list."}}}),
            "One, not in a list.",
        ),
        (json!({"@Message.ExtendedInfo": [{"MessageId": "iLO.2.14.NoPower"}]}), "iLO.2.14.NoPower"),
        (json!({"error": "text"}), ""),
    ];
    for (body, sentence) in table {
        assert_eq!(error_report(body.to_string().as_bytes()).sentence, sentence);
    }
    let report = error_report(
        br#"{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.5.SessionLimitExceeded"}]}}"#,
    );
    assert!(report.has("SessionLimitExceeded") && !report.has("Limit"));
    assert_eq!(error_report(b"<html>"), ErrorReport::default());
}

#[test]
fn links() {
    let kept = [
        ("/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("https://other.example:99/redfish/v1/S/1", "/redfish/v1/S/1"),
        ("HTTP://[::1]/a/b", "/a/b"),
        ("/a?$skip=2#frag", "/a?$skip=2"),
    ];
    for (link, path) in kept {
        assert_eq!(ResourcePath::from_link(link).unwrap().to_string(), path);
    }
    let dropped = [
        "",
        "a/b",
        "//evil/x",
        "https://evil",
        "https://evil//x",
        "ftp://h/x",
        "/a/../b",
        "/\\evil",
        "/a b",
        "/\tx",
        "/é",
    ];
    for link in dropped {
        assert_eq!(ResourcePath::from_link(link), None, "{link:?}");
    }
    assert_eq!(ResourcePath::from_link(&format!("/{}", "a".repeat(2000))), None);
}

#[test]
fn printable_text() {
    assert_eq!(printable("a\r\n\tb\u{202e}c \u{7}", 20), "a b c");
    assert_eq!(printable("abcdef", 4), "abc…");
    assert_eq!(printable("äöüß", 4), "äöüß");
}

/// Any JSON, deep and odd, with the names that we look at among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof![Just("Pxe"), Just("Once"), Just("On"), Just("/redfish/v1/X")].prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("Boot"),
        Just("BootSourceOverrideTarget"),
        Just("BootSourceOverrideEnabled"),
        Just("PowerState"),
        Just("Members"),
        Just("@odata.id"),
        Just("Actions"),
        Just("#ComputerSystem.Reset"),
        Just("target"),
        Just("error"),
        Just("message"),
        Just("@Message.ExtendedInfo"),
        Just("Links"),
        Just("UUID"),
        Just("Other"),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    /// Every object is a resource, and nothing that we do with one panics.
    #[test]
    fn any_object_is_read(value in any_json()) {
        let body = value.to_string();
        let read = parse::<ComputerSystem>(body.as_bytes());
        prop_assert_eq!(read.is_ok(), value.is_object());
        prop_assert!(error_report(body.as_bytes()).sentence.chars().count() <= 400);
        if let Ok(system) = read {
            let _ = (read_power(&system), manager_path(&system), system.boot.as_ref().map(read_boot));
            prop_assert_eq!(pick_system(&[system]), Ok(0));
        }
        prop_assert_eq!(parse::<Collection>(body.as_bytes()).is_ok(), value.is_object());
    }

    /// A change that a BMC carries out to the letter reads back as done, and as what was wanted.
    #[test]
    fn an_obedient_bmc_reads_back_as_done(network: bool, persistent: bool, uefi: bool, told: bool) {
        let before = boot(&json!({"BootSourceOverrideMode": if told { json!("UEFI") } else { json!(null) }}));
        let target = if network { Target::Network } else { Target::Disk };
        let mode = Some(if uefi { Mode::Uefi } else { Mode::Legacy });
        let wanted = Wanted { target, persistent, mode };
        let patch = BootPatch::plan(Some(&before), &wanted, &Quirks::default()).unwrap();
        let after = boot(&serde_json::to_value(&patch).unwrap()["Boot"]);
        prop_assert!(patch.is_done(Some(&after)));
        let expected = Wanted { mode: mode.filter(|_| told), ..wanted };
        prop_assert_eq!(read_boot(&after), Reading::Known(expected));
        prop_assert!(!patch.is_done(Some(&before)));
    }

    /// Whatever a BMC writes as a link, what is kept starts with one slash and holds nothing that ends a path.
    #[test]
    fn a_link_never_leaves_its_origin(link in "(https?://|//|/)?[ -~\\t\\n\\\\é]{0,40}") {
        if let Some(path) = ResourcePath::from_link(&link) {
            prop_assert!(path.path().starts_with('/') && !path.path().starts_with("//"));
            prop_assert!(!path.path().contains(['\\', '?', '#', ' ', '\n', '\t']));
        }
    }
}
