//! What an agent found is stored beside its machine: read with it, written when it is another, gone with it.

use super::{super::*, NOW, on_both, password, record, store};
use crate::{samples, store::db::sql};
use provisioner_api::{Disk, Inventory, MachineState};

on_both! {
    whoever_reads_a_machine_reads_what_was_found_in_it
    one_that_can_not_be_read_is_a_damage_that_says_where
}

const MAC: &str = "52:54:00:00:00:01";

/// Larger than a page of the database.
fn found(disks: usize) -> Option<Arc<Inventory>> {
    let disk = |number: usize| Disk { serial: Some(format!("S{number:0>64}")), ..samples::disk("/dev/vda") };
    let disks = (0..disks).map(disk).collect();
    Some(Arc::new(Inventory { architecture: "x86_64".into(), disks, ..Inventory::default() }))
}

/// Nothing is answered from memory from now on.
fn forget(store: &Store) {
    store.recent.processes(2);
}

/// How many rows the one write changes that is made of a machine.
async fn written(store: &Store, before: &MachineRecord, after: &MachineRecord) -> u64 {
    let known = store.writer.changes();
    assert_eq!(store.machine_update(before, after, &[], &[], NOW).await.unwrap(), Swap::Updated);
    store.writer.changes() - known
}

async fn whoever_reads_a_machine_reads_what_was_found_in_it() {
    let (_folder, store) = store().await;
    forget(&store);
    let mut first = record(1, MAC);
    first.machine.facts.inventory = found(50);
    first.machine.state.name = MachineState::Available;
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let plain = record(2, "52:54:00:00:00:02");
    store.machine_insert(&plain, &[], &[], NOW).await.unwrap();
    for (number, expected) in [(1, Some(&first)), (2, Some(&plain)), (3, None)] {
        let key = samples::machine(number);
        assert_eq!(store.machine_get(key.id()).await.unwrap().as_ref(), expected);
        assert_eq!(store.machine_find(&key.name).await.unwrap().as_ref(), expected);
    }
    assert_eq!(store.machine_by_mac(MAC).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.machine_list().await.unwrap(), [first.clone(), plain.clone()]);
    assert_eq!(store.machine_free("default", "", 9).await.unwrap().records, [first.clone()]);
    let page = store.machine_page(&MachineFilter::default(), None, 9).await.unwrap();
    assert_eq!(page.into_iter().map(|row| row.record).collect::<Vec<_>>(), [first, plain]);
}

#[tokio::test]
async fn it_is_written_when_it_is_another_and_with_nothing_that_is_refused() {
    let (_folder, store) = store().await;
    forget(&store);
    let stored = async || store.machine_get(record(1, MAC).id()).await.unwrap().unwrap();
    let mut first = record(1, MAC);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    // One row for the machine's, one for what was found.
    for (inventory, rows) in [(found(3), 2), (found(3), 1), (found(4), 2), (found(4), 1), (None, 2)] {
        let mut next = first.clone();
        next.machine.facts.inventory = inventory;
        next.machine.facts.netboot = Some(NOW);
        assert_eq!(written(&store, &first, &next).await, rows);
        first = stored().await;
        assert_eq!(first.machine, next.machine);
    }
    let mut next = first.clone();
    next.machine.facts.inventory = found(1);
    let secret = password(&first);
    for secrets in [&[][..], std::slice::from_ref(&secret)] {
        let late = MachineRecord { version: first.version - 1, ..first.clone() };
        let next = MachineRecord { version: late.version, ..next.clone() };
        let swap = store.machine_update(&late, &next, secrets, &[], NOW).await.unwrap();
        assert_eq!(swap, Swap::Stale);
        assert_eq!(stored().await, first);
    }
    // On the way that takes several questions, too.
    let swap = store.machine_update(&first, &next, std::slice::from_ref(&secret), &[], NOW).await.unwrap();
    assert_eq!(swap, Swap::Updated);
    first = stored().await;
    assert_eq!(first.machine, next.machine);
    assert_eq!(store.machine_delete(&first, &[], NOW).await.unwrap(), Swap::Updated);
    let left: i64 = sql("SELECT COUNT(*) FROM machine_inventory")
        .scalar(&mut store.reader.get().await.unwrap())
        .await
        .unwrap();
    assert_eq!(left, 0);
}

async fn one_that_can_not_be_read_is_a_damage_that_says_where() {
    let (_folder, store) = store().await;
    forget(&store);
    let mut first = record(1, MAC);
    first.machine.facts.inventory = found(1);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let text = "UPDATE machine_inventory SET document = '{'";
    sql(text).execute(store.writer.get().await.unwrap().conn()).await.unwrap();
    let error = store.machine_get(first.id()).await.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("machine_inventory"), "{error}");
    assert_eq!(store.machine_list().await.unwrap(), []);
    let page = store.machine_page(&MachineFilter::default(), None, 9).await.unwrap();
    assert!(page[0].record.machine.state.hold.is_some());
}
