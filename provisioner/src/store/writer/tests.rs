//! What is committed together stays apart: what each is answered is so, whatever becomes of the others.

use super::*;
use crate::{
    samples::{self, NOW},
    store::{EventsOf, MachineRecord, NewEvent, Store, StoreError, Swap},
};
use futures::future::{join, join_all, poll_immediate};
use jiff::SignedDuration;
use proptest::prelude::*;
use provisioner_api::JobKind;
use tempfile::TempDir;

async fn open(folder: &TempDir) -> Store {
    Store::open(&folder.path().join("billet.db")).await.unwrap()
}

/// A store with so many machines, as they are stored.
async fn machines(folder: &TempDir, count: u128) -> (Store, Vec<MachineRecord>) {
    let store = open(folder).await;
    let mut records = Vec::new();
    for number in 1..=count {
        let record = samples::machine(number);
        store.machine_insert(&record, &[], &[], NOW).await.unwrap();
        records.push(record);
    }
    (store, records)
}

/// The machine with a new job, and two lines that tell of it.
fn step(before: &MachineRecord, number: u128) -> (MachineRecord, Vec<NewEvent>) {
    let mut next = before.clone();
    next.machine.job = Some(samples::job(number, JobKind::Inspect, Vec::new()));
    (next, vec![NewEvent::machine(before.id(), "step", number.to_string()); 2])
}

async fn write(store: &Store, before: &MachineRecord, number: u128) -> Result<Swap, StoreError> {
    let (next, events) = step(before, number);
    store.machine_update(before, &next, &[], &events, NOW).await
}

/// How many lines of a machine's timeline say this.
async fn told(store: &Store, record: &MachineRecord, number: u128) -> usize {
    let events = store.event_newest(EventsOf::Machine(record.id()), 10_000).await.unwrap();
    events.iter().filter(|event| event.message == number.to_string()).count()
}

async fn stored(store: &Store, record: &MachineRecord) -> MachineRecord {
    store.machine_find(&record.id().to_string()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_few_transactions_and_all_are_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = machines(&folder, 20).await;
    let (before, each) = (store.writer.begun(), 10);
    let write_all = |record: MachineRecord| {
        let store = &store;
        async move {
            let mut record = record;
            for number in 0..each {
                assert_eq!(
                    write(store, &record, 1000 * record.id().0.as_u128() + number).await.unwrap(),
                    Swap::Updated
                );
                record = store.machine_get(record.id()).await.unwrap().unwrap();
            }
        }
    };
    join_all(records.iter().cloned().map(write_all)).await;
    let groups = store.writer.begun() - before;
    assert!(groups <= 100, "{groups} transactions for 200 writes");
    store.close().await;

    let store = open(&folder).await;
    for record in &records {
        assert_eq!(stored(&store, record).await.version, 1 + each as u64);
        for number in 0..each {
            assert_eq!(told(&store, record, 1000 * record.id().0.as_u128() + number).await, 2);
        }
    }
}

#[tokio::test]
async fn who_is_refused_or_too_late_takes_nobody_along() {
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = machines(&folder, 5).await;
    let [first, late, named, orphan, last] = records.as_slice() else { unreachable!() };
    assert_eq!(write(&store, late, 1).await.unwrap(), Swap::Updated);
    let before = store.writer.begun();

    let (mut next, events) = step(named, 12);
    next.name = first.name.clone();
    let taken = store.machine_update(named, &next, &[], &events, NOW);
    let mut batch = Batch::new();
    batch.add(Part::Rest, |text| {
        text.push("DELETE FROM machine WHERE id = ").push_bind(orphan.id().to_string());
    });
    batch.add(Part::Instance, |text| {
        text.push("INSERT INTO machine_mac (mac, machine) VALUES ");
        text.push_row(["52:54:00:00:00:01".into(), "nobody".into()]);
    });
    let orphaned = store.writer.write(batch);
    let ((a, stale), (taken, (orphaned, b))) = join(
        join(write(&store, first, 10), write(&store, late, 11)),
        join(taken, join(orphaned, write(&store, last, 13))),
    )
    .await;

    assert_eq!((a.unwrap(), stale.unwrap(), b.unwrap()), (Swap::Updated, Swap::Stale, Swap::Updated));
    assert!(matches!(taken.unwrap_err(), StoreError::Taken { field: "name", .. }));
    let orphaned = orphaned.unwrap_err();
    assert_eq!(orphaned.part, Part::Instance);
    assert_eq!(orphaned.error.kind(), DbErrorKind::ForeignKey, "{orphaned:?}");
    assert_eq!(store.writer.begun() - before, 1, "they were one transaction");
    let versions = async |record| stored(&store, record).await.version;
    assert_eq!((versions(first).await, versions(late).await, versions(named).await), (2, 2, 1));
    assert_eq!((versions(orphan).await, versions(last).await), (1, 2));
    let lines = (told(&store, first, 10).await, told(&store, late, 11).await, told(&store, named, 12).await);
    assert_eq!((lines, told(&store, last, 13).await), ((2, 0, 0), 2));
    for record in &records {
        assert_eq!(store.machine_get(record.id()).await.unwrap().unwrap(), stored(&store, record).await);
    }
}

#[tokio::test]
async fn of_two_that_change_the_same_the_first_does() {
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = machines(&folder, 1).await;
    let before = store.writer.begun();
    // Facts alone are one statement; with a job it is several.
    let mut alone = records[0].clone();
    alone.machine.want.maintenance = true;
    let alone = store.machine_update(&records[0], &alone, &[], &[], NOW);
    let (first, second) = join(alone, write(&store, &records[0], 2)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Swap::Updated, Swap::Stale));
    let (next, known) = (stored(&store, &records[0]).await, &records[0]);
    let (first, second) = join(write(&store, &next, 3), write(&store, &next, 4)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Swap::Updated, Swap::Stale));
    assert_eq!(store.writer.begun() - before, 2);
    assert_eq!(
        (told(&store, known, 2).await, told(&store, known, 3).await, told(&store, known, 4).await),
        (0, 2, 0)
    );
    assert_eq!(store.machine_get(known.id()).await.unwrap().unwrap(), stored(&store, known).await);
}

