//! The engine against a store in memory, with clocks that stand still.

mod fake;

use super::*;
use fake::{Database, Replica};
use std::sync::mpsc;
use tokio_util::sync::CancellationToken;

const NETWORK: &str = "n";

fn mac(client: u8) -> Mac {
    [2, 0, 0, 0, 0, client]
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

/// 10.0.0.16 to 10.0.0.79: four blocks.
fn plan() -> Plan {
    Plan::new(&[SubnetPlan {
        address: at(0),
        prefix: 24,
        relay: None,
        ranges: vec![(at(16), at(79))],
        exclude: Vec::new(),
        own: vec![at(1)],
    }])
}

fn ask(client: u8) -> Ask {
    Ask {
        mac: mac(client),
        client_id: None,
        subnet: 0,
        requested: None,
        seconds: 600,
        relay: None,
        hostname: None,
        firmware: false,
        reserved_only: false,
    }
}

async fn open(replica: &Arc<Replica>) -> (Leases, Keeper) {
    let store = Arc::clone(replica) as Arc<dyn LeaseStore>;
    let clock = Arc::clone(replica) as Arc<dyn LeaseClock>;
    Leases::open(store, vec![(NETWORK.to_owned(), plan())], clock).await.unwrap()
}

/// Asks for an address; the outcome comes through the channel.
fn keep(leases: &Leases, client: u8, address: Ipv4Addr) -> (Keep, mpsc::Receiver<bool>) {
    let (sender, receiver) = mpsc::channel();
    let done = Box::new(move |stored| sender.send(stored).unwrap_or_default());
    (leases.keep(NETWORK, &ask(client), address, done), receiver)
}

/// A client gets an address, stored.
async fn lease(leases: &Leases, keeper: &mut Keeper, client: u8) -> Ipv4Addr {
    let address = leases.offer(NETWORK, &ask(client)).unwrap();
    let (kept, told) = keep(leases, client, address);
    assert_eq!(kept, Keep::Later);
    keeper.commit().await;
    assert_eq!(told.try_recv(), Ok(true));
    address
}

#[tokio::test]
async fn nobody_is_told_before_it_is_stored() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let address = leases.offer(NETWORK, &ask(1)).unwrap();
    assert_eq!(database.lease(address), None, "an offer binds nobody");
    let (kept, told) = keep(&leases, 1, address);
    assert_eq!((kept, told.try_recv()), (Keep::Later, Err(mpsc::TryRecvError::Empty)));
    assert_eq!(keeper.commit().await, 1);
    assert_eq!(told.try_recv(), Ok(true));
    assert_eq!(database.lease(address).map(|lease| lease.mac), Some(mac(1)));
    assert_eq!(keep(&leases, 1, address).0, Keep::Now, "covered by what is stored");
    assert_eq!(keep(&leases, 2, address).0, Keep::Refused);
    assert_eq!(leases.mac_of(address), Some(mac(1)));
    assert_eq!(leases.address_of(mac(1)), Some(address));
    assert_eq!(keeper.commit().await, 0);
}

#[tokio::test]
async fn what_comes_meanwhile_is_one_group_and_one_write_for_each_address() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let mut told: Vec<_> = (0..20).map(|client| keep(&leases, client, at(20 + client)).1).collect();
    told.push(keep(&leases, 3, at(23)).1);
    leases.release(NETWORK, mac(5), at(25));
    assert_eq!(keeper.commit().await, 22);
    assert_eq!(database.commits(), [20]);
    let outcomes: Vec<bool> = told.iter().map(|told| told.try_recv().unwrap()).collect();
    let expected: Vec<bool> = (0..21).map(|index| index != 5).collect();
    assert_eq!(outcomes, expected, "all but the one that was given back meanwhile");
    assert_eq!(database.lease(at(25)).map(|lease| lease.state), Some(LeaseState::Released));
}

