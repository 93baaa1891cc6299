//! Who asked for what stands in the log before it is answered; what is denied too, but not without end.

use super::*;
use crate::audit::Verifier;
use provisioner_api::{AuditEntry, AuditList, AuditOutcome};

async fn log(world: &World, admin: &str) -> Vec<AuditEntry> {
    let (status, text) = world.ask(Some(admin), &Method::GET, "/v1/audit?limit=1000", "").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let list: AuditList = serde_json::from_str(&text).unwrap();
    let mut verifier = Verifier::new(None);
    verifier.go_on(&list.items).unwrap();
    assert_eq!(verifier.end(&list.head).unwrap(), list.head);
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
