//! A PostgreSQL server of this process's own, made from the programs of the operating system: for the fleet's runs, and
//! for tests (`tests/postgres` adds a relay).
//!
//! [`Server::start`] makes one; it is stopped, killed and started again at will. [`Server::shared`] is one for a whole
//! process, on which each test gets an empty [`Database`], or a copy of one that was filled once.
//!
//! Servers end with the process that started them, also when that is killed: the kernel tells them.
//! A server may have a CA of its own and take TLS ([`Options::tls`]). Not here: a client (callers bring theirs), tables.

mod certificates;
mod cluster;
mod database;
mod folder;
mod programs;
mod server;

pub use database::Database;
pub use server::{Options, Server};
