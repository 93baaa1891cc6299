//! What only a server does: it goes away, loses answers, lets others in between, and knows who serves.

use super::{
    super::db::{Conn, Locks, Target, sql},
    *,
};
use crate::samples;
use futures::future::join_all;
use provisioner_api::{JobKind, MachineId};
use pxe::leases::Reservation;
use std::{net::Ipv4Addr, sync::atomic::Ordering};
use tests_postgres::{AtCommit, Database, Relay, Server};

async fn behind_relay() -> (Relay, Database, Store) {
    let server = Server::shared().await.unwrap();
    let relay = Relay::start(&server).await.unwrap();
    let database = server.database().await.unwrap();
    let store = Store::open_server(&relay.url(&database).unwrap().parse().unwrap()).await.unwrap();
    (relay, database, store)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_as_unknown_and_is_done_once_or_not_at_all() {
    let (relay, _database, store) = behind_relay().await;
    let before = record(1, "52:54:00:00:00:01");
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    let mut known = before;
    for (act, done) in [(AtCommit::DropBefore, false), (AtCommit::DropAfter, true)] {
        let machine = observe(
            &known.machine,
            &Fact::Netboot,
            NOW.checked_add(SignedDuration::from_secs(u64::from(done) as i64 + 1)).unwrap(),
        );
        let next = known.with(machine);
        let events = [NewEvent::machine(known.id(), "boot", "it boots")];
        relay.once(act);
        let error = store.machine_update(&known, &next, &[], &events, NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
        let stored = store.machine_get(known.id()).await.unwrap().unwrap();
        assert_eq!(stored.version > known.version, done, "{act:?}");
        let told = store.event_newest(EventsOf::Machine(known.id()), 9).await.unwrap();
        assert_eq!(told.len(), usize::from(done), "{act:?}");
        // Whoever does it again finds what is so.
        let again = store.machine_update(&known, &next, &[], &events, NOW).await.unwrap();
        assert_eq!(again, if done { Swap::Stale } else { Swap::Updated }, "{act:?}");
        known = store.machine_get(known.id()).await.unwrap().unwrap();
        assert_eq!(known.machine.facts.netboot, next.machine.facts.netboot, "{act:?}");
        store
            .event_prune(Timestamp::now().checked_add(SignedDuration::from_hours(1)).unwrap(), 9)
            .await
            .unwrap();
    }
    // The same of a transaction that takes several questions.
    let second = record(2, "52:54:00:00:00:02");
    relay.once(AtCommit::DropAfter);
    let error = store.machine_insert(&second, &[password(&second)], &[], NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
    let again = store.machine_insert(&second, &[password(&second)], &[], NOW).await.unwrap_err();
    assert!(matches!(again, StoreError::Taken { .. }), "{again:?}");
    store.close().await;
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    let server = Server::start().await.unwrap();
    let database = server.database().await.unwrap();
    let options = database.url().parse().unwrap();
    let store = Store::open_server(&options).await.unwrap();
    let before = record(1, "52:54:00:00:00:01");
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    for stop in [true, false] {
        if stop {
            server.stop().await.unwrap();
        } else {
            server.kill().await.unwrap();
        }
        let error = store.machine_get(before.id()).await.unwrap_err();
        assert!(matches!(error, StoreError::Database(_)) && !error.is_damage(), "{error:?}");
        assert!(store.event_insert(&[NewEvent::machine(before.id(), "boot", "x")], NOW).await.is_err());
        server.start_again().await.unwrap();
        // A connection that was used a moment ago is believed to live, once.
        let found = match store.machine_get(before.id()).await {
            Err(error) if error.is_lost() => store.machine_get(before.id()).await,
            found => found,
        };
        assert_eq!(found.unwrap().as_ref(), Some(&before));
        let told = || [NewEvent::machine(before.id(), "boot", "y")];
        let written = match store.event_insert(&told(), NOW).await {
            Err(error) if error.is_lost() => store.event_insert(&told(), NOW).await,
            written => written,
        };
        written.unwrap();
    }
    let newest = || store.event_newest(EventsOf::Machine(before.id()), 9);
    // It is the first question on that connection, which was opened a moment ago.
    let told = match newest().await {
        Err(error) if error.is_lost() => newest().await,
        told => told,
    };
    assert_eq!(told.unwrap().len(), 2);
    store.close().await;
}

#[tokio::test]
async fn many_serve_but_not_beside_a_process_that_knows_of_no_others() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let options = database.url().parse().unwrap();
    assert!(!Store::is_on_server(&options).await.unwrap());
    let stores = [Store::open_server(&options).await.unwrap(), Store::open_server(&options).await.unwrap()];
    assert!(Store::is_on_server(&options).await.unwrap());
    // As versions without replicas do.
    let key: i64 = 0x6269_6c6c_6574;
    let alone = || sql("SELECT pg_try_advisory_lock($1)").bind(key);
    let mut older = Conn::open(Target::server(&options)).await.unwrap();
    assert!(!alone().scalar::<bool>(&mut older).await.unwrap());
    for store in &stores {
        store.close().await;
    }
    while !alone().scalar::<bool>(&mut older).await.unwrap() {
        // The server closes connections when it gets to it.
        tokio::task::yield_now().await;
    }
    assert!(Locks::open(Target::server(&options), Duration::ZERO).await.unwrap().is_none());
    older.close().await.unwrap();
    Locks::open(Target::server(&options), PATIENCE).await.unwrap().unwrap().close().await;
}

#[tokio::test]
async fn a_lock_is_one_processs_until_it_lets_go_or_dies() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let options = database.url().parse().unwrap();
    let [one, two] =
        [Store::open_server(&options).await.unwrap(), Store::open_server(&options).await.unwrap()];
    assert!(one.lock_elsewhere("deed a").await.unwrap());
    assert!(!two.lock_elsewhere("deed a").await.unwrap());
    assert!(two.lock_elsewhere("deed b").await.unwrap(), "another name");
    one.unlock_elsewhere("deed a").await.unwrap();
    assert!(two.lock_elsewhere("deed a").await.unwrap());
    two.close().await;
    while !one.lock_elsewhere("deed a").await.unwrap() {
        tokio::task::yield_now().await;
    }
    one.close().await;
}

#[tokio::test]
async fn transactions_that_meet_are_done_again() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
    for round in 0..10_u8 {
        let reserve = |last: u8| {
            let reservation =
                Reservation { mac: [0, 0, 0, 0, round, last], address: Ipv4Addr::new(10, 0, round, last) };
            store.reservation_insert("lab", reservation)
        };
        for done in join_all((0..3).map(reserve)).await {
            assert!(done.unwrap());
        }
    }
    assert_eq!(store.reservation_list("lab").await.unwrap().len(), 30);
    // Each raised the version.
    assert_eq!(store.replica_beat("r", 1000, None).await.unwrap().reservations.unwrap().0, 30);
    store.close().await;
}

