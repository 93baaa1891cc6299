//! Hosts, cables and programs of the network tests: each host is a network namespace of this very process.
//!
//! ```text
//! service (billet serve) ── veth ── client                    `cable`: the kernel's own, with all its offloads
//! service, clients, dnsmasq … ── veth ── packet sockets ── `Hub`: a switch in user space, with faults on request
//! ```
//!
//! No root is needed: the process makes itself root of a new user namespace before it has a second thread, see
//! [`enter`]. Deliberately not here: what is tested with it.

mod boot_client;
mod client;
mod namespace;
mod process;
mod relay;
mod service;
mod wire;

pub use boot_client::BootClient;
pub use client::{Lease, Udhcpc, dhclient};
pub use lab::fleet::model::{Message, discover};
pub use namespace::Namespace;
pub use process::{Finished, Process, Program, enter, until};
pub use relay::{Downlink, Relay};
pub use service::{SERVER, Service};
pub use wire::{Hub, cable};