#[tokio::test]
async fn a_broken_connection_is_told_to_all_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = machines(&folder, 2).await;
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let broken = Connection::open_with_flags(folder.path().join("billet.db"), flags).unwrap();
    store.writer.groups.as_ref().unwrap().queue().conn = Some(broken);
    let (first, second) = join(write(&store, &records[0], 1), write(&store, &records[1], 2)).await;
    for refused in [first, second] {
        let error = refused.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("readonly database"), "{cause}");
    }
    let (first, second) = join(write(&store, &records[0], 3), write(&store, &records[1], 4)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Swap::Updated, Swap::Updated));
}

#[tokio::test]
async fn a_full_disk_is_told_to_all_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = machines(&folder, 1).await;
    let [record] = records.as_slice() else { unreachable!() };
    let full = connect(&folder.path().join("billet.db")).unwrap();
    let pages: i64 = full.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    full.execute_batch(&format!("PRAGMA max_page_count = {pages}")).unwrap();
    store.writer.groups.as_ref().unwrap().queue().conn = Some(full);
    let long = [NewEvent::machine(record.id(), "long", "x".repeat(1 << 20))];
    let (first, second) = join(write(&store, record, 1), store.event_insert(&long, NOW)).await;
    for refused in [first.map(|_| ()), second] {
        let cause = std::error::Error::source(&refused.unwrap_err()).unwrap().to_string();
        assert!(cause.contains("full"), "{cause}");
    }
    assert_eq!(stored(&store, record).await, *record);
    assert_eq!(store.machine_get(record.id()).await.unwrap().unwrap(), *record);
    assert_eq!(told(&store, record, 1).await, 0);
    let (first, second) = join(write(&store, record, 2), store.event_insert(&long, NOW)).await;
    assert_eq!((first.unwrap(), second.unwrap()), (Swap::Updated, ()));
}

#[tokio::test]
async fn who_leads_no_more_leaves_what_waits_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let shared = store.writer.groups.as_ref().unwrap();
    let new = || {
        shared.queue().led = true;
        Leader { lanes: store.writer.lanes.clone(), shared: Arc::clone(shared), leads: true }
    };
    let mut first = new();
    assert!(first.next().is_none());
    // Between its last look and its end somebody writes, and another one leads.
    let second = new();
    let (answer, answered) = oneshot::channel();
    shared.queue().waiting.push_back(Member { write: Batch::new().into(), answer });
    drop(first);
    assert!(shared.queue().led);
    second.lead().await;
    assert_eq!(answered.await.unwrap().unwrap(), Written { swap: Swap::Updated, rows: 0 });

    // One that is stopped midway leaves nobody waiting.
    let stopped = new();
    let (answer, answered) = oneshot::channel();
    shared.queue().waiting.push_back(Member { write: Batch::new().into(), answer });
    drop(stopped);
    assert!(answered.await.is_err());
    store.event_insert(&[], NOW).await.unwrap();
}

#[test]
fn a_database_that_is_gone_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("billet.db");
    assert!(connect(&path).is_err());
    assert!(!path.exists());
}

#[test]
fn what_is_written_now_and_then_does_not_wait() {
    let (mut pace, mut now) = (Pace::default(), Instant::now());
    for _ in 0..3 {
        for _ in 0..AT_ONCE {
            assert_eq!(pace.next(now, 1), None);
            pace.gathered(1);
        }
        // From then on they are that far apart, however many want to.
        for _ in 0..20 {
            let due = pace.next(now, 1).unwrap();
            assert_eq!(due, now + SPACING);
            now = due;
            pace.gathered(PAYS);
        }
        // Those that come no faster than that never wait.
        now += SPACING * AT_ONCE;
        for _ in 0..20 {
            now += SPACING;
            assert_eq!(pace.next(now, 1), None);
            pace.gathered(1);
        }
        now += SPACING * AT_ONCE;
    }
}

