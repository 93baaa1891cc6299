//! What allocation and a restart read, and that it costs what it should.

use super::{super::*, NOW, Place, on_both, record, store};
use crate::{samples, store::db::sql};
use provisioner_api::{InstanceId, JobKind, MachineState, StepPhase};
use provisioner_lifecycle::{Hold, Job, Owner, Step, StepName};
use uuid::Uuid;

on_both! {
    free_machines_are_those_of_the_pool_that_nobody_has_and_nobody_holds
    whoever_listens_again_says_so_of_machines_at_work_and_of_no_others
    only_the_time_in_which_nobody_listened_is_forgiven
}

/// A machine that nobody has.
fn free(number: u128) -> MachineRecord {
    let mut machine = record(number, &format!("52:54:00:00:00:{number:02x}"));
    machine.machine.state.name = MachineState::Available;
    machine
}

fn job(number: u128, started: Timestamp, ended: Option<Timestamp>) -> Job {
    Job { started, ended, ..samples::job(number, JobKind::Inspect, Vec::new()) }
}

/// How SQLite finds the rows of a statement.
async fn plan(store: &Store, statement: &str) -> String {
    let mut query = sql(format!("EXPLAIN QUERY PLAN {statement}"));
    // Each place has to have a value, and none has more places.
    query.bind_all((0..16).map(|_| None::<i64>.into()));
    let rows = query.fetch_all(&mut store.reader.get().await.unwrap()).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("detail").unwrap() + "\n").collect()
}

async fn free_machines_are_those_of_the_pool_that_nobody_has_and_nobody_holds() {
    let (_folder, store) = store().await;
    let owner = Owner {
        instance: InstanceId(Uuid::nil()),
        manifest: String::new(),
        disk_bytes: 0,
        ram: None,
        installation: 0,
        adopted: false,
        rescue: None,
        root_disk_serial: None,
        root_disk: None,
        name: Default::default(),
        release: None,
        least: None,
    };
    let hold = Hold::new("x", NOW);
    let changes: [fn(&mut MachineRecord, Owner, Hold); 6] = [
        |_, _, _| {},
        |record, _, _| record.spec.pool = "gpu".into(),
        |record, owner, _| record.machine.want.owner = Some(owner),
        |record, _, hold| record.machine.state.hold = Some(hold),
        |record, _, _| record.machine.state.name = MachineState::Inspecting,
        |_, _, _| {},
    ];
    for (change, number) in changes.into_iter().zip(1..) {
        let before = free(number);
        store.machine_insert(&before, &[], &[], NOW).await.unwrap();
        let mut after = before.clone();
        change(&mut after, owner.clone(), hold.clone());
        assert_eq!(store.machine_update(&before, &after, &[], &[], NOW).await.unwrap(), Swap::Updated);
    }
    let names = async |pool, after, limit| {
        let found = store.machine_free(pool, after, limit).await.unwrap();
        found.records.into_iter().map(|record| record.name).collect::<Vec<_>>()
    };
    assert_eq!(names("default", "", 9).await, ["m1", "m6"]);
    assert_eq!(names("default", "", 1).await, ["m1"]);
    assert_eq!(names("default", "m1", 9).await, ["m6"]);
    assert_eq!(names("gpu", "", 9).await, ["m2"]);
    let mut seen = Vec::new();
    store.machine_each(Some("default"), |record| seen.push(record.name.clone())).await.unwrap();
    assert_eq!(seen, ["m1", "m3", "m4", "m5", "m6"]);
    let outside = async |pools: &[&str]| {
        let pools: Vec<_> = pools.iter().map(|pool| (*pool).to_owned()).collect();
        store.machine_count_outside(&pools).await.unwrap()
    };
    assert_eq!((outside(&["default"]).await, outside(&["default", "gpu"]).await), (1, 0));
    assert_eq!((outside(&["none"]).await, outside(&[]).await), (6, 6));
}

