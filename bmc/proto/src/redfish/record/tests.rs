//! Walks, and what a recording may and may not tell.

use super::*;
use crate::redfish::ResourcePath;
use proptest::prelude::*;
use serde_json::json;

/// Walks resources as a driver does.
fn walked(resources: &[(&str, u16, Value)], limits: Limits) -> (Walk, Vec<String>) {
    let mut walk = Walk::new(limits);
    let mut asked = Vec::new();
    while let Some(path) = walk.next_path() {
        let key = path.to_string();
        let found = resources.iter().find(|(known, ..)| key.trim_end_matches('/') == *known);
        let (status, body) =
            found.map_or((404, json!({"error": {}})), |(_, status, body)| (*status, body.clone()));
        walk.took(&path, status, [("ETag", "\"1\"")], body.to_string().as_bytes());
        asked.push(key);
    }
    (walk, asked)
}

fn machine() -> Vec<(&'static str, u16, Value)> {
    let link = |path: &str| json!({"@odata.id": path});
    vec![
        (
            "/redfish/v1",
            200,
            json!({
                "RedfishVersion": "1.15.0", "Vendor": "Dell", "UUID": "4c4c4544-0042-4a10-8051-b4c04f4d3333",
                "Systems": link("/redfish/v1/Systems/"), "JsonSchemas": link("/redfish/v1/JsonSchemas"),
                "SessionService": link("/redfish/v1/SessionService"),
            }),
        ),
        ("/redfish/v1/Systems", 200, json!({"Members": [link("/redfish/v1/Systems/CZ1234XYZ0")]})),
        (
            "/redfish/v1/Systems/CZ1234XYZ0",
            200,
            json!({
                "@odata.type": "#ComputerSystem.v1_1_0.ComputerSystem",
                "Name": "srv17", "HostName": "srv17.dc1.corp.net", "SerialNumber": "CZ1234XYZ0", "Model": "R740",
                "AssetTag": "rack 12 unit 3", "BiosVersion": "1.2.3.4", "UUID": "4C4C4544-0042-4A10-8051-B4C04F4D3333",
                "Self": link("/redfish/v1/Systems/CZ1234XYZ0#/Boot"),
                "Log": link("/redfish/v1/Systems/CZ1234XYZ0/LogServices/Log/Entries"),
                "Missing": link("/redfish/v1/Missing"), "Elsewhere": link("https://evil.example/other"),
                "Ports": [{"MACAddress": "52:54:00:AA:BB:01", "Id": "NIC-525400aabb01", "IPv4": "10.9.8.7"}],
                "Boot": {"BootOptionReference": "Boot0001", "UefiDevicePath": "MAC(525400AABB01,0x1)/IPv4(0.0.0.0)"},
                "Admin": {"UserName": "jdoe", "Password": "hunter22"},
            }),
        ),
        (
            "/redfish/v1/Systems/CZ1234XYZ0/LogServices/Log/Entries",
            200,
            json!({
                "@odata.type": "#LogEntryCollection.LogEntryCollection",
                "Members": [
                    {"@odata.id": "/redfish/v1/e/1", "EntryType": "Event", "Message": "jdoe logged in from 10.9.8.7 as Bob"},
                    {"@odata.id": "/redfish/v1/e/2", "EntryType": "SEL", "Message": "fan of CZ1234XYZ0 failed"},
                    {"@odata.id": "/redfish/v1/e/3"},
                ],
                "Members@odata.nextLink": "/redfish/v1/Systems/CZ1234XYZ0/LogServices/Log/Entries?$skip=3",
            }),
        ),
        ("/redfish/v1/SessionService", 200, json!({"Sessions": link("/redfish/v1/SessionService/Sessions")})),
        (
            "/redfish/v1/SessionService/Sessions",
            200,
            json!({
                "Members": [link("/redfish/v1/SessionService/Sessions/jdoe1")],
            }),
        ),
    ]
}

const KNOWN: Known<'static> = Known { host: "bmc17.dc1.corp.net", username: "jdoe", password: "hunter22" };

#[test]
fn a_walk_follows_links_once_and_leaves_out_what_is_not_wanted() {
    let (walk, asked) = walked(&machine(), Limits { entries: 2, ..Limits::default() });
    let wanted = [
        "/redfish/v1/",
        "/redfish/v1/SessionService",
        "/redfish/v1/Systems/",
        "/redfish/v1/SessionService/Sessions",
        "/redfish/v1/Systems/CZ1234XYZ0",
        "/redfish/v1/Systems/CZ1234XYZ0/LogServices/Log/Entries",
        "/redfish/v1/Missing",
        "/redfish/v1/e/1",
        "/redfish/v1/e/2",
    ];
    assert_eq!(
        asked.iter().collect::<std::collections::BTreeSet<_>>(),
        wanted.map(String::from).iter().collect()
    );
    assert_eq!(asked.len(), wanted.len());
    assert_eq!(walk.resources()["/redfish/v1/Missing"].status, 404);
    let recording = walk.finish("test", &Known::default());
    assert!(recording.left_out[0].contains("entries beyond the first 2"), "{:?}", recording.left_out);
    let entries = recording.resources.iter().find(|(path, _)| path.ends_with("/Entries")).unwrap();
    assert_eq!(entries.1.body.as_ref().unwrap()["Members@odata.count"], 2);
}

