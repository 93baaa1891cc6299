//! The simulated fleet: thousands of machines at protocol level in one process, beside a service that is a process of
//! its own and may be killed at any time.
//!
//! A machine is a pure model (`model`) that a thin driver (`sim`) connects with the world: DHCP through a relay, TFTP
//! and HTTP (`wire`), the real agent on made-up disks (`host`), a simulated BMC (`bmc`). What happens is seen by one
//! pair of eyes (`eyes`) and written down (`entry`); the checks read that and nothing else.
//!
//! Real firmware is not here: that is the rest of this package.

mod bmc;
mod check;
mod disk;
mod entry;
mod eyes;
#[expect(clippy::module_inception, reason = "the fleet itself, beside what it is made of")]
mod fleet;
mod host;
mod image;
mod journal;
mod kill;
mod load;
pub mod model;
mod process;
mod records;
mod run;
pub mod scenario;
mod screen;
mod sim;
mod site;
mod wire;

pub use bmc::{BmcFault, NoSuchBmcFault};
pub use check::{Claimed, Deed, History, NEVER, Wrong, judge};
pub use disk::{Blocks, DiskFault, DiskSpec, NoSuchDiskFault};
pub use entry::{DiskTruth, Entry, MachineTruth, Seen, SeenKind, Snapshot, Usage, Violation, What};
pub use eyes::Eyes;
pub use fleet::{Fleet, FleetSpec};
pub use host::{Loaded, PhoneHome, SimHost};
pub use image::{FleetImage, image_bytes};
pub use model::PhaseName;
pub use process::{Meter, Process, ServiceOptions, free_ports};
pub use records::{NoSuchOutage, Outage};
pub use run::{Latency, PhaseResults, Results, RunOptions, TrafficResults, Welcome, run, scenario_of};
pub use scenario::{NetworkFaults, Scenario, ScenarioError};
pub use sim::Sim;
pub use site::Site;
pub use wire::{DhcpPort, Fetched, NetError, Orders, Traffic, Wires};
