//! What can be written on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

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
    /// Print the path of a machine's first disk
    Disk {
        #[command(flatten)]
        dir: Dir,
        machine: String,
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