#[test]
fn nothing_that_tells_whose_it_is_stays_and_links_stay_whole() {
    let (walk, _) = walked(&machine(), Limits::default());
    let recording = walk.finish("test", &KNOWN);
    let text = serde_json::to_string(&recording).unwrap();
    let lower = text.to_ascii_lowercase();
    for word in [
        "CZ1234XYZ0",
        "4c4c4544",
        "b4c04f4d3333",
        "srv17",
        "dc1",
        "corp.net",
        "52:54:00",
        "525400aabb01",
        "10.9.8.7",
        "jdoe",
        "hunter22",
        "rack 12",
        "Bob",
    ] {
        assert!(!lower.contains(&word.to_ascii_lowercase()), "{word} in {text}");
    }
    // What tells about the make stays.
    for word in ["R740", "1.2.3.4", "0.0.0.0", "Boot0001", "Dell", "fan of SERIAL0001 failed"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let members = recording.get("/redfish/v1/Systems").unwrap()["Members"].as_array().unwrap().clone();
    let link = members[0]["@odata.id"].as_str().unwrap();
    let system = recording.get(link).expect("the link leads there");
    assert_eq!(system["SerialNumber"], link.rsplit('/').next().unwrap());
    assert_eq!(system["UUID"], recording.get("/redfish/v1").unwrap()["UUID"]);
    assert_eq!(system["Admin"]["Password"], "redacted");
    let port = &system["Ports"][0];
    let mac = port["MACAddress"].as_str().unwrap().replace(':', "");
    assert_eq!(port["Id"], format!("NIC-{mac}"));
    assert_eq!(system["Boot"]["UefiDevicePath"], format!("MAC({mac},0x1)/IPv4(0.0.0.0)"));
    assert_eq!(recording.identity.model.as_deref(), Some("R740"));
    assert_eq!(Recording::parse(text.as_bytes()).unwrap(), recording);
}

#[test]
fn what_tells_nothing_and_what_is_common_stays() {
    let body = json!({
        "SerialNumber": "N/A", "AssetTag": "", "UserName": "Administrator", "RoleId": "Administrator",
        "HostName": "system", "System": "system", "AdminPassword": "Disabled", "MinPasswordLength": 8,
        "UUID": "00000000-0000-0000-0000-000000000000", "SubnetMask": "255.255.255.0",
        "FirmwareVersion": "10.1.2.3", "Address": "10.1.2.3",
        "Oem": {"Hosts": ["ntp.corp.net"], "NTPServers": ["10.5.5.5", "ntp.corp.net"]},
    });
    let (walk, _) = walked(&[("/redfish/v1", 200, body)], Limits::default());
    let recording = walk.finish("test", &Known::default());
    let body = recording.get("/redfish/v1").unwrap();
    for (name, value) in [
        ("SerialNumber", json!("N/A")),
        ("AssetTag", json!("")),
        ("UserName", json!("Administrator")),
        ("RoleId", json!("Administrator")),
        ("HostName", json!("host1.example")),
        ("System", json!("system")),
        ("AdminPassword", json!("Disabled")),
        ("MinPasswordLength", json!(8)),
        ("UUID", json!("00000000-0000-0000-0000-000000000000")),
        ("SubnetMask", json!("255.255.255.0")),
        ("FirmwareVersion", json!("10.1.2.3")),
        ("Address", json!("198.18.0.1")),
        ("Oem", json!({"Hosts": ["host2.example"], "NTPServers": ["198.18.0.2", "host2.example"]})),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
}

#[test]
fn a_walk_ends() {
    // Each page names the next, for ever.
    let mut walk = Walk::new(Limits { resources: 50, ..Limits::default() });
    let mut count = 0;
    while let Some(path) = walk.next_path() {
        count += 1;
        let next = format!("{}x", path.path().trim_end_matches('/'));
        walk.took(&path, 200, [], json!({"Members@odata.nextLink": next}).to_string().as_bytes());
    }
    assert!(count <= 50, "{count}");
    let recording = walk.finish("test", &Known::default());
    assert!(recording.left_out.iter().any(|text| text.contains("not followed")), "{:?}", recording.left_out);

    let mut walk = Walk::new(Limits { bytes: 100, ..Limits::default() });
    walk.next_path().unwrap();
    walk.took(&ResourcePath::root(), 200, [], &[b' '; 101]);
    assert!(walk.next_path().is_none() && walk.read() == 0);
}

#[test]
fn what_is_nested_too_deep_does_not_spoil_the_rest() {
    let mut walk = Walk::new(Limits::default());
    let path = walk.next_path().unwrap();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(120), "]".repeat(120));
    walk.took(&path, 200, [], deep.as_bytes());
    let recording = walk.finish("test", &Known::default());
    assert!(recording.left_out[0].contains("nested"), "{:?}", recording.left_out);
    let text = serde_json::to_vec(&recording).unwrap();
    assert_eq!(Recording::parse(&text).unwrap(), recording);
}

#[test]
fn another_format_is_refused() {
    let error =
        Recording::parse(br#"{"format": 2, "made_with": "x", "identity": {}, "resources": {}}"#).unwrap_err();
    assert!(error.to_string().contains("format 2"), "{error}");
    assert!(Recording::parse(b"[]").unwrap_err().to_string().contains("no recording"));
}

fn json_strategy() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-zA-Z0-9 :./@-]{0,24}",
        Just("52:54:00:aa:bb:01".to_owned()),
        Just("10.9.8.7".to_owned()),
        Just("/redfish/v1/Chassis/ABC1234567".to_owned()),
        "\\PC{0,12}",
    ];
    let leaf = prop_oneof![text.prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            Just("SerialNumber"),
            Just("Password"),
            Just("HostName"),
            Just("UserName"),
            Just("Members"),
            Just("@odata.id"),
            Just("MACAddress"),
            Just("UUID"),
            Just("FirmwareVersion"),
            Just("Message"),
            Just("EntryType"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5).prop_map(|pairs| pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

/// All texts that a property of this name has, where they tell something.
fn values_of(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| values_of(item, name, found)),
        Value::Object(map) => {
            for (key, value) in map {
                if key == name {
                    found.extend(value.as_str().map(str::to_owned));
                }
                values_of(value, name, found);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn secrets_and_serials_never_stay(body in json_strategy()) {
        let resources = BTreeMap::from([(
            "/redfish/v1".to_owned(),
            Recorded { status: 200, headers: BTreeMap::new(), body: Some(body.clone()) },
        )]);
        let redactor = Redactor::learn(&resources, &Known::default());
        let redacted = redactor.resources(resources).remove("/redfish/v1").unwrap().body.unwrap();
        let text = redacted.to_string();
        prop_assert!(!text.contains("52:54:00:aa:bb:01"), "{text}");
        for name in ["Password", "SerialNumber"] {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            values_of(&body, name, &mut before);
            values_of(&redacted, name, &mut after);
            prop_assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(words::is_nothing(shapes::Kind::Secret, before) || (name != "Password" && words::is_nothing(shapes::Kind::Serial, before)) || before.trim() != after.trim(), "{name}: {before}");
            }
        }
    }
}

#[test]
fn a_tree_that_would_fill_the_memory_ends_the_walk() {
    let mut walk = Walk::new(Limits { bytes: 100_000, ..Limits::default() });
    let path = walk.next_path().unwrap();
    let bomb = format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 10_000].join(","));
    walk.took(&path, 200, [], bomb.as_bytes());
    assert!(walk.resources().is_empty() && walk.next_path().is_none());
    let left_out = walk.finish("test", &Known::default()).left_out;
    assert!(left_out.iter().any(|text| text.contains("too many parts")), "{left_out:?}");
}

