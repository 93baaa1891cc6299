//! Who says which version is to be changed or to go changes and deletes no other one.

use super::*;
use provisioner_api::etag;

/// Asks with `If-Match`; what is answered.
async fn sent(
    world: &World,
    admin: &str,
    method: &Method,
    path: &str,
    (wanted, body): (&str, &str),
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {admin}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, wanted)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let text = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn another_version_than_the_one_that_is_named_stays_as_it_is() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "a").await;
    world.instance(1, "a").await;
    for (path, body) in
        [("/v1/machines/m1", r#"{"pool":"b"}"#), ("/v1/instances/i1", r#"{"protected":false}"#)]
    {
        for (method, body) in [(Method::PATCH, body), (Method::DELETE, "")] {
            for wanted in ["\"7\"", "1", "", "W/\"1\""] {
                let (status, text) = sent(&world, &admin, &method, path, (wanted, body)).await;
                assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{method} {path} {wanted}: {text}");
                assert!(text.contains("is at version 1 now"), "{text}");
            }
        }
    }
    let store = &world.service.store;
    assert_eq!(store.machine_find("m1").await.unwrap().unwrap().version, 1);
    assert_eq!(store.instance_find("i1").await.unwrap().unwrap().standing.release, None);
    let instance = etag(store.instance_find("i1").await.unwrap().unwrap().id.0, 1);
    for (path, wanted, status) in [
        ("/v1/instances/i1", "\"1\"", StatusCode::PRECONDITION_FAILED),
        ("/v1/instances/i1", &*instance, StatusCode::ACCEPTED),
        ("/v1/machines/m1", "*", StatusCode::NO_CONTENT),
    ] {
        let answer = sent(&world, &admin, &Method::DELETE, path, (wanted, "")).await;
        assert_eq!(answer.0, status, "{path}: {}", answer.1);
    }
}

#[tokio::test]
async fn what_was_made_anew_under_a_name_is_not_what_was_seen() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let store = &world.service.store;
    world.machine(1, "a").await;
    let seen = etag(samples::machine_id(1).0, 1);
    let gone = sent(&world, &admin, &Method::DELETE, "/v1/machines/m1", (&seen, "")).await;
    assert_eq!(gone.0, StatusCode::NO_CONTENT, "{}", gone.1);
    let mut anew = samples::machine(2);
    anew.name = "m1".into();
    store.machine_insert(&anew, &[], &[], samples::NOW).await.unwrap();
    // Both are at version 1.
    for (method, body) in [(Method::DELETE, ""), (Method::PATCH, r#"{"pool":"b"}"#)] {
        let answer = sent(&world, &admin, &method, "/v1/machines/m1", (&seen, body)).await;
        assert_eq!(answer.0, StatusCode::PRECONDITION_FAILED, "{method}: {}", answer.1);
    }
    // A bare number, as older clients send it, changes, but takes nothing away.
    let bare = sent(&world, &admin, &Method::DELETE, "/v1/machines/m1", ("\"1\"", "")).await;
    assert_eq!(bare.0, StatusCode::PRECONDITION_FAILED, "{}", bare.1);
    let bare = sent(&world, &admin, &Method::PATCH, "/v1/machines/m1", ("\"1\"", r#"{"pool":"b"}"#)).await;
    assert_eq!(bare.0, StatusCode::OK, "{}", bare.1);
    let now = etag(samples::machine_id(2).0, 2);
    let gone = sent(&world, &admin, &Method::DELETE, "/v1/machines/m1", (&now, "")).await;
    assert_eq!(gone.0, StatusCode::NO_CONTENT, "{}", gone.1);
}
