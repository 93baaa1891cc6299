//! The boot server's sockets: DHCPv4, TFTP, HTTP boot, router advertisements.
//!
//! What to answer is decided in `pxe-proto`; who the client is, by the `Directory` that the caller brings.

mod clock;
mod config;
mod dhcp;
mod directory;
mod files;
mod http;
mod peers;
mod ra;
mod server;
mod tftp;

pub use config::{Config, Dhcp, Network, Ports, RoguePolicy};
pub use directory::{BootAnswer, Client, Directory, Fact, Mac};
pub use files::Files;
pub use peers::Peers;
pub use server::{Addresses, BindError, Server};
