//! What the feed of changes compares is what is committed, whoever wrote it and in whichever order.

use super::{super::*, NOW, Place, on_both, record};
use crate::{
    feed::{Object, Pool},
    samples,
};
use provisioner_api::WatchKind;

on_both! {
    what_another_process_writes_is_in_the_next_census
}

async fn what_another_process_writes_is_in_the_next_census() {
    let place = Place::new().await;
    let (store, other) = (place.open().await, place.open().await);
    let mut first = record(1, "52:54:00:00:00:01");
    first.spec.pool = "p".into();
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let before = store.census().await.unwrap();
    let object = Object { kind: WatchKind::Machine, id: first.id().0 };
    assert_eq!(before.len(), 1);
    // This process has just read it, and remembers it.
    let known = store.machine_get(first.id()).await.unwrap().unwrap();
    let moved = MachineRecord { name: "renamed".into(), ..known.clone() };
    assert_eq!(other.machine_update(&known, &moved, &[], &[], NOW).await.unwrap(), Swap::Updated);
    let census = store.census().await.unwrap();
    assert_ne!(census.get(&object), before.get(&object), "its version is another");
    other.image_insert(&samples::image()).await.unwrap();
    for (number, pool, wanted) in [
        (1, Some("q"), Pool::Of("q".into())),
        (2, None, Pool::Of("default".into())),
        (3, Some(""), Pool::Of("p".into())),
    ] {
        let mut instance = samples::instance(number);
        instance.spec.pool = pool.filter(|pool| !pool.is_empty()).map(Into::into);
        instance.spec.machine = (pool == Some("")).then(|| first.id().to_string());
        other.instance_insert(&instance, None, &[], NOW).await.unwrap();
        let census = store.census().await.unwrap();
        let seen = &census[&Object { kind: WatchKind::Instance, id: instance.id.0 }];
        assert_eq!(seen.facet().pool, wanted, "{number}");
    }
    assert_eq!(store.census().await.unwrap().len(), 5);
    let now = other.machine_find("renamed").await.unwrap().unwrap();
    assert_eq!(other.machine_delete(&now, &[], NOW).await.unwrap(), Swap::Updated);
    assert!(!store.census().await.unwrap().contains_key(&object));
    other.close().await;
    store.close().await;
}
