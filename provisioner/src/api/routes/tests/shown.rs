//! What is shown may be narrowed to some fields, and is not sent again to who has it.

use super::*;
use serde_json::{Value, json};

/// Asks for an object with what is known of it; status, `ETag` and body.
async fn look(world: &World, token: &str, path: &str, known: Option<&str>) -> (StatusCode, String, String) {
    let mut request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let tag = response.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, tag.unwrap_or_default(), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn who_has_what_is_shown_is_not_sent_it_again() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    world.instance(1, "a").await;
    let created = world
        .ask(
            Some(&admin),
            &Method::POST,
            "/v1/users",
            r#"{"name":"u1","role":"viewer","password":"correct horse battery staple"}"#,
        )
        .await;
    assert!(created.0.is_success(), "{created:?}");
    for path in ["/v1/machines/m1", "/v1/instances/i1", "/v1/users/u1", "/v1/machines/m1?fields=name"] {
        let (status, tag, body) = look(&world, &admin, path, None).await;
        assert!(status == StatusCode::OK && !body.is_empty() && !tag.is_empty(), "{path}: {status} {tag}");
        let again = look(&world, &admin, path, Some(&tag)).await;
        assert_eq!(again, (StatusCode::NOT_MODIFIED, tag, String::new()), "{path}");
    }
    // What a PATCH does not count is seen, too.
    let (_, tag, _) = look(&world, &admin, "/v1/machines/m1", None).await;
    let service = &world.service;
    let before = service.store.machine_find("m1").await.unwrap().unwrap();
    let mut after = before.clone();
    after.machine.state.name = provisioner_api::MachineState::Available;
    service.store.machine_update(&before, &after, &[], &[], samples::NOW).await.unwrap();
    let (status, newer, _) = look(&world, &admin, "/v1/machines/m1", Some(&tag)).await;
    assert!(status == StatusCode::OK && newer != tag, "{status} {newer}");
    // It names the version for who changes it.
    for (wanted, status) in [(&newer, StatusCode::OK), (&newer, StatusCode::PRECONDITION_FAILED)] {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri("/v1/machines/m1")
            .header(header::AUTHORIZATION, format!("Bearer {admin}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, wanted)
            .body(Body::from(r#"{"pool":"b"}"#))
            .unwrap();
        assert_eq!(world.router.clone().oneshot(request).await.unwrap().status(), status);
    }
    let stranger = world.token(Role::Tenant, Some(&["other"])).await;
    let (status, tag, _) = look(&world, &stranger, "/v1/machines/m1", Some("*")).await;
    assert_eq!((status, tag.as_str()), (StatusCode::NOT_FOUND, ""), "whose it is comes first");
}

#[tokio::test]
async fn only_the_fields_that_are_asked_for_are_shown() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["a"])).await;
    world.machine(1, "a").await;
    world.machine(2, "a").await;
    world.instance(1, "a").await;
    let ask = async |token: &str, path: &str| -> (StatusCode, Value) {
        let (status, text) = world.ask(Some(token), &Method::GET, path, "").await;
        (status, serde_json::from_str(&text).unwrap())
    };
    let (_, list) = ask(&admin, "/v1/machines?fields=name,spec.pool&limit=1").await;
    assert_eq!(list, json!({ "items": [{ "name": "m1", "spec": { "pool": "a" } }], "next": "m1" }));
    let (_, list) = ask(&admin, "/v1/instances?fields=status.state").await;
    assert_eq!(list, json!({ "items": [{ "status": { "state": "pending" } }] }));
    let (_, machine) = ask(&admin, "/v1/machines/m2?fields=name").await;
    assert_eq!(machine, json!({ "name": "m2" }));
    let (_, machine) = ask(&tenant, "/v1/machines/m2?fields=name,spec.bmc").await;
    assert_eq!(machine, json!({ "name": "m2", "spec": {} }), "no more than without it");
    for (path, field) in [
        ("/v1/machines?fields=nme", "nme"),
        ("/v1/machines/m1?fields=name,spec.bmc_password", "spec.bmc_password"),
        ("/v1/instances?fields=status.nothing", "status.nothing"),
        ("/v1/instances/i1?fields=", ""),
    ] {
        let (status, refused) = ask(&admin, path).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {refused}");
        let told = refused["fields"][0]["detail"].as_str().unwrap();
        assert!(
            refused["fields"][0]["field"] == "fields" && told.contains(&format!("`{field}`")),
            "{path}: {told}"
        );
    }
}
