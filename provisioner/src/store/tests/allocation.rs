//! What allocation and a restart read, and that it costs what it should.

use super::{super::*, NOW, record, store};
use provisioner_api::{InstanceId, JobId, JobKind, MachineState};
use provisioner_lifecycle::{Hold, Job, Owner};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

/// A machine that nobody has.
fn free(number: u128) -> MachineRecord {
    let mut machine = record(number, &format!("52:54:00:00:00:{number:02x}"));
    machine.machine.state.name = MachineState::Available;
    machine
}

fn job(number: u128, started: Timestamp, ended: Option<Timestamp>) -> Job {
    let id = JobId(Uuid::from_u128(number));
    Job { id, kind: JobKind::Inspect, epoch: 1, started, ended, restarts: 0, steps: Vec::new() }
}

/// How SQLite finds the rows of a statement.
async fn plan(store: &Store, statement: &str) -> String {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
        .fetch_all(&mut *store.reader.get().await.unwrap())
        .await
        .unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
}

#[tokio::test]
async fn free_machines_are_those_of_the_pool_that_nobody_has_and_nobody_holds() {
    let (_folder, store) = store().await;
    let owner = Owner {
        instance: InstanceId(Uuid::nil()),
        manifest: String::new(),
        disk_bytes: 0,
        root_disk_serial: None,
        release: None,
    };
    let hold = Hold { why: "x".into(), since: NOW, choices: Vec::new(), retry: 0 };
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
        found.into_iter().map(|record| record.name).collect::<Vec<_>>()
    };
    assert_eq!(names("default", "", 9).await, ["m1", "m6"]);
    assert_eq!(names("default", "", 1).await, ["m1"]);
    assert_eq!(names("default", "m1", 9).await, ["m6"]);
    assert_eq!(names("gpu", "", 9).await, ["m2"]);
    let mut seen = Vec::new();
    store.machine_each(|record| seen.push(record.name.clone())).await.unwrap();
    assert_eq!(seen, ["m1", "m2", "m3", "m4", "m5", "m6"]);
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
        ("SELECT * FROM instance WHERE machine IS NULL ORDER BY created, id", "(machine=?)", false),
    ] {
        let plan = plan(&store, statement).await;
        assert!(plan.contains(index), "{plan}");
        assert_eq!(sorted, !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test]
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
