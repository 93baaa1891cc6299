//! A DHCP relay agent for all machines of the fleet: one socket on an address of its own, at the service's port.
//!
//! The service sends its replies to that address and port (RFC 2131, 4.1), and which machine one is for stands in it.
//! Renewals go through here too: unicast replies to clients would need the privileged port 68.
//!
//! Replies are received by a thread of its own: without privileges the system keeps some 150 for us, and a rack's come
//! at once, while all workers of the runtime may be busy with other machines.

mod packet;

use super::fate::{Fates, wait};
use super::traffic::Counters;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What the system keeps for us while we are busy: a rack's replies come within the same moment.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The longest datagram that is looked at.
const ROOM: usize = 2048;
/// Replies that wait for a machine; more are lost, as in a NIC that nobody reads.
const WAITING: usize = 16;
/// Exchanges of a port whose replies are still taken.
const EXCHANGES: usize = 4;

/// How soon the thread notices that it shall stop.
const NOTICE: Duration = Duration::from_millis(250);

/// The relay.
pub(super) struct Relay {
    socket: UdpSocket,
    /// For what comes late.
    runtime: Handle,
    address: Ipv4Addr,
    server: SocketAddrV4,
    ports: Mutex<HashMap<[u8; 6], Port>>,
    fates: Arc<Fates>,
    traffic: Arc<Counters>,
}

/// A port as the relay knows it.
struct Port {
    number: u32,
    /// Tells it from an earlier one of the same machine.
    opened: u64,
    /// The latest exchanges.
    xids: Vec<u32>,
    replies: mpsc::Sender<Vec<u8>>,
}

/// A machine's way to DHCP servers; the relay forgets it when this is dropped.
pub struct DhcpPort {
    relay: Arc<Relay>,
    number: u32,
    mac: [u8; 6],
    opened: u64,
    replies: mpsc::Receiver<Vec<u8>>,
}

impl Relay {
    /// Opens the socket. To be called inside a runtime, and [`carry`](Self::carry)'s thread be started then.
    pub(super) fn open(
        address: Ipv4Addr,
        server: SocketAddrV4,
        fates: Arc<Fates>,
        traffic: Arc<Counters>,
    ) -> io::Result<Arc<Self>> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // The service's socket has the same port on all addresses of the interface; the more exact address wins.
        socket.set_reuse_address(true)?;
        socket.set_read_timeout(Some(NOTICE))?;
        // Beyond the system's limit if we may, else up to it.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        socket.bind(&SocketAddrV4::new(address, server.port()).into())?;
        let (socket, runtime) = (socket.into(), Handle::current());
        Ok(Arc::new(Self { socket, runtime, address, server, ports: Mutex::default(), fates, traffic }))
    }

    /// Carries replies to the machines until `stop`, on a thread of its own.
    pub(super) fn carry(self: &Arc<Self>, stop: CancellationToken) -> io::Result<()> {
        let relay = Arc::clone(self);
        let carry = move || {
            let mut buffer = vec![0; ROOM];
            while !stop.is_cancelled() {
                match relay.socket.recv(&mut buffer) {
                    Ok(length) => relay.down(buffer[..length].to_vec()),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    // Such as an ICMP message about an earlier datagram: the next may come all the same.
                    Err(error) => tracing::debug!(%error, "the relay can't receive"),
                }
            }
        };
        std::thread::Builder::new().name("dhcp-relay".to_owned()).spawn(carry).map(drop)
    }

    /// Opens a machine's port. An earlier one of the same MAC gets nothing any more.
    pub(super) fn port(self: &Arc<Self>, number: u32, mac: [u8; 6]) -> DhcpPort {
        let (sender, replies) = mpsc::channel(WAITING);
        let mut ports = self.ports();
        let opened = ports.get(&mac).map_or(0, |port| port.opened + 1);
        ports.insert(mac, Port { number, opened, xids: Vec::new(), replies: sender });
        DhcpPort { relay: Arc::clone(self), number, mac, opened, replies }
    }

    /// A reply of the server: to the machine whose exchange it belongs to, as the network likes.
    fn down(self: &Arc<Self>, message: Vec<u8>) {
        let number = |mac| self.ports().get(&mac).map(|port| port.number);
        let Some(reply) = packet::down(message, self.address, |mac| number(mac).map(packet::information))
        else {
            return tracing::debug!("the relay drops a reply that is not for its machines");
        };
        let Some(number) = number(reply.mac) else { return };
        let fate = self.fates.next(number);
        for _ in 0..fate.copies {
            let (relay, mac, xid, message) = (Arc::clone(self), reply.mac, reply.xid, reply.message.clone());
            if fate.delay.is_zero() {
                relay.hand_over(mac, xid, message);
            } else {
                self.runtime.spawn(async move {
                    wait(fate.delay).await;
                    relay.hand_over(mac, xid, message);
                });
            }
        }
    }

    fn hand_over(&self, mac: [u8; 6], xid: u32, message: Vec<u8>) {
        let ports = self.ports();
        let Some(port) = ports.get(&mac).filter(|port| port.xids.contains(&xid)) else { return };
        if port.replies.try_send(message).is_ok() {
            self.traffic.dhcp_received();
        }
    }

    /// A machine's message to the server.
    fn up(self: &Arc<Self>, number: u32, mac: [u8; 6], message: &[u8]) {
        let Some(passed) = packet::up(message, self.address, &packet::information(number)) else {
            return tracing::warn!(number, "the relay drops what is no DHCP message of a client");
        };
        if let (Some(port), Some(xid)) = (self.ports().get_mut(&mac), packet::xid(message))
            && !port.xids.contains(&xid)
        {
            if port.xids.len() == EXCHANGES {
                port.xids.remove(0);
            }
            port.xids.push(xid);
        }
        let fate = self.fates.next(number);
        for _ in 0..fate.copies {
            if fate.delay.is_zero() {
                self.send(&passed);
            } else {
                let (relay, passed) = (Arc::clone(self), passed.clone());
                self.runtime.spawn(async move {
                    wait(fate.delay).await;
                    relay.send(&passed);
                });
            }
        }
    }

    fn send(&self, message: &[u8]) {
        // A message that can't be sent is lost, as on any wire: its machine asks again.
        let sent =
            SockRef::from(&self.socket).send_to_with_flags(message, &self.server.into(), libc::MSG_DONTWAIT);
        match sent {
            Ok(_) => self.traffic.dhcp_sent(),
            Err(error) => tracing::debug!(%error, "the relay can't send"),
        }
    }

    fn ports(&self) -> MutexGuard<'_, HashMap<[u8; 6], Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DhcpPort {
    /// Sends a message to the DHCP servers, as a broadcast of the machine's would reach them.
    pub fn send(&self, message: &[u8]) {
        self.relay.up(self.number, self.mac, message);
    }

    /// The next reply to one of the latest exchanges, without what the relay added. Never ends by itself.
    pub async fn recv(&mut self) -> Vec<u8> {
        match self.replies.recv().await {
            Some(message) => message,
            // Another port of the same machine was opened: this one is deaf.
            None => std::future::pending().await,
        }
    }
}

impl Drop for DhcpPort {
    fn drop(&mut self) {
        let mut ports = self.relay.ports();
        if ports.get(&self.mac).is_some_and(|port| port.opened == self.opened) {
            ports.remove(&self.mac);
        }
    }
}

#[cfg(test)]
mod tests;
