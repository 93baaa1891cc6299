//! Typed HTTP client of the REST API (`rest`, `bmc`, `bmc_parts`, `works`, `tokens`, `audit`, `overview`, `pools`, `erasures`) and of the agent's protocol (`agent`), over TLS pinned to Billet's CA.

mod addresses;
pub mod agent;
mod answer;
mod audit;
mod backup;
mod bmc;
mod bmc_parts;
mod bmc_record;
mod erasures;
mod error;
mod key;
mod overview;
mod pools;
mod rest;
mod sse;
mod support;
mod tls;
mod tokens;
mod upload;
mod url;
mod users;
mod watch;
mod works;

pub use bmc::ConsoleStream;
pub use bmc_parts::ReportStream;
pub use erasures::ErasureFilter;
pub use error::ClientError;
pub use overview::JobFilter;
pub use rest::{Client, Connection, InstanceFilter, MachineFilter, Page, TimelineFilter};
pub use tls::TlsSettings;
pub use watch::{Watch, WatchEvent, WatchFilter};