#[tokio::test]
async fn while_the_store_fails_nobody_is_told_and_then_it_goes_on() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let known = lease(&leases, &mut keeper, 1).await;
    database.fail(true);
    let (_, told) = keep(&leases, 2, at(30));
    keeper.commit().await;
    assert_eq!(told.try_recv(), Ok(false));
    assert_eq!(keep(&leases, 3, at(30)).0, Keep::Refused, "it waits for its client");
    assert_eq!(keep(&leases, 1, known).0, Keep::Now, "what is stored needs no store");
    database.fail(false);
    let (_, told) = keep(&leases, 2, at(30));
    keeper.commit().await;
    assert_eq!(told.try_recv(), Ok(true));
    assert_eq!(keeper.commit().await, 0);
}

#[tokio::test]
async fn what_the_store_cannot_keep_up_with_gets_no_answer() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let mut accepted = 0;
    // Alternating, so that none is covered by what is stored.
    while keep(&leases, 1, at(20 + (accepted % 2) as u8)).0 == Keep::Later {
        accepted += 1;
        assert!(accepted < 100_000, "the queue must be bounded");
    }
    assert_eq!(keep(&leases, 2, at(40)).0, Keep::Busy);
    keeper.commit().await;
    assert_eq!(keep(&leases, 2, at(40)).0, Keep::Later);
}

#[tokio::test]
async fn without_word_from_the_store_our_claims_run_out() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let address = lease(&leases, &mut keeper, 1).await;
    database.pass(CLAIM * 3 / 5);
    assert_eq!(keep(&leases, 1, address).0, Keep::Unknown);
    assert_eq!(leases.offer(NETWORK, &ask(2)), None);
    keeper.beat().await.unwrap();
    assert_eq!(keep(&leases, 1, address).0, Keep::Now);
    // The machine slept: only the system's clock saw it.
    replica.sleep(10_000);
    assert_eq!(keep(&leases, 1, address).0, Keep::Unknown);
    keeper.beat().await.unwrap();
    assert_ne!(keep(&leases, 1, address).0, Keep::Unknown);
}

#[tokio::test]
async fn a_restart_knows_what_was_told_and_goes_on_at_once() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let address = lease(&leases, &mut keeper, 1).await;
    // Killed between the promise and the store: nobody was told, so nothing is lost.
    let (_, told) = keep(&leases, 2, at(40));
    drop((leases, keeper));
    assert!(told.recv().is_err());
    let (leases, _keeper) = open(&replica).await;
    assert_eq!(keep(&leases, 1, address).0, Keep::Now);
    assert_eq!(keep(&leases, 2, address).0, Keep::Refused);
    assert_eq!(keep(&leases, 3, at(40)).0, Keep::Later, "nobody has it");
}

#[tokio::test]
async fn two_replicas_share_and_the_survivor_takes_over() {
    let database = Database::new();
    let (a, b) = (database.replica("a"), database.replica("b"));
    let (first, mut first_keeper) = open(&a).await;
    let address = lease(&first, &mut first_keeper, 1).await;
    let (second, mut second_keeper) = open(&b).await;
    assert_eq!(second.offer(NETWORK, &ask(2)), None, "all is the first's");
    first_keeper.beat().await.unwrap();
    second_keeper.beat().await.unwrap();
    let held = |leases: &Leases| leases.usage(NETWORK).unwrap()[0].held;
    assert_eq!((held(&first), held(&second)), (32, 32), "it gives up what nobody needs");
    assert_eq!(second.offer(NETWORK, &ask(1)), None, "the first's client");
    assert_eq!(keep(&second, 1, address).0, Keep::Unknown);
    let other = lease(&second, &mut second_keeper, 2).await;
    assert_eq!(keep(&first, 2, other).0, Keep::Unknown);
    // The first one dies. After its time its clients are the second's, with what they were told.
    database.pass(CLAIM + 1);
    second_keeper.beat().await.unwrap();
    assert_eq!(held(&second), 64);
    assert_eq!(second.offer(NETWORK, &ask(1)), Some(address));
    assert_eq!(keep(&second, 1, address).0, Keep::Now);
}

