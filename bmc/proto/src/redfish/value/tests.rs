//! What is read property by property, from resources that are right and from any JSON at all.

use super::*;
use crate::redfish::quirks::Quirks;
use crate::redfish::{bios, boot_order, firmware, media, secure_boot, settings, task};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn a_wrong_type_counts_as_absent() {
    let resource = json!({"A": {"B": ["x", 1, null, "y"], "T": " ", "F": "true", "N": "a\u{1b}[31mb"},
        "L": {"@odata.id": "/x"}, "M": "/y", "O": {"@odata.id": 3}});
    assert_eq!(words(&resource, "/A/B"), ["x", "y"]);
    assert_eq!(
        (text(&resource, "/A/T"), flag(&resource, "/A/F"), text(&resource, "/A/B")),
        (None, None, None)
    );
    assert_eq!(shown(&resource, "/A/N", 20).as_deref(), Some("a [31mb"));
    assert_eq!(link(&resource, "/L").unwrap().path(), "/x");
    assert_eq!(link(&resource, "/M").unwrap().path(), "/y");
    assert_eq!(link(&resource, "/O"), None);
    assert_eq!(list(&json!([0]), "/0"), &[] as &[Value]);
}

/// Any JSON, with names among which are those that are looked for.
fn any_json() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 24] = [
        "Actions",
        "#VirtualMedia.InsertMedia",
        "target",
        "Image",
        "Inserted",
        "MediaTypes",
        "Parameters",
        "Name",
        "AllowableValues",
        "Attributes",
        "@Redfish.Settings",
        "SettingsObject",
        "@odata.id",
        "Boot",
        "BootOrder",
        "TaskState",
        "PercentComplete",
        "Messages",
        "Message",
        "Oem",
        "Hpe",
        "State",
        "HttpPushUri",
        "Id",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(/[a-z]{1,4}){1,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let name = prop_oneof![prop::sample::select(&NAMES[..]).prop_map(str::to_owned), ".{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_goes_through_every_reader(one in any_json(), other in any_json()) {
        let none = Quirks::default();
        let slot = media::Slot::read(&one, &none);
        let _ = media::choose(&[slot], None, media::Kind::Cd, "http://h/x", &none);
        let _ = media::plan_insert(&one, Some(&other), media::Kind::Usb, "nfs://h/x", &none);
        let _ = (media::plan_eject(&one, &none), media::mend_insert(&one, "Inserted", "http://h/x", &[]));
        let state = secure_boot::read_secure_boot(&one, Some(&other));
        let _ = (secure_boot::keys_are_gone(&state), secure_boot::plan_keys_reset(&one, secure_boot::Keys::Default));
        let attributes = bios::read_attributes(&one, Some(&other), None);
        let wanted = attributes.iter().map(|one| (one.name.clone(), bios::Setting::Number(1))).collect();
        let _ = bios::plan_bios(&attributes, &wanted);
        let _ = bios::judge_bios(&wanted, &one, Some(&other), true, &none);
        let _ = (bios::plan_bios_reset(&one, Some(&other), &none), bios::registry_location(&one));
        let _ = settings::with_apply_time(json!({}), &one, Some(&other), &none);
        let _ = (settings::settings_object(&one), settings::applying_failed(&one));
        if let Some(order) = boot_order::read_order(&one) {
            let first: Vec<String> = order.iter().take(1).cloned().collect();
            let _ = boot_order::plan_order(&order, &first);
            let _ = boot_order::in_order(&order, boot_order::OptionReading::read(&other).into_iter().collect());
        }
        let _ = (task::read_task(&one), task::judge_task(200, one.to_string().as_bytes()));
        let _ = (firmware::Item::read(&one), firmware::inventories(&one));
        if let Ok(service) = firmware::Service::new(&one) {
            let _ = service.plan_fetch(Some(&other), "http://h/x", &[], Some(firmware::Apply::OnReset));
            let _ = service.plan_push(1, &[], None, &none);
        }
    }
}