/// How long so many writes take whose writers, each for itself, go on at once when theirs is answered.
fn one_after_the_other(pace: &mut Pace, writers: usize, mut now: Instant, writes: usize) -> Duration {
    let began = now;
    for _ in 0..writes / writers {
        now = pace.next(now, writers).unwrap_or(now);
        pace.gathered(writers);
        now += Duration::from_millis(1);
    }
    now - began
}

#[test]
fn who_writes_one_thing_after_the_other_does_not_wait_for_itself() {
    let start = Instant::now();
    for writers in 1..PAYS {
        let took = one_after_the_other(&mut Pace::default(), writers, start, 5000);
        assert!(took < Duration::from_millis(5000) * 5 / 4, "{took:?}");
    }
    // A group that has all that it can have doesn't wait for more.
    let took = one_after_the_other(&mut Pace::default(), MOST, start, 100 * MOST);
    assert_eq!(took, Duration::from_millis(100));
}

#[test]
fn commits_are_spaced_again_as_soon_as_several_write_at_once() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    let mut now = start + one_after_the_other(&mut pace, 1, start, 500);
    // Whatever was not waited for meanwhile, the first wait is no longer than the others.
    for _ in 0..AT_ONCE + 1 {
        now = pace.next(now, PAYS).unwrap_or(now);
        pace.gathered(PAYS);
    }
    for _ in 0..20 {
        let due = pace.next(now, PAYS).unwrap();
        assert!(due <= now + 2 * SPACING, "{:?}", due - now);
        now = due;
        pace.gathered(PAYS);
    }
}

#[tokio::test]
async fn closing_waits_for_what_was_handed_in() {
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = machines(&folder, 40).await;
    let mut writes: Vec<_> =
        records.iter().map(|record| Box::pin(write(&store, record, record.id().0.as_u128()))).collect();
    for write in &mut writes {
        assert!(poll_immediate(write).await.is_none());
    }
    store.close().await;
    for answer in join_all(writes).await {
        assert_eq!(answer.unwrap(), Swap::Updated);
    }
    assert!(write(&store, &records[0], 100).await.is_err(), "nothing is written after it");
    let store = open(&folder).await;
    for record in &records {
        assert_eq!(stored(&store, record).await.version, 2);
    }
}

#[tokio::test]
async fn booting_clients_are_never_told_what_was_before_a_write_whose_caller_went_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let mac = "52:54:00:00:00:01";
    let mut through = 0;
    for polls in 0..40 {
        let mut window = samples::window(&format!("w{polls}"), mac);
        window.opened = NOW + SignedDuration::from_secs(polls);
        {
            let mut write = Box::pin(store.window_insert(&window));
            for _ in 0..polls {
                if poll_immediate(&mut write).await.is_some() {
                    break;
                }
                // Asks, and so remembers, whenever it can; a write takes some of these.
                store.boot_discovery(mac, NOW).await.unwrap();
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
        drop(store.writer.get().await.unwrap());
        let newest = store.window_discovery(mac, NOW).await.unwrap();
        assert_eq!(store.boot_discovery(mac, NOW).await.unwrap(), newest, "{polls}");
        through += u32::from(newest.is_some_and(|newest| newest.id == window.id));
    }
    assert!(through > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Callers come in some order, and each goes away after having been asked so many times.
    #[test]
    fn what_was_answered_is_what_is_written(callers in proptest::collection::vec((0_usize..4, 0_u32..30), 1..80)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (store, records) = machines(&folder, 4).await;
            let call = |number: usize, machine: usize, polls: u32| {
                let (store, id) = (&store, records[machine].id());
                async move {
                    let before = store.machine_get(id).await.unwrap().unwrap();
                    let mut write = Box::pin(write(store, &before, 1000 + number as u128));
                    for _ in 0..polls {
                        if let Some(answer) = poll_immediate(&mut write).await {
                            return Some(answer.unwrap());
                        }
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    None
                }
            };
            let calls = callers.iter().enumerate().map(|(number, (machine, polls))| call(number, *machine, *polls));
            let answers = join_all(calls).await;
            store.close().await;
            let reopened = open(&folder).await;
            let mut versions = [1_u64; 4];
            for ((number, (machine, _)), answer) in callers.iter().enumerate().zip(&answers) {
                let lines = told(&reopened, &records[*machine], 1000 + number as u128).await;
                match answer {
                    Some(Swap::Updated) => assert_eq!(lines, 2),
                    Some(Swap::Stale) => assert_eq!(lines, 0),
                    None => assert!(lines == 0 || lines == 2, "{lines}"),
                }
                versions[*machine] += u64::from(lines > 0);
            }
            for (record, version) in records.iter().zip(versions) {
                let now = stored(&reopened, record).await;
                assert_eq!(now.version, version);
                assert_eq!(store.recent.machines.get(&record.id()).unwrap_or_else(|| now.clone()), now);
            }
        });
    }
}
