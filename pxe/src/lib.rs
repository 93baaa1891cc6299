//! The boot server's sockets: DHCPv4, TFTP, HTTP boot, router advertisements.
//!
//! What to answer is decided in `pxe-proto`; who the client is, by the `Directory` that the caller brings.

mod clock;
mod config;
mod counters;
mod dhcp;
mod directory;
mod files;
mod http;
pub mod leases;
mod limit;
mod metric;
mod peers;
mod probe;
mod ra;
mod rate;
mod rogue;
mod server;
mod status;
mod tftp;

pub use config::{Config, Dhcp, Network, Ports, RoguePolicy};
pub use counters::Counters;
pub use directory::{BootAnswer, Client, Directory, Mac};
pub use files::{Chunks, Content, Files, Missing};
pub use limit::raise_file_limit;
pub use metric::{METRICS, Metric, MetricKind};
pub use peers::Peers;
pub use server::{Addresses, BindError, Server};
pub use status::{NetworkStatus, OtherServer, Status, UndeclaredRelay};
