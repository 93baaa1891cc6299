//! `billet apply`: what files declare is made so.
//!
//! - `plan`: what is there is asked for, and compared; all mistakes of all files are told before anything is changed;
//! - `pool`, `network`, `machine`, `instance`, `image`: what differs.
//!
//! It creates and changes. It never deletes, gives back, installs anew or accepts anything: what the files don't say stays as
//! it is. Each change of a pool, a machine or an instance names the version that was seen (`If-Match`), each creation a name that nobody else can have, so
//! that after a break the same command goes on where it was.

mod image;
mod instance;
mod machine;
mod network;
mod plan;
mod pool;

use super::Session;
use crate::cli::{
    args::{Apply, Output},
    error::CliError,
    manifest,
    ui::HasName,
};
use plan::{Planned, Step};
use serde::Serialize;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// It was not there.
    Created,
    /// It was otherwise.
    Changed,
    /// It was so.
    Unchanged,
}

/// An object, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Applied {
    kind: &'static str,
    name: String,
    outcome: Outcome,
    /// What was changed, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
}

impl HasName for Applied {
    fn name(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl Applied {
    fn sentence(&self) -> String {
        let name = self.name();
        match (self.outcome, &*self.changes) {
            (Outcome::Created, []) => format!("{name} created"),
            (Outcome::Created, fields) => format!("{name} created: {}", fields.join(", ")),
            (Outcome::Unchanged, _) => format!("{name} unchanged"),
            (Outcome::Changed, changes) => format!("{name} changed: {}", changes.join(", ")),
        }
    }
}

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, asked: &Apply) -> Result<(), CliError> {
    let declared = manifest::read(&asked.files, session.environment)?;
    let planned = plan::plan(session, &declared).await?;
    let (all, mut done) = (planned.len(), Vec::new());
    let people = matches!(session.ui.output, Output::Table | Output::Wide);
    // Who reads no more of it does not end it half done.
    let (mut end, mut printed) = (Ok(()), Ok(()));
    for Planned { applied, step } in planned {
        if !asked.dry_run
            && let Err(error) = perform(session, step).await
        {
            let failed = applied.name();
            end = Err(error.with_hint(format!(
                "that was {failed}: {} of {all} objects are as the files say; once that is mended, the same command goes on",
                done.len()
            )));
            break;
        }
        // Told at once: the next one may take long.
        if people && printed.is_ok() {
            printed = session.ui.line(&applied.sentence());
        }
        done.push(applied);
    }
    if !people {
        printed = session.ui.list(&done, |_| String::new());
    }
    end?;
    printed?;
    if asked.dry_run {
        session.ui.done("dry run: nothing was done")?;
    }
    Ok(())
}

/// Makes one object what it is to be.
async fn perform(session: &mut Session<'_>, step: Step) -> Result<(), CliError> {
    let client = &session.client;
    match step {
        Step::Nothing => {}
        Step::CreatePool { create } => {
            client.create_pool(&create).await?;
        }
        Step::ChangePool { name, seen, update } => {
            client.update_seen_pool(&name, &seen, &update).await?;
        }
        Step::Reserve { network, reservation } => {
            client.add_reservation(&network, &reservation).await?;
        }
        Step::Import { spec, files } => image::import(session, &spec, &files).await?,
        Step::AddMachine { create, then } => {
            let machine = client.add_machine(&create).await?;
            if let Some(then) = then {
                let seen = (machine.id, machine.version);
                let done = client.update_seen_machine(&machine.name, seen, &then).await;
                done.map_err(|error| {
                    CliError::from(error).with_hint(format!(
                        "machine {} was added, but not yet told its maintenance, protected or retired",
                        machine.name
                    ))
                })?;
            }
        }
        Step::ChangeMachine { name, seen, update } => {
            client.update_seen_machine(&name, seen, &update).await?;
        }
        Step::CreateInstance { create } => {
            client.create_instance(&create).await?;
        }
        Step::ChangeInstance { name, seen, update } => {
            client.update_seen_instance(&name, seen, &update).await?;
        }
    }
    Ok(())
}
