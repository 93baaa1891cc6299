//! What comes out of the log, line by line.

use super::{log_panics, subscriber};
use crate::{config::Log, text::logged};
use provisioner_api::{MachineCreate, Secret, UserCreate};
use serde_json::Value;
use std::{
    io,
    sync::{Arc, Mutex},
};

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while something is done.
fn log(json: bool, filter: &str, work: impl FnOnce()) -> Written {
    let written = Written::default();
    let writer = written.clone();
    let log = Log { filter: filter.into(), json };
    tracing::subscriber::with_default(subscriber(&log, false, move || writer.clone()), work);
    written
}

#[derive(Debug, thiserror::Error)]
#[error("the store failed")]
struct Failed(#[source] Cause);

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Cause(#[source] io::Error);

fn failed() -> Failed {
    Failed(Cause(io::Error::other("no space left")))
}

#[test]
fn a_line_is_json_with_the_whole_chain_of_an_error() {
    let written = log(true, "info,quiet=off", || {
        tracing::warn!(
            error = logged(&failed()),
            machine = "m\n1 \u{1b}[31m",
            tries = 3,
            good = false,
            "it\nfailed"
        );
        tracing::info!(target: "quiet", "nobody hears it");
        tracing::debug!("nor this");
        tracing::error!(error = %failed(), share = 0.5, below = -1, "a text alone");
        tracing::info!("the API listens");
    });
    let text = written.text();
    assert!(text.lines().count() == 3 && !text.contains('\u{1b}'), "{text}");
    let lines = written.lines();
    let first = &lines[0];
    assert_eq!(
        first["fields"]["error"],
        serde_json::json!(["the store failed", "the disk is full", "no space left"])
    );
    assert_eq!((&first["level"], &first["message"]), (&"WARN".into(), &"it\nfailed".into()));
    assert_eq!(first["target"], module_path!());
    assert_eq!(
        (&first["fields"]["machine"], &first["fields"]["tries"]),
        (&"m\n1 \u{1b}[31m".into(), &3.into())
    );
    assert_eq!(first["fields"]["good"], false);
    first["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        lines[1]["fields"],
        serde_json::json!({"error": ["the store failed"], "share": 0.5, "below": -1})
    );
    assert_eq!(
        lines[2].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["level", "message", "target", "timestamp"]
    );
}

#[test]
fn as_text_the_chain_is_there_too() {
    let text = log(false, "info", || tracing::warn!(error = logged(&failed()), "it failed")).text();
    assert!(
        text.contains("it failed error=the store failed error.sources=[the disk is full, no space left]"),
        "{text}"
    );
}

#[test]
fn lines_are_remembered() {
    log(true, "info", || tracing::info!(mark = "remembered-7f3a", "a line"));
    let recent = super::recent();
    let line = recent.lines().find(|line| line.contains("remembered-7f3a")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["message"], "a line");
}

/// What holds a secret and may be in any value that a panic prints.
#[derive(Debug)]
#[expect(dead_code, reason = "only its Debug is used")]
struct Holder {
    user: UserCreate,
    machine: MachineCreate,
    database: crate::config::PostgresDatabase,
}

fn holder() -> Holder {
    let user = serde_json::json!({"name": "ann", "role": "viewer", "password": "canary-panic-user"});
    let machine = serde_json::json!({
        "name": "m1", "macs": [], "bmc_password": "canary-panic-bmc", "bmc_key": "canary-panic-key",
        "bmc": {"protocol": "ipmi", "address": "192.0.2.1", "username": "admin"},
    });
    let url = "postgres://billet:canary-panic-database@db.example.org/site";
    Holder {
        user: serde_json::from_value(user).unwrap(),
        machine: serde_json::from_value(machine).unwrap(),
        database: crate::config::PostgresDatabase::parse(url, None).unwrap(),
    }
}

fn fails() -> Result<(), Box<(Holder, Secret)>> {
    Err(Box::new((holder(), Secret::new("canary-panic-secret"))))
}

#[test]
fn a_panic_is_one_line_and_shows_no_secret() {
    log_panics();
    let written = log(true, "info", || {
        let held = std::panic::catch_unwind(|| fails().unwrap());
        held.unwrap_err();
        let url = std::panic::catch_unwind(|| {
            panic!("can't fetch https://me:canary-panic-url@host/x?canary-panic-query")
        });
        url.unwrap_err();
    });
    let lines = written.lines();
    assert_eq!(lines.len(), 2, "each once");
    assert_eq!(
        (&lines[0]["level"], &lines[0]["message"]),
        (&"ERROR".into(), &"a thread panicked: this is a bug".into())
    );
    let said = lines[0]["fields"]["panic"].as_str().unwrap();
    assert!(said.contains("ann") && said.contains("192.0.2.1") && said.contains("Secret(…)"), "{said}");
    assert!(lines[0]["fields"]["place"].as_str().unwrap().contains("logging/tests.rs:"));
    assert!(lines[1]["fields"]["panic"].as_str().unwrap().contains("https://host/x?…"));
    for text in [written.text(), super::recent()] {
        assert!(!text.contains("canary-panic"), "{text}");
    }
}
