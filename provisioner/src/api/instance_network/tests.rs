//! Instances with a network of their own, from the request to the seed; nothing runs beside the handlers.

use super::*;
use crate::{
    api::{
        addresses::tests::{answered, ask, host, service},
        caller::Caller,
        error::Body,
        instances,
    },
    samples,
    store::TokenRecord,
};
use axum::{Extension, extract::State};
use provisioner_api::{InstanceCreate, Inventory, Nic, Role};
use serde_json::{Value, json};
use std::sync::Arc;

async fn create(service: &Arc<Service>, name: &str, network: Value) -> (u16, Value) {
    let spec = json!({ "image": "os", "network": network });
    let body: InstanceCreate = serde_json::from_value(json!({ "name": name, "spec": spec })).unwrap();
    let caller = Caller(Arc::new(TokenRecord::admin("admin", samples::NOW)));
    answered(instances::create(State(Arc::clone(service)), Extension(caller), Body(body)).await).await
}

#[tokio::test]
async fn an_instance_of_one_of_a_tenants_pools_uses_no_address_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    for (name, pool) in [("in-a", "a"), ("in-b", "b")] {
        assert_eq!(ask(&service, json!({ "name": name, "subnet": "lab", "pool": pool })).await.0, 201);
    }
    let pools = Some(vec!["a".to_owned(), "b".to_owned()]);
    let tenant = TokenRecord { role: Role::Tenant, pools, ..TokenRecord::admin("t", samples::NOW) };
    let caller = Caller(Arc::new(tenant));
    let create = async |name: &str, address: &str| {
        let mut network = lan(&json!({ "subnet": "lab" }));
        network["virtual_addresses"] = json!([address]);
        let spec = json!({ "image": "os", "pool": "a", "network": network });
        let body: InstanceCreate = serde_json::from_value(json!({ "name": name, "spec": spec })).unwrap();
        let state = State(Arc::clone(&service));
        answered(instances::create(state, Extension(caller.clone()), Body(body)).await).await
    };
    let (status, refused) = create("one", "in-b").await;
    assert_eq!((status, &refused["fields"][0]["field"]), (422, &json!("spec.network.virtual_addresses[0]")));
    assert!(service.store.address_named("in-b").await.unwrap().unwrap().used_by.is_empty());
    assert_eq!(create("two", "in-a").await.0, 201);
}

fn lan(address: &Value) -> Value {
    json!({ "interfaces": [{ "name": "lan0", "nic": { "name": "eno2" }, "gateway": "auto", "addresses": [address] }] })
}

#[tokio::test]
async fn an_instance_has_its_addresses_for_as_long_as_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    assert_eq!(ask(&service, json!({ "name": "cp", "subnet": "lab", "address": "10.9.0.1" })).await.0, 201);
    let mut asked = lan(&json!({ "subnet": "lab" }));
    asked["virtual_addresses"] = json!(["cp"]);
    let (status, made) = create(&service, "web", asked).await;
    assert_eq!(status, 201, "{made}");
    let planned = json!([{ "interface": "lan0", "address": "10.9.0.2/24", "subnet": "lab" }]);
    assert_eq!(made["status"]["static_addresses"], planned);
    assert_eq!(made["status"]["addresses"], json!(["10.9.0.2"]));
    assert_eq!(made["spec"]["network"]["interfaces"][0]["gateway"], "auto", "what was asked for stays");
    let record = service.store.instance_find("web").await.unwrap().unwrap();
    let rows = service.store.address_page(None, 9).await.unwrap();
    let holder = Holder::Instance { id: record.id, interface: "lan0".into() };
    assert_eq!((rows[0].used_by.join(","), &rows[1].taken.holder), ("web".into(), &holder));
    let used = service.store.address_release("cp").await.unwrap_err();
    assert!(matches!(used, crate::store::StoreError::InUse { .. }), "{used}");

    let nic = |name: &str, mac: &str| Nic {
        name: name.into(),
        mac: mac.into(),
        driver: None,
        link: true,
        speed_mbps: None,
        addresses: Vec::new(),
    };
    let nics = vec![nic("eno1", "52:54:00:00:00:01"), nic("eno2", "52:54:00:00:00:02")];
    let mut own = samples::machine(1);
    own.machine.facts.inventory = Some(Arc::new(Inventory { nics, ..Inventory::default() }));
    let text = rendered(&record, &own).unwrap().unwrap().config;
    assert!(text.contains("match: {\"macaddress\":\"52:54:00:00:00:02\"}"), "{text}");
    assert!(
        text.contains("addresses: [\"10.9.0.2/24\"]") && text.contains("\"via\":\"10.9.0.254\""),
        "{text}"
    );
    // A card that is not seen any more is named as it was.
    own.machine.facts.inventory = None;
    assert!(rendered(&record, &own).is_err());
    let mut given = record.clone();
    given.standing.nics = vec!["52:54:00:00:00:09".into()];
    assert!(rendered(&given, &own).unwrap().unwrap().config.contains("52:54:00:00:00:09"));

    service.store.instance_delete(&record, None, &[], samples::NOW).await.unwrap();
    assert_eq!(service.store.address_page(None, 9).await.unwrap().len(), 1, "its address went with it");
    assert!(service.store.address_release("cp").await.unwrap());
}

