//! Several statements of one write: all or nothing, whatever fails and whoever stops waiting; and what is kept of it
//! in memory.

use super::{super::*, NOW, jobs::job, on_both, record, store};
use crate::store::{
    batch::{self, Batch, Part},
    db::sql,
};
use futures::future::poll_immediate;
use proptest::prelude::*;
use provisioner_api::MachineState;
use rusqlite::Connection;

on_both! {
    a_stale_batch_leaves_neither_job_nor_event
    what_is_taken_is_named_and_nothing_stays
    a_constraint_in_the_midst_takes_back_what_was_before_it
}

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
    let mut lent = store.writer.get().await.unwrap();
    let jobs = sql("SELECT COUNT(*) FROM job").scalar(&mut lent).await.unwrap();
    (jobs, sql("SELECT COUNT(*) FROM event").scalar(&mut lent).await.unwrap())
}

/// What the database says, whatever is kept.
async fn stored(store: &Store, record: &MachineRecord) -> MachineRecord {
    store.machine_find(&record.id().to_string()).await.unwrap().unwrap()
}

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

async fn a_constraint_in_the_midst_takes_back_what_was_before_it() {
    let (_folder, store) = store().await;
    let first = record(1, MAC);
    store.machine_insert(&first, &[], &[], NOW).await.unwrap();
    let (next, events) = step(&first, 1);
    let mut batch = Batch::new();
    machine::add_update(
        &mut batch,
        &first,
        &next,
        &super::super::erasure::Ended::none(&first, &next).unwrap(),
    );
    batch.add(Part::Instance, |text| {
        text.push("INSERT INTO machine_mac (mac, machine) VALUES (").push_bind(MAC).push(", 'nobody')");
    });
    event::add(&mut batch, &events, NOW);
    let failed = store.writer.write(batch).await.unwrap_err();
    assert_eq!(failed.part, Part::Instance, "{failed:?}");
    assert_eq!(failed.error.kind(), DbErrorKind::Unique, "{failed:?}");
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
        sql(text).bind(name).execute(store.writer.get().await.unwrap().conn()).await.unwrap();
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

#[test]
fn audit_entries_whose_head_can_not_be_moved_are_taken_back() {
    let mut conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "CREATE TABLE audit (seq INTEGER PRIMARY KEY, content TEXT NOT NULL, hash TEXT NOT NULL);
         CREATE TABLE audit_head (one INTEGER PRIMARY KEY, entries INTEGER NOT NULL, hash TEXT NOT NULL);
         INSERT INTO audit_head VALUES (1, 0, '0');
         CREATE TABLE told (id INTEGER PRIMARY KEY, what INTEGER NOT NULL);
         CREATE TRIGGER stuck BEFORE UPDATE ON audit_head BEGIN SELECT RAISE(ABORT, 'stuck'); END",
    )
    .unwrap();
    let audit = || {
        let mut batch = Batch::new();
        // More than one statement holds.
        batch.audit(&vec![crate::samples::audit("ci"); 120]);
        batch
    };
    let mut tell = Batch::new();
    Deed::Tell(7).put(&mut tell);
    let mut both = Batch::new();
    Deed::Tell(8).put(&mut both);
    both.audit(&[crate::samples::audit("ci")]);
    let answers = batch::commit(&mut conn, &[audit(), tell, both]).unwrap();
    assert!(matches!(&answers[..], [Err(_), Ok(_), Err(_)]), "{answers:?}");
    assert!(matches!(&batch::commit(&mut conn, &[audit()]).unwrap()[..], [Err(_)]));
    let count = |conn: &Connection, text: &str| conn.query_row(text, (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&conn, "SELECT COUNT(*) FROM audit"), 0);
    assert_eq!(count(&conn, "SELECT SUM(what) FROM told"), 7);
    conn.execute_batch("DROP TRIGGER stuck").unwrap();
    assert!(matches!(&batch::commit(&mut conn, &[audit()]).unwrap()[..], [Ok(_)]));
    assert_eq!(count(&conn, "SELECT entries FROM audit_head"), 120);
}

