//! `docs/cli.md`, printed from the definition of the command line and compared with what is checked in.
//! `UPDATE=1 cargo test -p provisioner` writes it anew.

use super::args::{Cli, EXIT_CODES};
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::fmt::Write;

/// The file.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");

#[test]
fn the_reference_is_up_to_date() {
    let mut root = Cli::command();
    root.build();
    let mut text = String::from(
        "# The command line\n\nPrinted from the program; `UPDATE=1 cargo test -p provisioner` writes it anew.\n\n",
    );
    let about = root.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "`billet`: {about}\n");
    text.push_str("Every command takes:\n\n");
    arguments(&mut text, &root, true);
    let _ = writeln!(text, "\n```text\n{EXIT_CODES}\n```\n");
    text.push_str("`billet machine add` takes the BMC's password from `--bmc-password-file` or from the variable `BILLET_BMC_PASSWORD`, never as an argument.\n");
    for command in root.get_subcommands() {
        describe(&mut text, "billet", command);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let kept = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(kept == text, "docs/cli.md is out of date; run UPDATE=1 cargo test -p provisioner");
}

/// A command and those below it.
fn describe(text: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    if command.get_name() == "help" {
        return;
    }
    if command.has_subcommands() {
        let mut common = String::new();
        listed(
            &mut common,
            command.get_arguments().filter(|argument| {
                let everywhere = [Some("output"), Some("client"), Some("service")];
                argument.is_global_set() && !everywhere.contains(&argument.get_long())
            }),
        );
        if !common.is_empty() && !parent.contains(' ') {
            let _ = writeln!(
                text,
                "\n## {name}\n\n{}. Every `{name}` command takes:\n\n{common}",
                about(command)
            );
            text.pop();
        }
        // One that does something by itself, too.
        if shown(command, false).next().is_some() {
            own(text, &name, command);
        }
        for below in command.get_subcommands() {
            describe(text, &name, below);
        }
        return;
    }
    own(text, &name, command);
}

/// What a command does by itself.
fn own(text: &mut String, name: &str, command: &Command) {
    let about = about(command);
    let _ = writeln!(text, "\n## {name}\n\n{about}.\n\n```text\n{}\n```", usage(name, command));
    if shown(command, false).next().is_some() {
        text.push('\n');
    }
    arguments(text, command, false);
}

/// What it is for.
fn about(command: &Command) -> String {
    command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default()
}

/// What is typed.
fn usage(name: &str, command: &Command) -> String {
    let mut usage = name.to_owned();
    for argument in command.get_positionals() {
        let _ = write!(usage, " {}", positional(argument));
    }
    for argument in
        shown(command, false).filter(|argument| !argument.is_positional() && argument.is_required_set())
    {
        let _ = write!(usage, " --{} <{}>", argument.get_long().unwrap_or_default(), value(argument));
    }
    let optional =
        shown(command, false).any(|argument| !argument.is_positional() && !argument.is_required_set());
    if optional { usage + " [options]" } else { usage }
}

/// The arguments, as a list.
fn arguments(text: &mut String, command: &Command, global: bool) {
    listed(text, shown(command, global));
}

/// Arguments, as a list.
fn listed<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    for argument in arguments.filter(|argument| !argument.is_hide_set()) {
        let mut name = String::new();
        if let Some(short) = argument.get_short() {
            let _ = write!(name, "-{short}, ");
        }
        match argument.get_long() {
            Some(long) => {
                let _ = write!(name, "--{long}");
            }
            None => name.push_str(&positional(argument)),
        }
        if !argument.is_positional() && !matches!(argument.get_action(), ArgAction::SetTrue) {
            let _ = write!(name, " <{}>", value(argument));
        }
        let help =
            argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let _ = write!(text, "- `{name}`: {help}");
        let words: Vec<_> =
            argument.get_possible_values().iter().map(|word| format!("`{}`", word.get_name())).collect();
        if !words.is_empty() && argument.get_action().takes_values() {
            let _ = write!(text, " ({})", words.join(", "));
        }
        if let [default] = argument.get_default_values()
            && argument.get_action().takes_values()
        {
            let _ = write!(text, " [default: {}]", default.to_string_lossy());
        }
        if let Some(variable) = argument.get_env() {
            let _ = write!(text, " [variable: {}]", variable.to_string_lossy());
        }
        text.push('\n');
    }
}

/// The arguments to be shown.
fn shown(command: &Command, global: bool) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(move |argument| {
        let common = ["help", "version"].contains(&argument.get_id().as_str());
        !common && argument.is_global_set() == global
    })
}

/// A value without an option; in brackets if it may be left out.
fn positional(argument: &Arg) -> String {
    let value = value(argument);
    if argument.is_required_set() { format!("<{value}>") } else { format!("[{value}]") }
}

/// What a value is called.
fn value(argument: &Arg) -> String {
    argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
}
