//! One row that can't be read, among others.

use super::{super::*, NOW, Place, is_on_server, on_both, record, store};
use crate::{samples, store::db::sql};
use provisioner_api::{InstanceId, JobKind, MachineState};
use uuid::Uuid;

on_both! {
    lists_go_on_behind_a_row_that_is_damaged_and_never_count_it_as_absent
    people_see_what_is_legible_of_it_and_that_it_is_damaged
}

/// Three machines that are free and three instances that wait; of the second ones one column is damaged.
async fn site(machine: &str, instance: &str) -> (Place, Store) {
    let (folder, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    for number in 1..4 {
        let mut machine = record(number, &format!("52:54:00:00:00:{number:02x}"));
        machine.machine.state.name = MachineState::Available;
        store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
        let mut after = machine.clone();
        after.machine.job = Some(samples::job(number, JobKind::Inspect, Vec::new()));
        assert_eq!(store.machine_update(&machine, &after, &[], &[], NOW).await.unwrap(), Swap::Updated);
        store.instance_insert(&samples::instance(number), None, &[], NOW).await.unwrap();
    }
    for text in [
        format!("UPDATE machine SET {machine} WHERE name = 'm2'"),
        format!("UPDATE instance SET {instance} WHERE name = 'i2'"),
    ] {
        sql(text).execute(&mut store.writer.get().await.unwrap()).await.unwrap();
    }
    // Another process finds them so: this one remembers what it wrote.
    store.close().await;
    let store = folder.open().await;
    (folder, store)
}

async fn lists_go_on_behind_a_row_that_is_damaged_and_never_count_it_as_absent() {
    for (machine, instance) in [
        ("facts = '{'", "standing = '{'"),
        ("want = '[]'", "spec = 'x'"),
        ("standing = x'ff'", "standing = x'ff'"),
        ("spec = '{\"pool\":5}'", "state = 'nowhere'"),
    ] {
        if is_on_server() && machine.contains("x'ff'") {
            // There a text is always one.
            continue;
        }
        let (_folder, store) = site(machine, instance).await;
        let names =
            |records: Vec<MachineRecord>| records.into_iter().map(|record| record.name).collect::<Vec<_>>();
        assert_eq!(names(store.machine_list().await.unwrap()), ["m1", "m3"], "{machine}");
        let mut seen = Vec::new();
        let damaged = store.machine_each(None, |record| seen.push(record.name.clone())).await.unwrap();
        assert_eq!((seen, damaged), (vec!["m1".into(), "m3".into()], vec![record(2, "").id()]), "{machine}");
        // A page of one that can't be read is not the last page.
        let mut free = Vec::new();
        let mut after = Some(String::new());
        while let Some(begin) = after {
            let page = store.machine_free("default", &begin, 1).await.unwrap();
            free.extend(names(page.records));
            after = page.next;
        }
        assert_eq!(free, ["m1", "m3"], "{machine}");
        let pending: Vec<_> =
            store.instance_pending().await.unwrap().into_iter().map(|record| record.name).collect();
        assert_eq!(pending, ["i1", "i3"], "{instance}");
        assert_eq!(store.instance_rests().await.unwrap().len(), 3, "{instance}");
        assert_eq!(store.machines_listen(NOW).await.unwrap().len(), 2, "{machine}");
        // It is there all the same.
        assert_eq!(
            (store.machine_ids().await.unwrap().len(), store.instance_ids().await.unwrap().len()),
            (3, 3)
        );
        assert!(store.machine_get(record(2, "").id()).await.unwrap_err().is_damage(), "{machine}");
        let twin = MachineRecord { name: "m2".into(), ..record(9, "52:54:00:00:00:09") };
        let taken = store.machine_insert(&twin, &[], &[], NOW).await;
        assert!(matches!(taken, Err(StoreError::Taken { field: "name", .. })), "{machine}");
        let mac = store.machine_insert(&record(9, "52:54:00:00:00:02"), &[], &[], NOW).await;
        assert!(matches!(mac, Err(StoreError::Taken { field: "macs", .. })), "{machine}");
        let twin = InstanceRecord { id: InstanceId(Uuid::from_u128(9)), ..samples::instance(2) };
        let taken = store.instance_insert(&twin, None, &[], NOW).await;
        assert!(matches!(taken, Err(StoreError::Taken { field: "name", .. })), "{instance}");
    }
}

async fn people_see_what_is_legible_of_it_and_that_it_is_damaged() {
    let (_folder, store) =
        site("facts = '{'", "standing = '{', machine = (SELECT id FROM machine WHERE name = 'm2')").await;
    let machines = store.machine_page(&MachineFilter::default(), None, 10).await.unwrap();
    let names: Vec<_> = machines.iter().map(|one| &*one.record.name).collect();
    assert_eq!(names, ["m1", "m2", "m3"]);
    let machine = &machines[1].record;
    assert_eq!(machine.id(), record(2, "").id());
    assert_eq!((machine.machine.state.name, &*machine.spec.pool), (MachineState::Available, "default"));
    let why = &machine.machine.state.hold.as_ref().unwrap().why;
    assert!(why.contains("column facts") && why.contains("EOF"), "{why}");
    let instances = store.instance_page(None, None, None, 10).await.unwrap();
    let names: Vec<_> = instances.iter().map(|one| &*one.record.name).collect();
    assert_eq!(names, ["i1", "i2", "i3"]);
    let instance = &instances[1];
    let why = &instance.record.standing.held.as_ref().unwrap().why;
    assert!(why.contains("column standing"), "{why}");
    assert_eq!(instance.machine.as_ref().map(|machine| &*machine.name), Some("m2"));
}
