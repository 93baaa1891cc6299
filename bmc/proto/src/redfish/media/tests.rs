//! Slots of several makers, what is sent to them, and quirks by their fixtures.

use super::*;
use crate::redfish::quirks::Identity;
use crate::redfish::{Manager, ServiceRoot};
use proptest::prelude::*;

const IMAGE: &str = "http://10.0.0.1:8080/os.iso";

/// The fixture of a quirk and the quirks of its BMC.
fn fixture(text: &str) -> (Value, Quirks) {
    let fixture: Value = serde_json::from_str(text).unwrap();
    let part = |name: &str| fixture["identity"][name].clone();
    let root: ServiceRoot = serde_json::from_value(part("root")).unwrap();
    let system = serde_json::from_value(part("system")).unwrap();
    let manager: Manager = serde_json::from_value(part("manager")).unwrap();
    let quirks = Quirks::of(&Identity::of(&root, Some(&system), Some(&manager)));
    (fixture, quirks)
}

fn slot(id: &str, kinds: &[&str], image: Option<&str>) -> Slot {
    let resource = json!({"Id": id, "MediaTypes": kinds, "Image": image, "Inserted": image.is_some()});
    Slot::read(&resource, &Quirks::default())
}

fn with_action(action: Value) -> Value {
    json!({"Id": "1", "Image": null, "Actions": {"#VirtualMedia.InsertMedia": action}})
}

fn posted(change: Change) -> Value {
    match change {
        Change::Post(target, body) => {
            assert_eq!(target.path(), "/insert");
            body
        }
        Change::Patch(body) => panic!("it would be patched: {body}"),
    }
}

#[test]
fn slots_are_read_whatever_is_missing() {
    let none = Quirks::default();
    let full = json!({"Id": "CD", "MediaTypes": ["CD", "DVD", "Tape"], "Image": IMAGE, "Inserted": true,
        "WriteProtected": true, "ConnectedVia": "URI"});
    let read = Slot::read(&full, &none);
    assert_eq!((read.kinds.as_slice(), read.image.as_deref()), (&[Kind::Cd, Kind::Dvd][..], Some(IMAGE)));
    assert!(read.inserted && read.has(IMAGE) && read.shows(IMAGE) && !read.is_empty());
    let table = [
        (json!({"Id": "1", "Image": "", "Inserted": false}), false),
        (json!({"Id": "1", "Image": null}), false),
        (json!({"Id": 1, "Image": [IMAGE], "Inserted": "yes"}), false),
        (json!({"Id": "1", "Image": IMAGE}), true),
        (json!({"Id": "1", "ImageName": "os.iso"}), true),
        (json!({"Id": "1", "Image": IMAGE, "Inserted": false}), false),
    ];
    for (resource, inserted) in table {
        assert_eq!(Slot::read(&resource, &none).inserted, inserted, "{resource}");
    }
}

#[test]
fn an_image_shows_in_many_ways_and_another_does_not() {
    let shows = |image: &str| slot("1", &["CD"], Some(image)).shows("https://host:8443/a/my%20os.iso");
    for same in [
        "https://host:8443/a/my%20os.iso",
        "https://host:8443/a/my os.iso",
        "host:8443/a/my%20os.iso",
        "/a/my%20os.iso",
        "my%20os.iso",
    ] {
        assert!(shows(same), "{same}");
    }
    for other in
        ["https://host:8443/b/my%20os.iso", "https://host/a/my%20os.iso", "os.iso", "y%20os.iso", "/"]
    {
        assert!(!shows(other), "{other}");
    }
    assert!(!Slot { inserted: false, ..slot("1", &[], Some(IMAGE)) }.shows(IMAGE));
}

