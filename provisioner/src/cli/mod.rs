//! The command line `billet`: every command but `serve` is a client of the REST API like any other.
//!
//! `args` says what can be typed, `command` does it, `view` says how things look, `ui` prints. The program's exit
//! code is decided in `error` and nowhere else.

mod args;
mod bell;
mod bmc_url;
mod command;
mod connection;
mod contexts;
mod environment;
mod error;
mod jsonpath;
mod manifest;
mod manual;
mod restore;
mod serve;
mod signals;
mod terminal;
mod text;
mod ui;
mod validate;
mod view;
mod wait;

use args::{Backup, BackupCommand, Cli, Command, ConfigCommand};
use clap::{CommandFactory, Parser, error::ErrorKind};
use environment::Environment;
use error::CliError;
use std::process::ExitCode;
use ui::Ui;

/// Runs the program: reads its arguments, does what they say, gives its exit code.
pub fn main() -> ExitCode {
    // Not one of the commands: the service starts itself so, to have an image read.
    if let Some(code) = images::import::run_if_asked(std::env::args_os().skip(1)) {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return refused(&refusal),
    };
    let mut ui = Ui::terminal(cli.global.output.clone());
    let code = match start(cli, &mut ui) {
        Ok(()) => 0,
        Err(error) => {
            ui.complain(&error);
            error.code()
        }
    };
    ExitCode::from(code)
}

/// Prints what is wrong with the arguments, or the help that was asked for.
fn refused(refusal: &clap::Error) -> ExitCode {
    if !refusal.use_stderr() {
        // Help and version; nobody is left to tell when they can't be printed.
        drop(refusal.print());
        return ExitCode::SUCCESS;
    }
    if refusal.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        drop(refusal.print());
        return ExitCode::from(2);
    }
    let text = refusal.render().to_string();
    Ui::terminal(args::Output::Table).note(text.strip_prefix("error:").unwrap_or(&text).trim());
    ExitCode::from(2)
}

/// Starts what was asked for.
fn start(cli: Cli, ui: &mut Ui) -> Result<(), CliError> {
    match &cli.command {
        Command::Serve { config } => serve::serve(config),
        Command::Config(ConfigCommand::Check { file }) => serve::check(file, ui),
        Command::Backup(Backup { command: Some(BackupCommand::Check { file }), .. }) => {
            command::check_backup(file, ui)
        }
        Command::Restore(asked) => restore::restore(asked, ui),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "billet", &mut script);
            ui.raw(&script)
        }
        Command::Man { folder } => manual::write(folder, ui),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|source| CliError::File { what: "start", path: "the runtime".into(), source })?;
            runtime.block_on(command::run(cli, &Environment::of_process(), ui))
        }
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
