//! Claiming, claiming again, releasing; nothing runs beside the handlers.

use super::*;
use crate::{app, config::Subnet};
use axum::body::to_bytes;
use serde_json::{Value, json};

/// A service whose network `lab` has four static addresses.
pub(in crate::api) async fn service(folder: &std::path::Path) -> Arc<Service> {
    app::tests::service_with(folder, async |_, parts| {
        let mut subnet = Subnet::new(host(0), 24);
        subnet.static_ranges = vec![(host(1), host(4))];
        subnet.told.routers = vec![host(254)];
        parts.config.networks[0].subnets = vec![subnet];
    })
    .await
}

pub(in crate::api) fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, last)
}

/// Status and body of an answer.
pub(in crate::api) async fn answered(answer: Result<Response, ApiError>) -> (u16, Value) {
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
}

pub(in crate::api) async fn ask(service: &Arc<Service>, body: Value) -> (u16, Value) {
    let body: AddressClaim = serde_json::from_value(body).unwrap();
    answered(claim(State(Arc::clone(service)), Body(body)).await).await
}

async fn let_go(service: &Arc<Service>, name: &str) -> (u16, Value) {
    let done = release(State(Arc::clone(service)), Path(name.into())).await;
    answered(done.map(IntoResponse::into_response)).await
}

#[tokio::test]
async fn the_same_name_gives_the_same_address_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let (status, first) = ask(&service, json!({ "name": "cp", "subnet": "lab" })).await;
    assert_eq!((status, &first["address"]), (201, &json!("10.9.0.1")), "{first}");
    let (status, again) = ask(&service, json!({ "name": "cp", "subnet": "10.9.0.0/24" })).await;
    assert_eq!((status, again), (200, first));
    let (status, other) =
        ask(&service, json!({ "name": "cp", "subnet": "lab", "address": "10.9.0.2" })).await;
    assert_eq!((status, &other["fields"][0]["field"]), (409, &json!("address")), "{other}");
    let (status, exactly) =
        ask(&service, json!({ "name": "db", "subnet": "lab", "address": "10.9.0.3" })).await;
    assert_eq!((status, &exactly["address"]), (201, &json!("10.9.0.3")), "{exactly}");
    let (status, taken) = ask(&service, json!({ "name": "x", "subnet": "lab", "address": "10.9.0.3" })).await;
    assert_eq!((status, &taken["fields"][0]["field"]), (409, &json!("address")), "{taken}");
    for (name, address) in [("c", "10.9.0.2"), ("d", "10.9.0.4")] {
        assert_eq!(ask(&service, json!({ "name": name, "subnet": "lab" })).await.1["address"], address);
    }
    let (status, full) = ask(&service, json!({ "name": "e", "subnet": "lab" })).await;
    assert_eq!(status, 409);
    assert!(full["detail"].as_str().unwrap().contains("all 4 are taken"), "{full}");
    assert_eq!(let_go(&service, "cp").await.0, 204);
    assert_eq!(let_go(&service, "cp").await.0, 404);
    assert_eq!(ask(&service, json!({ "name": "e", "subnet": "lab" })).await.1["address"], "10.9.0.1");
    let page = Page { limit: Some("2".into()), after: None };
    let Json(listed) = list(State(Arc::clone(&service)), Query(page)).await.unwrap();
    let names: Vec<_> = listed.items.iter().filter_map(|one| one.name.clone()).collect();
    assert_eq!((names.join(","), listed.next.as_deref()), ("e,c".into(), Some("10.9.0.2")));
}

#[tokio::test]
async fn those_who_claim_at_once_get_an_address_each() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let claims = (0..8).map(|number| {
        let service = Arc::clone(&service);
        // Each name twice, and a subnet that has just enough.
        async move { ask(&service, json!({ "name": format!("n{}", number / 2), "subnet": "lab" })).await }
    });
    let got = futures::future::join_all(claims).await;
    let addresses: Vec<_> = got
        .iter()
        .map(|(status, body)| {
            assert!([200, 201].contains(status), "{body}");
            (body["name"].to_string(), body["address"].to_string())
        })
        .collect();
    let each: std::collections::BTreeSet<_> = addresses.iter().collect();
    assert_eq!(each.len(), 4, "a name has one address: {addresses:?}");
    let different: std::collections::BTreeSet<_> = addresses.iter().map(|(_, address)| address).collect();
    assert_eq!(different.len(), 4, "an address has one name: {addresses:?}");
}

