//! Ways of an update, and quirks by their fixtures.

use super::*;
use crate::redfish::quirks::Identity;
use crate::redfish::{Manager, ServiceRoot};

fn fixture(text: &str) -> (Value, Quirks) {
    let fixture: Value = serde_json::from_str(text).unwrap();
    let part = |name: &str| fixture["identity"][name].clone();
    let root: ServiceRoot = serde_json::from_value(part("root")).unwrap();
    let system = serde_json::from_value(part("system")).unwrap();
    let manager: Manager = serde_json::from_value(part("manager")).unwrap();
    let quirks = Quirks::of(&Identity::of(&root, Some(&system), Some(&manager)));
    (fixture, quirks)
}

fn path(text: &str) -> ResourcePath {
    ResourcePath::from_link(text).unwrap()
}

#[test]
fn items_are_read_whatever_is_missing() {
    let full = json!({"Id": "BIOS", "Name": "System BIOS", "Version": "1.2.3", "Updateable": true,
        "Status": {"Health": "OK"}});
    let item = Item::read(&full).unwrap();
    assert_eq!((item.name.as_str(), item.version.as_deref()), ("System BIOS", Some("1.2.3")));
    assert_eq!((item.updateable, item.health.as_deref()), (Some(true), Some("OK")));
    let bare = Item::read(&json!({"Id": "x", "Version": 3, "Updateable": "yes"})).unwrap();
    assert_eq!(bare, Item { id: "x".into(), name: "x".into(), ..Item::default() });
    assert_eq!(Item::read(&json!({"Name": "no id"})), None);
}

#[test]
fn a_fetch_is_asked_for_in_the_words_that_the_bmc_knows() {
    let service = json!({"Actions": {"#UpdateService.SimpleUpdate": {
        "target": "/update",
        "TransferProtocol@Redfish.AllowableValues": ["HTTP", "NFS"],
        "@Redfish.OperationApplyTimeSupport": {"SupportedValues": ["Immediate", "OnReset"]},
    }}});
    let service = Service::new(&service).unwrap();
    let plan = |image: &str, targets: &[ResourcePath], apply| service.plan_fetch(None, image, targets, apply);
    let (target, body) = plan("http://h/fw.bin", &[], None).unwrap();
    assert_eq!(target.path(), "/update");
    assert_eq!(body, json!({"ImageURI": "http://h/fw.bin", "TransferProtocol": "HTTP"}));
    let (_, body) = plan("nfs://h/fw.bin", &[path("/fw/BIOS")], Some(Apply::OnReset)).unwrap();
    assert_eq!(
        body,
        json!({"ImageURI": "nfs://h/fw.bin", "TransferProtocol": "NFS", "Targets": ["/fw/BIOS"],
            "@Redfish.OperationApplyTime": "OnReset"})
    );
    let refusal = plan("https://h/fw.bin", &[], None).unwrap_err().to_string();
    assert!(refusal.contains("HTTP, NFS"), "{refusal}");
    assert!(matches!(plan("fw.bin", &[], None), Err(UpdateRefusal::Scheme { .. })));
}

#[test]
fn what_is_not_told_is_not_sent() {
    let service = json!({"Actions": {"#UpdateService.SimpleUpdate": {"target": "/update"}}});
    let service = Service::new(&service).unwrap();
    let (_, body) = service.plan_fetch(None, "https://h/fw", &[], None).unwrap();
    assert_eq!(body, json!({"ImageURI": "https://h/fw"}));
    let info = json!({"Parameters": [{"Name": "TransferProtocol", "AllowableValues": ["HTTPS"]}]});
    let (_, body) = service.plan_fetch(Some(&info), "https://h/fw", &[], None).unwrap();
    assert_eq!(body, json!({"ImageURI": "https://h/fw", "TransferProtocol": "HTTPS"}));
}

#[test]
fn services_without_a_way_are_refused() {
    assert!(matches!(Service::new(&json!({"ServiceEnabled": false})), Err(UpdateRefusal::Disabled)));
    let nothing = json!({"ServiceEnabled": true});
    let service = Service::new(&nothing).unwrap();
    assert_eq!(service.plan_fetch(None, "http://h/x", &[], None), Err(UpdateRefusal::NoFetch));
    assert_eq!(service.plan_push(1, &[], None, &Quirks::default()), Err(UpdateRefusal::NoPush));
}

