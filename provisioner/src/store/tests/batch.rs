//! Several statements of one write: all or nothing, whatever fails and whoever stops waiting; and what is kept of it
//! in memory.

use super::{super::*, NOW, jobs::job, record, store};
use crate::store::batch::{Batch, Part};
use futures::future::poll_immediate;
use provisioner_api::MachineState;

const MAC: &str = "52:54:00:00:00:01";

/// The machine with a new job, and what tells of it.
fn step(before: &MachineRecord, number: u128) -> (MachineRecord, Vec<NewEvent>) {
    let mut next = before.clone();
    next.machine.job = Some(job(number));
    next.machine.state.name = MachineState::Inspecting;
    (next, vec![NewEvent::machine(before.id(), "step", "goes on"); 2])
}

/// How many jobs and events there are, as the writer sees it.
async fn written(store: &Store) -> (i64, i64) {
    let text = "SELECT (SELECT COUNT(*) FROM job), (SELECT COUNT(*) FROM event)";
    sqlx::query_as(text).fetch_one(store.writer.get().await.unwrap().conn()).await.unwrap()
}

/// What the database says, whatever is kept.
async fn stored(store: &Store, record: &MachineRecord) -> MachineRecord {
    store.machine_find(&record.id().to_string()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_stale_batch_leaves_neither_job_nor_event() {
    let (_folder, store) = store().await;
    let first = record(1, MAC);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let (next, events) = step(&first, 1);
    assert_eq!(store.machine_update(&first, &next, &[], &events, NOW).await.unwrap(), Swap::Updated);
    assert_eq!(written(&store).await, (1, 2));

    let (other, events) = step(&first, 2);
    assert_eq!(store.machine_update(&first, &other, &[], &events, NOW).await.unwrap(), Swap::Stale);
    assert_eq!(written(&store).await, (1, 2));
    let found = store.machine_get(first.id()).await.unwrap().unwrap();
    assert_eq!(found, MachineRecord { version: 2, ..next.clone() });
    assert_eq!(stored(&store, &first).await, found);

    let (third, events) = step(&found, 3);
    assert_eq!(store.machine_update(&found, &third, &[], &events, NOW).await.unwrap(), Swap::Updated);
    assert_eq!(written(&store).await, (2, 4));
}

#[tokio::test]
async fn what_is_taken_is_named_and_nothing_stays() {
    let (_folder, store) = store().await;
    let first = record(1, MAC);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    store.machine_insert(&record(2, "52:54:00:00:00:02"), &[], &[], NOW).await.unwrap();
    let (mut next, events) = step(&first, 1);
    next.name = "m2".into();
    let error = store.machine_update(&first, &next, &[], &events, NOW).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Taken { field: "name", what, .. } if what.contains("m2")),
        "{error}"
    );
    assert_eq!(written(&store).await, (0, 0));
    assert_eq!(stored(&store, &first).await, first);
}

#[tokio::test]
async fn a_constraint_in_the_midst_takes_back_what_was_before_it() {
    let (_folder, store) = store().await;
    let first = record(1, MAC);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let (next, events) = step(&first, 1);
    let mut batch = Batch::new();
    machine::add_update(&mut batch, &first, &next);
    batch.add(Part::Instance, |text| {
        text.push("INSERT INTO machine_mac (mac, machine) VALUES (").push_bind(MAC).push(", 'nobody')");
    });
    event::add(&mut batch, &events, NOW);
    let failed = store.writer.write(batch).await.unwrap_err();
    assert_eq!(failed.part, Part::Instance, "{failed:?}");
    assert!(failed.error.as_database_error().unwrap().is_unique_violation(), "{failed:?}");
    assert_eq!(written(&store).await, (0, 0));
    assert_eq!(stored(&store, &first).await, first);
    assert_eq!(store.machine_update(&first, &next, &[], &events, NOW).await.unwrap(), Swap::Updated);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_all_or_nothing() {
    let (_folder, store) = store().await;
    store.machine_insert(&record(1, MAC), &[], &[], NOW).await.unwrap();
    let mut known = stored(&store, &record(1, MAC)).await;
    let (mut jobs, mut finished) = (0, 0);
    for polls in 0..60 {
        let (next, events) = step(&known, 100 + polls);
        {
            let mut write = Box::pin(store.machine_update(&known, &next, &[], &events, NOW));
            for _ in 0..polls {
                if poll_immediate(&mut write).await.is_some() {
                    finished += 1;
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Waits for its turn, which comes once what was begun has ended or was taken back.
        drop(store.writer.get().await.unwrap());
        let now = stored(&store, &known).await;
        let through = now.version > known.version;
        assert_eq!(now.machine.job == next.machine.job, through, "{polls}");
        jobs += i64::from(through);
        assert_eq!(written(&store).await, (jobs, 2 * jobs), "{polls}");
        assert_eq!(store.machine_get(known.id()).await.unwrap().unwrap(), now, "{polls}");
        known = now;
    }
    let (next, events) = step(&known, 1000);
    assert_eq!(store.machine_update(&known, &next, &[], &events, NOW).await.unwrap(), Swap::Updated);
    assert!(finished < 60);
}

#[tokio::test]
async fn a_machine_is_read_from_memory_until_somebody_else_may_have_written_it() {
    let (_folder, store) = store().await;
    let first = record(1, MAC);
    let rename = async |name: &str| {
        let text = "UPDATE machine SET name = $1";
        sqlx::query(text).bind(name).execute(store.writer.get().await.unwrap().conn()).await.unwrap();
    };
    let name = async || store.machine_get(first.id()).await.unwrap().map(|record| record.name);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    rename("new").await;
    assert_eq!(name().await.as_deref(), Some("m1"));

    let first = stored(&store, &first).await;
    let (next, events) = step(&first, 1);
    store.machine_update(&first, &next, &[], &events, NOW).await.unwrap();
    rename("behind our back").await;
    assert_eq!(name().await.as_deref(), Some("new"));
    // Who is refused reads what is so.
    assert_eq!(store.machine_update(&first, &next, &[], &events, NOW).await.unwrap(), Swap::Stale);
    assert_eq!(name().await.as_deref(), Some("behind our back"));

    let second = stored(&store, &first).await;
    let (next, events) = step(&second, 2);
    store.machine_update(&second, &next, &[], &events, NOW).await.unwrap();
    rename("by another process").await;
    assert_eq!(name().await.as_deref(), Some("behind our back"));
    store.recent.processes(2);
    assert_eq!(name().await.as_deref(), Some("by another process"));
    store.recent.processes(1);

    let third = stored(&store, &first).await;
    let mut next = third.clone();
    next.machine.job.as_mut().unwrap().ended = Some(NOW);
    store.machine_update(&third, &next, &[], &[], NOW).await.unwrap();
    rename("at rest").await;
    assert_eq!(name().await.as_deref(), Some("by another process"), "one whose job ended is kept as well");
    let last = stored(&store, &first).await;
    assert_eq!(store.machine_delete(&last, &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(name().await, None);
}
