//! Whenever a rotation is cut short, every secret can be read; at its end none needs the old key.

use super::*;
use crate::{
    app,
    bmcs::new_password,
    config::{Config, PostgresDatabase},
    keys::{KeyError, SiteKey},
    samples,
    secret_file::{self, Readers},
    store::NewSecret,
};
use futures::FutureExt;
use provisioner_api::JobKind;
use std::{fs, path::Path};
use tests_postgres::Server;

async fn rotate(service: &Service) -> Result<(), RotateError> {
    super::rotate(service, &turn(service).await).await
}

async fn retire(service: &Service) -> Result<(), RotateError> {
    super::retire(service, &turn(service).await).await
}

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

/// How many secrets an older key sealed.
async fn older(service: &Service) -> u64 {
    standing(service).await.unwrap().older
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
        let left = older(&service).await;
        assert_eq!(u128::from(left), MACHINES - moment.saturating_sub(1), "{moment}");
        assert_eq!(seal_anew(&service).await.unwrap(), left);
        all_are_read(&service).await;
        assert_eq!(older(&service).await, 0);
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
    assert_eq!(u128::from(older(&service).await), MACHINES, "it came back with the old key");
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

#[tokio::test]
async fn the_copy_of_what_was_there_names_the_key_that_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    let (config, backup) = (app::tests::config(folder.path()), folder.path().join("old.backup"));
    let (key, aside) = (config.data.join("site.key"), folder.path().join("aside"));
    let file = fs::File::create(&backup).unwrap();
    service.store.dump(file, service.key.fingerprint(), samples::NOW).await.unwrap();
    let old = fs::read(&key).unwrap();
    rotate(&service).await.unwrap();
    later(&service);
    retire(&service).await.unwrap();
    let newest = service.key.fingerprint();
    killed(service).await;
    let restore = async || crate::restore::restore(&config, &backup, true, samples::NOW).await;
    let refused = format!("{:#}", restore().await.unwrap_err());
    assert!(refused.contains("rename the present file to `site.key.now`"), "{refused}");
    // Put over the only key that opens what is there.
    fs::rename(&key, &aside).unwrap();
    secret_file::write(&key, &old, Readers::Owner).unwrap();
    let refused = format!("{:#}", restore().await.unwrap_err());
    assert!(refused.contains("would be lost"), "{refused}");
    let Err(refused) = app::tests::bound(config.clone()).await else { panic!("it opens nothing") };
    assert!(refused.to_string().contains("none of the 5 secrets"), "{refused}");
    let kept = config.data.join("site.key.now");
    fs::rename(&aside, &kept).unwrap();
    let outcome = restore().await.unwrap();
    assert_eq!(crate::backup::check(&outcome.saved.unwrap()).unwrap().header.site_key, newest);
    let service = opened(folder.path()).await;
    all_are_read(&service).await;
    killed(service).await;
    fs::rename(&kept, &key).unwrap();
    assert!(app::tests::bound(config.clone()).await.is_err(), "another one than what was restored needs");
    fs::write(config.data.join("site.key.lost"), "").unwrap();
    let service = opened(folder.path()).await;
    assert_eq!(u128::from(standing(&service).await.unwrap().unreadable), MACHINES);
}

#[tokio::test]
async fn a_rotation_stands_when_its_secrets_can_not_be_sealed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    killed(Arc::clone(&service)).await;
    rotate(&service).await.unwrap();
    let service = opened(folder.path()).await;
    assert_eq!(u128::from(older(&service).await), MACHINES);
    assert!(
        matches!(settled(&service).await, Err(RotateError::Sealed { secrets: 5 })),
        "no backup of two keys"
    );
    retire(&service).await.unwrap();
    assert_eq!(service.key.prints().len(), 1);
    all_are_read(&service).await;
}

#[tokio::test]
async fn while_a_backup_is_read_no_key_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let service = with_secrets(folder.path()).await;
    let turn = settled(&service).await.unwrap();
    assert!(rotate(&service).now_or_never().is_none());
    assert_eq!(service.key.prints().len(), 1);
    drop(turn);
    rotate(&service).await.unwrap();
    assert!(
        matches!(settled(&service).await, Err(RotateError::Sealed { secrets: 0 })),
        "one may be under way"
    );
    later(&service);
    drop(settled(&service).await.unwrap());
}

#[tokio::test]
async fn where_replicas_may_be_no_key_is_rotated() {
    let database = Server::shared().await.unwrap().database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database_url = PostgresDatabase::parse(database.url(), None).unwrap();
    let config = Config { database: Some(database_url), ..app::tests::config(folder.path()) };
    let service = app::tests::bound(config).await.unwrap();
    let before = fs::read(service.config.data.join("site.key")).unwrap();
    for refused in [rotate(&service).await.unwrap_err(), retire(&service).await.unwrap_err()] {
        assert!(matches!(refused, RotateError::Shared), "{refused}");
    }
    assert_eq!(fs::read(service.config.data.join("site.key")).unwrap(), before);
    assert_eq!(service.key.prints().len(), 1);
}
