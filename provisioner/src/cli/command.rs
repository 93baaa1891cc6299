//! Doing what was typed: one file for each noun.

mod address;
mod apply;
mod audit;
mod authorities;
mod backup;
mod bmc;
mod boot_trace;
mod confirm;
mod console;
mod contexts;
mod erasure;
mod follow;
mod image;
mod instance;
mod key;
mod login;
mod losses;
mod machine;
mod network;
mod overview;
mod password;
mod pool;
mod ram_image;
mod restored;
mod servicing;
mod support;
mod timeline;
mod token;
mod top;
mod user;
mod watch;
mod why;
mod works;

use super::{
    args::{Cli, Command, ErasureCommand, ReplicaCommand, UsersCommand},
    connection,
    contexts::client_file,
    environment::Environment,
    error::CliError,
    text::Context,
    ui::Ui,
    view,
};
use authorities::authorities;
pub(super) use backup::check as check_backup;
pub(super) use contexts::NamedService;
use jiff::tz::TimeZone;
use provisioner_api::Replica;
use provisioner_client::Client;
use std::path::Path;

/// What every command needs.
struct Session<'a> {
    client: Client,
    environment: &'a Environment,
    ui: &'a mut Ui,
}

/// Runs a command that asks the service.
pub(super) async fn run(cli: Cli, environment: &Environment, ui: &mut Ui) -> Result<(), CliError> {
    if let Command::Erasure(ErasureCommand::Verify(asked)) = &cli.command {
        // Whoever verifies a certificate need not reach the service, nor believe it.
        return erasure::verify(asked, ui);
    }
    if let Command::Context(command) = cli.command {
        if cli.global.service.is_some() {
            return Err(CliError::Input(
                "`billet context` takes the name itself, without --service".to_owned(),
            ));
        }
        if let Some(file) = &cli.global.client {
            ui.note(&format!(
                "--client or BILLET_CLIENT names {}, which goes before any context",
                file.display()
            ));
        }
        return contexts::run(command, environment, ui);
    }
    let file = client_file(&cli.global, environment)?;
    let file = file.as_deref();
    if let Command::Bmc(args) = cli.command {
        // A BMC by its address needs no service.
        return bmc::run(*args, file, environment, ui).await;
    }
    if let Some(done) = log_in(&cli.command, file, environment, ui).await {
        return done;
    }
    let connection = connection::find(file, environment)?;
    let mut session = Session { client: Client::new(&connection)?, environment, ui };
    match cli.command {
        Command::Machine(command) => machine::run(&mut session, command).await,
        Command::Instance(command) => instance::run(&mut session, command).await,
        Command::Image(command) => image::run(&mut session, command).await,
        Command::Network(command) => network::run(&mut session, command).await,
        Command::Address(command) => address::run(&mut session, command).await,
        Command::Job(command) => overview::jobs(&mut session, command).await,
        Command::Event(command) => overview::events(&mut session, command).await,
        Command::Pool(command) => pool::run(&mut session, command).await,
        Command::Zone(command) => overview::zones(&mut session, command).await,
        Command::Replica(ReplicaCommand::List(watched)) => {
            let client = session.client.clone();
            let table = |replicas: &[Replica], wide| view::replicas(replicas, wide, &context());
            watch::list(session.ui, watched, async || client.replicas().await, watch::never, table).await
        }
        Command::Apply(asked) => apply::run(&mut session, &asked).await,
        Command::Top => top::run(&mut session).await,
        Command::Token(command) => token::run(&mut session, command).await,
        Command::User(command) => user::run(&mut session, command).await,
        Command::Whoami => login::whoami(&mut session).await,
        Command::Audit(command) => audit::run(&mut session, command).await,
        Command::Erasure(command) => erasure::run(&mut session, command).await,
        Command::BootTrace(trace) => boot_trace::run(&mut session, &trace).await,
        Command::Why { target } => why::run(&mut session, &target).await,
        Command::Backup(asked) => backup::run(&mut session, &asked).await,
        Command::SupportBundle(asked) => support::run(&mut session, &asked).await,
        Command::Key(command) => key::run(&mut session, command).await,
        Command::Freeze { why, dry } => works::freeze(&mut session, why, dry).await,
        Command::Unfreeze(dry) => works::unfreeze(&mut session, dry).await,
        Command::Works => works::show(&mut session).await,
        Command::Metrics => metrics(&mut session).await,
        // These need no service and have been done.
        Command::Serve { .. }
        | Command::Config(_)
        | Command::Restore(_)
        | Command::Completion { .. }
        | Command::Man { .. }
        | Command::Context(_)
        | Command::Login(_)
        | Command::Logout
        | Command::Bmc(_) => Ok(()),
    }
}

/// What changes the client file itself, and does so if that is asked for.
async fn log_in(
    command: &Command,
    file: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Option<Result<(), CliError>> {
    match command {
        Command::Login(asked) => Some(login::login(asked, file, environment, ui).await),
        Command::User(UsersCommand::Password(asked)) => {
            Some(login::password(asked, file, environment, ui).await)
        }
        Command::Logout => Some(login::logout(file, environment, ui).await),
        _ => None,
    }
}

/// `billet metrics`.
async fn metrics(session: &mut Session<'_>) -> Result<(), CliError> {
    let text = session.client.metrics().await?;
    session.ui.raw(text.as_bytes())
}

/// What views need to know now.
fn context() -> Context {
    Context { now: crate::clock::now(), zone: TimeZone::system() }
}
