//! Replicas on one database file, each with its own connections as if it were a process of its own.

use super::*;
use pxe::leases::{Ask, Keep, LeaseClock, LeaseState, Reservation};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

const NETWORK: &str = "n";
const START: i64 = 1_800_000_000_000;

/// One clock for all: what differs between replicas is when they look at the store.
#[derive(Default)]
struct Clock(AtomicI64);

impl LeaseClock for Clock {
    fn monotonic(&self) -> u64 {
        (self.0.load(Ordering::Relaxed) - START + 1).unsigned_abs()
    }

    fn wall(&self) -> u64 {
        self.0.load(Ordering::Relaxed).unsigned_abs()
    }
}

/// The store of one replica, which may lose the answer to a commit.
struct Process {
    inner: DatabaseLeases,
    lose_answer: AtomicBool,
}

#[async_trait]
impl LeaseStore for Process {
    async fn beat(&self, reservations: Option<u64>) -> Result<Beat, StoreFailure> {
        self.inner.beat(reservations).await
    }
    async fn claim(
        &self,
        network: &str,
        wanted: &[Block],
        most: usize,
    ) -> Result<Vec<Claimed>, StoreFailure> {
        self.inner.claim(network, wanted, most).await
    }
    async fn give_back(&self, network: &str, blocks: &[Block]) -> Result<(), StoreFailure> {
        self.inner.give_back(network, blocks).await
    }
    async fn elsewhere(&self, network: &str) -> Result<Vec<Elsewhere>, StoreFailure> {
        self.inner.elsewhere(network).await
    }
    async fn commit(&self, writes: &[NetworkWrite]) -> Result<bool, StoreFailure> {
        let stored = self.inner.commit(writes).await?;
        match self.lose_answer.swap(false, Ordering::Relaxed) {
            true => Err(StoreFailure::new("the connection broke")),
            false => Ok(stored),
        }
    }
    async fn leave(&self) -> Result<(), StoreFailure> {
        self.inner.leave().await
    }
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn mac(client: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, client]
}

fn range(first: u8, last: u8) -> Plan {
    Plan::new(&[SubnetPlan {
        address: at(0),
        prefix: 24,
        relay: None,
        ranges: vec![(at(first), at(last))],
        exclude: vec![(at(18), at(18))],
        own: vec![at(1)],
    }])
}

fn ask(client: u8, seconds: u32) -> Ask {
    Ask {
        mac: mac(client),
        client_id: Some(vec![1, client]),
        subnet: 0,
        requested: None,
        seconds,
        relay: Some(pxe::leases::RelayInfo {
            address: Some(at(1)),
            circuit_id: Some(vec![0, 255]),
            remote_id: None,
        }),
        hostname: Some(format!("host{client}")),
        firmware: false,
        reserved_only: false,
    }
}

/// One replica and its connections.
struct Replica {
    store: Arc<Store>,
    process: Arc<Process>,
    clock: Arc<Clock>,
    leases: Leases,
    keeper: Keeper,
}

impl Replica {
    async fn start(database: &Path, owner: &str, clock: &Arc<Clock>, plan: Plan) -> Self {
        let store = Arc::new(Store::open(database).await.unwrap());
        store.clock.store(clock.0.load(Ordering::Relaxed), Ordering::Relaxed);
        let inner = DatabaseLeases { store: Arc::clone(&store), owner: owner.to_owned() };
        let process = Arc::new(Process { inner, lose_answer: AtomicBool::new(false) });
        let (leases, keeper) =
            Leases::open(Arc::clone(&process) as _, vec![(NETWORK.to_owned(), plan)], Arc::clone(clock) as _)
                .await
                .unwrap();
        Replica { store, process, clock: Arc::clone(clock), leases, keeper }
    }