#[tokio::test]
async fn machines_and_their_instances_change_at_once_though_many_write() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
    store.image_insert(&samples::image()).await.unwrap();
    let change = async |number: u8| {
        let first = record(number.into(), &format!("52:54:00:00:01:{number:02x}"));
        store.machine_insert(&first, &[password(&first)], &[], NOW).await.unwrap();
        store.instance_insert(&samples::instance(number.into()), None, &[], NOW).await.unwrap();
        let mut known = store.machine_get(first.id()).await.unwrap().unwrap();
        for second in 0..5 {
            let at = NOW.checked_add(SignedDuration::from_secs(second)).unwrap();
            let next = known.with(observe(&known.machine, &Fact::Netboot, at));
            let events = [NewEvent::machine(known.id(), "boot", "a\0b")];
            assert_eq!(store.machine_update(&known, &next, &[], &events, NOW).await.unwrap(), Swap::Updated);
            // The same once more comes too late.
            assert_eq!(store.machine_update(&known, &next, &[], &events, NOW).await.unwrap(), Swap::Stale);
            known = store.machine_get(first.id()).await.unwrap().unwrap();
        }
        assert_eq!(store.event_newest(EventsOf::Machine(first.id()), 9).await.unwrap().len(), 5);
    };
    join_all((1..20).map(change)).await;
    store.close().await;
}

#[tokio::test]
async fn what_was_missed_is_forgiven_while_all_agents_write() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
    let mut machines = Vec::new();
    for number in 1..=8_u8 {
        let before = record(number.into(), &format!("52:54:00:00:02:{number:02x}"));
        store.machine_insert(&before, &[], &[], NOW).await.unwrap();
        let mut after = before.clone();
        after.machine.job = Some(samples::job(number.into(), JobKind::Inspect, Vec::new()));
        store.machine_update(&before, &after, &[], &[], NOW).await.unwrap();
        machines.push(before.id());
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    let written = std::sync::atomic::AtomicU32::new(0);
    let agent = async |id: MachineId| {
        for second in 0.. {
            if done.load(Ordering::Relaxed) {
                return;
            }
            let known = store.machine_get(id).await.unwrap().unwrap();
            let at = NOW.checked_add(SignedDuration::from_secs(second)).unwrap();
            let next = known.with(observe(&known.machine, &Fact::AgentSeen, at));
            // The one or the other is first.
            store.machine_update(&known, &next, &[], &[], at).await.unwrap();
            written.fetch_add(1, Ordering::Relaxed);
        }
    };
    let forgiving = async {
        for second in 0..10_000 {
            // However the two take turns: both have to have had many.
            if second >= 30 && written.load(Ordering::Relaxed) >= 30 {
                break;
            }
            let at = |second| NOW.checked_add(SignedDuration::from_secs(second)).unwrap();
            store.machines_missed(at(100 * second), at(100 * second + 50)).await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
    };
    futures::future::join(join_all(machines.into_iter().map(agent)), forgiving).await;
    assert!(written.load(Ordering::Relaxed) >= 30, "agents wrote meanwhile");
    store.close().await;
}

#[tokio::test]
async fn an_outage_is_not_forgotten_by_the_process_that_could_not_write_it_down() {
    let (relay, database, store) = behind_relay().await;
    let clock = |store: &Store, second: i64| store.clock.store(second * 1000, Ordering::Relaxed);
    clock(&store, 100);
    store.machines_listen(NOW).await.unwrap();
    store.close().await;
    let options = relay.url(&database).unwrap().parse().unwrap();
    // It dies at its first word, and says at its end that it leaves.
    let store = Store::open_server(&options).await.unwrap();
    clock(&store, 1000);
    relay.once(AtCommit::DropBefore);
    assert!(store.machines_listen(NOW).await.unwrap_err().is_unknown());
    store.replica_beat("r", 20_000, None).await.unwrap();
    store.replica_leave("r").await.unwrap();
    store.close().await;
    let store = Store::open_server(&options).await.unwrap();
    let last: i64 =
        sql("SELECT last FROM alive").scalar(&mut store.reader.get().await.unwrap()).await.unwrap();
    assert_eq!(last, 100_000);
    store.close().await;
}
