//! `billet machine confirm`: the machines at rest of a restored database, all at once.

use super::{
    Session,
    confirm::{self, Question},
    losses,
};
use crate::cli::{args::Confirm, error::CliError};
use provisioner_api::{Choice, InstanceState, Machine, MachineState};
use provisioner_client::MachineFilter;

/// Answers the holds of those machines that were restored and at which nothing is to be done.
pub(super) async fn confirm(session: &mut Session<'_>, asked: &Confirm) -> Result<(), CliError> {
    let filter =
        MachineFilter { state: Some(asked.state), pool: asked.pool.clone(), held: Some(true), labels: None };
    let mut held = Vec::new();
    for machine in session.client.machines(&filter).await? {
        let hold = machine.status.held.as_ref().filter(|held| held.restored).map(|held| held.number);
        match hold {
            Some(number) if rests(session, &machine).await? => held.push((machine.name, number)),
            Some(_) => session.ui.note(&format!(
                "machine {} is left as it is, because its instance is to be deployed or given back: see `billet why {0}`",
                machine.name
            )),
            None => {}
        }
    }
    if held.is_empty() {
        return session.ui.done("no machine has to be confirmed");
    }
    if asked.dry.dry_run {
        let names: Vec<_> = held.iter().map(|(name, _)| name.as_str()).collect();
        let what =
            format!("{} machines would be confirmed as the backup says: {}", held.len(), names.join(", "));
        return losses::no_disk(session, asked.dry, what).map(drop);
    }
    if !asked.yes {
        let consequence = match asked.state {
            MachineState::Available => "instances may have them again, and their disks are not wiped before",
            _ => "they count as their instances' again",
        };
        let question = Question {
            what: &format!("confirm {} machines", held.len()),
            undone: "nothing was confirmed",
            consequence,
        };
        confirm::confirm(session.environment, session.ui, &question)?;
    }
    let mut confirmed = 0;
    for (name, number) in &held {
        match session.client.choose(name, *number, Choice::Retry).await {
            Ok(_) => confirmed += 1,
            // It is another one's turn by now: whoever looks at it is told why.
            Err(error) if error.status() == Some(409) => {
                session.ui.note(&format!("machine {name} is left as it is: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    session.ui.done(&format!("{confirmed} machines are confirmed"))
}

/// Whether nothing will be done to it once it is confirmed.
async fn rests(session: &Session<'_>, machine: &Machine) -> Result<bool, CliError> {
    let Some(instance) = &machine.status.instance else { return Ok(true) };
    if machine.status.state != MachineState::Deployed {
        return Ok(false);
    }
    let instance = session.client.instance(&instance.to_string()).await?;
    Ok(instance.status.state == InstanceState::Running)
}