    /// Killed: what was not stored is gone.
    async fn restart(self, owner: &str, plan: Plan) -> Self {
        let Replica { store, process, clock, leases, keeper } = self;
        drop((leases, keeper));
        store.clock.store(clock.0.load(Ordering::Relaxed), Ordering::Relaxed);
        let (leases, keeper) = Leases::open(
            Arc::clone(&process) as _,
            vec![(NETWORK.to_owned(), plan)],
            Arc::clone(&clock) as _,
        )
        .await
        .unwrap_or_else(|error| panic!("{owner}: {error}"));
        Replica { store, process, clock, leases, keeper }
    }

    /// The database's clock is everybody's.
    fn see_time(&self) {
        self.store.clock.store(self.clock.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    async fn beat(&mut self) {
        self.see_time();
        self.keeper.beat().await.unwrap();
    }

    async fn lease(&mut self, client: u8, seconds: u32) -> Ipv4Addr {
        let address = self.leases.offer(NETWORK, &ask(client, seconds)).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = Box::new(move |stored| sender.send(stored).unwrap_or_default());
        assert_eq!(self.leases.keep(NETWORK, &ask(client, seconds), address, done), Keep::Later);
        self.keeper.commit().await;
        assert_eq!(receiver.try_recv(), Ok(true));
        address
    }

    fn keep(&self, client: u8, address: Ipv4Addr) -> Keep {
        self.leases.keep(NETWORK, &ask(client, 600), address, Box::new(|_| ()))
    }
}

fn clock() -> Arc<Clock> {
    Arc::new(Clock(AtomicI64::new(START)))
}

#[tokio::test]
async fn what_was_told_survives_a_restart_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    let (database, clock) = (folder.path().join("billet.db"), clock());
    let mut replica = Replica::start(&database, "a", &clock, range(16, 79)).await;
    let address = replica.lease(1, 600).await;
    replica.leases.conflict(NETWORK, at(40), mac(9));
    replica.keeper.commit().await;
    let stored = replica.store.lease_page(NETWORK, None, 1000).await.unwrap();
    assert_eq!(stored.len(), 2);
    let expected = pxe::leases::Lease {
        address,
        mac: mac(1),
        state: LeaseState::Leased,
        expires: START.unsigned_abs() + 1_200_000,
        client_id: ask(1, 1).client_id,
        hostname: ask(1, 1).hostname,
        relay: ask(1, 1).relay,
        firmware: false,
    };
    assert_eq!(stored[0], expected);
    assert_eq!((stored[1].address, stored[1].state), (at(40), LeaseState::Quarantined));
    let replica = replica.restart("a", range(16, 79)).await;
    assert_eq!(replica.keep(1, address), Keep::Now);
    assert_eq!(replica.keep(2, at(40)), Keep::Refused);
    assert_eq!(replica.leases.address_of(mac(1)), Some(address));
    // The range was changed: who is outside it has to move, at once.
    let replica = replica.restart("a", range(32, 79)).await;
    assert_eq!(replica.keep(1, address), Keep::Refused);
    assert_eq!(replica.leases.offer(NETWORK, &ask(1, 600)), Some(at(32)));
}

#[tokio::test]
async fn a_lease_that_is_not_stored_is_not_told_and_one_whose_answer_is_lost_hurts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut replica = Replica::start(&folder.path().join("billet.db"), "a", &clock, range(16, 31)).await;
    // Stored, but killed before the answer.
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let done = Box::new(move |stored| *tell.lock().unwrap() = Some(stored));
    assert_eq!(replica.leases.keep(NETWORK, &ask(1, 600), at(20), done), Keep::Later);
    replica.process.lose_answer.store(true, Ordering::Relaxed);
    replica.keeper.commit().await;
    assert_eq!(*told.lock().unwrap(), Some(false));
    let replica = replica.restart("a", range(16, 31)).await;
    assert_eq!(replica.keep(2, at(20)), Keep::Refused, "it is the first one's, who will ask again");
    assert_eq!(replica.keep(1, at(20)), Keep::Now);
}

