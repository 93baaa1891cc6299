//! Addresses and keys; and, over a simulated BMC, which of two passwords is the one. The rest is in the journeys.

use super::*;
use crate::{samples, store::EventsOf};
use bmc_mock::ipmi;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

#[test]
fn addresses_split() {
    for (text, host, port) in [
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1:9011", "10.0.0.1", Some(9011)),
        ("bmc1.example:443", "bmc1.example", Some(443)),
        ("[fe80::1]:623", "fe80::1", Some(623)),
        ("fe80::1", "fe80::1", None),
    ] {
        assert_eq!(split_address(text), (host.to_owned(), port), "{text}");
    }
}

#[test]
fn bmc_keys() {
    let good: [(&str, &[u8]); 4] = [
        ("secret", b"secret"),
        ("hex:00ff10", &[0, 0xff, 0x10]),
        ("twenty-bytes-of-a-key", b""),
        (
            "hex:000102030405060708090a0b0c0d0e0f10111213",
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
        ),
    ];
    for (text, bytes) in good {
        match read_bmc_key(text) {
            Ok(read) => assert_eq!(read.as_slice(), bytes, "{text}"),
            Err(_) => assert!(bytes.is_empty(), "{text}"),
        }
    }
    for text in ["", "hex:", "hex:0", "hex:zz", "hex:000102030405060708090a0b0c0d0e0f1011121314"] {
        assert!(read_bmc_key(text).is_err(), "{text}");
    }
}

/// A machine whose BMC knows the password `right`, and locks its user out after three wrong ones.
struct Setting {
    _folder: tempfile::TempDir,
    store: Arc<Store>,
    key: Arc<SiteKey>,
    bmcs: Bmcs,
    record: MachineRecord,
    _end: DropGuard,
}

impl Setting {
    async fn new(password: &str, next: &str) -> Self {
        let end = CancellationToken::new();
        let users = vec![ipmi::User::administrator("admin", "right")];
        let chassis = Arc::new(bmc_mock::MemoryChassis::new());
        let server =
            ipmi::Server::bind("127.0.0.1:0".parse().unwrap(), users, chassis, [7; 16]).await.unwrap();
        let lock_out = ipmi::LockOut { after: 3, lasts: Duration::from_secs(3600) };
        server.control().set_limits(|limits| limits.lock_out = Some(lock_out));
        let address = server.local_addr().unwrap().to_string();
        let bmc = BmcSpec { address, username: "admin".into(), ..BmcSpec::new(BmcProtocol::Ipmi) };
        tokio::spawn(server.run(end.clone()));
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("billet.db");
        let key = Arc::new(SiteKey::open(&folder.path().join("site.key"), database.exists()).unwrap());
        let store = Arc::new(Store::open(&database).await.unwrap());
        let bmcs = Bmcs::new(Arc::clone(&store), Arc::clone(&key), folder.path(), &Default::default());
        let mut record = samples::machine(1);
        record.spec.bmc = Some(bmc);
        let mut secrets = new_password(&key, record.id(), password).unwrap().to_vec();
        secrets.push(next_password(&key, record.id(), next).unwrap());
        store.machine_insert(&record, &secrets, &[], samples::NOW).await.unwrap();
        Self { _folder: folder, store, key, bmcs, record, _end: end.drop_guard() }
    }

    async fn power(&self) -> Result<bmc::PowerState, BmcError> {
        self.bmcs.driver(&self.record).await.unwrap().expect("it has a BMC").power().await
    }

    async fn has_next(&self) -> bool {
        self.store.secret_get(&secret_owner(self.record.id()), NEXT).await.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_who_ask_at_once_have_the_same_driver() {
    let setting = Arc::new(Setting::new("guess", "never-set").await);
    let id = setting.record.id();
    for round in 0..50 {
        setting.bmcs.forget(id).await;
        let all = (0..4).map(|_| {
            let setting = Arc::clone(&setting);
            tokio::spawn(async move {
                // Not `driver`: it would find out which of the two passwords holds.
                let secrets = setting.bmcs.secrets(id).await.unwrap().unwrap();
                let spec = setting.record.spec.bmc.as_ref().unwrap();
                setting.bmcs.known(id, spec, &secrets).await.unwrap()
            })
        });
        let all = futures::future::join_all(all).await;
        let first = &all[0].as_ref().unwrap().driver;
        let same = |known: &Arc<Known>| Arc::ptr_eq(&known.driver, first);
        assert!(all.iter().all(|known| same(known.as_ref().unwrap())), "round {round}");
    }
}

#[tokio::test]
async fn after_a_crash_the_password_that_the_bmc_knows_is_found_out() {
    let cases = [("right", "never-set", rotation::OLD_STANDS), ("before", "right", rotation::NEW_HOLDS)];
    for (password, next, told) in cases {
        let setting = Setting::new(password, next).await;
        for _ in 0..3 {
            setting.power().await.unwrap();
        }
        assert!(!setting.has_next().await, "{password} or {next}: that is settled");
        assert!(setting.bmcs.is_password(setting.record.id(), "right").await.unwrap());
        let of = EventsOf::Machine(setting.record.id());
        let events = setting.store.event_newest(of, 10).await.unwrap();
        let events: Vec<_> = events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!(events, [told], "the timeline says, once, what came of it");
    }
}

#[tokio::test]
async fn when_the_bmc_knows_neither_it_is_asked_once_for_each() {
    let setting = Setting::new("before", "never-set").await;
    for _ in 0..5 {
        assert!(is_refused_login(&setting.power().await.unwrap_err()));
    }
    assert!(setting.has_next().await);
    // A third wrong one would have locked the user out.
    let id = setting.record.id();
    let right = new_password(&setting.key, id, "right").unwrap();
    let swap = setting.store.machine_update(&setting.record, &setting.record, &right, &[], samples::NOW);
    assert_eq!(swap.await.unwrap(), Swap::Updated);
    setting.power().await.unwrap();
    assert!(!setting.has_next().await, "a person's word is the last");
}
