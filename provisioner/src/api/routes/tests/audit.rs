//! Who asked for what stands in the log before it is answered; what is denied too, but not without end.

use super::*;
use crate::{
    audit::{CHANGES, Verifier},
    clock,
};
use provisioner_api::{AuditEntry, AuditList, AuditOutcome};
use std::{future::pending, time::Duration};
use tokio::sync::Notify;

async fn log(world: &World, admin: &str) -> Vec<AuditEntry> {
    let (status, text) = world.ask(Some(admin), &Method::GET, "/v1/audit?limit=1000", "").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let list: AuditList = serde_json::from_str(&text).unwrap();
    let mut verifier = Verifier::new(None);
    verifier.go_on(&list.items).unwrap();
    // The head is read first, and an entry may come before the page is.
    verifier.end(&list.head).unwrap();
    list.items.iter().map(|record| serde_json::from_str(&record.content).unwrap()).collect()
}

#[tokio::test]
async fn changes_and_denials_are_told_and_reading_is_not() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    world.machine(1, "own").await;
    let secret = "s3cret-canary";
    let body = format!(r#"{{"name":"web","spec":{{"image":"os","user_data":"{secret}","n3ver seen":1}}}}"#);
    world.ask(Some(&tenant), &Method::POST, paths::INSTANCES, &body).await;
    world.ask(Some(&tenant), &Method::GET, paths::INSTANCES, "").await;
    world.ask(Some(&tenant), &Method::PATCH, "/v1/machines/m1", r#"{"pool":"x"}"#).await;
    world.ask(Some("unknown"), &Method::GET, paths::MACHINES, "").await;
    world.ask(Some(&admin), &Method::PATCH, "/v1/machines/m1", r#"{"pool":"x"}"#).await;

    let log = log(&world, &admin).await;
    let told: Vec<_> = log
        .iter()
        .map(|entry| {
            (entry.token.as_deref(), entry.method.as_str(), entry.path.as_str(), entry.outcome, entry.status)
        })
        .collect();
    use AuditOutcome::{Denied, Done, Failed};
    assert_eq!(
        told,
        [
            (Some("tenant-own"), "POST", "/v1/instances", Failed, 422),
            (Some("tenant-own"), "PATCH", "/v1/machines/m1", Denied, 403),
            (None, "GET", "/v1/machines", Denied, 401),
            (Some("admin-all"), "PATCH", "/v1/machines/m1", Done, 200),
        ]
    );
    assert_eq!(log[0].fields, ["name", "spec.?", "spec.image", "spec.user_data"]);
    assert_eq!((log[0].name.as_deref(), log[0].route.as_str()), (Some("web"), "/v1/instances"));
    assert!(!format!("{log:?}").contains(secret));
    assert_eq!((log[3].fields.as_slice(), log[3].seq), (&["pool".to_owned()][..], 4));
}

#[tokio::test]
async fn a_flood_of_denials_does_not_fill_the_disk() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let viewer = world.token(Role::Viewer, None).await;
    for _ in 0..80 {
        world.ask(None, &Method::GET, paths::MACHINES, "").await;
    }
    for _ in 0..70 {
        world.ask(Some(&viewer), &Method::DELETE, "/v1/machines/m1", "").await;
        world.ask(Some(&admin), &Method::POST, paths::WORKS_UNFREEZE, "").await;
    }
    let log = log(&world, &admin).await;
    let of = |token: Option<&str>| log.iter().filter(|entry| entry.token.as_deref() == token).count();
    assert_eq!(
        (of(None), of(Some("viewer-all")), of(Some("admin-all"))),
        (60, 60, 70),
        "what was done is all there"
    );
}

#[tokio::test]
async fn entries_of_many_at_once_are_one_chain() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let asked = (0..40).map(|_| world.ask(Some(&admin), &Method::POST, paths::WORKS_UNFREEZE, ""));
    for (status, text) in futures::future::join_all(asked).await {
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    assert_eq!(log(&world, &admin).await.len(), 40);
}

#[tokio::test]
async fn who_asks_for_too_many_changes_is_refused_and_an_administrator_never() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    let other = world.token(Role::Tenant, Some(&["own", "more"])).await;
    world.instance(1, "own").await;
    // It changes nothing, and is taken down all the same.
    let retry = async |token: &str| {
        let path = "/v1/instances/i1/actions";
        world.ask(Some(token), &Method::POST, path, r#"{"action":"retry"}"#).await
    };
    assert_eq!(retry(&tenant).await.0, StatusCode::ACCEPTED);
    for token in [&tenant, &admin] {
        for _ in 0..CHANGES {
            world.service.audit.may_change(&format!("token `{token}`"), clock::now());
        }
    }
    let before = log(&world, &admin).await.len();
    for _ in 0..70 {
        let (status, text) = retry(&tenant).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{text}");
    }
    assert_eq!(log(&world, &admin).await.len(), before + 60, "refusals don't fill the disk either");
    let (status, _) = world.ask(Some(&tenant), &Method::GET, "/v1/instances/i1", "").await;
    assert_eq!(status, StatusCode::OK, "it may look");
    assert_eq!([retry(&other).await.0, retry(&admin).await.0], [StatusCode::ACCEPTED; 2]);
}

#[tokio::test]
async fn typing_is_told_once_however_the_path_is_spelled() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let operator = world.token(Role::Operator, None).await;
    let mut machine = samples::machine(1);
    machine.machine.want.accepted = true;
    world.service.store.machine_insert(&machine, &[], &[], samples::NOW).await.unwrap();
    for path in ["/v1/machines/m1/console", "/v1/machines/%6d1/console", "/v1/machines/%6D1/console"] {
        let (status, text) = world.ask(Some(&operator), &Method::POST, path, "").await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{path}: {text}");
    }
    assert_eq!(log(&world, &admin).await.len(), 1);
}