#[tokio::test]
async fn reservations_are_seen_by_every_replica() {
    let folder = tempfile::tempdir().unwrap();
    let (database, clock) = (folder.path().join("billet.db"), clock());
    let mut first = Replica::start(&database, "a", &clock, range(16, 79)).await;
    let mut second = Replica::start(&database, "b", &clock, range(16, 79)).await;
    let reservation = Reservation { mac: mac(1), address: at(200) };
    assert!(second.store.reservation_insert(NETWORK, reservation).await.unwrap());
    assert!(!second.store.reservation_insert(NETWORK, reservation).await.unwrap(), "the same again");
    let twice = Reservation { mac: mac(2), ..reservation };
    let error = second.store.reservation_insert(NETWORK, twice).await.unwrap_err();
    assert!(matches!(error, StoreError::Taken { field: "address", .. }), "{error}");
    first.beat().await;
    second.beat().await;
    first.beat().await;
    second.beat().await;
    let ask = ask(1, 600);
    let offers = [&first, &second].map(|replica| replica.leases.offer(NETWORK, &ask));
    assert!(offers.contains(&Some(at(200))), "{offers:?}");
    assert!(offers.contains(&None), "one of them has that block: {offers:?}");
    assert_eq!(first.store.reservation_list(NETWORK).await.unwrap(), [reservation]);
    assert!(first.store.reservation_delete(NETWORK, mac(1)).await.unwrap());
    assert!(!first.store.reservation_delete(NETWORK, mac(1)).await.unwrap());
    second.beat().await;
    assert_eq!(second.leases.usage(NETWORK).unwrap()[0].reserved, 0);
}

#[tokio::test]
async fn a_replica_that_stops_leaves_its_blocks_to_the_others_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (database, clock) = (folder.path().join("billet.db"), clock());
    let mut first = Replica::start(&database, "a", &clock, range(16, 79)).await;
    let address = first.lease(1, 600).await;
    let mut second = Replica::start(&database, "b", &clock, range(16, 79)).await;
    assert_eq!(second.leases.offer(NETWORK, &ask(1, 600)), None);
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    first.keeper.run(stop).await;
    second.beat().await;
    assert_eq!(second.keep(1, address), Keep::Now);
}

#[tokio::test]
async fn a_group_larger_than_a_statement_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut replica = Replica::start(&folder.path().join("billet.db"), "a", &clock(), range(16, 250)).await;
    for last in 16..=250 {
        let _ = replica.keep(last, at(last));
    }
    while replica.keeper.commit().await > 0 {}
    // All but the excluded one.
    assert_eq!(replica.store.lease_page(NETWORK, None, 1000).await.unwrap().len(), 234);
}

#[tokio::test]
async fn leases_of_the_old_table_are_kept() {
    use sqlx::Connection;
    let mut database = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let before = include_str!("../../migrations/sqlite/0001_start.sql");
    sqlx::raw_sql(before).execute(&mut database).await.unwrap();
    let rows = "INSERT INTO lease (network, address, mac, expires, declined) VALUES
        ('n', '10.77.0.255', '52:54:00:aB:cd:0f', 1800000000123456, FALSE),
        ('n', '192.168.1.2', 'ff:ff:ff:ff:ff:ff', 5000, TRUE), ('n', 'odd', 'odd', 0, FALSE)";
    sqlx::raw_sql(rows).execute(&mut database).await.unwrap();
    let after = include_str!("../../migrations/sqlite/0002_leases.sql");
    sqlx::raw_sql(after).execute(&mut database).await.unwrap();
    type Row = (String, i64, i64, i64, i64, bool);
    let kept: Vec<Row> =
        sqlx::query_as("SELECT network, address, mac, state, expires, firmware FROM lease ORDER BY address")
            .fetch_all(&mut database)
            .await
            .unwrap();
    let expected = [
        ("n".to_owned(), 0x0a4d_00ff, 0x5254_00ab_cd0f, 0, 1_800_000_000_123, false),
        ("n".to_owned(), 0xc0a8_0102, 0xffff_ffff_ffff, 2, 5, false),
    ];
    assert_eq!(kept, expected);
}

/// A schedule's dice (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// What clients were told: address, by whom, until when.
#[derive(Default)]
struct Told(HashMap<Ipv4Addr, ([u8; 6], i64)>);

