//! What the feed of changes compares is what is committed, whoever wrote it and in whichever order.

use super::{super::*, NOW, Place, on_both, record};
use crate::{
    feed::{Object, Pool},
    samples,
};
use provisioner_api::{MachineId, WatchKind};

on_both! {
    what_another_process_writes_is_in_the_next_census
    labels_are_those_of_the_version
}

async fn what_another_process_writes_is_in_the_next_census() {
    let place = Place::new().await;
    let (store, other) = (place.open().await, place.open().await);
    let mut first = record(1, "52:54:00:00:00:01");
    first.spec.pool = "p".into();
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let mut labels = KnownLabels::default();
    let before = store.census(&mut labels).await.unwrap();
    let object = Object { kind: WatchKind::Machine, id: first.id().0 };
    assert_eq!(before.len(), 1);
    // This process has just read it, and remembers it.
    let known = store.machine_get(first.id()).await.unwrap().unwrap();
    let moved = MachineRecord { name: "renamed".into(), ..known.clone() };
    assert_eq!(other.machine_update(&known, &moved, &[], &[], NOW).await.unwrap(), Swap::Updated);
    let census = store.census(&mut labels).await.unwrap();
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
        let census = store.census(&mut labels).await.unwrap();
        let seen = &census[&Object { kind: WatchKind::Instance, id: instance.id.0 }];
        assert_eq!(seen.facet().pool, wanted, "{number}");
    }
    assert_eq!(store.census(&mut labels).await.unwrap().len(), 5);
    let now = other.machine_find("renamed").await.unwrap().unwrap();
    assert_eq!(other.machine_delete(&now, &[], NOW).await.unwrap(), Swap::Updated);
    assert!(!store.census(&mut labels).await.unwrap().contains_key(&object));
    other.close().await;
    store.close().await;
}

async fn labels_are_those_of_the_version() {
    let place = Place::new().await;
    let (store, other) = (place.open().await, place.open().await);
    let labels_of = async |known: &mut KnownLabels, id: MachineId| {
        let census = store.census(known).await.unwrap();
        let facet = census[&Object { kind: WatchKind::Machine, id: id.0 }].facet();
        facet.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    let mut known = KnownLabels::default();
    let mut ids = Vec::new();
    for number in 1..=3 {
        let mut machine = record(number, &format!("52:54:00:00:00:0{number}"));
        if number > 1 {
            machine.spec.labels.insert("rack".into(), format!("r{number}"));
        }
        store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
        ids.push(machine.id());
    }
    assert_eq!(labels_of(&mut known, ids[0]).await, "");
    assert_eq!(labels_of(&mut known, ids[1]).await, "rack=r2");
    // Another process changes them, and takes others away.
    for (id, label) in [(ids[0], Some("r9")), (ids[2], None)] {
        let before = other.machine_get(id).await.unwrap().unwrap();
        let mut after = MachineRecord { generation: before.generation + 1, ..before.clone() };
        after.spec.labels = label.map(|rack| ("rack".to_owned(), rack.to_owned())).into_iter().collect();
        assert_eq!(other.machine_update(&before, &after, &[], &[], NOW).await.unwrap(), Swap::Updated);
    }
    assert_eq!(labels_of(&mut known, ids[0]).await, "rack=r9");
    assert_eq!(labels_of(&mut known, ids[1]).await, "rack=r2");
    assert_eq!(labels_of(&mut known, ids[2]).await, "");
    other.close().await;
    store.close().await;
}
