//! The command line of `billet-lab`.

#![allow(clippy::print_stdout, reason = "this module is the program's mouth")]
#![allow(clippy::print_stderr, reason = "this module is the program's mouth")]

mod arguments;
mod console;
mod fleet;
mod up;

use anyhow::Context;
use clap::Parser;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::control::{self, MachineStatus, Request};
use crate::layout::{self, Layout};
use crate::report::Report;
use crate::spec::Spec;
use crate::virtualbox::{self, VirtualBox};
use crate::{child, namespace};
use arguments::{Arguments, Command, Power, Which};

/// The program: reads the command line, does it, and gives its exit code.
pub fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // It has told everything already.
        Err(error) if error.is::<fleet::Failed>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("billet-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The spec that is given, or that of the last `up`, or the default one.
fn spec_of_virtualbox(given: Option<PathBuf>, dir: Option<&PathBuf>) -> anyhow::Result<Spec> {
    let stored = virtualbox::stored_spec(&dir.cloned().unwrap_or_else(layout::default_dir));
    up::spec(given.or_else(|| stored.is_file().then_some(stored)).as_deref())
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(up) => up::up(up),
        Command::Fleet(fleet) => fleet::fleet(fleet),
        Command::Down { hypervisor, spec, dir } if hypervisor.hypervisor == Which::Virtualbox => {
            let virtualbox = VirtualBox { manage: hypervisor.vboxmanage, billet: None };
            let (spec, dir) = (spec_of_virtualbox(spec, dir.dir.as_ref())?, dir.dir);
            virtualbox
                .remove(&spec, &Layout::create(&dir.unwrap_or_else(layout::default_dir), &spec.machines)?)
        }
        Command::Down { dir, .. } => {
            let layout = layout(dir.dir);
            let there_was = control::down(&layout)?;
            println!(
                "{} in {}",
                if there_was { "ended the lab" } else { "no lab is up" },
                layout.dir().display()
            );
            Ok(())
        }
        Command::Status { dir, hypervisor, .. } if hypervisor.hypervisor == Which::Virtualbox => {
            let virtualbox = VirtualBox { manage: hypervisor.vboxmanage, billet: None };
            print!("{}", virtualbox.status(&spec_of_virtualbox(None, dir.dir.as_ref())?)?);
            Ok(())
        }
        Command::Status { dir, json, .. } => {
            let layout = layout(dir.dir);
            let status: Vec<MachineStatus> =
                serde_json::from_value(control::ask(&layout, &Request::Status)?)?;
            print_status(&control::report(&layout)?, &status, json)
        }
        Command::Power { dir, machine, power } => {
            tell(dir.dir, Request::Power { machine, on: power == Power::On })
        }
        Command::Reset { dir, machine } => tell(dir.dir, Request::Reset { machine }),
        Command::Faults { dir, faults } => tell(dir.dir, Request::Faults { faults: faults.into() }),
        Command::Disk { dir, machine, number, fault: Some(fault) } => {
            tell(dir.dir, Request::DiskFault { machine, disk: number, fault: fault.0 })
        }
        Command::Disk { dir, machine, number, fault: None } => {
            let found = find(dir.dir, &machine)?;
            let disk = found.disks.get(number);
            let disk =
                disk.with_context(|| format!("{machine} has {} disks, from 0 on", found.disks.len()))?;
            println!("{}", disk.path.display());
            Ok(())
        }
        Command::Console { dir, machine } => console::watch(&find(dir.dir, &machine)?),
        Command::Exec { dir, command } => {
            namespace::enter(control::report(&layout(dir.dir))?.pid)?;
            let error = std::process::Command::new(&command[0]).args(&command[1..]).exec();
            Err(error).with_context(|| format!("can't run {}", command[0].display()))
        }
        Command::ChassisControl { machine, words } => {
            // ipmi_sim calls this in the lab's folder.
            let printed = control::ask(&layout(Some(".".into())), &Request::Chassis { machine, words })?;
            print!("{}", printed.as_str().unwrap_or_default());
            Ok(())
        }
        Command::Reap { program, arguments } => child::reap(&program, &arguments),
        Command::Child { parent, program, arguments } => child::become_program(parent, &program, &arguments),
    }
}

fn layout(dir: Option<PathBuf>) -> Layout {
    let dir = dir.unwrap_or_else(layout::default_dir);
    Layout::new(&std::fs::canonicalize(&dir).unwrap_or(dir))
}

fn tell(dir: Option<PathBuf>, request: Request) -> anyhow::Result<()> {
    control::ask(&layout(dir), &request).map(drop)
}

fn find(dir: Option<PathBuf>, name: &str) -> anyhow::Result<crate::report::MachineReport> {
    let report = control::report(&layout(dir))?;
    let names: Vec<_> = report.machines.iter().map(|machine| machine.name.as_str()).collect();
    let found = report.machine(name).cloned();
    found.with_context(|| format!("there is no machine `{name}`; there are {}", names.join(", ")))
}

fn print_status(report: &Report, status: &[MachineStatus], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(status)?);
        return Ok(());
    }
    println!("{:<20} {:<5} {:<8} {:<18} {:<20} BMC", "MACHINE", "POWER", "FIRMWARE", "MAC", "BOOT OVERRIDE");
    // In the spec's order.
    for machine in &report.machines {
        // One that only its BMC switches has none.
        let now = status.iter().find(|status| status.name == machine.name);
        let bmc = match &machine.bmc.redfish {
            Some(redfish) => redfish.url.clone(),
            None => machine.bmc.address.to_string(),
        };
        let ipmi = machine.bmc.ipmi.map_or_else(String::new, |ipmi| format!(" IPMI suite {}", ipmi.cipher));
        let power = now.map_or("?", |now| if now.on { "on" } else { "off" });
        let boot = now.map_or("?", |now| now.boot.as_str());
        let firmware = format!("{:?}", machine.firmware).to_lowercase();
        println!("{:<20} {power:<5} {firmware:<8} {:<18} {boot:<20} {bmc}{ipmi}", machine.name, machine.mac);
    }
    Ok(())
}