impl Told {
    fn tell(&mut self, client: u8, address: Ipv4Addr, until: i64, now: i64) {
        let before = self.0.get(&address).filter(|(other, end)| *other != mac(client) && *end > now);
        assert_eq!(before, None, "{address} is told to {client} as well");
        assert_ne!(address, at(18), "it is excluded");
        // A client uses one address, the one that it was told last.
        self.0.retain(|_, (other, _)| *other != mac(client));
        self.0.insert(address, (mac(client), until));
    }

    fn drop_client(&mut self, client: u8) -> Option<Ipv4Addr> {
        let address =
            self.0.iter().find(|(_, (other, _))| *other == mac(client)).map(|(address, _)| *address)?;
        self.0.remove(&address);
        Some(address)
    }
}

/// Two replicas for eight clients and a dozen addresses, in an order that the dice say: no address is told twice.
async fn schedule(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let (database, clock) = (folder.path().join("billet.db"), clock());
    let plan = || range(14, 27);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut replicas = Vec::new();
    for owner in ["a", "b"] {
        replicas.push(Some(Replica::start(&database, owner, &clock, plan()).await));
    }
    let told = Arc::new(Mutex::new(Told::default()));
    for _ in 0..160 {
        let now = clock.0.load(Ordering::Relaxed);
        let index = usize::try_from(dice.roll(2)).unwrap();
        let client = u8::try_from(dice.roll(8)).unwrap();
        let seconds = [60, 600, 3600][usize::try_from(dice.roll(3)).unwrap()];
        let replica = replicas[index].as_mut().unwrap();
        match dice.roll(16) {
            0..=6 => {
                let known = told
                    .lock()
                    .unwrap()
                    .0
                    .iter()
                    .find(|(_, (mac, _))| *mac == self::mac(client))
                    .map(|(a, _)| *a);
                let ask = ask(client, seconds);
                let Some(address) = known.or_else(|| replica.leases.offer(NETWORK, &ask)) else { continue };
                let until = now + i64::from(seconds) * 1000;
                let (tell, time) = (Arc::clone(&told), Arc::clone(&clock));
                let done = Box::new(move |stored| {
                    if stored {
                        tell.lock().unwrap().tell(client, address, until, time.0.load(Ordering::Relaxed));
                    }
                });
                match replica.leases.keep(NETWORK, &ask, address, done) {
                    Keep::Now => told.lock().unwrap().tell(client, address, until, now),
                    Keep::Refused => drop(told.lock().unwrap().drop_client(client)),
                    Keep::Later | Keep::Unknown | Keep::Busy => {}
                }
            }
            7..=9 => {
                replica.keeper.commit().await;
            }
            10 | 11 => replica.beat().await,
            12 => {
                let address = told.lock().unwrap().drop_client(client);
                if let Some(address) = address {
                    replica.leases.release(NETWORK, mac(client), address);
                }
            }
            // Short; or long enough for a replica that does not look at the store to lose its blocks.
            13 => drop(clock.0.fetch_add(1000 * dice.roll(90).cast_signed(), Ordering::Relaxed)),
            14 => {
                clock.0.fetch_add(CLAIM.cast_signed() + 1, Ordering::Relaxed);
                // Only this one notices; the other stands still, with promises in its queue.
                replica.beat().await;
            }
            _ => {
                let lose = dice.roll(2) == 0;
                replica.process.lose_answer.store(lose, Ordering::Relaxed);
                replica.keeper.commit().await;
                replica.process.lose_answer.store(false, Ordering::Relaxed);
                let killed = replicas[index].take().unwrap();
                replicas[index] = Some(killed.restart(["a", "b"][index], plan()).await);
            }
        }
    }
    assert!(!told.lock().unwrap().0.is_empty(), "the schedule must do something");
}

#[tokio::test]
async fn whatever_the_order_no_address_is_told_twice() {
    let schedules = (1..=24).map(schedule);
    futures::future::join_all(schedules).await;
}