/// Texts and values that took quadratic time: these take a moment, and took minutes.
#[test]
fn a_hostile_tree_is_redacted_in_time() {
    let dots = "a.".repeat(50_000);
    let colons = "1:".repeat(50_000);
    let serials: Vec<Value> = (0..20_000).map(|n| json!({"SerialNumber": format!("AAA{n:06}")})).collect();
    let tree = [(
        "/redfish/v1",
        200,
        json!({"Name": dots, "Model": colons, "Text": "AAA".repeat(100_000), "Parts": serials}),
    )];
    let (walk, _) = walked(&tree, Limits::default());
    let text = serde_json::to_string(&walk.finish("test", &Known::default())).unwrap();
    assert!(text.contains("SERIAL0001") && !text.contains("AAA000001"));
}

/// Names that makers give to what is secret, and settings whose name stands beside their value.
#[test]
fn secrets_of_makers_are_hidden() {
    let body = json!({
        "Attributes": {
            "Users.2.SHA256Password": "c0ffee01", "Users.2.SHA256PasswordSalt": "c0ffee02", "Users.2.MD5v3Key": "c0ffee03",
            "SNMP.1.AgentCommunity": "c0ffee04", "Users.2.SSHPublicKey1": "c0ffee05",
        },
        "ReadCommunities": ["c0ffee06", "c0ffee07"], "Pins": [{"Name": "AdminPassword", "Value": "c0ffee08"}],
        "Settings": [{"Name": "API key", "CurrentValue": "c0ffee09"}], "Mode": [{"Name": "Mode", "Value": "stays"}],
        "Where": "ftp://me:c0ff!ee@10.1.2.3/redfish/v1/x", "Fetched": "https://dell.com/b.exe?Signature=c0ffee10",
    });
    let (walk, _) = walked(&[("/redfish/v1", 200, body)], Limits::default());
    let text = serde_json::to_string(&walk.finish("test", &Known::default())).unwrap();
    assert!(!text.contains("c0ff") && text.contains("stays"), "{text}");
}
