//! What can be written on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use crate::fleet::scenario::DatabaseKind;
use crate::nbd::DiskFault;
use crate::switch::Faults;

/// Virtual machines with real firmware, a virtual network and emulated BMCs, without root.
#[derive(Parser)]
#[command(name = "billet-lab", version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Args)]
pub(super) struct Dir {
    /// The lab's folder [default: $XDG_RUNTIME_DIR/billet-lab, else /tmp/billet-lab-UID]
    #[arg(long, env = "BILLET_LAB_DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Start a lab; it lasts until Ctrl-C, or with --detach until `down`
    Up(Up),
    /// End the lab; disks and console logs stay
    Down {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        hypervisor: Hypervisor,
        /// With VirtualBox: what the lab was made of [default: what `up` was given in this folder]
        #[arg(long)]
        spec: Option<PathBuf>,
    },
    /// Simulate thousands of machines beside a service, and see how it does under load, faults and kills
    Fleet(Fleet),
    /// Show the machines
    Status {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        hypervisor: Hypervisor,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Watch a machine's serial console, and type on it; Ctrl-] ends
    Console {
        #[command(flatten)]
        dir: Dir,
        machine: String,
    },
    /// Run a command inside the lab's network, as root there
    Exec {
        #[command(flatten)]
        dir: Dir,
        #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Switch a machine on or (hard) off, without its BMC
    Power {
        #[command(flatten)]
        dir: Dir,
        machine: String,
        power: Power,
    },
    /// Press a machine's reset button, without its BMC
    Reset {
        #[command(flatten)]
        dir: Dir,
        machine: String,
    },
    /// Set what goes wrong on the wire; without options: nothing
    Faults {
        #[command(flatten)]
        dir: Dir,
        #[command(flatten)]
        faults: WireFaults,
    },
    /// Print the path of a machine's disk, or set what goes wrong with it
    Disk {
        #[command(flatten)]
        dir: Dir,
        machine: String,
        /// Which one; the one that it boots from has number 0
        #[arg(default_value_t = 0)]
        number: usize,
        /// What goes wrong from now on, if the spec has `faulty = true` for it: none, eio-read[:FROM..TO],
        /// eio-write[:FROM..TO], eio-after:BYTES, drop[:FROM..TO], torn[:FROM..TO], flip:OFFSET.BIT or slow:MILLISECONDS
        #[arg(long)]
        fault: Option<MaybeFault>,
    },
    /// Called by ipmi_sim
    #[command(hide = true)]
    ChassisControl {
        machine: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Runs a program as the first process of a process namespace
    #[command(hide = true)]
    Reap {
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Ties a program to the daemon
    #[command(hide = true)]
    Child {
        parent: u32,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Args)]
pub(super) struct Up {
    #[command(flatten)]
    pub(super) dir: Dir,
    #[command(flatten)]
    pub(super) hypervisor: Hypervisor,
    /// With VirtualBox: add the machines to the service, by `billet machine add`; without it the commands are printed
    #[arg(long)]
    pub(super) enrol: bool,
    /// What the lab is made of (TOML) [default: m1 with BIOS and ipmi_sim, m2 with UEFI and Redfish]
    #[arg(long)]
    pub(super) spec: Option<PathBuf>,
    /// Return when it is up
    #[arg(long)]
    pub(super) detach: bool,
    /// Empty all disks and firmware settings of an earlier lab first
    #[arg(long)]
    pub(super) fresh: bool,
    /// Leave the terminal's session once up, and say nothing more
    #[arg(long, hide = true)]
    pub(super) background: bool,
    /// End when standard input does
    #[arg(long, hide = true)]
    pub(super) until_hangup: bool,
}

/// A whole fleet on one host, without root and without interfaces: machines simulated at protocol level, and the
/// service as a process beside them.
///
/// Without a scenario: machines and a service for people to play with; it says how to log in, and stays until Ctrl-C.
/// With one: the scenario is run, figures and broken promises are told, and the exit code is 1 if there are any.
#[derive(Args)]
#[command(after_help = SCENARIOS)]
pub(super) struct Fleet {
    /// What is done: the name of a built-in scenario, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) scenario: Option<String>,
    /// How many machines [default: as the scenario says]
    #[arg(long, short = 'n', allow_negative_numbers = true)]
    pub(super) machines: Option<u32>,
    /// Where the dice start; the same seed throws the same script again [default: any, it is told]
    #[arg(long, allow_negative_numbers = true)]
    pub(super) seed: Option<u64>,
    /// How many times faster than life the machines are [default: as the scenario says]
    #[arg(long, allow_negative_numbers = true)]
    pub(super) compress: Option<f64>,
    /// What BMCs speak, as weights: ipmi=80,redfish=20
    #[arg(long, value_parser = mix, value_name = "ipmi=N,redfish=N")]
    pub(super) mix: Option<(u32, u32)>,
    /// Where the service keeps its records: sqlite, postgres (a server that the run starts), or a postgres:// URL of an
    /// empty database [default: as the scenario says]
    #[arg(long, value_parser = database, value_name = "sqlite|postgres|URL")]
    pub(super) database: Option<Database>,
    /// How many simulated disks are written at once
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) writers: u16,
    /// The service's program [default: billet beside this program, else in PATH]
    #[arg(long, env = "BILLET")]
    pub(super) billet: Option<PathBuf>,
    /// The run's folder, which stays: plan, journal, log, data [default: one of its own, gone when all went well]
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// Leave the run's folder even when all went well
    #[arg(long)]
    pub(super) keep: bool,
    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Show nothing while it runs
    #[arg(long)]
    pub(super) quiet: bool,
    /// Do the kills and faults of this run again: its folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scenario", "machines", "seed", "compress", "mix", "database"])]
    pub(super) replay: Option<PathBuf>,
}

/// What `--help` ends with.
const SCENARIOS: &str = "\
Built-in scenarios:
  demo        twenty machines to play with (this is what runs without --scenario)
  intake      machines are added as fast as the service takes them
  deploy      an instance for each machine, the API's answers timed meanwhile
  reinstall   each instance is installed anew in its place
  release     everything is given back
  rackup      the power of all racks fails and returns
  steady      nothing is asked for: what polling costs
  size        figures for sizing
  soak        half an hour with kills, a bad network, lying BMCs, failing disks
  soak-ci     the same in three minutes
  soak-pg     a short one on PostgreSQL, whose server is stopped and killed, too
  pg-restart  a PostgreSQL server is stopped and killed under deployments and releases

Others are files like these; lab/scenarios/ has them.";

/// What `--database` says.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// What kind; the run starts what that needs.
    Kind(DatabaseKind),
    /// Where one is.
    Url(String),
}

fn database(text: &str) -> Result<Database, String> {
    match text {
        "sqlite" => Ok(Database::Kind(DatabaseKind::Sqlite)),
        "postgres" => Ok(Database::Kind(DatabaseKind::Postgres)),
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(Database::Url(url.to_owned()))
        }
        other => Err(format!(
            "`{other}` is no database; write sqlite, postgres, or postgres://USER:PASSWORD@HOST/NAME"
        )),
    }
}

/// Reads `ipmi=80,redfish=20`; what is left out is 0.
fn mix(text: &str) -> Result<(u32, u32), String> {
    let wrong = |part: &str| format!("`{part}` is not a weight; write it like ipmi=80,redfish=20");
    let (mut ipmi, mut redfish) = (0, 0);
    for part in text.split(',') {
        let (name, number) = part.split_once('=').ok_or_else(|| wrong(part))?;
        let number: u32 = number.trim().parse().map_err(|_| wrong(part))?;
        match name.trim() {
            "ipmi" => ipmi = number,
            "redfish" => redfish = number,
            other => return Err(format!("`{other}` is nothing that BMCs speak here; write ipmi or redfish")),
        }
    }
    if ipmi == 0 && redfish == 0 {
        return Err("all weights are 0; give ipmi or redfish more than that".into());
    }
    Ok((ipmi, redfish))
}

/// Whose machines they are.
#[derive(Args)]
pub(super) struct Hypervisor {
    /// What runs the machines. With virtualbox they are VirtualBox's, on a host-only network and without emulated BMCs:
    /// the service switches them with vbox://; `down` then takes them away with their disks. Not yet tried on a real one
    #[arg(long, value_enum, default_value_t = Which::Qemu)]
    pub(super) hypervisor: Which,
    /// VirtualBox's command line program
    #[arg(long, env = "BILLET_VBOXMANAGE", default_value = "VBoxManage")]
    pub(super) vboxmanage: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Which {
    Qemu,
    Virtualbox,
}

/// A fault of a disk, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaybeFault(pub(super) Option<DiskFault>);

impl FromStr for MaybeFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|fault| Self(Some(fault))) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Power {
    On,
    Off,
}

#[derive(Args)]
pub(super) struct WireFaults {
    /// Chance that a frame is lost, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    drop: f64,
    /// Chance that a frame arrives twice, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    duplicate: f64,
    /// What every frame waits
    #[arg(long, default_value_t = 0)]
    delay_ms: u32,
    /// Up to this much more, at random
    #[arg(long, default_value_t = 0)]
    jitter_ms: u32,
    /// Where the dice start
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl From<WireFaults> for Faults {
    fn from(written: WireFaults) -> Self {
        let WireFaults { drop, duplicate, delay_ms, jitter_ms, seed } = written;
        Self { drop, duplicate, delay_ms, jitter_ms, seed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_mix_is_read_or_told_how_to_write_it() {
        assert_eq!(mix("ipmi=80,redfish=20"), Ok((80, 20)));
        assert_eq!(mix("redfish=1"), Ok((0, 1)));
        for (text, want) in
            [("ipmi", "write it like"), ("ipmi=x", "write it like"), ("ssh=3", "`ssh`"), ("ipmi=0", "0")]
        {
            assert!(mix(text).unwrap_err().contains(want), "{text}");
        }
    }

    #[test]
    fn help_names_every_built_in_scenario() {
        for name in crate::fleet::scenario::names() {
            assert!(SCENARIOS.contains(&format!("\n  {name:<11} ")), "{name}");
        }
    }

    #[test]
    fn a_disk_is_named_and_its_fault_read() {
        let words = ["billet-lab", "disk", "m1", "1", "--fault", "flip:4096.3"];
        let Command::Disk { machine, number, fault: Some(MaybeFault(fault)), .. } =
            Arguments::parse_from(words).command
        else {
            panic!("not disk")
        };
        assert_eq!(
            (machine.as_str(), number, fault),
            ("m1", 1, Some(DiskFault::Flip { offset: 4096, bit: 3 }))
        );
        assert_eq!("none".parse(), Ok(MaybeFault(None)));
    }

    #[test]
    fn options_of_other_programs_are_left_alone() {
        let words = ["billet-lab", "exec", "--dir", "/x", "--", "ipmitool", "-H", "127.0.1.1"];
        let Command::Exec { dir, command } = Arguments::parse_from(words).command else { panic!("not exec") };
        assert_eq!((dir.dir, command.len()), (Some("/x".into()), 3));
        let words = ["billet-lab", "child", "7", "qemu", "-name", "m1"];
        let Command::Child { parent, arguments, .. } = Arguments::parse_from(words).command else {
            panic!("not child")
        };
        assert_eq!((parent, arguments), (7, vec!["-name".into(), "m1".into()]));
    }
}
