//! What is refused, and what the records become; nothing runs beside the handler.

use super::*;
use crate::{app, samples};
use axum::body::to_bytes;
use provisioner_api::{InstanceId, Inventory, MachineState};
use provisioner_lifecycle::Owner;
use serde_json::{Value, json};

/// Instance `i1`, which runs on `m1` from the disk `sda`.
async fn running(folder: &std::path::Path, change: impl FnOnce(&mut InstanceRecord)) -> Arc<Service> {
    let service = app::tests::service(folder).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    let mut wish = samples::instance(1);
    wish.standing.host_keys = vec!["the old key".into()];
    change(&mut wish);
    service.store.instance_insert(&wish, None, &[], samples::NOW).await.unwrap();
    let mut free = samples::machine(1);
    let disks = vec![samples::disk("sda"), samples::disk("sdb")];
    free.machine.facts.inventory = Some(Arc::new(Inventory { disks, ..Inventory::default() }));
    service.store.machine_insert(&free, &[], &[], samples::NOW).await.unwrap();
    let free = service.store.machine_get(free.id()).await.unwrap().unwrap();
    let mut own = free.clone();
    (own.machine.want.accepted, own.machine.want.bmc) = (true, true);
    own.machine.want.owner = Some(Owner {
        instance: wish.id,
        name: Default::default(),
        manifest: String::new(),
        disk_bytes: 10,
        ram: None,
        installation: 0,
        adopted: false,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        release: None,
        least: None,
    });
    (own.machine.state.name, own.machine.state.dirty) = (MachineState::Deployed, true);
    own.machine.state.root_disk = Some("serial of sda".into());
    let bound = InstanceRecord { machine: Some(own.id()), state: InstanceState::Running, ..wish };
    let swap = service.store.instance_and_machine_update(&bound, (&free, &own), &[], samples::NOW).await;
    assert_eq!(swap.unwrap(), Swap::Updated);
    service
}

/// Status and body of the answer.
async fn ask(service: &Arc<Service>, body: Value) -> (u16, Value) {
    let body: InstanceReinstall = serde_json::from_value(body).unwrap();
    let answer = reinstall(State(Arc::clone(service)), Path("i1".into()), Body(body)).await;
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn records(service: &Service) -> (InstanceRecord, MachineRecord) {
    let record = service.store.instance_get(samples::instance(1).id).await.unwrap().unwrap();
    let own = service.store.machine_get(record.machine.unwrap()).await.unwrap().unwrap();
    (record, own)
}

#[tokio::test]
async fn what_is_left_out_stays_and_what_it_was_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let service = running(folder.path(), |wish| wish.spec.user = Some("ops".into())).await;
    let (before, _) = records(&service).await;
    let data = "#cloud-config\nhostname: new\n";
    let (status, shown) = ask(&service, json!({ "user_data": data })).await;
    assert_eq!((status, &shown["status"]["state"]), (202, &json!("reinstalling")), "{shown}");
    let (record, own) = records(&service).await;
    assert_eq!((record.id, &record.name, record.machine), (before.id, &before.name, before.machine));
    assert_eq!((record.spec.user.as_ref(), record.spec.user_data.as_ref()), (None, None));
    assert_eq!(record.standing.user_data_bytes, Some(data.len() as u64));
    assert!(record.standing.host_keys.is_empty(), "those of a system that goes");
    let kept = record.standing.before.unwrap();
    assert_eq!((kept.spec, kept.host_keys), (before.spec, before.standing.host_keys));
    assert_eq!((record.image, record.image_before), (before.image, before.image));
    let owner = own.machine.want.owner.unwrap();
    assert_eq!((owner.installation, owner.root_disk_serial.as_deref()), (1, Some("serial of sda")));
    assert_eq!((owner.manifest.as_str(), own.machine.state.name), ("f00d", MachineState::Deployed));
    let place = user_data_place(record.standing.second_user_data);
    let sealed = service.store.secret_get(&secret_owner(before.id), place).await.unwrap().unwrap();
    let opened = service.key.open_sealed(&secret_owner(before.id), place, &sealed).unwrap();
    assert_eq!(opened.as_str(), data);
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = running(folder.path(), |_| ()).await;
    let before = records(&service).await;
    for (body, field, word) in [
        (json!({ "image": "none-such" }), "image", "billet image list"),
        (json!({ "user": "root" }), "user", "leave `user` out"),
        (json!({ "user": "a", "user_data": "#cloud-config" }), "user_data", "not both"),
        (json!({ "user_data": "hello" }), "user_data", "#cloud-config"),
        (json!({ "ssh_keys": ["rsa"] }), "ssh_keys[0]", "OpenSSH"),
        (json!({ "network_config": "a: b" }), "network_config", "version: 2"),
        (json!({ "root_disk_serial": " " }), "root_disk_serial", "serial number"),
    ] {
        let (status, shown) = ask(&service, body).await;
        assert_eq!(status, 422, "{field}");
        let errors = shown["fields"].as_array().unwrap();
        let of_field = errors.iter().find(|error| error["field"] == field);
        let detail = of_field.unwrap_or_else(|| panic!("{field}: {shown}"))["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{detail}");
    }
    let (status, shown) = ask(&service, json!({ "root_disk_serial": "serial of sdb" })).await;
    assert_eq!(status, 409);
    assert!(shown["detail"].as_str().unwrap().contains("serial of sda"), "{shown}");
    assert_eq!(records(&service).await, before);
}

#[tokio::test]
async fn what_must_not_be_written_over_is_refused() {
    let told = async |service: &Arc<Service>| {
        let (status, shown) = ask(service, json!({})).await;
        assert_eq!(status, 409, "{shown}");
        shown["detail"].as_str().unwrap().to_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    let service = running(folder.path(), |wish| wish.spec.protected = true).await;
    assert!(told(&service).await.contains("billet instance set i1 --protected off"));
    let folder = tempfile::tempdir().unwrap();
    let service = running(folder.path(), |wish| wish.standing.release = Some(Default::default())).await;
    assert!(told(&service).await.contains("given back"));
    let folder = tempfile::tempdir().unwrap();
    let service = running(folder.path(), |_| ()).await;
    assert_eq!(ask(&service, json!({})).await.0, 202);
    assert!(told(&service).await.contains("installed anew already"), "twice");
    let wish = InstanceRecord { id: InstanceId(uuid::Uuid::from_u128(2)), ..samples::instance(2) };
    service.store.instance_insert(&wish, None, &[], samples::NOW).await.unwrap();
    let body = Body(InstanceReinstall::default());
    let waits = reinstall(State(Arc::clone(&service)), Path("i2".into()), body).await;
    let bytes = to_bytes(waits.unwrap_err().into_response().into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("has no machine yet"));
}
