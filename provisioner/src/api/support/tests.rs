//! A bundle of a service that nothing runs in, whole and sick.

use super::*;
use crate::{
    app, samples,
    store::{NewEvent, Store},
};
use std::{collections::BTreeMap, io::Read};

/// The files of a bundle, by their names within its folder.
async fn made(service: &Arc<Service>, machine: Option<&str>) -> BTreeMap<String, String> {
    let asked = Asked { machine: machine.map(Into::into) };
    let answer = super::made(service, &asked).await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/gzip");
    let packed = axum::body::to_bytes(answer.into_body(), 1 << 24).await.unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*packed));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let (folder, name) = path.split_once('/').unwrap();
        assert!(folder.starts_with("billet-support-2"), "{folder}");
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        if name.ends_with(".json") {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
        (name.to_owned(), text)
    });
    entries.collect()
}

async fn with_machine(store: &Store) {
    let mut record = samples::machine(7);
    record.name = "m1".into();
    let events = [NewEvent::machine(record.id(), "request", "it was added")];
    store.machine_insert(&record, &[], &events, clock::now()).await.unwrap();
}

fn json(files: &BTreeMap<String, String>, name: &str) -> serde_json::Value {
    serde_json::from_str(files.get(name).unwrap_or_else(|| panic!("{name}: {}", files["README.txt"])))
        .unwrap()
}

#[tokio::test]
async fn everything_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    with_machine(&service.store).await;
    let files = made(&service, None).await;
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let all = [
        "README.txt",
        "about.json",
        "audit.json",
        "configuration.json",
        "counts.json",
        "database.json",
        "database_check.json",
        "events.json",
        "instances.json",
        "jobs.json",
        "log.txt",
        "machines.json",
        "metrics.txt",
        "networks.json",
        "readiness.json",
        "replicas.json",
        "works.json",
    ];
    assert_eq!(names, all, "{}", files["README.txt"]);
    let database = json(&files, "database.json");
    assert_eq!((&database["kind"], &database["schema"]), (&"sqlite".into(), &crate::store::SCHEMA.into()));
    let checked = json(&files, "database_check.json");
    assert_eq!(
        (&checked["rows"]["machine"], &checked["quick_check"]),
        (&1.into(), &serde_json::json!(["ok"]))
    );
    assert!(database["bytes"].as_i64().unwrap() > 4096);
    assert_eq!(json(&files, "machines.json")["items"][0]["name"], "m1");
    assert_eq!(json(&files, "events.json")[0]["machine_name"], "m1");
    assert_eq!(json(&files, "about.json")["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json(&files, "configuration.json")["networks"][0]["name"], "lab");
    assert!(files["metrics.txt"].contains("billet_frozen 0"));
    assert!(files["README.txt"].contains("All that was asked for could be read."));
}

#[tokio::test]
async fn of_a_machine_there_is_more_and_of_none_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    with_machine(&service.store).await;
    let files = made(&service, Some("m1")).await;
    assert_eq!(json(&files, "machine/machine.json")["name"], "m1");
    assert!(files["machine/timeline.json"].contains("it was added"));
    assert!(files.contains_key("machine/jobs.json") && files.contains_key("machine/why.json"));
    // Nobody answers at its address, or it has none.
    assert!(files["README.txt"].contains("machine/bmc.json: "), "{}", files["README.txt"]);
    let asked = Asked { machine: Some("m9".into()) };
    let error = super::made(&service, &asked).await.unwrap_err();
    assert_eq!(error.status(), 404);
}

#[tokio::test]
async fn of_a_sick_database_it_says_what_could_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    with_machine(&service.store).await;
    service.store.close().await;
    let files = made(&service, Some("m1")).await;
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    // The check has a connection of its own.
    let read = [
        "README.txt",
        "about.json",
        "configuration.json",
        "database_check.json",
        "log.txt",
        "readiness.json",
    ];
    assert_eq!(names, read);
    let readme = &files["README.txt"];
    for part in ["database.json", "machines.json", "audit.json", "metrics.txt", "machine/machine.json"] {
        assert!(readme.contains(&format!("  {part}: the ")), "{part}: {readme}");
    }
}

#[tokio::test]
async fn after_the_wait_nobody_gets_one_who_has_no_right_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    let refused = show(State(service), Query(Asked::default())).await.unwrap_err();
    assert_eq!(refused.status().as_u16(), 500, "it was asked for outside of a request that was let in");
}
