//! Typed HTTP client of the REST API (`rest`, `bmc`) and of the agent's protocol (`agent`), over TLS pinned to Billet's CA.

pub mod agent;
mod answer;
mod bmc;
mod error;
mod rest;
mod tls;
mod upload;
mod url;

pub use bmc::ConsoleStream;
pub use error::ClientError;
pub use rest::{Client, Connection, MachineFilter};
