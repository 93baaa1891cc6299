//! `--watch` of lists and pages: printing what changed.
//!
//! Of machines, instances and images the service tells that by itself (`stream`). What follows from these (jobs, pools, zones)
//! is looked at again when one of them changed (`rung`). What it tells nothing of (leases, reservations, replicas), and has no
//! version, is looked at again and again: never more often than once a second, and rather less of a large fleet, so that watching takes a tenth of the time
//! at the most. The service may be restarted meanwhile.

mod stream;

pub(super) use stream::followed;

use crate::cli::{
    args::{Output, Watched},
    bell::Bell,
    error::CliError,
    ui::{HasName, Ui},
};
use provisioner_client::ClientError;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// How long between two looks at the least.
const PAUSE: Duration = Duration::from_secs(1);

/// How long between two looks at something that the service tells of by itself: only how far a step is, it doesn't.
const UNTOLD: Duration = Duration::from_secs(2);

/// So many times as long as a look takes is waited before the next.
const REST: u32 = 10;

/// How long between two looks at a list that follows from what the service tells of: not all that is in it does.
const SELDOM: Duration = Duration::from_secs(10);

/// As [`rung`], of what the service does not tell of.
pub(super) async fn list<T: Serialize + HasName>(
    ui: &mut Ui,
    watched: Watched,
    look: impl AsyncFnMut() -> Result<Vec<T>, ClientError>,
    stays: impl AsyncFnMut(&str) -> Result<bool, ClientError>,
    table: impl Fn(&[T], bool) -> String,
) -> Result<(), CliError> {
    rung(ui, watched, Bell::none(), look, stays, table).await
}

/// Prints a list, and with `--watch` what changes of it, until interrupted; it is looked at when `bell` rings. `stays` says whether what the list doesn't have any
/// more is there still, and only isn't one of those that were asked for.
pub(super) async fn rung<T: Serialize + HasName>(
    ui: &mut Ui,
    watched: Watched,
    mut bell: Bell,
    mut look: impl AsyncFnMut() -> Result<Vec<T>, ClientError>,
    mut stays: impl AsyncFnMut(&str) -> Result<bool, ClientError>,
    table: impl Fn(&[T], bool) -> String,
) -> Result<(), CliError> {
    let mut began = Instant::now();
    let mut objects = look().await?;
    if !watched.watch {
        return ui.list(&objects, |wide| table(&objects, wide));
    }
    let mut seen = Seen::default();
    let mut first = true;
    let mut trouble = Trouble::default();
    loop {
        let (changed, gone) = seen.look(&objects);
        print(ui, &objects, &changed, first, &table)?;
        for name in gone {
            ui.note(&went(&name, stays(&name).await));
        }
        first = false;
        objects = loop {
            let rest = PAUSE.max(began.elapsed() * REST);
            if let Some(remark) = bell.wait_rested(SELDOM, rest).await {
                ui.note(&remark);
            }
            began = Instant::now();
            if let Some(objects) = trouble.pass(ui, look().await)? {
                break objects;
            }
        };
    }
}

/// Prints a page, and with `--watch` the page anew when anything of it changes, until interrupted. `bell` may ring when it does.
pub(super) async fn show<T: Serialize + HasName>(
    ui: &mut Ui,
    watched: Watched,
    mut bell: Bell,
    mut look: impl AsyncFnMut() -> Result<T, ClientError>,
    page: impl Fn(&T) -> String,
) -> Result<(), CliError> {
    let mut began = Instant::now();
    let mut object = look().await?;
    ui.object(&object, || page(&object))?;
    let mut trouble = Trouble::default();
    if !watched.watch {
        return Ok(());
    }
    loop {
        let before = serde_json::to_value(&object).ok();
        object = loop {
            let rest = PAUSE.max(began.elapsed() * REST);
            if let Some(remark) = bell.wait(UNTOLD.max(rest), rest).await {
                ui.note(&remark);
            }
            began = Instant::now();
            if let Some(object) = trouble.pass(ui, look().await)? {
                break object;
            }
        };
        if serde_json::to_value(&object).ok() != before {
            if matches!(ui.output, Output::Table | Output::Wide) {
                ui.line("")?;
            }
            separate(ui, false)?;
            ui.object(&object, || page(&object))?;
        }
    }
}