#[tokio::test]
async fn who_wakes_after_its_time_gives_nothing_that_another_gave() {
    let database = Database::new();
    let (a, b) = (database.replica("a"), database.replica("b"));
    let (first, mut first_keeper) = open(&a).await;
    let address = lease(&first, &mut first_keeper, 1).await;
    let (_, told_late) = keep(&first, 9, at(20));
    database.pass(CLAIM + 1);
    let (second, mut second_keeper) = open(&b).await;
    second.release(NETWORK, mac(1), address);
    assert_eq!(keep(&second, 2, address).0, Keep::Later);
    assert_eq!(keep(&second, 3, at(20)).0, Keep::Later);
    second_keeper.commit().await;
    // The first one wakes. It knows by its own clock that it slept.
    assert_eq!(keep(&first, 1, address).0, Keep::Unknown);
    assert_eq!(first.offer(NETWORK, &ask(1)), None);
    first_keeper.commit().await;
    assert_eq!(told_late.try_recv(), Ok(false), "the fence stops what it had promised");
    assert_eq!(database.lease(at(20)).map(|lease| lease.mac), Some(mac(3)));
    first_keeper.beat().await.unwrap();
    assert_eq!(keep(&first, 1, address).0, Keep::Unknown, "it is the second's by now");
}

#[tokio::test]
async fn reservations_of_another_replica_are_seen_at_the_next_beat() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    // Outside the range, in a block that nobody had until now.
    database.reserve(NETWORK, &[Reservation { mac: mac(1), address: at(200) }]);
    assert_ne!(leases.offer(NETWORK, &ask(1)), Some(at(200)));
    keeper.beat().await.unwrap();
    assert_eq!(leases.offer(NETWORK, &ask(1)), Some(at(200)));
    leases.unreserve(NETWORK, mac(1));
    leases.reserve(NETWORK, Reservation { mac: mac(2), address: at(30) }).await;
    assert_eq!(leases.offer(NETWORK, &ask(2)), Some(at(30)), "our own at once");
    assert_eq!(leases.check_reservation("nowhere", at(16)), None);
}

#[tokio::test]
async fn a_reservation_outside_the_ranges_holds_at_once() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, keeper) = open(&replica).await;
    let cancel = CancellationToken::new();
    let running = tokio::spawn(keeper.run(cancel.clone()));
    let reservation = Reservation { mac: mac(1), address: at(200) };
    database.reserve(NETWORK, &[reservation]);
    leases.reserve(NETWORK, reservation).await;
    // Well before the keeper's next beat.
    assert_eq!(leases.offer(NETWORK, &ask(1)), Some(at(200)));
    cancel.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_ends_no_lease() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, mut keeper) = open(&replica).await;
    let address = lease(&leases, &mut keeper, 1).await;
    for step in [30 * 24 * 3_600_000, -60 * 24 * 3_600_000] {
        database.set_clock(step);
        keeper.beat().await.unwrap();
        assert_eq!(keep(&leases, 2, address).0, Keep::Refused);
        let (kept, _) = keep(&leases, 1, address);
        assert_eq!(kept, Keep::Later, "stored anew, by the new clock");
        keeper.commit().await;
        let expires = database.lease(address).unwrap().expires;
        assert!(expires.abs_diff(database.now()) < 2 * 3_600_000);
    }
}

#[tokio::test]
async fn the_keeper_stores_what_comes_and_what_is_left_at_the_end() {
    let database = Database::new();
    let replica = database.replica("a");
    let (leases, keeper) = open(&replica).await;
    let cancel = CancellationToken::new();
    let task = tokio::spawn(keeper.run(cancel.clone()));
    for client in 0..40 {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let done = Box::new(move |stored| sender.send(stored).unwrap_or_default());
        assert_eq!(leases.keep(NETWORK, &ask(client), at(20 + client), done), Keep::Later);
        if client % 2 == 0 {
            assert!(receiver.await.unwrap());
        }
    }
    leases.release(NETWORK, mac(0), at(20));
    cancel.cancel();
    task.await.unwrap();
    assert_eq!(database.lease(at(20)).map(|lease| lease.state), Some(LeaseState::Released));
    assert_eq!(database.lease(at(59)).map(|lease| lease.mac), Some(mac(39)));
    assert_eq!(leases.offer(NETWORK, &ask(50)), None, "our blocks are others' to claim");
    assert_eq!(database.owners(), 0);
}