#[tokio::test]
async fn instances_that_are_asked_for_at_once_get_different_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    let names: Vec<_> = (0..4).map(|number| format!("web{number}")).collect();
    let made = names.iter().map(|name| create(&service, name, lan(&json!({ "subnet": "lab" }))));
    let made = futures::future::join_all(made).await;
    let mut addresses: Vec<_> =
        made.iter().map(|(_, made)| made["status"]["addresses"][0].as_str().unwrap_or_default()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"], "{made:?}");
    let (status, full) = create(&service, "web9", lan(&json!({ "subnet": "lab" }))).await;
    assert_eq!(status, 409, "{full}");
    assert!(service.store.instance_find("web9").await.unwrap().is_none());
    assert!(service.store.address_all().await.unwrap().iter().all(|(network, _)| network == "lab"));
}

#[tokio::test]
async fn mistakes_are_told_with_their_fields_and_take_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    let mut unknown = lan(&json!({ "subnet": "lab" }));
    unknown["virtual_addresses"] = json!(["cp"]);
    let far = json!({ "subnet": "lab", "address": host(9).to_string() });
    for (network, field, part) in [
        (json!({ "interfaces": [] }), "spec.network.interfaces", "1 to 64"),
        (lan(&json!({ "subnet": "far" })), "spec.network.interfaces[0].addresses[0].subnet", "no subnet"),
        (lan(&far), "spec.network.interfaces[0].addresses[0].address", "10.9.0.1 to 10.9.0.4"),
        (unknown, "spec.network.virtual_addresses[0]", "billet address claim cp"),
    ] {
        let (status, problem) = create(&service, "web", network).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (422, &json!(field)), "{problem}");
        assert!(problem["fields"][0]["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    assert!(service.store.address_all().await.unwrap().is_empty());
    let reserved = pxe::leases::Reservation { mac: [2, 0, 0, 0, 0, 1], address: host(1) };
    service.store.reservation_insert("lab", reserved).await.unwrap();
    let (_, made) = create(&service, "web", lan(&json!({ "subnet": "lab" }))).await;
    assert_eq!(made["status"]["addresses"], json!(["10.9.0.2"]), "a reserved address is nobody else's");
    let exactly = json!({ "subnet": "lab", "address": host(2).to_string() });
    let (status, taken) = create(&service, "web2", lan(&exactly)).await;
    assert_eq!(status, 409, "{taken}");
}

#[tokio::test]
async fn an_address_that_is_written_down_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    // As if `static_ranges` had been wider once.
    let known =
        new(Place::find(&service.config.networks, "lab").unwrap(), host(100), Holder::Name("cp".into()));
    service.store.address_claim(&known, Timestamp::now()).await.unwrap();
    for (address, why) in
        [("10.9.0.254/24", "a router's"), ("10.9.0.100/24", "is taken"), ("10.9.0.1/24", "address plan")]
    {
        let mut asked = lan(&json!({ "address": address }));
        asked["interfaces"][0]["gateway"] = Value::Null;
        let (status, refused) = create(&service, "web", asked).await;
        let field = &refused["fields"][0];
        assert_eq!(
            (status, &field["field"]),
            (422, &json!("spec.network.interfaces[0].addresses[0].address")),
            "{refused}"
        );
        assert!(field["detail"].as_str().unwrap().contains(why), "{refused}");
    }
    let mut asked = lan(&json!({ "address": "10.9.0.101/24" }));
    asked["interfaces"][0]["gateway"] = Value::Null;
    assert_eq!(create(&service, "web", asked).await.0, 201);
}

#[test]
fn a_card_is_known_by_its_mac_address_however_that_is_written() {
    let spec = json!({ "interfaces": [{ "name": "a", "nic": { "mac": "52-54-00-12-34-5A" } }] });
    let nics = netconfig::nics_of(&serde_json::from_value(spec).unwrap());
    assert_eq!(nics[0].mac.as_deref(), Some("52:54:00:12:34:5a"));
}

#[tokio::test]
async fn a_tenants_instance_has_no_address_of_another_of_its_pools() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.store.image_insert(&samples::image()).await.unwrap();
    for (name, pool) in [("one", "a"), ("second", "b")] {
        let claim = json!({ "name": name, "subnet": "lab", "pool": pool });
        assert_eq!(ask(&service, claim).await.0, 201);
    }
    let pools = Some(vec!["a".to_owned(), "b".to_owned()]);
    let tenant = TokenRecord { role: Role::Tenant, pools, ..TokenRecord::admin("tenant", samples::NOW) };
    let tenant = Arc::new(tenant);
    let create = async |pool: &str, address: &str| {
        let mut network = lan(&json!({ "subnet": "lab" }));
        network["virtual_addresses"] = json!([address]);
        let spec = json!({ "image": "os", "pool": pool, "network": network });
        let body = serde_json::from_value(json!({ "name": format!("in-{pool}"), "spec": spec })).unwrap();
        let caller = Caller(Arc::clone(&tenant));
        answered(instances::create(State(Arc::clone(&service)), Extension(caller), Body(body)).await).await
    };
    let (status, foreign) = create("a", "second").await;
    let (_, absent) = create("a", "absent").await;
    assert_eq!(status, 422, "{foreign}");
    let same = foreign.to_string().replace("second", "absent");
    assert_eq!(same, absent.to_string(), "what is another pool's is not there for an instance of this one");
    assert_eq!((create("a", "one").await.0, create("b", "second").await.0), (201, 201));
}
