//! The virtual lab: machines with real firmware on a virtual network, each with a BMC. No root is needed.
//!
//! ```text
//! QEMU (nic) ── Unix datagrams ── switch ── packet socket ── lab0-sw ══ veth ══ lab0 ── the service
//! QEMU (power, boot order, serial port) ── chassis ── ipmi_sim or our simulated BMC ── loopback ── the service
//! ```
//!
//! One daemon, `billet-lab up`, holds the namespaces and all of this; it ends, and everything ends. Tests use
//! [`Lab`], people the program `billet-lab`. Its [`Switch`] also joins hosts that are network namespaces.
//!
//! [`fleet`] is the other lab: thousands of machines without firmware, at protocol level, for load and crash tests.
//!
//! Deliberately not here: how images and the ramdisk are made, and anything of the service.

mod bmc;
mod child;
pub mod cli;
mod control;
mod daemon;
mod dice;
pub mod fleet;
mod handle;
mod layout;
mod link;
mod namespace;
mod nbd;
mod qemu;
mod report;
mod spec;
mod switch;
mod virtualbox;

pub use control::MachineStatus;
pub use handle::{Lab, missing};
pub use namespace::enter_new as enter_new_namespaces;
pub use nbd::{DiskFault, Extent};
pub use report::{BmcReport, DiskReport, IpmiReport, MachineReport, RedfishReport, Report};
pub use spec::{
    Architecture, BmcKind, BootOrder, Bus, Capture, Disk, Firmware, Machine, Network, Nic, Size, Spec,
    SpecError, Subnet, Vlan,
};
pub use switch::{Faults, PacketSocket, Switch, without_offloads};