/// For lists of which all is shown.
pub(super) async fn never(_: &str) -> Result<bool, ClientError> {
    Ok(false)
}

/// What is said of something that the list doesn't have any more.
fn went(name: &str, stays: Result<bool, ClientError>) -> String {
    match stays {
        Ok(true) => format!("{name} is not one of those any more; it is still there"),
        Ok(false) => format!("{name} is gone"),
        Err(error) if error.status() == Some(404) => format!("{name} is gone"),
        Err(_) => format!("{name} is gone, or not one of those any more"),
    }
}

/// Before each document of a stream but the first (YAML 1.2.2, section 9.2).
fn separate(ui: &mut Ui, first: bool) -> Result<(), CliError> {
    if first || ui.output != Output::Yaml { Ok(()) } else { ui.line("---") }
}

/// Waits until it is time for the next look.
async fn rest(began: Instant) {
    sleep(PAUSE.max(began.elapsed() * REST)).await;
}

/// Whether nothing is heard of the service, which is said once.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    /// What came of a look; nothing if there may be something the next time.
    fn pass<T>(&mut self, ui: &mut Ui, looked: Result<T, ClientError>) -> Result<Option<T>, CliError> {
        match looked {
            Ok(found) => {
                self.0 = false;
                Ok(Some(found))
            }
            Err(error) if error.is_transient() => {
                if !std::mem::replace(&mut self.0, true) {
                    ui.note(&format!("no news, trying on: {error}"));
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Prints the rows of those that changed; a document each for programs.
fn print<T: Serialize + HasName>(
    ui: &mut Ui,
    objects: &[T],
    changed: &[usize],
    first: bool,
    table: impl Fn(&[T], bool) -> String,
) -> Result<(), CliError> {
    match ui.output {
        Output::Table | Output::Wide => {
            let text = table(objects, ui.output == Output::Wide);
            // A title, and a line for each object.
            let mut lines = text.lines();
            let title = lines.next().filter(|_| first);
            let rows = lines.enumerate().filter(|(row, _)| changed.contains(row)).map(|(_, line)| line);
            title.into_iter().chain(rows).try_for_each(|line| ui.line(line))
        }
        _ => changed.iter().enumerate().try_for_each(|(place, &index)| {
            separate(ui, first && place == 0)?;
            ui.object(&objects[index], String::new)
        }),
    }
}

/// What was seen last.
#[derive(Default)]
struct Seen(BTreeMap<String, Value>);

impl Seen {
    /// Which of these are new or changed, and which of the former are gone.
    fn look<T: Serialize + HasName>(&mut self, objects: &[T]) -> (Vec<usize>, Vec<String>) {
        let mut now = BTreeMap::new();
        let mut changed = Vec::new();
        for (index, object) in objects.iter().enumerate() {
            let (name, value) = (object.name(), essence(object));
            if self.0.get(&name) != Some(&value) {
                changed.push(index);
            }
            now.insert(name, value);
        }
        let gone = self.0.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        self.0 = now;
        (changed, gone)
    }
}

/// What a row is about: how far the steps of a job are is not in it.
fn essence<T: Serialize>(object: &T) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    // A replica's sign of life is no change.
    if let Some(all) = value.as_object_mut() {
        all.remove("beat");
    }
    if let Some(status) = value.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("job");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::cli::tests::samples;
    use provisioner_api::MachineState;

    #[test]
    fn only_what_changed_is_seen_again() {
        let mut seen = Seen::default();
        let mut machines = vec![samples::machine("m1"), samples::machine("m2"), samples::machine("m3")];
        assert_eq!(seen.look(&machines), (vec![0, 1, 2], vec![]));
        assert_eq!(seen.look(&machines), (vec![], vec![]));
        machines[1].status.state = MachineState::Deploying;
        machines[2].status.job = Some(samples::job());
        assert_eq!(seen.look(&machines), (vec![1], vec![]), "progress is in no row");
        machines.remove(0);
        assert_eq!(seen.look(&machines), (vec![], vec!["m1".to_owned()]));
    }
}