#[tokio::test]
async fn nothing_is_searched_row_by_row() {
    let (_folder, store) = store().await;
    for (statement, index, sorted) in [
        (
            "SELECT * FROM machine LEFT JOIN job ON job.id = machine.job WHERE machine.pool = $1
             AND machine.state = 'available' AND machine.owner IS NULL AND NOT machine.held
             AND machine.name > $2 ORDER BY machine.name LIMIT $3",
            "machine_free (pool=? AND name>?)",
            true,
        ),
        (
            "SELECT * FROM machine LEFT JOIN job ON job.id = machine.job WHERE machine.pool = $1
             AND machine.name > $2 ORDER BY machine.name LIMIT $3",
            "machine_pool (pool=? AND name>?)",
            true,
        ),
        ("SELECT * FROM instance WHERE machine IS NULL ORDER BY created, id", "(machine=?)", false),
    ] {
        let plan = plan(&store, statement).await;
        assert!(plan.contains(index), "{plan}");
        assert_eq!(sorted, !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

async fn whoever_listens_again_says_so_of_machines_at_work_and_of_no_others() {
    let (_folder, store) = store().await;
    let at = |second| Timestamp::from_second(second).unwrap();
    let jobs =
        [Some(job(1, at(20), None)), Some(job(2, at(10), None)), Some(job(3, at(5), Some(at(6)))), None];
    for (job, number) in jobs.into_iter().zip(1..) {
        let before = free(number);
        store.machine_insert(&before, &[], &[], NOW).await.unwrap();
        let mut after = before.clone();
        after.machine.job = job;
        store.machine_update(&before, &after, &[], &[], NOW).await.unwrap();
    }
    let listening = store.machines_listen(at(100)).await.unwrap();
    assert_eq!(listening, [free(2).id(), free(1).id()], "the one that began first comes first");
    for (number, expected) in [(1, Some(at(100))), (2, Some(at(100))), (3, None), (4, None)] {
        let found = store.machine_get(free(number).id()).await.unwrap().unwrap();
        assert_eq!(found.machine.facts.listening, expected, "m{number}");
        assert_eq!(found.version, if expected.is_some() { 3 } else { 2 }, "m{number}");
    }
}

async fn only_the_time_in_which_nobody_listened_is_forgiven() {
    let place = Place::new().await;
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let open = async |second: i64| {
        let store = place.open().await;
        let set = |second: i64| store.clock.store(second * 1000, std::sync::atomic::Ordering::Relaxed);
        set(second);
        store
    };
    let beat = async |store: &Store, second: i64| {
        store.clock.store(second * 1000, std::sync::atomic::Ordering::Relaxed);
        store.replica_beat("r", 20_000, None).await.unwrap();
    };
    let facts = async |store: &Store| store.machine_get(free(1).id()).await.unwrap().unwrap().machine.facts;
    let store = open(100).await;
    let before = free(1);
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    let mut after = before.clone();
    let begun = samples::step(StepName::Inspect, 1, StepPhase::Intent);
    let begun = Step { started: Some(at(100)), ..begun };
    after.machine.job = Some(Job { steps: vec![begun], ..job(1, at(100), None) });
    store.machine_update(&before, &after, &[], &[], NOW).await.unwrap();
    store.machines_listen(at(100)).await.unwrap();
    beat(&store, 120).await;
    store.close().await;
    // One that dies before its reconciler runs has heard nobody, whatever it beat.
    let store = open(200).await;
    beat(&store, 210).await;
    store.close().await;
    // From 120 to 260 nobody listened; the twenty seconds before count.
    let store = open(250).await;
    beat(&store, 255).await;
    store.clock.store(260_000, std::sync::atomic::Ordering::Relaxed);
    store.machines_listen(at(260)).await.unwrap();
    let seen = facts(&store).await;
    assert_eq!((seen.listening, seen.counts_from), (Some(at(240)), Some(at(240))));
    // One that is told to stop says when it did.
    store.clock.store(263_000, std::sync::atomic::Ordering::Relaxed);
    store.replica_leave("r").await.unwrap();
    store.close().await;
    let store = open(300).await;
    store.machines_listen(at(300)).await.unwrap();
    let seen = facts(&store).await;
    assert_eq!((seen.listening, seen.counts_from), (Some(at(277)), Some(at(277))));
    // One that was stopped and goes on, from 310 to 400.
    store.machines_missed(at(310), at(400)).await.unwrap();
    let seen = facts(&store).await;
    assert_eq!((seen.listening, seen.counts_from), (Some(at(367)), Some(at(367))));
    store.close().await;
}