#[test]
fn the_fittest_slot_is_chosen() {
    let none = Quirks::default();
    let slots = [
        slot("1", &["Floppy", "USBStick"], None),
        slot("2", &["CD", "DVD"], Some("http://other/x.iso")),
        slot("3", &["DVD"], None),
        slot("4", &[], None),
    ];
    let pick = |id, kind, image| choose(&slots, id, kind, image, &none);
    assert_eq!(pick(None, Kind::Usb, IMAGE), Ok(0));
    assert_eq!(pick(None, Kind::Cd, IMAGE), Ok(2));
    assert_eq!(pick(None, Kind::Cd, "http://other/x.iso"), Ok(1));
    assert_eq!(pick(Some("2"), Kind::Dvd, IMAGE), Ok(1));
    assert_eq!(pick(Some("4"), Kind::Floppy, IMAGE), Ok(3));
    assert!(matches!(pick(Some("1"), Kind::Cd, IMAGE), Err(MediaRefusal::WrongKind { wanted: "CD", .. })));
    let refusal = pick(Some("9"), Kind::Cd, IMAGE).unwrap_err().to_string();
    assert!(refusal.contains("`9`") && refusal.contains("2 (CD, DVD)"), "{refusal}");
    assert_eq!(choose(&[], None, Kind::Cd, IMAGE, &none), Err(MediaRefusal::None));
    assert!(matches!(choose(&slots[..1], None, Kind::Cd, IMAGE, &none), Err(MediaRefusal::WrongKind { .. })));
}

#[test]
fn only_parameters_that_are_known_are_sent() {
    let none = Quirks::default();
    let plan = |action: Value, info: Option<Value>, image: &str| {
        plan_insert(&with_action(action), info.as_ref(), Kind::Cd, image, &none).map(posted)
    };
    assert_eq!(plan(json!({"target": "/insert"}), None, IMAGE).unwrap(), json!({"Image": IMAGE}));
    assert_eq!(
        plan(json!({"target": "/insert"}), None, "nfs://h/x.iso").unwrap(),
        json!({"Image": "nfs://h/x.iso", "TransferProtocolType": "NFS"})
    );
    let told = json!({"target": "/insert", "TransferProtocolType@Redfish.AllowableValues": ["NFS", "HTTP"],
        "MediaType@Redfish.AllowableValues": ["CD", "USBStick"]});
    assert_eq!(
        plan(told.clone(), None, IMAGE).unwrap(),
        json!({"Image": IMAGE, "TransferProtocolType": "HTTP", "MediaType": "CD"})
    );
    let refusal = plan(told, None, "https://h/x.iso").unwrap_err();
    assert_eq!(refusal, MediaRefusal::Protocol { wanted: "HTTPS", allowed: "NFS, HTTP".into() });
    let info = json!({"Parameters": [
        {"Name": "Image", "Required": true},
        {"Name": "Inserted", "Required": false},
        {"Name": "TransferMethod", "Required": true, "AllowableValues": ["Stream"]},
        {"Name": "TransferProtocolType", "AllowableValues": ["HTTP", "HTTPS"]},
    ]});
    assert_eq!(
        plan(json!({"target": "/insert", "@Redfish.ActionInfo": "/info"}), Some(info), IMAGE).unwrap(),
        json!({"Image": IMAGE, "Inserted": true, "TransferMethod": "Stream", "TransferProtocolType": "HTTP"})
    );
    for bad in ["os.iso", "file:///etc/passwd", "http://h/a b.iso", "ftp://h/x", ""] {
        let refusal = plan(json!({"target": "/insert"}), None, bad).unwrap_err();
        assert!(matches!(refusal, MediaRefusal::Scheme { .. }), "{bad}");
    }
}

#[test]
fn without_actions_the_resource_is_written() {
    let none = Quirks::default();
    let resource = json!({"Id": "EXT1", "Image": null});
    let inserted = json!({"Image": IMAGE, "Inserted": true, "WriteProtected": true});
    assert_eq!(plan_insert(&resource, None, Kind::Cd, IMAGE, &none), Ok(Change::Patch(inserted)));
    assert_eq!(plan_eject(&resource, &none), Ok(Change::Patch(json!({"Image": null, "Inserted": false}))));
    let nothing = json!({"Id": "X"});
    assert!(matches!(plan_eject(&nothing, &none), Err(MediaRefusal::NoWay { .. })));
    assert!(matches!(plan_insert(&nothing, None, Kind::Cd, IMAGE, &none), Err(MediaRefusal::NoWay { .. })));
}

