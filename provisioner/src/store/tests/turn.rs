//! The turn on a server: who has it, and that nobody else writes as the leader. The rules have tests of their own
//! (`provisioner_lifecycle`); here are the statements, and their order among each other.

use super::{super::db::is_conflict, *};
use futures::future::join_all;
use provisioner_lifecycle::{Pace, Taking, Turn, may_take, renew};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tests_postgres::Server;

const PACE: Pace = Pace {
    lease: SignedDuration::from_secs(12),
    effect: SignedDuration::from_secs(8),
    leave: SignedDuration::from_secs(2),
};

fn process(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

async fn on_server() -> (tests_postgres::Database, Store) {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
    (database, store)
}

/// What a look allows, at this second of the database's clock.
async fn taking(store: &Store, me: Uuid, second: i64) -> Option<Taking<Uuid>> {
    store.clock.store(second * 1000, Ordering::SeqCst);
    let seen = store.turn_look().await.unwrap().unwrap();
    may_take(&seen.turn, me, seen.clock, &PACE).ok()
}

async fn take(store: &Store, me: Uuid, second: i64) -> Option<Turn<Uuid>> {
    let taking = taking(store, me, second).await?;
    store.turn_take(&taking).await.unwrap().then_some(taking.turn)
}

#[tokio::test]
async fn a_turn_is_taken_renewed_given_up_and_lost() {
    let (_database, store) = on_server().await;
    let (a, b) = (process(1), process(2));
    let first = take(&store, a, 100).await.unwrap();
    assert_eq!((first.term, first.holder), (1, Some(a)));
    assert_eq!(taking(&store, b, 111).await, None, "the lease lasts");
    // Somebody looked when it was over, but it was renewed since.
    let late = taking(&store, b, 112).await.unwrap();
    let longer = renew(&first, a, 1, Timestamp::from_second(112).unwrap(), &PACE).unwrap();
    assert!(store.turn_renew(&longer).await.unwrap());
    assert!(!store.turn_take(&late).await.unwrap(), "a lease is never cut short");
    // A late renewal makes nothing shorter.
    assert!(store.turn_renew(&first).await.unwrap());
    assert_eq!(store.turn_look().await.unwrap().unwrap().turn, longer);
    assert!(!store.turn_give_up(1, b).await.unwrap(), "it is not its own");
    assert!(store.turn_give_up(1, a).await.unwrap());
    let second = take(&store, b, 113).await.unwrap();
    assert_eq!(second.term, 2);
    assert!(!store.turn_renew(&longer).await.unwrap(), "it is another's");
    assert!(!store.turn_give_up(1, a).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn of_many_who_take_the_turn_at_once_one_gets_it() {
    let (_database, store) = on_server().await;
    for round in 1..20_i64 {
        let takings = join_all((1..6).map(|me| taking(&store, process(me), round * 100))).await;
        let done = join_all(takings.iter().flatten().map(|taking| store.turn_take(taking))).await;
        assert_eq!(done.into_iter().filter(|done| *done.as_ref().unwrap()).count(), 1, "{round}");
        assert_eq!(store.turn_look().await.unwrap().unwrap().turn.term, round as u64);
    }
    store.close().await;
}

/// Each way in which the leader writes: single, several at once, in one transaction, and pruning.
async fn write_all(led: &Store, known: &MachineRecord, second: i64) -> Vec<Result<(), StoreError>> {
    let at = NOW.checked_add(SignedDuration::from_secs(second)).unwrap();
    let next = known.with(observe(&known.machine, &Fact::Netboot, at));
    let event = [NewEvent::machine(known.id(), "boot", "written by the leader")];
    let secret = password(known);
    vec![
        led.machine_update(known, &next, &[], &event, NOW).await.map(drop),
        led.machine_update(known, &next, std::slice::from_ref(&secret), &event, NOW).await.map(drop),
        led.event_insert(&event, NOW).await,
        led.secret_put(known.id(), &[secret], &event, NOW).await.map(drop),
        led.instances_wait(&[(samples::instance(1), Some(event[0].clone()))], NOW).await,
        led.machines_missed(NOW, at).await,
        led.machines_listen(at).await.map(drop),
        led.job_prune(NOW).await,
        led.window_prune(NOW, NOW).await,
        led.event_prune(NOW, 9).await,
        led.boot_trace_prune(0, 9).await,
    ]
}

#[tokio::test]
async fn whoever_does_not_lead_any_more_writes_nothing() {
    let (_database, store) = on_server().await;
    let before = record(1, "52:54:00:00:00:01");
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    let first = take(&store, process(1), 100).await.unwrap();
    let led = store.led(first.term);
    for done in write_all(&led, &before, 1).await {
        done.unwrap();
    }
    take(&store, process(2), 200).await.unwrap();
    let (known, told) = (
        store.machine_get(before.id()).await.unwrap().unwrap(),
        store.event_newest(EventsOf::Machine(before.id()), 99).await.unwrap(),
    );
    for (place, done) in write_all(&led, &known, 2).await.into_iter().enumerate() {
        assert!(done.as_ref().is_err_and(StoreError::is_not_leading), "{place}: {done:?}");
    }
    assert_eq!(store.machine_get(before.id()).await.unwrap().unwrap(), known);
    assert_eq!(store.event_newest(EventsOf::Machine(before.id()), 99).await.unwrap(), told);
    // Who has only to answer writes as ever.
    store.event_insert(&[NewEvent::machine(before.id(), "boot", "x")], NOW).await.unwrap();
    // What takes no look at the term is not to be had.
    assert!(led.writer.get().await.is_err());
    store.close().await;
}

/// Leaders come and go while each writes on and on, paused wherever that is: what lands of a term landed before the next
/// one was taken.
#[tokio::test(flavor = "multi_thread")]
async fn no_write_of_a_term_lands_after_the_next_was_taken() {
    let (_database, store) = on_server().await;
    let before = record(1, "52:54:00:00:00:01");
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    // Raised when a taking is answered: a write that is begun after that must not land.
    let taken = AtomicU64::new(0);
    let (landed, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let write = async |led: Store, term: u64| {
        let event = [NewEvent::machine(before.id(), "boot", format!("term {term}"))];
        for number in 0.. {
            let late = taken.load(Ordering::SeqCst) > term;
            let done = if number % 2 == 0 {
                led.event_insert(&event, NOW).await
            } else {
                led.secret_put(before.id(), &[password(&before)], &event, NOW).await.map(drop)
            };
            match done {
                Ok(()) => {
                    assert!(!late, "a write of term {term} landed late");
                    landed.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) if error.is_not_leading() => {
                    refused.fetch_add(1, Ordering::SeqCst);
                    if late && number > 4 {
                        return;
                    }
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let lead = async {
        for round in 1..=40_i64 {
            let turn = take(&store, process(round as u128), round * 100).await.unwrap();
            taken.store(turn.term, Ordering::SeqCst);
            // Renewals come between, and wait for nobody.
            assert!(store.turn_renew(&turn).await.unwrap());
            let event = [NewEvent::machine(before.id(), "boot", "the leader's")];
            store.led(turn.term).event_insert(&event, NOW).await.unwrap();
        }
        // The last of them may write on until one landed.
        while landed.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        take(&store, process(99), 99_999).await.unwrap();
        taken.store(u64::MAX, Ordering::SeqCst);
    };
    let writers = join_all((1..=40).map(|term| write(store.led(term), term)));
    futures::future::join(lead, writers).await;
    assert!(refused.load(Ordering::SeqCst) >= 40, "each term was refused in the end");
    assert!(landed.load(Ordering::SeqCst) > 0, "some landed while it lasted");
    store.close().await;
}

#[tokio::test]
async fn whose_turn_it_is_waits_for_what_the_last_leader_is_committing() {
    let (_database, store) = on_server().await;
    let first = take(&store, process(1), 100).await.unwrap();
    let mut writing = store.led(first.term).writer.begin().await.unwrap();
    let next = taking(&store, process(2), 200).await.unwrap();
    let mut taken = std::pin::pin!(store.turn_take(&next));
    // Its renewal would not wait, whoever holds what.
    assert!(store.turn_look().await.unwrap().is_some());
    assert!(futures::poll!(&mut taken).is_pending());
    super::super::event::insert_on_conn(
        &mut writing,
        &[NewEvent::machine(record(1, "").id(), "boot", "the last word")],
        NOW,
    )
    .await
    .unwrap();
    assert!(futures::poll!(&mut taken).is_pending(), "it waits");
    writing.commit().await.unwrap();
    assert!(taken.await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn beside_a_file_there_is_no_turn_and_nothing_to_compare() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("billet.db")).await.unwrap();
    assert!(!store.is_shared());
    assert_eq!(store.turn_look().await.unwrap(), None);
    let before = record(1, "52:54:00:00:00:01");
    let led = store.led(1);
    led.machine_insert(&before, &[], &[], NOW).await.unwrap();
    for done in write_all(&led, &before, 1).await {
        done.unwrap();
    }
    assert!(store.lock_elsewhere("deed a").await.unwrap());
    store.close().await;
}