#[test]
fn a_file_is_pushed_as_parts_or_plain() {
    let none = Quirks::default();
    let parts = json!({"MultipartHttpPushUri": "/push", "HttpPushUri": "/old", "MaxImageSizeBytes": 1000,
        "MultipartHttpPushUri@Redfish.OperationApplyTimeSupport": {"SupportedValues": ["Immediate"]}});
    let service = Service::new(&parts).unwrap();
    let plan = service.plan_push(1000, &[path("/fw/BMC")], Some(Apply::Immediate), &none).unwrap();
    let parameters = json!({"Targets": ["/fw/BMC"], "@Redfish.OperationApplyTime": "Immediate"});
    assert_eq!(plan, PushPlan::Multipart { to: path("/push"), parameters, oem: None });
    assert_eq!(
        service.plan_push(1001, &[], None, &none),
        Err(UpdateRefusal::TooLarge { size: 1001, most: 1000 })
    );
    assert!(matches!(
        service.plan_push(1, &[], Some(Apply::OnReset), &none),
        Err(UpdateRefusal::NotThen { wanted: "OnReset", .. })
    ));
    let plain = json!({"HttpPushUri": "/push"});
    let service = Service::new(&plain).unwrap();
    assert_eq!(
        service.plan_push(1, &[], None, &none),
        Ok(PushPlan::Plain { to: path("/push"), before: None })
    );
    assert_eq!(service.plan_push(1, &[path("/x")], None, &none), Err(UpdateRefusal::NoTargets));
    // stale targets of an earlier push
    let stale = json!({"HttpPushUri": "/push", "HttpPushUriTargets": ["/y"]});
    let plan = Service::new(&stale).unwrap().plan_push(1, &[], None, &none).unwrap();
    assert_eq!(plan, PushPlan::Plain { to: path("/push"), before: Some(json!({"HttpPushUriTargets": []})) });
    let targeted = json!({"HttpPushUri": "/push", "HttpPushUriTargets": []});
    let plan =
        Service::new(&targeted).unwrap().plan_push(1, &[path("/x")], Some(Apply::OnReset), &none).unwrap();
    let before = json!({"HttpPushUriTargets": ["/x"],
        "HttpPushUriOptions": {"HttpPushUriApplyTime": {"ApplyTime": "OnReset"}}});
    assert_eq!(plan, PushPlan::Plain { to: path("/push"), before: Some(before) });
}

#[test]
fn targets_are_named_by_their_ids() {
    let item = |id: &str| (path(&format!("/fw/{id}")), Item { id: id.into(), ..Item::default() });
    let items = [item("BMC"), item("BIOS")];
    assert_eq!(find_targets(&items, &["bios".into()]), Ok(vec![path("/fw/BIOS")]));
    assert_eq!(find_targets(&items, &[]), Ok(vec![]));
    let refusal = find_targets(&items, &["NIC".into()]).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::NoSuchItem { wanted: "NIC".into() });
}

#[test]
fn quirk_a_push_says_what_type_its_image_is() {
    let (fixture, quirks) = fixture(include_str!("../../../fixtures/quirks/ami-push-image-type.json"));
    let service = Service::new(&fixture["resource"]).unwrap();
    let oem = |target: &str, quirks: &Quirks| match service.plan_push(1, &[path(target)], None, quirks) {
        Ok(PushPlan::Multipart { oem, .. }) => oem,
        other => panic!("{other:?}"),
    };
    let inventory = "/redfish/v1/UpdateService/FirmwareInventory";
    assert_eq!(oem(&format!("{inventory}/BIOS"), &quirks), Some(json!({"ImageType": "BIOS"})));
    assert_eq!(oem(&format!("{inventory}/BMCImage1"), &quirks), Some(json!({"ImageType": "BMC"})));
    assert_eq!(oem(&format!("{inventory}/BIOS"), &Quirks::default()), None);
}
