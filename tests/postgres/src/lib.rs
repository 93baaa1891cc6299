//! A real PostgreSQL for tests, made from the programs of the operating system.
//!
//! [`Server::shared`] is one server for all tests of a process, made by the first that asks; each test gets an empty
//! [`Database`] there, or a copy of one that was filled once. A test that stops or kills its server makes its own
//! ([`Server::start`]). A [`Relay`] stands between client and server and breaks connections when a COMMIT comes by.
//!
//! Servers end with the process that started them, also when that is killed: the kernel tells them.
//! A server may have a CA of its own and take TLS ([`Options::tls`]). Not here: a client (callers bring theirs), tables.

mod certificates;
mod cluster;
mod database;
mod folder;
mod programs;
mod relay;
mod server;

pub use database::Database;
pub use relay::{AtCommit, Relay};
pub use server::{Options, Server};
