//! Doing what was typed: one file for each noun.

mod audit;
mod authorities;
mod backup;
mod bmc;
mod boot_trace;
mod confirm;
mod console;
mod follow;
mod image;
mod instance;
mod machine;
mod network;
mod password;
mod ram_image;
mod restored;
mod servicing;
mod timeline;
mod token;
mod why;
mod works;

use super::{
    args::{Cli, Command, ReplicaCommand},
    connection,
    environment::Environment,
    error::CliError,
    text::Context,
    ui::Ui,
    view,
};
use authorities::authorities;
pub(super) use backup::check as check_backup;
use jiff::tz::TimeZone;
use provisioner_client::Client;

/// What every command needs.
struct Session<'a> {
    client: Client,
    environment: &'a Environment,
    ui: &'a mut Ui,
}

/// Runs a command that asks the service.
pub(super) async fn run(cli: Cli, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    let file = cli.global.client.as_deref();
    if let Command::Bmc(args) = cli.command {
        // A BMC by its address needs no service.
        return bmc::run(*args, file, environment, ui).await;
    }
    let connection = connection::find(file, environment)?;
    let mut session = Session { client: Client::new(&connection)?, environment, ui };
    match cli.command {
        Command::Machine(command) => machine::run(&mut session, command).await,
        Command::Instance(command) => instance::run(&mut session, command).await,
        Command::Image(command) => image::run(&mut session, command).await,
        Command::Network(command) => network::run(&mut session, command).await,
        Command::Replica(ReplicaCommand::List) => {
            let replicas = session.client.replicas().await?;
            session.ui.list(&replicas, |wide| view::replicas(&replicas, wide, &context()))
        }
        Command::Token(command) => token::run(&mut session, command).await,
        Command::Audit(command) => audit::run(&mut session, command).await,
        Command::BootTrace(trace) => boot_trace::run(&mut session, &trace).await,
        Command::Why { target } => why::run(&mut session, &target).await,
        Command::Backup(asked) => backup::run(&mut session, &asked).await,
        Command::Freeze { why } => works::freeze(&mut session, why).await,
        Command::Unfreeze => works::unfreeze(&mut session).await,
        Command::Works => works::show(&mut session).await,
        Command::Metrics => {
            let text = session.client.metrics().await?;
            session.ui.raw(text.as_bytes())
        }
        // These need no service and have been done.
        Command::Serve { .. }
        | Command::Config(_)
        | Command::Restore(_)
        | Command::Completion { .. }
        | Command::Bmc(_) => Ok(()),
    }
}

/// What views need to know now.
fn context() -> Context {
    Context { now: crate::clock::now(), zone: TimeZone::system() }
}
