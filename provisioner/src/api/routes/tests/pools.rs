//! What is said of pools: by administrators, to whoever has the pool, one version at a time.

use super::*;
use provisioner_api::Pool;

fn pool(text: &str) -> Pool {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Asks with `If-Match`; what is answered, with the `ETag`.
async fn sent(
    world: &World,
    admin: &str,
    method: &Method,
    (wanted, body): (&str, &str),
) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri("/v1/pools/own")
        .header(header::AUTHORIZATION, format!("Bearer {admin}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, wanted)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let etag = parts.headers.get(header::ETAG).map(|etag| etag.to_str().unwrap().to_owned());
    let text = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, etag.unwrap_or_default(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn a_pool_is_read_by_who_has_it_and_is_not_there_for_others() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let body = r#"{"name":"own","description":"team a","erase":"overwrite","max_machines":2}"#;
    let (status, text) = world.ask(Some(&admin), &Method::POST, paths::POOLS, body).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let made = pool(&text);
    assert_eq!((made.group.name.as_str(), made.version, made.taken), ("own", Some(1), 0));
    let again = world.ask(Some(&admin), &Method::POST, paths::POOLS, body).await;
    assert_eq!(again.0, StatusCode::CONFLICT, "{}", again.1);
    world.machine(1, "own").await;
    world.machine(2, "plain").await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    let other = world.token(Role::Viewer, Some(&["other"])).await;
    for token in [&admin, &tenant] {
        let (status, text) = world.ask(Some(token), &Method::GET, "/v1/pools/own", "").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let shown = pool(&text);
        assert_eq!((shown.group.machines, &shown.spec), (1, &made.spec));
    }
    let (_, text) = world.ask(Some(&admin), &Method::GET, "/v1/pools/plain", "").await;
    let plain = pool(&text);
    assert_eq!((plain.group.machines, plain.spec, plain.version), (1, None, None), "a word, and no policy");
    // Another's is as one that is not there.
    let foreign = world.ask(Some(&other), &Method::GET, "/v1/pools/own", "").await;
    let absent = world.ask(Some(&other), &Method::GET, "/v1/pools/none", "").await;
    assert_eq!((foreign.0, foreign.1.replace("own", "none")), absent);
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    let (_, text) = world.ask(Some(&other), &Method::GET, paths::POOLS, "").await;
    assert!(!text.contains("team a") && !text.contains("plain"), "{text}");
    let (_, text) = world.ask(Some(&tenant), &Method::GET, paths::POOLS, "").await;
    assert!(text.contains("team a") && !text.contains("plain"), "{text}");
    let told = world.service.store.audit_newest(50).await.unwrap();
    let told: Vec<_> = told.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    assert!(told.iter().any(|entry| entry.contains("max_machines")), "{told:?}");
}

#[tokio::test]
async fn a_pool_is_changed_and_taken_away_in_the_version_that_was_seen() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.ask(Some(&admin), &Method::POST, paths::POOLS, r#"{"name":"own"}"#).await;
    let (_, first, _) = sent(&world, &admin, &Method::GET, ("*", "")).await;
    let change = r#"{"erase":"overwrite","max_machines":1}"#;
    let (status, second, text) = sent(&world, &admin, &Method::PATCH, (&first, change)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(second != first && !second.is_empty());
    for (method, body) in [(Method::PATCH, r#"{"erase":null}"#), (Method::DELETE, "")] {
        for wanted in [first.as_str(), "\"2\"", "W/\"2\""] {
            let (status, _, text) = sent(&world, &admin, &method, (wanted, body)).await;
            assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{method} {wanted}: {text}");
        }
    }
    let (_, same, _) = sent(&world, &admin, &Method::PATCH, (&second, change)).await;
    assert_eq!(same, second, "nothing is changed");
    let body = r#"{"erase":null,"max_machines":null,"description":"x"}"#;
    let (_, third, text) = sent(&world, &admin, &Method::PATCH, (&second, body)).await;
    let spec = pool(&text).spec.unwrap();
    assert_eq!((spec.erase, spec.max_machines, spec.description.as_deref()), (None, None, Some("x")));

    // While anything names it, it stays.
    let name = world.machine(1, "own").await;
    world.instance(1, "own").await;
    world.token(Role::Tenant, Some(&["own"])).await;
    let (status, _, text) = sent(&world, &admin, &Method::DELETE, (&third, "")).await;
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains("machine m1, instance i1, token tenant-own"), "{text}");
    let store = &world.service.store;
    let machine = store.machine_find(&name).await.unwrap().unwrap();
    store.machine_delete(&machine, &[], samples::NOW).await.unwrap();
    let instance = store.instance_find("i1").await.unwrap().unwrap();
    store.instance_delete(&instance, None, &[], samples::NOW).await.unwrap();
    store.token_delete("tenant-own").await.unwrap();
    let (status, _, text) = sent(&world, &admin, &Method::DELETE, (&third, "")).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{text}");
    // Another one under its name is not the one that was seen.
    world.ask(Some(&admin), &Method::POST, paths::POOLS, r#"{"name":"own"}"#).await;
    let (status, ..) = sent(&world, &admin, &Method::DELETE, (&first, "")).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_named() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.ask(Some(&admin), &Method::POST, paths::POOLS, r#"{"name":"own"}"#).await;
    let long = format!(r#"{{"name":"a","description":"{}"}}"#, "x".repeat(501));
    for (method, path, body, field) in [
        (Method::POST, paths::POOLS, r#"{"name":"A b"}"#, "name"),
        (Method::POST, paths::POOLS, &long, "description"),
        (Method::POST, paths::POOLS, r#"{"name":"a","description":"two\nlines"}"#, "description"),
        (Method::POST, paths::POOLS, r#"{"name":"a","erase":"sanitise"}"#, "erase"),
        (Method::POST, paths::POOLS, r#"{"name":"a","max_machines":-1}"#, "max_machines"),
        (Method::POST, paths::POOLS, r#"{"name":"a","boot":"uefi"}"#, "boot"),
        (Method::PATCH, "/v1/pools/own", r#"{"description":""}"#, "description"),
        (Method::PATCH, "/v1/pools/own", r#"{"name":"other"}"#, "name"),
    ] {
        let (status, text) = world.ask(Some(&admin), &method, path, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {text}");
        assert!(text.contains(&format!(r#""field":"{field}""#)), "{body}: {text}");
    }
    for method in [Method::PATCH, Method::DELETE] {
        let body = if method == Method::PATCH { "{}" } else { "" };
        let (status, text) = world.ask(Some(&admin), &method, "/v1/pools/none", body).await;
        assert!(status == StatusCode::NOT_FOUND && text.contains("billet pool create none"), "{text}");
    }
}

#[tokio::test]
async fn a_policy_that_can_not_be_read_is_said_anew_whole_or_taken_away() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let store = &world.service.store;
    for mends in [true, false] {
        let made = world.ask(Some(&admin), &Method::POST, paths::POOLS, r#"{"name":"own"}"#).await;
        assert_eq!(made.0, StatusCode::CREATED, "{}", made.1);
        store.pool_spoil("own").await;
        for path in [paths::POOLS, "/v1/pools/own"] {
            let (status, text) = world.ask(Some(&admin), &Method::GET, path, "").await;
            assert!(status == StatusCode::OK && text.contains(r#""damaged":true"#), "{path}: {text}");
            assert!(!text.contains(r#""spec""#), "nobody knows what was said: {text}");
        }
        let part = r#"{"erase":null}"#;
        let (status, _, text) = sent(&world, &admin, &Method::PATCH, ("*", part)).await;
        assert!(status == StatusCode::CONFLICT && text.contains("max_machines"), "{status} {text}");
        if mends {
            let whole = r#"{"erase":null,"max_machines":null}"#;
            let (status, _, text) = sent(&world, &admin, &Method::PATCH, ("*", whole)).await;
            assert_eq!(status, StatusCode::OK, "{text}");
        }
        let (status, _, text) = sent(&world, &admin, &Method::DELETE, ("*", "")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{text}");
    }
}
