//! The end of a run: everything comes to rest, then what the service says is looked up beside what there really is.

use super::Service;
use crate::fleet::entry::{Snapshot, Usage, What};
use crate::fleet::load::{Load, View, works};
use crate::fleet::records::Records;
use anyhow::{Context, Result};
use jiff::Timestamp;
use provisioner_api::{InstanceState, Lease};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long everything may take to come to rest: twice the longest time limit of a machine in hand, within reason.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(180), Duration::from_secs(900));

/// The most sentences about what did not come to rest.
const EXAMPLES: usize = 5;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How many looks in a row must find that nothing moves.
const STILL: u32 = 3;

/// Words that no line of the log may have.
const BAD_WORDS: [&str; 3] = ["panicked", "this is a bug", "damaged"];

/// What SQLite is asked, in Python, which has it built in.
const CHECK: &str = r#"
import sqlite3, sys
database = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
for question in ("PRAGMA integrity_check", "PRAGMA foreign_key_check"):
    for row in database.execute(question):
        if row[0] != "ok":
            print(question + ": " + " ".join(map(str, row)))
"#;

/// Without faults and kills, restarts the service once and waits until nothing moves. What still does when time is over
/// is a broken promise: nothing goes wrong any more that it could wait for.
pub(super) async fn come_to_rest(load: &Load) -> Result<()> {
    load.eyes.write(None, What::Quiet);
    load.service.kill_and_restart(None, 0, Duration::ZERO).await?;
    let limits = &load.scenario.limits;
    let longest = limits.bmc.max(limits.agent_call_in).max(limits.agent_silence).max(limits.phone_home).0;
    let end = Instant::now() + (longest * 2).clamp(PATIENCE.0, PATIENCE.1);
    let mut still = 0;
    while !load.stop.is_cancelled() {
        let Some(view) = load.view().await else { break };
        still = if moves(&view) { 0 } else { still + 1 };
        if still >= STILL {
            break;
        }
        if Instant::now() > end {
            tell_restless(load, &view);
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = load.stop.cancelled() => {}
        }
    }
    Ok(())
}

/// Says of some what they still wait for.
fn tell_restless(load: &Load, view: &View) {
    let why = |state: &dyn std::fmt::Debug, waiting: Option<&provisioner_api::Waiting>| {
        let waiting = waiting.map_or("nothing that it tells", |waiting| &waiting.why);
        format!("it is still {state:?}, without kills and faults for minutes, and waits for {waiting}")
    };
    let machines = view.machines.iter().filter(|machine| works(machine) && machine.status.held.is_none());
    let machines =
        machines.map(|machine| (&machine.name, why(&machine.status.state, machine.status.waiting.as_ref())));
    let instances = view.instances.iter().filter(|one| {
        one.status.held.is_none()
            && one.status.machine.is_none()
            && one.status.state != InstanceState::Running
    });
    let instances = instances.map(|one| (&one.name, why(&one.status.state, one.status.waiting.as_ref())));
    for (name, why) in machines.chain(instances).take(EXAMPLES) {
        load.problem("comes-to-rest", name, why);
    }
}

/// Whether anything still goes on, or could begin at once.
fn moves(view: &View) -> bool {
    let instances = view.instances.iter().any(|instance| {
        let status = &instance.status;
        let states = [InstanceState::Deploying, InstanceState::Reinstalling, InstanceState::Releasing];
        let works = states.contains(&status.state);
        works && status.held.is_none()
    });
    let pending = view.instances.iter().any(|instance| {
        let status = &instance.status;
        status.state == InstanceState::Pending && instance.spec.machine.is_none() && status.held.is_none()
    });
    view.moves() || instances || pending && view.has_free()
}

/// Looks everything up; ends the service, because its database is looked at last.
pub(super) async fn look_up(load: &Arc<Load>, usage_first: Usage) -> Result<Snapshot> {
    // Nothing read is not the same as nothing there.
    let view = load.view().await.context("the service's machines and instances can't be read")?;
    let leases: Vec<Lease> = load
        .caller
        .until_read(|| load.client.leases("fleet"))
        .await
        .context("the service's leases can't be read")?;
    let usage_last = load.service.usage();
    // Looks at every byte of every disk: not on a thread that others wait for.
    let fleet = Arc::clone(&load.fleet);
    let truth = tokio::task::spawn_blocking(move || fleet.truth()).await?;
    let stray_files = stray_files(load.service.data());
    load.service.stop().await?;
    Ok(Snapshot {
        machines: view.machines,
        instances: view.instances,
        leases,
        // Leases expire by the clock on the wall.
        at: Timestamp::now().as_second(),
        truth,
        stray_files,
        usage_first,
        usage_last,
        database: match load.service.records() {
            Records::File => database(&load.service.data().join("billet.db")).await?,
            Records::Own(server) => server.damage().await?,
            Records::Given(_) => Vec::new(),
        },
        bad_log_lines: bad_log_lines(&load.service)?,
    })
}

/// What lies in the data folder and should not: uploads, more than one file of IPMI sessions, half-written files.
fn stray_files(data: &Path) -> Vec<String> {
    let mut stray: Vec<String> = files_in(&data.join("uploads"));
    let sessions = files_in(&data.join("ipmi-sessions"));
    if sessions.len() > 1 {
        stray.extend(sessions);
    }
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
            } else if [".tmp", ".part", ".new", ".partial"].iter().any(|end| name.ends_with(end)) {
                stray.push(path.display().to_string());
            }
        }
    }
    stray.sort();
    stray.dedup();
    stray
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// What SQLite's own checks find, or why nobody could ask.
async fn database(file: &Path) -> Result<Vec<String>> {
    let mut python = tokio::process::Command::new("python3");
    python.args(["-c", CHECK]).arg(file).stdin(Stdio::null()).kill_on_drop(true);
    let output = match python.output().await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(vec!["nobody could check whether it is whole: install python3".to_owned()]);
        }
        Err(error) => return Err(error.into()),
    };
    let mut lines: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        lines.push(said.lines().last().unwrap_or("the database can't be read").to_owned());
    }
    Ok(lines)
}

/// Lines of the log that must never be.
fn bad_log_lines(service: &Service) -> Result<Vec<String>> {
    let mut bad = Vec::new();
    for line in BufReader::new(std::fs::File::open(service.log())?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if BAD_WORDS.iter().any(|word| line.contains(word)) {
            bad.push(line);
        }
    }
    Ok(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_is_found() {
        let data = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = data.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for right in ["billet.db", "images/chunks/ab/abcd", "ipmi-sessions/one", "tls/ca.pem"] {
            write(right);
        }
        assert_eq!(stray_files(data.path()), [""; 0]);
        for wrong in ["uploads/u-1", "ipmi-sessions/two", "images/manifests/x.tmp"] {
            write(wrong);
        }
        let stray = stray_files(data.path());
        assert!(
            ["u-1", "two", "one", "x.tmp"].iter().all(|name| stray.iter().any(|path| path.ends_with(name)))
        );
        assert_eq!(stray.len(), 4, "{stray:?}");
    }

    #[tokio::test]
    async fn a_database_that_is_none_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 8192]).unwrap();
        let lines = database(file.path()).await.unwrap();
        assert!(lines.iter().any(|line| line.contains("not a database")), "{lines:?}");
    }
}
