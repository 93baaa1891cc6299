//! What the store promises beyond single statements: together or not at all, and nothing grows without end.

mod addresses;
mod allocation;
mod batch;
mod census;
mod copy;
mod damage;
mod erasure;
mod every;
mod idempotency;
mod inventory;
mod jobs;
mod leases;
mod memory;
mod migration;
mod overview;
mod pages;
mod pools;
mod postgres;
mod reinstall;
mod schema;
mod turn;
mod version_12;
mod works;

use super::*;
use crate::{
    keys::Sealed,
    samples::{self, NOW},
};
use jiff::SignedDuration;
use provisioner_api::MachineId;
use provisioner_lifecycle::{Fact, observe};
use uuid::Uuid;

tokio::task_local! {
    /// The test runs on PostgreSQL.
    static ON_SERVER: ();
}

/// Runs a test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($test:ident)*) => {$(
        mod $test {
            #[tokio::test]
            async fn sqlite() {
                super::$test().await;
            }

            #[tokio::test]
            async fn postgres() {
                $crate::store::tests::ON_SERVER.scope((), Box::pin(super::$test())).await;
            }
        }
    )*};
}
use on_both;

/// Where a test's database is.
enum Place {
    File(tempfile::TempDir),
    Server(tests_postgres::Database),
}

impl Place {
    async fn new() -> Self {
        if !is_on_server() {
            return Self::File(tempfile::tempdir().unwrap());
        }
        let server = tests_postgres::Server::shared().await.unwrap();
        // Brought up to date once, and copied.
        let fill = async |url: String| {
            Store::open_server(&url.parse()?).await?.close().await;
            Ok(())
        };
        Self::Server(server.database_like("store", fill).await.unwrap())
    }

    /// Opens it, for the first time or again. Before that, whoever had it open has to close it.
    async fn open(&self) -> Store {
        match self {
            Self::File(folder) => Store::open(&folder.path().join("billet.db")).await.unwrap(),
            Self::Server(database) => Store::open_server(&database.url().parse().unwrap()).await.unwrap(),
        }
    }
}

fn is_on_server() -> bool {
    ON_SERVER.try_with(|()| ()).is_ok()
}

on_both! {
    a_machine_that_is_refused_leaves_no_secret_and_names_who_has_its_mac
    a_stale_change_changes_no_password
    old_events_and_more_than_enough_of_them_are_forgotten
    a_window_that_nobody_claimed_is_forgotten_before_a_session
}

async fn store() -> (Place, Store) {
    let place = Place::new().await;
    let store = place.open().await;
    (place, store)
}

fn record(number: u128, mac: &str) -> MachineRecord {
    let mut record = samples::machine(number);
    record.spec.macs = vec![mac.into()];
    record
}

fn password(record: &MachineRecord) -> NewSecret {
    let sealed = Sealed { nonce: vec![1; 12], ciphertext: vec![2] };
    NewSecret { owner: format!("machine {}", record.id()), name: "bmc-password", sealed: Some(sealed) }
}

async fn a_machine_that_is_refused_leaves_no_secret_and_names_who_has_its_mac() {
    let (_folder, store) = store().await;
    store.machine_insert(&record(1, "52:54:00:00:00:01"), &[], &[], NOW).await.unwrap();
    let twin = record(2, "52:54:00:00:00:01");
    let secret = password(&twin);
    let error = store.machine_insert(&twin, std::slice::from_ref(&secret), &[], NOW).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Taken { field: "macs", mend, .. } if mend.contains("`m1`")),
        "{error}"
    );
    assert_eq!(store.secret_get(&secret.owner, secret.name).await.unwrap(), None);
}

async fn a_stale_change_changes_no_password() {
    let (_folder, store) = store().await;
    let before = record(1, "52:54:00:00:00:01");
    store.machine_insert(&before, &[], &[], NOW).await.unwrap();
    let machine = observe(&before.machine, &Fact::Netboot, NOW);
    let next = MachineRecord { machine, ..before.clone() };
    assert_eq!(store.machine_update(&before, &next, &[], &[], NOW).await.unwrap(), Swap::Updated);
    let secret = password(&before);
    let swap = store.machine_update(&before, &next, std::slice::from_ref(&secret), &[], NOW).await.unwrap();
    assert_eq!(swap, Swap::Stale);
    assert_eq!(store.secret_get(&secret.owner, secret.name).await.unwrap(), None);
    let stored = store.machine_get(before.id()).await.unwrap().unwrap();
    assert_eq!(stored, MachineRecord { version: 2, ..next });
}

async fn old_events_and_more_than_enough_of_them_are_forgotten() {
    let (_folder, store) = store().await;
    let (busy, calm) = (MachineId(Uuid::from_u128(1)), MachineId(Uuid::from_u128(2)));
    for number in [1, 2] {
        store
            .machine_insert(&record(number, &format!("52:54:00:00:00:0{number}")), &[], &[], NOW)
            .await
            .unwrap();
    }
    store.event_insert(&[NewEvent::machine(calm, "boot", "old")], NOW).await.unwrap();
    // Events are told apart by the milliseconds in their ids.
    let written = Timestamp::now().as_millisecond();
    while Timestamp::now().as_millisecond() <= written + 1 {
        tokio::task::yield_now().await;
    }
    let later = Timestamp::now();
    store.event_insert(&[NewEvent::machine(calm, "boot", "new")], later).await.unwrap();
    let many: Vec<_> = (0..9).map(|number| NewEvent::machine(busy, "boot", number.to_string())).collect();
    store.event_insert(&many, later).await.unwrap();
    store.event_prune(later, 3).await.unwrap();
    let messages = async |machine| {
        let events = store.event_newest(EventsOf::Machine(machine), 100).await.unwrap();
        events.into_iter().map(|event| event.message).collect::<Vec<_>>()
    };
    assert_eq!(messages(calm).await, ["new"]);
    assert_eq!(messages(busy).await, ["6", "7", "8"]);
}

async fn a_window_that_nobody_claimed_is_forgotten_before_a_session() {
    let (_folder, store) = store().await;
    let machine = record(1, "52:54:00:00:00:01");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    for id in ["claimed", "unclaimed"] {
        let window = Window { expires: NOW, ..samples::window(id, "52:54:00:00:00:01") };
        store.window_insert(&window).await.unwrap();
    }
    let claimed = store.window_get("claimed").await.unwrap().unwrap();
    let pair = (&machine, &machine);
    assert_eq!(store.window_claim(&claimed, "nonce", pair, &[], NOW).await.unwrap(), Swap::Updated);
    let later = NOW.checked_add(SignedDuration::from_hours(1)).unwrap();
    store.window_prune(later, NOW).await.unwrap();
    assert!(store.window_get("claimed").await.unwrap().is_some());
    assert!(store.window_get("unclaimed").await.unwrap().is_none());
    store.window_prune(later, later).await.unwrap();
    assert!(store.window_get("claimed").await.unwrap().is_none());
}
