//! Records of erasures: who may see which, and that the certificate is handed out as it was signed.

use super::*;
use crate::erasures::verify;
use provisioner_api::{Erasure, ErasureKeyList, ErasureList};

/// A machine of this pool was wiped.
async fn wiped(world: &World, number: u128, pool: &str) {
    let store = &world.service.store;
    let (mut before, mut after) = samples::wiping(number);
    (before.spec.pool, after.spec.pool) = (pool.into(), pool.into());
    let job = before.machine.job.take();
    store.machine_insert(&before, &[], &[], samples::NOW).await.unwrap();
    let mut begun = before.clone();
    begun.machine.job = job;
    store.machine_update(&before, &begun, &[], &[], samples::NOW).await.unwrap();
    begun.version += 1;
    after.version = begun.version;
    store.machine_update(&begun, &after, &[], &[], samples::NOW).await.unwrap();
}

async fn got(world: &World, token: &str, path: &str) -> (StatusCode, String) {
    world.ask(Some(token), &Method::GET, path, "").await
}

async fn listed(world: &World, token: &str, path: &str) -> Vec<Erasure> {
    let (status, text) = got(world, token, path).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str::<ErasureList>(&text).unwrap().items
}

#[tokio::test]
async fn a_tenant_sees_the_records_of_its_pools_and_no_others() {
    let world = World::new().await;
    for (number, pool) in [(1, "own"), (2, "others")] {
        wiped(&world, number, pool).await;
    }
    let tenant = world.token(Role::Tenant, Some(&["own"])).await;
    let viewer = world.token(Role::Viewer, None).await;
    let all = listed(&world, &viewer, paths::ERASURES).await;
    assert_eq!(all.len(), 2);
    let own = listed(&world, &tenant, paths::ERASURES).await;
    assert_eq!(own, all[..1]);
    assert!(listed(&world, &tenant, "/v1/erasures?machine=m2").await.is_empty());
    assert_eq!(
        listed(&world, &viewer, "/v1/erasures?machine=m2&serial=serial%20of%20sda&limit=1").await.len(),
        1
    );
    for end in ["", "/certificate"] {
        let path = |erasure: &Erasure| format!("/v1/erasures/{}{end}", erasure.id);
        assert_eq!(got(&world, &tenant, &path(&all[0])).await.0, StatusCode::OK);
        let (status, refused) = got(&world, &tenant, &path(&all[1])).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{refused}");
        let absent = got(&world, &tenant, &format!("/v1/erasures/{}{end}", uuid::Uuid::nil())).await;
        assert_eq!(absent.1.replace(&uuid::Uuid::nil().to_string(), &all[1].id.to_string()), refused);
        assert_eq!(got(&world, &viewer, &path(&all[1])).await.0, StatusCode::OK);
    }
    for query in ["since=yesterday", "limit=0", "after=x", "pool=own"] {
        let (status, text) = got(&world, &viewer, &format!("/v1/erasures?{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {text}");
    }
}

#[tokio::test]
async fn what_is_handed_out_is_verified_with_the_key_that_is_handed_out() {
    let world = World::new().await;
    wiped(&world, 1, "own").await;
    let viewer = world.token(Role::Viewer, None).await;
    let erasure = listed(&world, &viewer, paths::ERASURES).await.remove(0);
    let (_, certificate) = got(&world, &viewer, &format!("/v1/erasures/{}/certificate", erasure.id)).await;
    let keys = async || {
        let (_, text) = got(&world, &viewer, paths::ERASURE_KEYS).await;
        serde_json::from_str::<ErasureKeyList>(&text).unwrap().items
    };
    let before = keys().await;
    assert_eq!(before.len(), 1);
    assert!(before[0].current && before[0].since.is_some());
    assert_eq!(verify(certificate.as_bytes(), &before[0].pem).unwrap(), erasure.certificate);
    // After a rotation the key of before is there still.
    let key = &world.service.key;
    key.install(key.prepare().unwrap());
    key.retire().unwrap();
    let after = keys().await;
    let told: Vec<_> = after.iter().map(|key| (key.current, key.since.is_some())).collect();
    assert_eq!(told, [(true, false), (false, true)]);
    assert_eq!((&after[1].id, &after[1].pem), (&before[0].id, &before[0].pem));
    assert!(verify(certificate.as_bytes(), &after[1].pem).is_ok());
}
