//! `billet job`, `billet event`, `billet zone`: the whole fleet at a glance.

use super::{Session, context, follow, watch};
use crate::cli::{
    args::{EventCommand, FleetEvents, JobCommand, JobState, ZoneCommand},
    bell::Bell,
    error::CliError,
    view,
};
use provisioner_api::{Group, ListedJob};
use provisioner_client::JobFilter;

/// Does what is asked of jobs.
pub(super) async fn jobs(session: &mut Session<'_>, command: JobCommand) -> Result<(), CliError> {
    match command {
        JobCommand::List(asked) => {
            let filter = JobFilter {
                running: asked.state.map(|state| state == JobState::Running),
                kind: asked.kind,
                machine: asked.machine,
            };
            let client = session.client.clone();
            let look = async || client.jobs(&filter, asked.newest).await;
            let table = |jobs: &[ListedJob], wide| view::jobs(jobs, wide, &context());
            // One that ended, or that newer ones pushed out, is there still.
            let stays = async |id: &str| Ok(client.job(id).await.map(|_| true)?);
            let bell = Bell::of_all(&session.client);
            watch::rung(session.ui, asked.watched, bell, look, stays, table).await
        }
        JobCommand::Show { id } => {
            let job = session.client.job(&id).await?;
            session.ui.object(&job, || view::job(&job, &context()))
        }
    }
}

/// Does what is asked of events.
pub(super) async fn events(session: &mut Session<'_>, command: EventCommand) -> Result<(), CliError> {
    let EventCommand::List(FleetEvents { kinds, newest, follow }) = command;
    let client = session.client.clone();
    let ask = async |from| match from {
        follow::From::Newest(number) => client.newest_events_of_all(&kinds, number).await,
        follow::From::After(after) => client.events(&kinds, after).await,
    };
    follow::events(session, Some(newest), follow, ask, view::fleet_events).await
}

/// Does what is asked of zones.
pub(super) async fn zones(session: &mut Session<'_>, command: ZoneCommand) -> Result<(), CliError> {
    let ZoneCommand::List(watched) = command;
    let client = session.client.clone();
    let table = |zones: &[Group], _| view::zones(zones);
    let bell = Bell::of_all(&session.client);
    watch::rung(session.ui, watched, bell, async || client.zones().await, watch::never, table).await
}
