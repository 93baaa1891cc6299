//! What is refused leaves the database as it is; what is restored is whole, safe, and what was there before is saved.

use super::*;
use crate::{
    app::tests,
    backup::{End, Writer},
    samples,
    store::TokenRecord,
};
use provisioner_api::{AuditOutcome, JobKind};

/// A data folder whose service is stopped, with a machine at work, and a backup of it.
async fn site(folder: &Path) -> (Config, PathBuf) {
    let config = tests::config(folder);
    let service = tests::service(folder).await;
    let before = samples::machine(1);
    service.store.machine_insert(&before, &[], &[], samples::NOW).await.unwrap();
    let mut next = before.clone();
    next.machine.job = Some(samples::job(7, JobKind::Release, Vec::new()));
    next.machine.state.epoch = 1;
    service.store.machine_update(&before, &next, &[], &[], samples::NOW).await.unwrap();
    let path = folder.join("backup");
    let file = File::create(&path).unwrap();
    service.store.dump(file, service.key.fingerprint(), samples::NOW).await.unwrap();
    service.store.close().await;
    // As one that serves does.
    let lock = app::make_folders(&config.data).await.unwrap();
    let refused = restore(&config, &path, true, samples::NOW).await.unwrap_err();
    assert!(format!("{refused:#}").contains("another `billet serve` works with"), "{refused:#}");
    drop(lock);
    (config, path)
}

async fn refused(config: &Config, file: &Path, replace: bool) -> String {
    let database = config.data.join("billet.db");
    let before = fs::read(&database).ok();
    let error = restore(config, file, replace, samples::NOW).await.unwrap_err();
    assert_eq!(fs::read(&database).ok(), before, "nothing was changed");
    format!("{error:#}")
}

async fn held(config: &Config) -> Vec<String> {
    let store = Store::open(&config.data.join("billet.db")).await.unwrap();
    let machines = store.machine_list().await.unwrap();
    let held = machines.into_iter().filter(|record| record.machine.state.hold.is_some());
    let names = held.map(|record| record.name).collect();
    store.close().await;
    names
}

#[tokio::test]
async fn a_backup_takes_the_place_of_what_was_there_which_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (config, backup) = site(folder.path()).await;
    let error = refused(&config, &backup, false).await;
    assert!(
        error.starts_with("the database is not empty")
            && error.contains("machine 1")
            && error.contains("--replace"),
        "{error}"
    );
    // One that was killed in the midst of it left this behind.
    fs::write(config.data.join("billet.db.new"), b"half").unwrap();
    fs::write(config.data.join("billet.db.new-wal"), b"half").unwrap();
    let outcome = restore(&config, &backup, true, samples::NOW).await.unwrap();
    assert_eq!(outcome.restored.jobs, [("m1".to_owned(), JobKind::Release)]);
    assert_eq!(held(&config).await, ["m1"]);
    let saved = outcome.saved.unwrap();
    assert_eq!(crate::backup::check(&saved).unwrap().rows["machine"], 1);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&saved).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What is saved goes back as well, and into a folder where there is nothing but the key.
    let later = samples::NOW + jiff::SignedDuration::from_secs(1);
    restore(&config, &saved, true, later).await.unwrap();
    for file in ["billet.db", "billet.db-wal", "billet.db-shm"] {
        let _ = fs::remove_file(config.data.join(file));
    }
    let outcome = restore(&config, &saved, false, later).await.unwrap();
    assert!(outcome.saved.is_none());
    assert_eq!(held(&config).await, ["m1"]);
}

#[tokio::test]
async fn what_can_not_be_used_here_is_refused_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let (config, backup) = site(folder.path()).await;
    let whole = fs::read(&backup).unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(&config, &broken, true).await.contains("its end is missing"));
    let mut header = crate::backup::check(&backup).unwrap().header;
    (header.schema, header.version) = (SCHEMA + 1, "9.9.9".into());
    Writer::begin(File::create(&broken).unwrap(), &header).unwrap().finish(&End::default()).unwrap();
    let error = refused(&config, &broken, true).await;
    assert!(error.contains("billet 9.9.9") && error.contains(&format!("schema {}", SCHEMA + 1)), "{error}");
    header.schema = SCHEMA - 1;
    let error = check_schema(&header, true).unwrap_err().to_string();
    assert!(error.contains("without `database`"), "{error}");
    check_schema(&header, false).unwrap();
    let key = config.data.join("site.key");
    fs::rename(&key, folder.path().join("kept")).unwrap();
    let error = refused(&config, &backup, true).await;
    assert!(error.contains("no site key") && error.contains("of that time"), "{error}");
    SiteKey::open(&key, false).unwrap();
    let error = refused(&config, &backup, true).await;
    assert!(error.contains("another site key") && error.contains(&header.site_key), "{error}");
}

#[tokio::test]
async fn tokens_and_what_was_done_are_missed_and_what_a_service_does_alone_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let service = tests::service(folder.path()).await;
    let held = async || service.store.holds().await.unwrap();
    assert_eq!(held().await, [], "the token of the first start is nobody's");
    let entry = |outcome| provisioner_api::AuditEntry { outcome, ..samples::audit("ci") };
    service.store.audit_append(&[entry(AuditOutcome::Denied)]).await.unwrap();
    assert_eq!(held().await, [], "strangers were refused");
    service.store.audit_append(&[entry(AuditOutcome::Done)]).await.unwrap();
    assert_eq!(held().await, [("audit".to_owned(), 1)]);
    let token = TokenRecord::admin("ci", samples::NOW);
    service.store.token_insert("hash", &token).await.unwrap();
    let mut both = held().await;
    both.sort();
    assert_eq!(both, [("api_token".to_owned(), 2), ("audit".to_owned(), 1)]);
}

#[tokio::test]
async fn the_tokens_that_work_again_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = tests::config(folder.path());
    let service = tests::service(folder.path()).await;
    let leaked = TokenRecord::admin("leaked", samples::NOW);
    service.store.token_insert("hash", &leaked).await.unwrap();
    let path = folder.path().join("backup");
    let file = File::create(&path).unwrap();
    service.store.dump(file, service.key.fingerprint(), samples::NOW).await.unwrap();
    // It was revoked since, which the backup does not know.
    service.store.token_delete("leaked").await.unwrap();
    service.store.close().await;
    let outcome = restore(&config, &path, true, samples::NOW).await.unwrap();
    let tokens = ["admin", "leaked"].map(|name| (name.to_owned(), "admin".to_owned()));
    assert_eq!(outcome.restored.tokens, tokens);
}
