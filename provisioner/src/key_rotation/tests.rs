//! Whenever a rotation is cut short, every secret can be read; at its end none needs the old key.

use super::*;
use crate::{
    app,
    bmcs::new_password,
    config::{Config, PostgresDatabase},
    keys::{KeyError, SiteKey},
    samples,
    store::NewSecret,
};
use provisioner_api::JobKind;
use std::{fs, path::Path};
use tests_postgres::Server;

const MACHINES: u128 = 5;

/// The service of this folder, as a process would find it; nothing of it runs.
async fn opened(folder: &Path) -> Arc<Service> {
    app::tests::service(folder).await
}

/// The process is gone.
async fn killed(service: Arc<Service>) {
    service.store.close().await;
}

fn password(number: u128) -> String {
    format!("pw-{number}")
}

async fn put(service: &Service, number: u128, password: &str) {
    let id = samples::machine_id(number);
    let [new, _] = new_password(&service.key, id, password).unwrap();
    service.store.secret_put(id, &[new], &[], samples::NOW).await.unwrap();
}

/// Machines with passwords.
async fn with_secrets(folder: &Path) -> Arc<Service> {
    let service = opened(folder).await;
    for number in 1..=MACHINES {
        service.store.machine_insert(&samples::machine(number), &[], &[], samples::NOW).await.unwrap();
        put(&service, number, &password(number)).await;
    }
    service
}

/// All passwords as they are stored.
async fn passwords(service: &Service) -> Vec<Result<String, KeyError>> {
    let all = service.store.secret_page(None, 100).await.unwrap();
    let open = |stored: &StoredSecret| {
        let opened = service.key.open_sealed(&stored.owner, &stored.name, &stored.sealed);
        opened.map(|text| text.to_string())
    };
    all.iter().map(open).collect()
}

async fn all_are_read(service: &Service) {
    let read: Vec<_> = passwords(service).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(read, (1..=MACHINES).map(password).collect::<Vec<_>>());
}

/// As if a minute had gone by.
fn later(service: &Service) {
    *installed(service) = None;
}

#[tokio::test]
async fn killed_at_any_moment_it_goes_on_and_loses_nothing() {
    // The file is written; the key is in use; so many secrets are sealed.
    for moment in 0..=MACHINES + 1 {
        let folder = tempfile::tempdir().unwrap();
        let service = with_secrets(folder.path()).await;
        let before = service.key.fingerprint();
        let next = service.key.prepare().unwrap();
        if moment > 0 {
            service.key.install(next);
            let all = service.store.secret_page(None, 100).await.unwrap();
            for stored in all.iter().take(usize::try_from(moment - 1).unwrap()) {
                assert!(seal_one(&service, stored).await.unwrap());
            }
        }
        all_are_read(&service).await;
        killed(service).await;
        let service = opened(folder.path()).await;
        all_are_read(&service).await;
        let left = older(&service).await.unwrap();
        assert_eq!(u128::from(left), MACHINES - moment.saturating_sub(1), "{moment}");
        assert_eq!(seal_anew(&service).await.unwrap(), left);
        all_are_read(&service).await;
        assert_eq!(older(&service).await.unwrap(), 0);
        retire(&service).await.unwrap();
        all_are_read(&service).await;
        killed(service).await;
        let service = opened(folder.path()).await;
        all_are_read(&service).await;
        assert!(!service.key.has(&before), "it is gone");
        killed(service).await;
    }
}

#[tokio::test]
async fn what_is_written_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    let writes = (1..=MACHINES).map(|number| {
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            for time in 0..20 {
                put(&service, number, &format!("{}.{time}", password(number))).await;
            }
        })
    });
    let writes: Vec<_> = writes.collect();
    rotate(&service).await.unwrap();
    for write in writes {
        write.await.unwrap();
    }
    // One may have been sealed with the old key and written behind us.
    seal_anew(&service).await.unwrap();
    let read: Vec<_> = passwords(&service).await.into_iter().map(Result::unwrap).collect();
    let last = |number| format!("{}.19", password(number));
    assert_eq!(read, (1..=MACHINES).map(last).collect::<Vec<_>>());
    assert_eq!(standing(&service).await.unwrap().older, 0);
    // What was read before and changed since is let alone.
    let stale = service.store.secret_page(None, 1).await.unwrap().remove(0);
    put(&service, 1, "newer").await;
    let anew = service.key.seal(&stale.owner, &stale.name, b"older").unwrap();
    assert!(!service.store.secret_reseal(&stale, &anew).await.unwrap());
    assert_eq!(passwords(&service).await.remove(0).unwrap(), "newer");
}

