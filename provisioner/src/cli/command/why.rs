//! `billet why`.

use super::{Session, context};
use crate::cli::{args::Output, error::CliError, validate::WhyTarget, view};
use provisioner_api::Why;
use provisioner_client::ClientError;

/// Prints what a machine, an instance, or both of that name wait for.
pub(super) async fn run(session: &mut Session<'_>, target: &WhyTarget) -> Result<(), CliError> {
    let client = &session.client;
    let answers = match target {
        WhyTarget::Machine(name) => vec![client.machine_why(name).await?],
        WhyTarget::Instance(name) => vec![client.instance_why(name).await?],
        WhyTarget::Any(name) => {
            let (instance, machine) = tokio::join!(client.instance_why(name), client.machine_why(name));
            either(name, instance, machine)?
        }
    };
    match session.ui.output {
        Output::Table | Output::Wide => {
            let pages: Vec<_> = answers.iter().map(|why| view::why(why, &context())).collect();
            session.ui.raw(pages.join("\n").as_bytes())
        }
        // A list in any case: a name may be both a machine's and an instance's.
        _ => session.ui.list(&answers, |_| String::new()),
    }
}

/// Those of two answers that there are.
fn either(
    name: &str,
    instance: Result<Why, ClientError>,
    machine: Result<Why, ClientError>,
) -> Result<Vec<Why>, CliError> {
    let mut answers = Vec::new();
    let mut missing = None;
    for answer in [instance, machine] {
        match answer {
            Ok(why) => answers.push(why),
            // A tenant is told nothing of machines.
            Err(error) if matches!(error.status(), Some(403 | 404)) => missing = missing.or(Some(error)),
            Err(error) => return Err(error.into()),
        }
    }
    match (answers.is_empty(), missing) {
        (true, Some(ClientError::Problem(mut problem))) => {
            problem.detail = format!(
                "there is neither a machine nor an instance `{name}`; see `billet machine list` and `billet instance list`"
            );
            problem.fields.clear();
            Err(ClientError::Problem(problem).into())
        }
        (true, Some(error)) => Err(error.into()),
        _ => Ok(answers),
    }
}
