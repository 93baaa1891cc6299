//! The IPMI side of the simulated BMC: RMCP+ over UDP, cipher suites 17 and 3.
//!
//! - `fleet`: many BMCs on one socket; `socket`: that socket; here: one BMC on a port of its own;
//! - `identity`: what a BMC is; `control`: looking at it and disturbing it; `faults`: what it does wrong then;
//! - `bmc`: one BMC, from datagram to datagrams; `asf`, `outside`: what it says to everybody;
//! - `sessions`: who is logged in (pure);
//! - `commands`: what a logged-in user can have done, and `privileges`: what may be done; `power` and `boot` are the
//!   machine; the other commands are groups (`group`), a file each.
//!
//! A BMC serves one datagram after the other, so that a slow chassis makes a slow BMC, as in life; it delays no other.
//! Deliberately not here: IPMI 1.5 sessions, the lower cipher suites, other channels than the LAN.

mod admin;
mod asf;
mod bmc;
mod boot;
mod commands;
mod control;
mod dcmi;
mod event_log;
mod faults;
mod fleet;
mod fru;
mod group;
mod identify;
mod identity;
mod lan;
mod outside;
mod power;
mod privileges;
mod sensors;
mod sessions;
mod socket;
mod sol;
mod storage;
mod users;
mod watchdog;

use crate::Chassis;
pub use admin::Admin;
use bmc::Bmc;
pub use bmc_proto::ipmi::CipherSuite;
pub use control::Control;
pub use dcmi::DcmiParts;
pub use event_log::{EventLog, LogQuirks};
pub use faults::{Faults, Share, Stale};
pub use fleet::Fleet;
pub use fru::{FruData, FruQuirks, Units};
pub use identity::{Identity, Limits, LockOut, Openness};
pub use lan::LanIdentity;
pub use sensors::model::{SensorModel, SensorReading};
pub use sensors::{SensorQuirks, SensorSet};
use socket::Socket;
pub use sol::{Sol, SolFaults};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
pub use storage::{Hardware, Storage};
use tokio_util::sync::CancellationToken;
pub use users::{User, UserQuirks, UserSlot, Users};

/// A simulated BMC on a UDP port.
pub struct Server {
    socket: Arc<Socket>,
    identity: Identity,
    bmc: Arc<Bmc>,
}

impl Server {
    /// Binds the port, of a BMC like any other. `uuid` is the system's in the order of its text. It is async because it
    /// needs a runtime.
    pub async fn bind(
        address: SocketAddr,
        users: Vec<User>,
        chassis: Arc<dyn Chassis>,
        uuid: [u8; 16],
    ) -> io::Result<Self> {
        Self::new(address, Identity::new(users, chassis, uuid))
    }

    /// Binds the port, of this BMC. Needs a runtime.
    pub fn new(address: SocketAddr, identity: Identity) -> io::Result<Self> {
        let socket = Arc::new(Socket::bind(address)?);
        let bmc = Bmc::new(identity.clone());
        bmc.plug_in(&socket);
        Ok(Self { socket, identity, bmc })
    }

    /// Speaks only these cipher suites. To be said before [`Server::control`] is asked for.
    #[must_use]
    pub fn with_suites(mut self, suites: &[CipherSuite]) -> Self {
        self.identity.suites = suites.to_vec();
        self.bmc = Bmc::new(self.identity.clone());
        self.bmc.plug_in(&self.socket);
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// A handle to look at and to disturb the running server.
    pub fn control(&self) -> Control {
        Control { bmc: Arc::clone(&self.bmc) }
    }

    /// Serves until told to stop. An error is one of the socket.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        fleet::serve_all(&self.socket, shutdown, |bytes, peer| self.bmc.receive(bytes, peer)).await
    }
}

#[cfg(test)]
mod admin_tests;
#[cfg(test)]
mod tests;
