//! Replies on their way out. Whoever made one puts it here; the network's loop sends what has gathered.

use super::link::Link;
use super::socket::{Datagram, Socket};
use super::wake::Waker;
use pxe_proto::Mac;
use pxe_proto::dhcp::Service;
use pxe_proto::frame::udp_packet;
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most replies that wait; the oldest give way, since their clients have asked again by then.
const MOST: usize = 16_384;

/// A reply, and the way it takes.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The port of ours that it leaves from.
    pub(super) service: Service,
    /// Where it goes.
    pub(super) to: SocketAddrV4,
    /// The hardware address that it goes to, when ARP would not find it.
    pub(super) mac: Option<Mac>,
    /// The datagram.
    pub(super) bytes: Vec<u8>,
}

/// Replies that wait to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<Outgoing>>,
    waker: Waker,
}

impl Outbox {
    /// The waker is that of the loop which sends.
    pub(super) fn new(waker: Waker) -> Self {
        Outbox { waiting: Mutex::default(), waker }
    }

    /// Adds a reply; the loop looks by itself when it is done with what it received.
    pub(super) fn push(&self, reply: Outgoing) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            waiting.pop_front();
        }
        waiting.push_back(reply);
    }

    /// Wakes the loop, for replies that were made elsewhere.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// Takes the oldest ones out.
    fn take(&self, most: usize) -> Vec<Outgoing> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Outgoing>> {
        // A panic can't leave a queue half written that matters: clients ask again.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ways out of one network.
pub(super) struct Ways {
    pub(super) server: Socket,
    /// The boot server's port, where PXE clients ask what to boot.
    pub(super) boot: Option<Socket>,
    /// For clients that have no address yet; without it they are answered by broadcast.
    pub(super) link: Option<Link>,
    /// Our address.
    pub(super) source: Ipv4Addr,
    /// Our DHCP port.
    pub(super) port: u16,
}

impl Ways {
    /// The sockets that messages come by.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        [Some(&self.server), self.boot.as_ref()].into_iter().flatten()
    }

    /// Sends at most so many of those that wait. What can't be sent goes to `failed` with its destination; clients ask
    /// again.
    pub(super) fn flush(
        &self,
        outbox: &Outbox,
        most: usize,
        mut failed: impl FnMut(SocketAddrV4, io::Error),
    ) {
        let waiting = outbox.take(most);
        if waiting.is_empty() {
            return;
        }
        let mut by_server = Vec::with_capacity(waiting.len());
        let mut by_boot = Vec::new();
        for Outgoing { service, mut to, mac, bytes } in waiting {
            if let Some(mac) = mac {
                match self.unicast(mac, to, &bytes) {
                    Some(Ok(())) => continue,
                    Some(Err(error)) => {
                        failed(to, error);
                        continue;
                    }
                    None => to.set_ip(Ipv4Addr::BROADCAST),
                }
            }
            let by_port = if service == Service::BootServer { &mut by_boot } else { &mut by_server };
            by_port.push(Datagram { to, bytes });
        }
        self.server.send(&by_server, self.source, |datagram, error| failed(datagram.to, error));
        if let Some(boot) = &self.boot {
            boot.send(&by_boot, self.source, |datagram, error| failed(datagram.to, error));
        }
    }

    /// Sends to a hardware address; `None` when there is no socket for that.
    fn unicast(&self, mac: Mac, to: SocketAddrV4, bytes: &[u8]) -> Option<io::Result<()>> {
        let link = self.link.as_ref()?;
        let packet = udp_packet(SocketAddrV4::new(self.source, self.port), to, bytes)?;
        Some(link.send(mac, &packet))
    }
}