#[tokio::test]
async fn an_older_key_stays_while_anything_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    retire(&service).await.unwrap();
    rotate(&service).await.unwrap();
    let refused = retire(&service).await.unwrap_err();
    assert!(matches!(refused, RotateError::Sealed { secrets: 0 }), "something may be under way: {refused}");
    later(&service);
    let before = service.store.machine_get(samples::machine_id(1)).await.unwrap().unwrap();
    let mut at_work = before.clone();
    at_work.machine.job = Some(samples::job(7, JobKind::Deploy, Vec::new()));
    at_work.machine.state.epoch = 1;
    service.store.machine_update(&before, &at_work, &[], &[], samples::NOW).await.unwrap();
    let refused = retire(&service).await.unwrap_err();
    assert!(matches!(refused, RotateError::AtWork { machines: 1 }), "{refused}");
    assert_eq!(service.key.prints().len(), 2);
    // The file takes so many, and no more.
    for _ in 2..MOST {
        rotate(&service).await.unwrap();
    }
    let refused = rotate(&service).await.unwrap_err();
    assert!(refused.to_string().contains("billet key retire"), "{refused}");
    all_are_read(&service).await;
}

#[tokio::test]
async fn what_no_key_opens_is_told_and_hinders_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    let stranger = SiteKey::open(&folder.path().join("other.key"), false).unwrap();
    let [lost, _] = new_password(&stranger, samples::machine_id(2), "lost").unwrap();
    let lost: NewSecret = lost;
    service.store.secret_put(samples::machine_id(2), &[lost], &[], samples::NOW).await.unwrap();
    rotate(&service).await.unwrap();
    let Standing { secrets, older, unreadable, .. } = standing(&service).await.unwrap();
    assert_eq!((u128::from(secrets), older, unreadable), (MACHINES, 0, 1));
    later(&service);
    retire(&service).await.unwrap();
}

/// The old key opens an old backup for as long as it is in the file; after that a copy of the file does.
#[tokio::test]
async fn a_backup_from_before_is_read_with_the_file_that_has_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    let backup = folder.path().join("old.backup");
    let file = fs::File::create(&backup).unwrap();
    service.store.dump(file, service.key.fingerprint(), samples::NOW).await.unwrap();
    put(&service, 1, "since").await;
    rotate(&service).await.unwrap();
    killed(service).await;
    let config = app::tests::config(folder.path());
    let key = config.data.join("site.key");
    let both = fs::read(&key).unwrap();
    crate::restore::restore(&config, &backup, true, samples::NOW).await.unwrap();
    let service = opened(folder.path()).await;
    all_are_read(&service).await;
    assert_eq!(u128::from(older(&service).await.unwrap()), MACHINES, "it came back with the old key");
    assert_eq!(u128::from(seal_anew(&service).await.unwrap()), MACHINES);
    retire(&service).await.unwrap();
    killed(service).await;
    let now = samples::NOW + jiff::SignedDuration::from_secs(1);
    let refused = crate::restore::restore(&config, &backup, true, now).await.unwrap_err();
    assert!(format!("{refused:#}").contains("another site key"), "{refused:#}");
    fs::write(&key, both).unwrap();
    crate::restore::restore(&config, &backup, true, now).await.unwrap();
    let service = opened(folder.path()).await;
    all_are_read(&service).await;
}

fn on_server(folder: &Path, url: &str) -> Config {
    Config { database: Some(PostgresDatabase::parse(url, None).unwrap()), ..app::tests::config(folder) }
}

/// What one more replica is given: copies of keys and CA.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("tls")).unwrap();
    for file in ["site.key", "tls/ca.key", "tls/ca.pem"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[tokio::test]
async fn with_replicas_one_rotates_alone_and_the_others_need_its_file() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (on_server(one.path(), database.url()), on_server(two.path(), database.url()));
    let service = app::tests::bound(first.clone()).await.unwrap();
    service.store.machine_insert(&samples::machine(1), &[], &[], samples::NOW).await.unwrap();
    put(&service, 1, "pw-1").await;
    copy(&first.data, &second.data);
    let before = service.key.fingerprint();
    rotate(&service).await.unwrap();
    assert_eq!(service.store.site().await.unwrap().unwrap().key, service.key.fingerprint());
    let Err(refused) = app::tests::bound(second.clone()).await else { panic!("it has the old key") };
    assert!(format!("{refused:#}").contains("copy site.key"), "{refused:#}");
    copy(&first.data, &second.data);
    let other = app::tests::bound(second).await.unwrap();
    assert_eq!(passwords(&other).await.remove(0).unwrap(), "pw-1");
    for refused in [rotate(&service).await.unwrap_err(), retire(&service).await.unwrap_err()] {
        assert!(refused.to_string().contains("stop them, rotate here, copy site.key"), "{refused}");
    }
    assert_eq!(service.key.prints().len(), 2, "nothing was begun");
    other.store.close().await;
    drop(other);
    // Killed before the database was told: the key that it knows goes on sealing.
    let known = service.key.fingerprint();
    assert_ne!(known, before);
    drop(service.key.prepare().unwrap());
    killed(service).await;
    let service = app::tests::bound(first).await.unwrap();
    assert_eq!((service.key.fingerprint(), service.key.prints().len()), (known, 3));
    assert_eq!(older(&service).await.unwrap(), 0);
    assert_eq!(passwords(&service).await.remove(0).unwrap(), "pw-1");
}