#[tokio::test]
async fn no_field_is_hidden_by_others_or_by_what_the_body_says_that_it_is() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    world.machine(1, "own").await;
    let labels: Vec<_> = (0..70).map(|number| format!(r#""k{number}":"v""#)).collect();
    let many = format!(r#"{{"labels":{{{}}},"pool":"b","protected":false}}"#, labels.join(","));
    let few = r#"{"pool":"b"}"#;
    for (kind, body) in [
        (Some("application/json"), many.as_str()),
        (Some("application/merge-patch+json"), few),
        (Some("Application/JSON; charset=utf-8"), few),
        (None, few),
        (Some("application/json"), "[]"),
    ] {
        let mut request = Request::builder().method(Method::PATCH).uri("/v1/machines/m1");
        request = request.header(header::AUTHORIZATION, format!("Bearer {admin}"));
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        world.router.clone().oneshot(request).await.unwrap();
    }
    let fields: Vec<_> = log(&world, &admin).await.into_iter().map(|entry| entry.fields).collect();
    for name in ["labels", "pool", "protected", "labels.k0", "…"] {
        assert!(fields[0].iter().any(|field| field == name), "{name}: {:?}", fields[0]);
    }
    assert_eq!(fields[0].len(), 65);
    assert_eq!(fields[1..], [vec!["pool"], vec!["pool"], vec!["pool"], vec!["?"]]);
}

/// The table's way to a handler that is none of its own.
fn with(world: &World, route: Route) -> Router {
    let path = route.path;
    Router::new().route(path, route.guarded(&world.service)).with_state(Arc::clone(&world.service))
}

fn post(path: &str, token: &str) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path);
    request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap()
}

/// The first entry, which may be written a moment later.
async fn first(world: &World, admin: &str) -> AuditEntry {
    let look = async {
        loop {
            if let Some(entry) = log(world, admin).await.into_iter().next() {
                return entry;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.expect("it is taken down")
}

#[tokio::test]
async fn what_its_client_gave_up_midway_is_told() {
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let begun = Arc::new(Notify::new());
    let tells = Arc::clone(&begun);
    let hangs = move || async move {
        tells.notify_one();
        pending::<StatusCode>().await
    };
    let policy = Policy::roles(OPERATORS, Of::Everything);
    let router = with(&world, Route::new(Method::POST, paths::BMC_SCANS, policy, hangs).given_up());
    tokio::select! {
        response = router.oneshot(post(paths::BMC_SCANS, &admin)) => panic!("it hangs: {response:?}"),
        () = begun.notified() => {}
    }
    let entry = first(&world, &admin).await;
    assert_eq!((entry.route.as_str(), entry.outcome), (paths::BMC_SCANS, AuditOutcome::Failed));
    assert_eq!(entry.token.as_deref(), Some("admin-all"));
}

#[tokio::test]
async fn what_panicked_midway_is_told() {
    async fn panics() -> StatusCode {
        panic!("as it is meant to here");
    }
    let world = World::new().await;
    let admin = world.token(Role::Admin, None).await;
    let policy = Policy::roles(ADMINS, Of::Everything);
    let router = with(&world, Route::new(Method::POST, paths::WORKS_FREEZE, policy, panics));
    let asked = tokio::spawn(router.oneshot(post(paths::WORKS_FREEZE, &admin))).await;
    assert!(asked.is_err_and(|error| error.is_panic()));
    let entry = first(&world, &admin).await;
    assert_eq!((entry.route.as_str(), entry.status), (paths::WORKS_FREEZE, 500));
}
