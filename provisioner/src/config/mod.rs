//! The configuration: a TOML file and `BILLET__…` variables, checked as a whole before anything starts.
//!
//! `wire` is what may be written, `Config` is what is known to be right; nothing else reads the file.
//! Machines, images and instances are deliberately not here: they live in the database.

mod check;
mod database;
mod environment;
mod files;
mod network;
mod option;
mod problem;
mod shown;
mod subnet;
mod telemetry;
pub(crate) mod value;
mod wire;

pub use crate::console::Recording;
pub use database::PostgresDatabase;
pub use network::Network;
pub use problem::{ConfigError, Problem};
pub use subnet::Subnet;
pub(crate) use subnet::domain;
pub use telemetry::Telemetry;

use jiff::SignedDuration;
use provisioner_lifecycle::Limits;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A configuration in which every value has been checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the database, the images and the keys are.
    pub data: PathBuf,
    /// Where the database is instead, if it is on a server.
    pub database: Option<PostgresDatabase>,
    /// The API.
    pub api: Api,
    /// Booting.
    pub boot: Boot,
    /// Serial consoles.
    pub console: Console,
    /// The import of images.
    pub images: Images,
    /// Programs that switch virtual machines, and where BMCs are searched for.
    pub bmc: Bmc,
    /// The networks on which machines are served.
    pub networks: Vec<Network>,
    /// How long things may take.
    pub limits: Limits,
    /// How much of what happened is kept.
    pub history: History,
    /// Whether everything is frozen when somebody sets the clock by more than minutes while the service runs.
    pub freeze_on_clock_leap: bool,
    /// The log.
    pub log: Log,
    /// Where traces go, if they go anywhere.
    pub telemetry: Option<Telemetry>,
}

/// The API's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Names and addresses under which clients reach it, beside those that are known anyway.
    pub names: Vec<String>,
    /// How long a log-in of a user lasts.
    pub session: SignedDuration,
    /// How often it may be asked.
    pub rate: Rate,
}

/// How often the API may be asked, in requests a second: so many for long, and ten times as many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// With one token, or by one user with all log-ins together.
    pub per_token: u32,
    /// From one address (of IPv6 a /64) by whoever has proved nothing yet.
    pub per_address: u32,
    /// By one machine's agent.
    pub per_agent: u32,
    /// From one address by agents that have proved nothing yet: those of a whole rack may share one.
    pub agents_per_address: u32,
    /// Requests that one token, user, agent, or stranger's address may have under way at once.
    pub at_once: u32,
}

impl Default for Rate {
    /// More than any client of ours asks: `billet apply` of ten thousand machines, a rack that boots.
    fn default() -> Self {
        Self { per_token: 2000, per_address: 200, per_agent: 1000, agents_per_address: 5000, at_once: 1000 }
    }
}

/// How long a log-in lasts unless something else is said.
pub(crate) const SESSION: SignedDuration = SignedDuration::from_hours(12);

/// What booting machines are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Port of the plain HTTP server for firmware and loaders, on our address in each network.
    pub http_port: u16,
    /// Port of DHCP; another than 67 only for tests.
    pub dhcp_port: u16,
    /// Port of TFTP; another than 69 only for tests.
    pub tftp_port: u16,
    /// The agent's kernel.
    pub kernel: PathBuf,
    /// The agent's ramdisk.
    pub ramdisk: PathBuf,
    /// The agent's kernel for 64-bit Arm; such machines boot with it, the next and `stub_arm64`, or not at all.
    pub kernel_arm64: Option<PathBuf>,
    /// The agent's ramdisk for 64-bit Arm.
    pub ramdisk_arm64: Option<PathBuf>,
    /// The rescue archive for x86_64; without it no instance on such a machine can be rescued.
    pub rescue: Option<PathBuf>,
    /// The rescue archive for 64-bit Arm.
    pub rescue_arm64: Option<PathBuf>,
    /// The stub of unified kernel images for x86_64 (systemd's `linuxx64.efi.stub`); without it there are none.
    pub stub_x64: Option<PathBuf>,
    /// The stub of unified kernel images for 64-bit Arm (systemd's `linuxaa64.efi.stub`).
    pub stub_arm64: Option<PathBuf>,
    /// The folder with iPXE: `undionly.kpxe`, `snponly.efi`, and `ipxe.efi` if it is there.
    pub ipxe: PathBuf,
    /// Further kernel parameters of the agent, in order; the value is empty for a lone word such as `quiet`.
    pub kernel_parameters: Vec<(String, String)>,
}

/// The settings of serial consoles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Console {
    /// When they are recorded though nobody watches.
    pub record: Recording,
}

/// The settings of the import of images.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// The program that reads them; another than this one only for tests.
    pub program: images::import::ImportProgram,
    /// Whose signatures are believed.
    pub trust: images::import::Trust,
    /// Caches that agents ask before us. Some: the boot HTTP server gives chunks to whoever asks.
    pub caches: Vec<crate::caches::Cache>,
}

/// The settings of what switches machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bmc {
    /// libvirt's command line program; none: `virsh`, as PATH has it.
    pub virsh: Option<PathBuf>,
    /// VirtualBox's command line program; none: `VBoxManage`, as PATH has it.
    pub vboxmanage: Option<PathBuf>,
    /// Where BMCs may be searched for.
    pub subnets: Vec<bmc::Subnet>,
    /// The ports that are asked there; others than the protocols' own only for tests.
    pub scan_ports: bmc::ScanPorts,
}

/// How much of what happened is kept. What is older or more is forgotten, a few times a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// How long events and jobs are kept.
    pub events: SignedDuration,
    /// How many events of one machine or instance are kept at most.
    pub most: u32,
    /// How long boot conversations are kept.
    pub boots: SignedDuration,
}

impl Default for History {
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(days * 24);
        Self { events: days(90), most: 10_000, boots: days(30) }
    }
}

/// The log's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What is logged, in the words of `tracing_subscriber::EnvFilter`: `info,pxe=debug`.
    pub filter: String,
    /// Whether each line is JSON.
    pub json: bool,
}

impl Config {
    /// Reads the file, applies the `BILLET__…` variables among `environment`, and checks everything, files that
    /// it names included.
    ///
    /// # Errors
    /// Everything that is wrong, at once; only a file that is no TOML of the right shape ends at its first mistake.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
        let wrong = |problems| ConfigError::Wrong { file: file.to_owned(), problems };
        let (config, mut problems) = Self::read(&text, environment).map_err(wrong)?;
        problems.extend(files::problems(&config));
        if problems.is_empty() { Ok(config) } else { Err(wrong(problems)) }
    }

    /// As `load`, without looking at any file. A configuration that comes with problems must not be used.
    fn read(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![Problem::new("", error.to_string().trim_end())])?;
        let mut problems = environment::apply(&mut table, environment);
        let file: wire::File = match table.try_into() {
            Ok(file) => file,
            Err(error) => {
                // Shape first: the text's own error names the line, that of the table with variables does not.
                let error = toml::from_str::<wire::File>(text).err().unwrap_or(error);
                problems.push(Problem::new("", error.to_string().trim_end()));
                return Err(problems);
            }
        };
        let (config, more) = check::config(file);
        problems.extend(more);
        Ok((config, problems))
    }
}

#[cfg(test)]
mod tests;
