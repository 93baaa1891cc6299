//! Typed HTTP client of the REST API (`rest`) and of the agent's protocol (`agent`), over TLS pinned to Billet's CA.

pub mod agent;
mod answer;
mod error;
mod rest;
mod tls;
mod upload;
mod url;

pub use error::ClientError;
pub use rest::{Client, Connection, MachineFilter};