/// One statement of a batch on three rows, which each have a version and, if they like, one of three names.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// A compare-and-set.
    Swap { row: usize, version: i64 },
    /// Gives a row a name, which another one may have.
    Name { row: usize, name: i64 },
    /// Tells.
    Tell(i64),
}

impl Deed {
    fn put(self, batch: &mut Batch) {
        match self {
            Self::Swap { row, version } => batch.swap(Part::Machine, |text| {
                text.push("UPDATE thing SET version = version + 1 WHERE id = ").push_bind(row as i64);
                text.push(" AND version = ").push_bind(version);
            }),
            Self::Name { row, name } => batch.add(Part::Instance, |text| {
                text.push("UPDATE thing SET name = ").push_bind(name);
                text.push(" WHERE id = ").push_bind(row as i64);
            }),
            Self::Tell(what) => batch.add(Part::Rest, |text| {
                text.push("INSERT INTO told (what) VALUES (").push_bind(what).push(")");
            }),
        }
    }
}

/// What the rows are like, and what was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Things {
    rows: [(i64, Option<i64>); 3],
    told: Vec<i64>,
}

impl Things {
    /// Does all of it or nothing.
    fn apply(&mut self, deeds: &[Deed]) -> Result<Swap, Part> {
        let mut next = self.clone();
        for deed in deeds {
            match *deed {
                Deed::Swap { row, version } if next.rows[row].0 == version => next.rows[row].0 += 1,
                Deed::Swap { .. } => return Ok(Swap::Stale),
                Deed::Name { row, name } => {
                    let taken = |(other, known): (usize, &(i64, _))| other != row && known.1 == Some(name);
                    if next.rows.iter().enumerate().any(taken) {
                        return Err(Part::Instance);
                    }
                    next.rows[row].1 = Some(name);
                }
                Deed::Tell(what) => next.told.push(what),
            }
        }
        *self = next;
        Ok(Swap::Updated)
    }

    fn stored(conn: &Connection) -> Self {
        let mut things = Self::default();
        let mut rows = conn.prepare("SELECT version, name FROM thing ORDER BY id").unwrap();
        let rows = rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        things.rows.iter_mut().zip(rows).for_each(|(known, row)| *known = row.unwrap());
        let mut told = conn.prepare("SELECT what FROM told ORDER BY id").unwrap();
        things.told = told.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        things
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0..3_usize, 0..3_i64).prop_map(|(row, version)| Deed::Swap { row, version }),
        (0..3_usize, 0..3_i64).prop_map(|(row, name)| Deed::Name { row, name }),
        any::<i64>().prop_map(Deed::Tell),
    ]
}

proptest! {
    #[test]
    fn a_group_is_as_if_each_batch_came_alone(
        groups in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(deed(), 0..4), 1..6),
            1..5,
        ),
    ) {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE thing (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, name INTEGER UNIQUE);
             CREATE TABLE told (id INTEGER PRIMARY KEY, what INTEGER NOT NULL);
             INSERT INTO thing (id, version) VALUES (0, 0), (1, 0), (2, 0)",
        )
        .unwrap();
        let mut expected = Things::default();
        for group in &groups {
            let batches: Vec<_> = group
                .iter()
                .map(|deeds| {
                    let mut batch = Batch::new();
                    deeds.iter().for_each(|deed| deed.put(&mut batch));
                    batch
                })
                .collect();
            let answers = batch::commit(&mut conn, &batches).unwrap();
            let answers: Vec<_> = answers
                .into_iter()
                .map(|answer| answer.map(|written| written.swap).map_err(|failed| failed.part))
                .collect();
            let wanted: Vec<_> = group.iter().map(|deeds| expected.apply(deeds)).collect();
            prop_assert_eq!(answers, wanted);
            prop_assert_eq!(&Things::stored(&conn), &expected);
        }
    }
}
