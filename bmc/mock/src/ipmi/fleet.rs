//! Many BMCs behind one UDP socket: each local address is one, and answers from that address.

use super::bmc::Bmc;
use super::control::Control;
use super::group::lock;
use super::identity::Identity;
use super::socket::{Peer, Socket};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Many simulated BMCs on one port, each with an address of its own. Whoever has 127.0.0.0/8 (every Linux machine, on
/// its loopback) has room for millions.
pub struct Fleet {
    socket: Arc<Socket>,
    bmcs: Mutex<HashMap<IpAddr, Arc<Bmc>>>,
}

impl Fleet {
    /// Binds one port on all addresses of `address` (`0.0.0.0` or `::` for all). Needs a runtime. An IPv6 socket
    /// takes IPv6 only.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: Arc::new(Socket::bind(address)?), bmcs: Mutex::default() })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Adds a BMC, or puts it in the place of the one at that address. It answers from now on, while the fleet runs.
    pub fn add(&self, address: IpAddr, identity: Identity) -> Control {
        let bmc = Bmc::new(identity);
        bmc.plug_in(&self.socket);
        lock(&self.bmcs).insert(address, Arc::clone(&bmc));
        Control { bmc }
    }

    /// A handle to look at and to disturb a BMC. `None`: there is none at this address.
    pub fn control(&self, address: IpAddr) -> Option<Control> {
        let bmc = Arc::clone(lock(&self.bmcs).get(&address)?);
        Some(Control { bmc })
    }

    /// Serves until told to stop. What comes for an address without a BMC is dropped. An error is one of the socket.
    pub async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
        let serve = |bytes: &[u8], peer: Peer| {
            let bmc = peer.local.and_then(|local| lock(&self.bmcs).get(&local).cloned());
            if let Some(bmc) = bmc {
                bmc.receive(bytes, peer);
            }
        };
        serve_all(&self.socket, shutdown, serve).await
    }
}

/// Hands all datagrams on until told to stop.
pub(super) async fn serve_all(
    socket: &Socket,
    shutdown: CancellationToken,
    mut each: impl FnMut(&[u8], Peer),
) -> io::Result<()> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            received = socket.receive(&mut each) => received?,
        }
    }
}
