//! Whoever asks too often is refused on every route, and nobody else; what that leaves in log and metrics.

use super::*;
use crate::{config::Rate, metrics};
use axum::response::Response;
use provisioner_api::AuditOutcome;

/// A world in which ten requests may come at once, and then one a second.
async fn slow(at_once: u32) -> World {
    let folder = tempfile::tempdir().unwrap();
    let mut config = app::tests::config(folder.path());
    config.api.rate = Rate { per_token: 1, per_address: 1, per_agent: 1, agents_per_address: 1, at_once };
    let service = app::tests::bound(config).await.unwrap();
    World { router: router(Arc::clone(&service)), service, _folder: folder }
}

/// A path with something in each of its places.
fn filled(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/")
}

/// Asks until that is refused as too often. What comes back meanwhile, one a second, ends by itself.
async fn flood(world: &World, token: Option<&str>, method: &Method, path: &str) -> Option<String> {
    for _ in 0..100 {
        let (status, body) = world.ask(token, method, path, "").await;
        if status == StatusCode::TOO_MANY_REQUESTS && body.contains(r#""type":"rate""#) {
            return Some(body);
        }
    }
    None
}

async fn raw(world: &World, token: &str, path: &str) -> Response {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn no_route_is_without_a_limit_but_health() {
    let world = slow(100).await;
    let admin = world.token(Role::Admin, None).await;
    let mut tried = 0;
    for Route { method, path, policy, .. } in table() {
        if path == paths::HEALTH {
            continue;
        }
        let named = filled(path);
        assert!(flood(&world, None, &method, &named).await.is_some(), "{method} {path}: strangers");
        assert!(flood(&world, Some("wrong"), &method, &named).await.is_some(), "{method} {path}: guesses");
        if matches!(policy.who, Who::Roles(_)) {
            // Of the routes that would take long or take the token away, none is reached by then.
            flood(&world, Some(&admin), &Method::GET, paths::WHOAMI).await;
            assert!(flood(&world, Some(&admin), &method, &named).await.is_some(), "{method} {path}: a token");
        }
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
    for (method, path) in [(Method::GET, "/nowhere"), (Method::DELETE, paths::OPENAPI)] {
        assert!(flood(&world, None, &method, path).await.is_some(), "{method} {path}");
    }
    for _ in 0..100 {
        assert_eq!(world.ask(None, &Method::GET, paths::HEALTH, "").await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_flood_hinders_whoever_sends_it_and_nobody_else() {
    let world = slow(100).await;
    let (loud, quiet) = (world.token(Role::Admin, None).await, world.token(Role::Viewer, None).await);
    let whoami = async |token: &str| world.ask(Some(token), &Method::GET, paths::WHOAMI, "").await.0;
    assert_eq!(whoami(&quiet).await, StatusCode::OK);
    let told = flood(&world, Some(&loud), &Method::GET, paths::WHOAMI).await.unwrap();
    assert!(
        told.contains("token `admin-all` asked more often than may be; nothing was done. Ask again in 1 s")
    );
    assert!(told.contains("`per_token` in [api.rate]"), "{told}");
    assert_eq!(whoami(&quiet).await, StatusCode::OK, "another token from the same address");
    // Strangers use the address up, and whoever is known goes on from there.
    flood(&world, Some("wrong"), &Method::GET, paths::WHOAMI).await.unwrap();
    assert_eq!(whoami(&quiet).await, StatusCode::OK);
    let answer = raw(&world, &loud, paths::WHOAMI).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(["1", "2"].map(|again| answer.headers()[header::RETRY_AFTER] == again).contains(&true));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn a_flood_is_counted_and_hardly_told() {
    let world = slow(100).await;
    let token = world.token(Role::Tenant, Some(&["a"])).await;
    for _ in 0..300 {
        // What is denied for another reason has entries of its own.
        world.ask(Some(&token), &Method::GET, paths::AUDIT, "").await;
        world.ask(None, &Method::GET, paths::AUDIT, "").await;
    }
    // What is told is written behind the answer.
    let entries = loop {
        let records = world.service.store.audit_page(0, 1000).await.unwrap();
        let entries: Vec<provisioner_api::AuditEntry> =
            records.iter().map(|record| serde_json::from_str(&record.content).unwrap()).collect();
        if entries.iter().any(|entry| entry.status == 429 && entry.token.is_some()) {
            break entries;
        }
        tokio::task::yield_now().await;
    };
    let limited: Vec<_> = entries.iter().filter(|entry| entry.status == 429).collect();
    assert!((2..=7).contains(&limited.len()), "{limited:?}");
    assert!(limited.iter().all(|entry| entry.outcome == AuditOutcome::Denied));
    assert!(entries.iter().any(|entry| entry.status == 403), "denials are told beside them");
    let text = metrics::text(&world.service).await.unwrap();
    let count = |who: &str| -> u64 {
        let start = format!("billet_api_refused_total{{who=\"{who}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    };
    assert!(count("token") > 200 && count("address") > 200, "{text}");
}

#[tokio::test]
async fn what_is_followed_has_a_place_until_it_ends() {
    let world = slow(1).await;
    let token = world.token(Role::Viewer, None).await;
    let stream = raw(&world, &token, paths::WATCH).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let refused = raw(&world, &token, paths::WHOAMI).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let body = to_bytes(refused.into_body(), 4096).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("has 1 requests under way already"));
    let other = world.token(Role::Operator, None).await;
    assert_eq!(raw(&world, &other, paths::WHOAMI).await.status(), StatusCode::OK);
    drop(stream);
    assert_eq!(raw(&world, &token, paths::WHOAMI).await.status(), StatusCode::OK);
}