#[tokio::test]
async fn what_can_not_be_claimed_is_refused_with_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    for (body, field, part) in [
        (json!({ "name": "Cp", "subnet": "lab" }), "name", "DNS label"),
        (json!({ "name": "cp", "subnet": "far" }), "subnet", "no subnet `far`"),
        (json!({ "name": "cp", "subnet": "lab", "address": "ten" }), "address", "not an IPv4 address"),
        (json!({ "name": "cp", "subnet": "lab", "address": "10.9.0.9" }), "address", "10.9.0.1 to 10.9.0.4"),
    ] {
        let (status, problem) = ask(&service, body).await;
        assert_eq!((status, &problem["fields"][0]["field"]), (422, &json!(field)), "{problem}");
        assert!(problem["fields"][0]["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    assert!(service.store.address_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn after_a_restore_no_free_address_is_chosen_until_the_freeze_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    service.freeze(crate::store::RESTORE, None).await.unwrap();
    let (status, refused) = ask(&service, json!({ "name": "cp", "subnet": "lab" })).await;
    assert_eq!((status, &refused["fields"][0]["field"]), (409, &json!("address")), "{refused}");
    assert!(refused["fields"][0]["detail"].as_str().unwrap().contains("billet unfreeze"), "{refused}");
    assert_eq!(ask(&service, json!({ "name": "cp", "subnet": "lab", "address": "10.9.0.2" })).await.0, 201);
    assert_eq!(ask(&service, json!({ "name": "cp", "subnet": "lab" })).await.0, 200, "it has one");
    service.unfreeze("ops").await.unwrap();
    service.freeze("ops", None).await.unwrap();
    let (status, first) = ask(&service, json!({ "name": "db", "subnet": "lab" })).await;
    assert_eq!((status, &first["address"]), (201, &json!("10.9.0.1")), "another freeze is about machines");
}

#[tokio::test]
async fn a_name_keeps_its_address_when_the_configuration_has_its_range_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let holder = Holder::Name("cp".into());
    let known = crate::store::NewAddress {
        address: host(77),
        network: "lab".into(),
        subnet: "10.9.0.0/24".into(),
        holder,
        pool: None,
    };
    service.store.address_claim(&known, clock::now()).await.unwrap();
    for body in [
        json!({ "name": "cp", "subnet": "lab" }),
        json!({ "name": "cp", "subnet": "10.9.0.0/24", "address": "10.9.0.77" }),
    ] {
        let (status, same) = ask(&service, body).await;
        assert_eq!((status, &same["address"]), (200, &json!("10.9.0.77")), "{same}");
    }
    let (status, other) =
        ask(&service, json!({ "name": "cp", "subnet": "lab", "address": "10.9.0.78" })).await;
    assert_eq!((status, &other["fields"][0]["field"]), (422, &json!("address")), "{other}");
}

#[tokio::test]
async fn a_claim_with_a_pool_gives_it_to_a_name_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let (_, first) = ask(&service, json!({ "name": "cp", "subnet": "lab" })).await;
    let (status, given) = ask(&service, json!({ "name": "cp", "subnet": "lab", "pool": "a" })).await;
    assert_eq!((status, &given["pool"], &given["address"]), (200, &json!("a"), &first["address"]), "{given}");
    for other in
        [json!({ "name": "cp", "subnet": "lab", "pool": "b" }), json!({ "name": "cp", "subnet": "lab" })]
    {
        let (status, refused) = ask(&service, other).await;
        assert_eq!((status, &refused["fields"][0]["field"]), (409, &json!("pool")), "{refused}");
    }
    // Nothing is given with a claim of something else.
    ask(&service, json!({ "name": "db", "subnet": "lab" })).await;
    let (status, _) =
        ask(&service, json!({ "name": "db", "subnet": "lab", "pool": "a", "address": "10.9.0.4" })).await;
    assert_eq!(status, 409);
    assert_eq!(service.store.address_named("db").await.unwrap().unwrap().taken.pool, None);
}
