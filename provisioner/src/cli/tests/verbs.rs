//! Every command that changes something, and whether it destroys: `docs/dry-run.md` is printed from here, and what destroys has
//! `--dry-run`. A command that is new is not sorted yet, and fails.

use super::Cli;
use clap::{Command, CommandFactory};
use std::{collections::BTreeSet, fmt::Write};

/// The file.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dry-run.md");

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Looks, or writes files of whoever typed it.
    Looks,
    /// Changes something that the reverse command brings back, or makes something new.
    Changes,
    /// Cuts power, wipes, overwrites, takes away, or lets that happen. It has `--dry-run`.
    Destroys,
}

use Does::{Changes, Destroys, Looks};

/// All commands.
const COMMANDS: &[(Does, &[&str])] = &[
    (
        Looks,
        &[
            "serve",
            "config check",
            "machine list",
            "machine show",
            "machine events",
            "machine timeline",
            "machine console",
            "bmc hardware",
            "bmc events",
            "bmc sensors",
            "bmc fru",
            "bmc audit",
            "bmc record",
            "bmc scan",
            "bmc console",
            "bmc info",
            "bmc boot-order show",
            "bmc media list",
            "bmc secure-boot show",
            "bmc bios list",
            "bmc firmware list",
            "bmc task list",
            "bmc task show",
            "bmc sel list",
            "bmc sel info",
            "bmc log list",
            "bmc log show",
            "bmc subscription list",
            "bmc user list",
            "bmc watchdog show",
            "instance list",
            "instance show",
            "instance events",
            "instance timeline",
            "image list",
            "image show",
            "network list",
            "network show",
            "network leases",
            "network reservation list",
            "address list",
            "address show",
            "top",
            "job list",
            "job show",
            "event list",
            "pool list",
            "pool show",
            "zone list",
            "replica list",
            "token list",
            "user list",
            "user show",
            "whoami",
            "audit list",
            "audit verify",
            "erasure list",
            "erasure show",
            "erasure certificate",
            "erasure key",
            "erasure verify",
            "boot-trace",
            "why",
            "backup",
            "backup check",
            "support-bundle",
            "key show",
            "works",
            "metrics",
            "context list",
            "context show",
            "completion",
            "man",
        ],
    ),
    (
        Changes,
        &[
            "machine power on",
            "machine set",
            "instance adopt",
            "instance set",
            "image import",
            "network reservation add",
            "address claim",
            "pool create",
            "token create",
            "user create",
            "user password",
            "login",
            "logout",
            "key rotate",
            "context use",
            "context add",
        ],
    ),
    (
        Destroys,
        &[
            "pool set",
            "user set",
            "freeze",
            "machine add",
            "machine accept",
            "machine inspect",
            "machine service",
            "machine retry",
            "machine cancel",
            "machine choose",
            "machine confirm",
            "machine power off",
            "machine delete",
            "bmc power",
            "bmc boot",
            "bmc boot-order set",
            "bmc media insert",
            "bmc media eject",
            "bmc secure-boot enable",
            "bmc secure-boot disable",
            "bmc secure-boot reset-keys",
            "bmc bios set",
            "bmc bios reset",
            "bmc firmware update",
            "bmc task forget",
            "bmc sel clear",
            "bmc sel time",
            "bmc log clear",
            "bmc subscription add",
            "bmc subscription remove",
            "bmc identify",
            "bmc user add",
            "bmc user remove",
            "bmc user set-name",
            "bmc user set-password",
            "bmc user enable",
            "bmc user disable",
            "bmc user set-privilege",
            "bmc rotate-password",
            "bmc confirm",
            "bmc asset-tag",
            "bmc watchdog stop",
            "bmc restart",
            "instance create",
            "instance cancel",
            "instance reinstall",
            "instance rescue",
            "instance unrescue",
            "instance retry",
            "instance delete",
            "image delete",
            "network reservation remove",
            "address release",
            "apply",
            "pool delete",
            "token revoke",
            "user delete",
            "key retire",
            "unfreeze",
            "restore",
            "context remove",
        ],
    ),
];

/// All commands that do something themselves: their words, what they are for, and whether they have `--dry-run`.
fn all(parent: &str, command: &Command, found: &mut Vec<(String, String, bool)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let name = format!("{parent}{}", below.get_name());
        if !below.has_subcommands() || !below.is_subcommand_required_set() {
            let about = below.get_about().map(ToString::to_string).unwrap_or_default();
            let dry = below.get_arguments().any(|argument| argument.get_long() == Some("dry-run"));
            found.push((name.clone(), about, dry));
        }
        all(&format!("{name} "), below, found);
    }
}

#[test]
fn what_destroys_has_a_dry_run() {
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    all("", &root, &mut found);
    let known: BTreeSet<_> = COMMANDS.iter().flat_map(|(_, names)| *names).copied().collect();
    let there: BTreeSet<_> = found.iter().map(|(name, ..)| name.as_str()).collect();
    let missing: Vec<_> = there.difference(&known).collect();
    assert!(missing.is_empty(), "say of these whether they destroy: {missing:?}");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "there are no such commands: {gone:?}");
    let does = |name: &str| COMMANDS.iter().find(|(_, names)| names.contains(&name)).map(|(does, _)| *does);
    let without: Vec<_> = found
        .iter()
        .filter(|(name, _, dry)| does(name) == Some(Destroys) && !dry)
        .map(|(name, ..)| name)
        .collect();
    assert!(without.is_empty(), "these destroy and have no --dry-run: {without:?}");
    let mut text = String::from(
        "# What changes something\n\n\
         All commands that change something, and whether they have `--dry-run`, which does nothing and prints what would be \
         done: the disks by\nmodel and serial number, and whose they are. Printed from the program; \
         `UPDATE=1 cargo test -p provisioner` writes it anew.\n\n\
         | command | `--dry-run` | what it does |\n|---|---|---|\n",
    );
    for (name, about, dry) in found.iter().filter(|(name, ..)| does(name) != Some(Looks)) {
        let _ = writeln!(text, "| `billet {name}` | {} | {about} |", if *dry { "yes" } else { "no" });
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let kept = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(kept == text, "docs/dry-run.md is out of date; run UPDATE=1 cargo test -p provisioner");
}