#[test]
fn a_refusal_that_names_a_parameter_is_mended_once_for_each() {
    let body = json!({"Image": IMAGE});
    let missing = "The action requires the parameter TransferProtocolType to be present.";
    let (with, named) = mend_insert(&body, missing, IMAGE, &[]).unwrap();
    assert_eq!(
        (&with, named),
        (&json!({"Image": IMAGE, "TransferProtocolType": "HTTP"}), "TransferProtocolType")
    );
    assert_eq!(mend_insert(&with, missing, IMAGE, &[named]), None);
    let unknown = "The property #/Inserted is not in the list of valid properties for the resource.";
    let full = json!({"Image": IMAGE, "Inserted": true});
    assert_eq!(mend_insert(&full, unknown, IMAGE, &[]), Some((body.clone(), "Inserted")));
    assert_eq!(mend_insert(&body, "The image is already inserted.", IMAGE, &[]), None);
}

#[test]
fn quirk_an_ejected_image_that_stays_is_none() {
    let (fixture, quirks) =
        fixture(include_str!("../../../fixtures/quirks/supermicro-media-image-stays.json"));
    assert!(Slot::read(&fixture["resource"], &quirks).is_empty());
    assert!(!Slot::read(&fixture["resource"], &Quirks::default()).is_empty());
    let mut connected = fixture["resource"].clone();
    connected["ConnectedVia"] = "URI".into();
    assert!(Slot::read(&connected, &quirks).has("http://10.10.10.10:8080/bogus.iso"));
}

#[test]
fn quirk_only_external_slots_are_chosen() {
    let (fixture, quirks) =
        fixture(include_str!("../../../fixtures/quirks/lenovo-media-external-slots.json"));
    let all = std::iter::once(&fixture["resource"]).chain(fixture["others"].as_array().unwrap());
    let slots: Vec<Slot> = all.map(|resource| Slot::read(resource, &quirks)).collect();
    let id = |quirks: &Quirks| slots[choose(&slots, None, Kind::Cd, IMAGE, quirks).unwrap()].id.clone();
    assert_eq!((id(&quirks), id(&Quirks::default())), ("EXT1".into(), "RDOC1".into()));
    // Newer firmware names them otherwise.
    assert_eq!(choose(&slots[..1], None, Kind::Cd, IMAGE, &quirks), Ok(0));
}

#[test]
fn quirk_actions_among_oem_are_found() {
    let (fixture, quirks) = fixture(include_str!("../../../fixtures/quirks/hpe-ilo4-media-actions.json"));
    let resource = &fixture["resource"];
    let Ok(Change::Post(target, body)) = plan_insert(resource, None, Kind::Cd, IMAGE, &quirks) else {
        panic!()
    };
    assert!(target.path().ends_with("HpiLOVirtualMedia.InsertVirtualMedia/"));
    assert_eq!(body, json!({"Image": IMAGE}));
    assert!(matches!(plan_eject(resource, &quirks), Ok(Change::Post(..))));
    assert!(matches!(plan_eject(resource, &Quirks::default()), Ok(Change::Patch(_))));
}

proptest! {
    #[test]
    fn decoding_never_fails_and_keeps_plain_text(text in "[ -$&-~]{0,60}", any in ".{0,60}") {
        prop_assert_eq!(decoded(&text), text);
        let _ = decoded(&any);
        let _ = slot("1", &["CD"], Some(&any)).shows(&any);
    }

    #[test]
    fn every_image_shows_as_itself_and_as_its_own_end(path in "[a-z]{1,8}(/[a-z]{1,8}){0,3}") {
        let image = format!("http://host/{path}");
        prop_assert!(slot("1", &[], Some(&image)).shows(&image));
        prop_assert!(slot("1", &[], Some(&path)).shows(&image));
    }
}
